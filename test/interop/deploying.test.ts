import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type SelfSigned, selfSignedCertificate } from '../../src/relay/certificate.js'
import { IrohPeer, skipStock, stockPeers } from './stock-peers.js'
import { type StockServer, startStock } from './stock-servers.js'

const root = process.env.ANYPATH_ROOT ?? process.cwd()
const guide = readFileSync(join(root, 'docs', 'deploying.md'), 'utf8')
const [, TOKEN = ''] = /^access\.shared_token = \["(.*?)"\]/m.exec(guide) ?? []
const LIMIT = { skip: skipStock, timeout: 120_000 }

test(
  'a stock fleet that is configured as the guide says serves our peers over TLS, and tells stock ones their address',
  LIMIT,
  async (context) => {
    const certificate = selfSignedCertificate()
    const [eu, us] = [await documentedRelay(context, certificate), await documentedRelay(context, certificate)]
    const records = await documentedDnsServer(context, certificate)

    const seen = await fleetPeers(context, certificate, {
      relays: [eu, us].map(({ url }) => ({ url, token: TOKEN })),
      records: `${records.url}pkarr`,
      alpn: 'anypath-test/1',
      bytes: 100_000,
    })
    assert.equal(seen.remoteIsRight, true)
    assert.ok([eu.url, us.url].includes(seen.relay ?? ''), `${seen.relay}`)
    assert.equal(seen.path, seen.relay)

    const folder = await temporaryFolder(context)
    const trusted = join(folder, 'trusted.der')
    await writeFile(trusted, certificate.certificateChain[0] ?? '')
    const discover = ['discover', '--relay', 'http://127.0.0.1:9', '--port', String(eu.ports[2]), '--trust', trusted]
    await using peer = new IrohPeer(discover)
    const found = await peer.report('discovered')
    assert.equal(found.global_v4, `127.0.0.1:${found.port}`)
  },
)

/** The lines of a file that the guide shows, with another value in the place of each of some, all of which it has to contain. */
function documented(path: string, replacements: Readonly<Record<string, string>>): string[] {
  const [, lines] = guide.match(new RegExp(`^\`\`\`toml\n# ${path}\n([\\s\\S]*?)^\`\`\``, 'm')) ?? []
  assert.ok(lines, `the guide has no ${path}`)
  const replaced = Object.entries(replacements).reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `${path} does not contain ${from}`)
    return text.replaceAll(from, to)
  }, lines)
  return replaced.split('\n')
}

async function documentedRelay(
  context: TestContext,
  { certificatePem, privateKeyPem }: SelfSigned,
): Promise<StockServer> {
  return disposedWith(context, {
    program: stockPeers?.irohRelay ?? '',
    args: ['--config-path'],
    configuration: ([http, https, quic, metrics], folder) => {
      writeFileSync(join(folder, 'fullchain.pem'), certificatePem)
      writeFileSync(join(folder, 'privkey.pem'), privateKeyPem)
      return documented('/etc/iroh/relay.toml', {
        '0.0.0.0:80': `127.0.0.1:${http}`,
        '0.0.0.0:443': `127.0.0.1:${https}`,
        '0.0.0.0:7842': `127.0.0.1:${quic}`,
        ':9090': `:${metrics}`,
        '/etc/letsencrypt/live/eu.relay.example.org': folder,
      })
    },
    url: ([, https]) => `https://127.0.0.1:${https}/`,
    answersAt: '/ping',
  })
}

async function documentedDnsServer(
  context: TestContext,
  { certificatePem, privateKeyPem }: SelfSigned,
): Promise<StockServer> {
  return disposedWith(context, {
    program: stockPeers?.irohDnsServer ?? '',
    args: ['--config'],
    configuration: ([https, dns, metrics], folder) => {
      const certificates = join(folder, 'cert_cache')
      mkdirSync(certificates, { recursive: true })
      writeFileSync(join(certificates, 'dns.example.org.crt'), certificatePem)
      writeFileSync(join(certificates, 'dns.example.org.key'), privateKeyPem)
      return documented('/etc/iroh/dns.toml', {
        '/var/lib/iroh-dns': folder,
        '0.0.0.0': '127.0.0.1',
        'port = 443': `port = ${https}`,
        'port = 53': `port = ${dns}`,
        ':9117': `:${metrics}`,
      })
    },
    url: ([https]) => `https://127.0.0.1:${https}/`,
    answersAt: '/healthcheck',
  })
}

async function disposedWith(context: TestContext, launch: Parameters<typeof startStock>[0]): Promise<StockServer> {
  const server = await startStock(launch)
  context.after(() => server[Symbol.asyncDispose]())
  return server
}

/** What `fleet-peers` reports. */
interface Seen {
  readonly remoteIsRight?: boolean
  readonly relay?: string
  readonly path?: string
}

/** What two peers see that trust the fleet's certificate: a Node process reads at its start whom it trusts. */
async function fleetPeers(context: TestContext, { certificatePem }: SelfSigned, told: object): Promise<Seen> {
  const trusted = join(await temporaryFolder(context), 'trusted.pem')
  await writeFile(trusted, certificatePem)
  const script = fileURLToPath(new URL('./fleet-peers.js', import.meta.url))
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: trusted }
  const child = spawn(process.execPath, [script, JSON.stringify(told)], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  context.after(() => child.kill('SIGKILL'))
  const output = child.stdout.setEncoding('utf8').toArray()
  await once(child, 'exit')
  return JSON.parse((await output).join(''))
}

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-fleet-'))
  context.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
