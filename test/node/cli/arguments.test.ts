import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAlpn, parseBind, parseCommand, parseDuration, parseHostPort } from '../../../src/cli/args.js'
import { pingCommand, summarize } from '../../../src/cli/commands/ping.js'
import { receiveCommand } from '../../../src/cli/commands/receive.js'
import { ExitCode, toCliError, UsageError } from '../../../src/cli/exit.js'
import { commonOptions } from '../../../src/cli/options.js'

const parse = (args: string[], { spec } = pingCommand) =>
  parseCommand(spec, { ...spec.options, ...commonOptions }, args)
const usage = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UsageError, String(error))
  assert.equal(error.exitCode, ExitCode.usage)
  assert.match(error.message, message)
  return true
}

test('options and arguments are taken in any order', () => {
  const values = parse(['ticket', '-c', '7', '--json', '--interval=200ms'])
  assert.deepEqual(values.positionals, ['ticket'])
  assert.equal(values.number('count', [0, 100]), 7)
  assert.equal(values.durationMs('interval'), 200)
  assert.equal(values.flag('json'), true)
  assert.equal(values.flag('quiet'), false)
})

test('wrong usage is told in one sentence', () => {
  assert.throws(() => parse(['t', '--nonsense']), usage(/Unknown option '--nonsense'/))
  assert.throws(() => parse(['t', '--count']), usage(/^--count needs a value$/))
  assert.throws(() => parse(['t', '--json=yes']), usage(/does not take an argument/))
  assert.throws(() => parse([]), usage(/a ticket is missing/))
  assert.throws(() => parse(['a', 'b']), usage(/too many arguments/))
  assert.throws(() => parse(['t', '-c', '-1']), usage(/--count/))
  assert.throws(() => parse(['t', '-c', '1.5']).number('count', [0, 9]), usage(/whole number from 0 to 9, not "1.5"/))
  assert.throws(
    () => parse(['t', '--wait', 'soon'], receiveCommand).durationMs('wait'),
    usage(/--wait must be a duration/),
  )
})

test('help needs no arguments', () => {
  assert.equal(parse(['--help']).flag('help'), true)
})

test('durations have units, and seconds without one', () => {
  assert.deepEqual(
    ['500ms', '30s', '1.5s', '5m', '2h', '7'].map((text) => parseDuration(text, 'it')),
    [500, 30_000, 1_500, 300_000, 7_200_000, 7_000],
  )
  for (const text of ['', '-1s', '1d', 's', '9999999h'])
    assert.throws(() => parseDuration(text, 'it'), usage(/duration/))
})

test('addresses have brackets around IPv6', () => {
  assert.deepEqual(parseHostPort('localhost:80', 'it'), { host: 'localhost', port: 80 })
  assert.deepEqual(parseHostPort('[::1]:8080', 'it'), { host: '::1', port: 8080 })
  for (const text of ['localhost', ':80', '::1:80', 'a:b', 'a:99999', '[::1]']) {
    assert.throws(() => parseHostPort(text, 'it'), usage(/HOST:PORT/))
  }
  assert.deepEqual(parseBind('127.0.0.1'), { host: '127.0.0.1' })
  assert.deepEqual(parseBind('127.0.0.1:5'), { host: '127.0.0.1', port: 5 })
  assert.deepEqual(parseBind(':4433'), { port: 4433 })
  assert.deepEqual(parseBind('::1'), { host: '::1' })
  assert.deepEqual(parseBind('[::1]'), { host: '::1' })
  assert.deepEqual(parseBind('[::1]:9'), { host: '::1', port: 9 })
  for (const wrong of ['nonsense:x', '1.2.3', '1.2.3:5', 'cafe', 'localhost:5', '[1.2.3]', '256.1.1.1', '1::2::3']) {
    assert.throws(() => parseBind(wrong), usage(/--bind/), wrong)
  }
})

test('an ALPN is written as dumbpipe writes it', () => {
  assert.equal(parseAlpn('utf8:my/1'), 'my/1')
  assert.equal(parseAlpn('6d792f31'), 'my/1')
  for (const text of ['my/1', 'utf8:', 'ff', `utf8:${'x'.repeat(256)}`])
    assert.throws(() => parseAlpn(text), UsageError)
})

test('each kind of failure has its exit code', () => {
  const coded = (code: string) => toCliError(Object.assign(new Error('x'), { code })).exitCode
  const expected = {
    Unreachable: 3,
    NoAddress: 3,
    WrongKey: 4,
    AlpnNotServed: 5,
    Refused: 5,
    InvalidTicket: 6,
    AddressInUse: 8,
    ProtocolViolation: 9,
    IdleTimeout: 10,
    ClosedByPeer: 10,
    PeerRestarted: 10,
    InternalError: 1,
    Aborted: 130,
  }
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((code) => [code, coded(code)])), expected)
  const full = Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC', syscall: 'write', path: '/x' })
  const { exitCode, code, message } = toCliError(full)
  assert.deepEqual([exitCode, code, message], [ExitCode.localIo, 'ENOSPC', '/x: no space left on the disk (ENOSPC)'])
  assert.equal(toCliError('a string').exitCode, ExitCode.failed)
})

test('round-trip times are summed up', () => {
  assert.deepEqual(summarize([1, 2, 3]), { min: 1, avg: 2, max: 3, mdev: Math.sqrt(2 / 3) })
  assert.equal(summarize([]), undefined)
})
