// network: a namespace with a gateway to ask, where whoever does ask reaches nobody
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { selfSignedCertificate } from '../../../src/relay/certificate.js'
import { type Relay, type RelayOptions, startRelay } from '../../../src/relay/index.js'

const skip = process.platform !== 'linux' && 'only Linux lists the sockets of a process'

/** Whoever asks a router for a port, or the network for neighbours, begins at once and waits for answers for longer than a look. */
const [WATCH_MS, LOOK_MS] = [1000, 20]

// The test command has peers leave both; a relay leaves them by itself.
delete process.env.ANYPATH_LAN
delete process.env.ANYPATH_PORT_MAPPING

/** The sockets of this process: inodes, and protocols with local ports. */
function ownSockets(): ReadonlyMap<string, string> {
  const known = new Map(['tcp', 'tcp6', 'udp', 'udp6'].flatMap(tableOf))
  const inodes = readdirSync('/proc/self/fd').flatMap((fd) => /^socket:\[(\d+)\]$/.exec(targetOf(fd))?.[1] ?? [])
  return new Map(inodes.map((inode) => [inode, known.get(inode) ?? 'other']))
}

/** A table of proc(5): the second column has the local address in hexadecimal digits, the tenth the inode. */
function tableOf(table: string): (readonly [string, string])[] {
  const [, ...rows] = readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n')
  return rows.map((row) => {
    const columns = row.trim().split(/\s+/)
    const port = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16)
    return [columns[9] ?? '', `${table.replace('6', '')} ${port}`]
  })
}

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    // It was that of the listing.
    return ''
  }
}

/** Every socket that was opened while a relay ran, and those that its end leaves. */
async function socketsOf(options: RelayOptions): Promise<{ relay: Relay; seen: string[]; left: string[] }> {
  const before = ownSockets()
  const seen = new Map<string, string>()
  const look = () => [...ownSockets()].filter(([inode]) => !before.has(inode))
  const looking = setInterval(() => {
    for (const [inode, socket] of look()) seen.set(inode, socket)
  }, LOOK_MS)
  try {
    await using relay = await startRelay(options)
    await sleep(WATCH_MS)
    await relay.close()
    return { relay, seen: [...seen.values()].sort(), left: look().map(([, socket]) => socket) }
  } finally {
    clearInterval(looking)
  }
}

function certificateFiles(context: TestContext): { qadCertFile: string; qadKeyFile: string } {
  const folder = mkdtempSync(join(tmpdir(), 'anypath-sockets-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const files = { qadCertFile: join(folder, 'chain.pem'), qadKeyFile: join(folder, 'key.pem') }
  const { certificatePem, privateKeyPem } = selfSignedCertificate()
  writeFileSync(files.qadCertFile, certificatePem)
  writeFileSync(files.qadKeyFile, privateKeyPem)
  return files
}

/** So none for multicast DNS (port 5353), PCP and NAT-PMP (5351) or SSDP (1900), nor one from which they would be asked. */
test('a relay opens the sockets that it is asked for and no others', { skip }, async (context) => {
  const withStun = { metricsPort: 0, stunPort: 0, stunOtherPort: 0 }
  const withDiscovery = { qadPort: 0, ...certificateFiles(context) }
  for (const options of [{}, withStun, withDiscovery]) {
    const { relay, seen, left } = await socketsOf({ host: '0.0.0.0', port: 0, ...options })
    const { httpPort, metricsPort, stunPort, stunOtherPort, qadPort } = relay
    const expected = [
      ...[httpPort, metricsPort].map((port) => port && `tcp ${port}`),
      ...[stunPort, stunOtherPort, qadPort].map((port) => port && `udp ${port}`),
    ].filter((socket) => socket !== undefined)
    assert.deepEqual([seen, left], [expected.sort(), []])
  }
})
