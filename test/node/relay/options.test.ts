import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseCommand } from '../../../src/cli/args.js'
import { relayCommand } from '../../../src/cli/commands/relay.js'
import { flagOf, relayOptions, variableOf } from '../../../src/cli/relay/config.js'
import { InvalidConfigError } from '../../../src/errors/index.js'
import { startRelay } from '../../../src/relay/index.js'
import { RELAY_FIELDS, type RelayOptions, resolveRelayOptions } from '../../../src/relay/options.js'

const folder = mkdtempSync(join(tmpdir(), 'anypath-relay-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function fileWith(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

const gather = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<RelayOptions> =>
  relayOptions(parseCommand(relayCommand.spec, relayCommand.spec.options, args), env)

test('without options a relay listens on loopback, and serves no metrics', () => {
  const { host, port, metricsPort, tls, trustProxy, pkarr, limits } = resolveRelayOptions({})
  assert.deepEqual(
    { host, port, metricsPort, tls, trustProxy, pkarr },
    { host: '127.0.0.1', port: 3340, metricsPort: undefined, tls: undefined, trustProxy: false, pkarr: true },
  )
  assert.equal(limits.maxClients, 10_000)
})

const wrong: [given: object, message: RegExp][] = [
  [{ port: 70_000 }, /^port: must be a whole number from 0 to 65535, not 70000$/],
  [{ port: '80' }, /^port: must be a whole number from 0 to 65535, not "80"$/],
  [{ host: '' }, /^host: must be a text/],
  [{ trustProxy: 'yes' }, /^trustProxy: must be true or false, not "yes"$/],
  [{ allow: 'me' }, /^allow: must be a list of texts/],
  [{ limits: { maxClients: 0 } }, /^limits\.maxClients: must be a whole number from 1/],
  [{ limits: { maxClient: 5 } }, /^limits\.maxClient: there is no such option$/],
  [{ limits: 7 }, /^limits: must be an object/],
  [{ hosts: 'x' }, /^hosts: there is no such option$/],
  [{ tlsCertFile: 'x' }, /^tlsKeyFile: is missing/],
  [{ captivePortalPort: 80 }, /^captivePortalPort: is for a relay with TLS/],
]
for (const [given, message] of wrong) {
  test(`${JSON.stringify(given)} is refused by the name of its field`, () => {
    assert.throws(
      () => resolveRelayOptions(given as RelayOptions),
      (error: unknown) => error instanceof InvalidConfigError && message.test(error.message),
    )
  })
}

test('a token is never shown, however wrong it is', async () => {
  assert.throws(
    () => resolveRelayOptions({ tokens: ['sesame', 7] as unknown as string[] }),
    (error: Error) => /^tokens: must be a list of texts$/.test(error.message),
  )
})

test('what only the start can find out is told by field too', async () => {
  await assert.rejects(startRelay({ port: 0, allow: ['nobody'] }), /allow: "nobody" is no endpoint id/)
  const ids = fileWith('ids', `# ours\n${'0'.repeat(64)}\n\nnonsense # whose?\n`)
  await assert.rejects(startRelay({ port: 0, denyFile: ids }), /denyFile, line 4: "nonsense" is no endpoint id/)
  await assert.rejects(startRelay({ port: 0, tokenFile: join(folder, 'none') }), /tokenFile: ENOENT/)
  const pem = fileWith('pem', 'not a certificate')
  await assert.rejects(startRelay({ port: 0, tlsCertFile: pem, tlsKeyFile: pem }), /tlsCertFile and tlsKeyFile: /)
  await using relay = await startRelay({ port: 0 })
  await assert.rejects(startRelay({ port: relay.httpPort }), { code: 'AddressInUse' })
  await assert.rejects(startRelay({ port: 0, host: '192.0.2.1' }), { code: 'TransportFailed' })
  await assert.rejects(startRelay({ port: 0, metricsPort: relay.httpPort }), { code: 'AddressInUse' })
})

test('flags go before the environment, and that before the file', async () => {
  const config = fileWith(
    'relay.json',
    JSON.stringify({ port: 1, host: '::1', pkarr: false, limits: { maxClients: 1, drainMs: 1 } }),
  )
  const env = { ANYPATH_RELAY_CONFIG: config, ANYPATH_RELAY_PORT: '2', ANYPATH_RELAY_MAX_CLIENTS: '2' }
  const found = await gather(['--port', '3', '--allow', 'a', '--allow', 'b', '--trust-proxy'], env)
  assert.deepEqual(found, {
    port: 3,
    host: '::1',
    pkarr: false,
    trustProxy: true,
    allow: ['a', 'b'],
    limits: { maxClients: 2, drainMs: 1 },
  })
  assert.deepEqual((await gather(['--no-pkarr'])).pkarr, false)
  assert.deepEqual((await gather([], { ANYPATH_RELAY_TOKENS: 'a, b' })).tokens, ['a', 'b'])
  assert.deepEqual((await gather([], { ANYPATH_RELAY_PKARR: 'false' })).pkarr, false)
})

test('a wrong flag, variable or file is told by its name', async () => {
  await assert.rejects(gather(['--port', '99999']), /--port must be a whole number from 0 to 65535/)
  await assert.rejects(gather([], { ANYPATH_RELAY_PORT: 'x' }), /ANYPATH_RELAY_PORT must be a whole number, not "x"/)
  await assert.rejects(gather([], { ANYPATH_RELAY_PKARR: 'x' }), /ANYPATH_RELAY_PKARR must be true or false/)
  await assert.rejects(gather([], { ANYPATH_RELAY_PROT: '1' }), /there is no environment variable ANYPATH_RELAY_PROT/)
  await assert.rejects(gather(['--config', join(folder, 'none')]), { code: 'ENOENT' })
  await assert.rejects(gather(['--config', fileWith('a.json', '{')]), /a\.json: is no JSON/)
  await assert.rejects(gather(['--config', fileWith('b.json', '[]')]), /b\.json: must hold a JSON object/)
  await assert.rejects(gather(['--config', fileWith('c.json', '{"limits":1}')]), /c\.json: limits: must be an object/)
})

test('no two options have the same flag or variable, and tokens have no flag', () => {
  assert.equal(new Set(RELAY_FIELDS.map(flagOf)).size, RELAY_FIELDS.length)
  assert.equal(new Set(RELAY_FIELDS.map(variableOf)).size, RELAY_FIELDS.length)
  assert.ok(!('tokens' in relayCommand.spec.options))
  assert.equal(flagOf({ name: 'limits.maxClients', kind: 'integer', help: '' }), 'max-clients')
})
