import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../../src/driver/clock.js'
import { Peer } from '../../../src/entry/node.js'
import { InvalidArgumentError, InvalidConfigError } from '../../../src/errors/index.js'

type Options = Parameters<typeof Peer.create>[0]

const cases: readonly (readonly [unknown, RegExp])[] = [
  [null, /^options: must be an object, not null$/],
  [{ logger: {} }, /^logger\.debug: must be a function, not undefined$/],
  [{ logger: 'console' }, /^logger: must be an object with the methods debug, info, warn, error, not "console"$/],
  [{ logLevel: 'loud' }, /^logLevel: must be one of error, warn, info, debug, trace, not "loud"$/],
  [{ meter: {} }, /^meter\.createCounter: must be a function/],
  [{ meter: null }, /^meter: must be an object with the methods /],
  [{ tracer: { startSpan: 1 } }, /^tracer\.startSpan: must be a function, not 1$/],
  [{ qlog: 5 }, /^qlog: must be a function or the name of a folder, not 5$/],
  [{ qlog: '' }, /^qlog: /],
  [{ clock: { now: () => 0 } }, /^clock\.epochMs: must be a function/],
  [{ core: {} }, /^core: must be the code of a core: compiled, .*, not an object$/],
  [{ core: 'core.wasm' }, /^core: must be the code of a core/],
  [{ core: { createGlue: 1, wasm: 1 } }, /^core\.createGlue: must be a function, not 1$/],
  [{ core: { createGlue: () => ({}) } }, /^core\.wasm: /],
  [{ randomBytes: 32 }, /^randomBytes: must be a function, not 32$/],
  [{ transports: {} }, /^transports: must be an array, not an object$/],
  [{ transports: [null] }, /^transports\[0\]: must be an object/],
  [{ transports: [{ start() {}, localAddresses() {}, send() {} }] }, /^transports\[0\]\.close: must be a function/],
  [{ transports: new Array(1) }, /^transports\[0\]: /],
  [{ discovery: [{ lookup: async () => [] }] }, /^discovery\[0\]\.name: must be a text/],
  [{ discovery: [{ name: 'mine' }] }, /^discovery\[0\]\.lookup: must be a function/],
  [{ accept: () => true }, /^accept: must be an object, not a function$/],
  [{ accept: { address: 'all' } }, /^accept\.address: must be a function, not "all"$/],
  [{ accept: { adress: () => 'accept' } }, /^accept\.adress: there is no such hook$/],
  [{ udp: { watchIntervalMs: -1 } }, /^udp\.watchIntervalMs: must be a whole number/],
]

describe('an injected part that is not what it has to be is named before anything is opened', () => {
  for (const [options, message] of cases) {
    test(String(message), async () => {
      await assert.rejects(Peer.create(options as Options), (error) => {
        assert.ok(error instanceof InvalidConfigError, String(error))
        assert.match(error.message, message)
        return true
      })
    })
  }
})

test('parts that have what is needed are taken, with methods of their own or of their class', async () => {
  class Quiet {
    debug() {}
    info() {}
    warn() {}
    error() {}
  }
  const udp = { host: '127.0.0.1' }
  for (const logger of [new Quiet(), console]) {
    await using peer = await Peer.create({ udp, logger, clock: systemClock(), accept: { address: undefined as never } })
    assert.equal(peer.id.length, 64)
  }
})

test('a dial with malformed arguments says which one it is and begins nothing', async () => {
  await using peer = await Peer.create({ udp: { host: '127.0.0.1' } })
  const target = { id: 'aa'.repeat(32), addresses: [{ host: '127.0.0.1', port: 9 }] }
  const wrong: readonly (readonly [unknown, unknown, RegExp])[] = [
    [target, undefined, /^options: must be an object$/],
    [target, { alpn: 'x', signal: {} }, /^signal: must be an AbortSignal$/],
    [target, { alpn: 'x', signal: null }, /^signal: must be an AbortSignal$/],
    [target, { alpn: 'x', timeoutMs: '5' }, /^timeoutMs must be above 0$/],
    [target, { alpn: 'x', earlyData: 'yes' }, /^earlyData: must be true or false$/],
    [null, { alpn: 'x' }, /^target: must be a ticket/],
    [{ ...target, addresses: 'everywhere' }, { alpn: 'x' }, /^target\.addresses: must be an array$/],
  ]
  for (const [to, options, message] of wrong) {
    await assert.rejects(peer.connect(to as never, options as never), (error) => {
      assert.ok(error instanceof InvalidArgumentError, String(error))
      assert.match(error.message, message)
      return true
    })
  }
  assert.equal((await peer.stats()).dialsStarted, 0)
})
