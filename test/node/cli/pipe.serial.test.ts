import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { loopback, type Running, Workbench } from './command.js'

const bench = await Workbench.open()

const ticketOf = async (listener: Running): Promise<string> =>
  listener.until(() => /anypath connect (endpoint\w+)\n/.exec(listener.stderr)?.[1], 'a ticket')

test('stdin and stdout are joined both ways, and each end is passed on by itself', async () => {
  const [there, back] = [randomBytes(3_000_000), randomBytes(200_000)]
  const listener = bench.start(['listen', ...loopback], { input: 'open' })
  const dialer = bench.start(['connect', await ticketOf(listener)], { input: there })
  await listener.until(() => listener.stdoutBytes.length === there.length, 'everything that was sent')
  // The dialler's stdin has ended; the other direction goes on.
  listener.child.stdin?.end(back)
  await Promise.all([listener.exits(0), dialer.exits(0)])
  assert.ok(listener.stdoutBytes.equals(there))
  assert.ok(dialer.stdoutBytes.equals(back))
})

test('with --json the lines go to stderr and the data alone to stdout', async () => {
  const listener = bench.start(['listen', '--json', '--stats', ...loopback], { input: 'from the listener' })
  const { ticket } = await listener.untilEvent('listening')
  const dialer = bench.start(['connect', '--json', ticket], { input: 'from the dialler' })
  await Promise.all([listener.exits(0), dialer.exits(0)])
  assert.equal(listener.stdout, 'from the dialler')
  assert.equal(dialer.stdout, 'from the listener')
  const { sentBytes, receivedBytes } = listener.event('done') ?? {}
  assert.deepEqual([sentBytes, receivedBytes], [17, 16])
  const connected = dialer.event('connected') ?? {}
  assert.equal(connected.path.kind, 'udp')
  assert.equal(connected.path.host, '127.0.0.1')
  assert.equal(connected.tls.group, 'X25519MLKEM768')
  assert.ok(listener.event('stats')?.bytesReceived > 0)
})

test('--recv-only does not read stdin', async () => {
  const listener = bench.start(['listen', '--recv-only', ...loopback], { input: 'open' })
  await bench.run(0, ['connect', await ticketOf(listener)], { input: 'one way' })
  await listener.exits(0)
  assert.equal(listener.stdout, 'one way')
})

test('another ALPN works without the handshake, and is refused by a listener that does not serve it', async () => {
  const custom = ['--custom-alpn', 'utf8:mine/1']
  const listener = bench.start(['listen', ...custom, ...loopback], { input: 'back' })
  const ticket = await ticketOf(listener)
  const refused = await bench.run(5, ['connect', '--json', ticket], { input: 'x' })
  assert.equal(refused.event('error')?.code, 'AlpnNotServed')
  const dialer = await bench.run(0, ['connect', '--custom-alpn', '6d696e652f31', ticket], { input: 'there' })
  await listener.exits(0)
  assert.deepEqual([listener.stdout, dialer.stdout], ['there', 'back'])
})

test('a visitor who does not speak the protocol is sent away, and the listener goes on', async () => {
  const listener = bench.start(['listen', ...loopback], { input: '' })
  const ticket = await ticketOf(listener)
  await bench.run(10, ['connect', '--custom-alpn', 'utf8:DUMBPIPEV0', ticket], { input: 'no handshake' })
  assert.match(listener.stderr, /did not begin with the handshake; still listening/)
  await bench.run(0, ['connect', ticket], { input: 'well-behaved' })
  await listener.exits(0)
  assert.equal(listener.stdout, 'well-behaved')
})

test('ping shows round-trip times and the path of anything that listens', async () => {
  const listener = bench.start(['listen', ...loopback], { input: 'open' })
  const ticket = await ticketOf(listener)
  const ping = await bench.run(0, ['ping', '--json', '-c', '3', '-i', '50ms', ticket])
  const pings = ping.events.filter(({ event }) => event === 'ping')
  assert.deepEqual(
    pings.map(({ sequence }) => sequence),
    [1, 2, 3],
  )
  for (const { rttMs, path } of pings) {
    assert.ok(rttMs > 0 && rttMs < 2000)
    assert.deepEqual([path.kind, path.host], ['udp', '127.0.0.1'])
  }
  const summary = ping.event('summary') ?? {}
  assert.deepEqual([summary.sent, summary.received, summary.lossPercent], [3, 3, 0])
  assert.ok(summary.minMs <= summary.avgMs && summary.avgMs <= summary.maxMs)
  const text = await bench.run(0, ['ping', '-c', '1', ticket])
  assert.match(
    text.stdout,
    /^1: [\d.]+ ms over udp 127\.0\.0\.1:\d+\n1 sent, 1 received, 0% lost\nmin\/avg\/max\/mdev = /,
  )
  assert.deepEqual(await listener.kill('SIGINT'), { code: 130, signal: null })
})

test('Ctrl-C closes a pipe with a code, and the other side ends with exit code 10', async () => {
  const listener = bench.start(['listen', ...loopback], { input: 'open' })
  const dialer = bench.start(['connect', '--json', await ticketOf(listener)], { input: 'open' })
  dialer.child.stdin?.write('x')
  await listener.until(() => listener.stdout === 'x', 'the first byte')
  assert.deepEqual(await listener.kill('SIGINT'), { code: 130, signal: null })
  await dialer.exits(10)
  assert.match(dialer.event('error')?.message, /^the other side closed the connection: interrupted$/)
})

test('a reader that goes away ends both sides', async () => {
  const listener = bench.start(['listen', '--recv-only', ...loopback])
  const dialer = bench.start(['connect', await ticketOf(listener)], { input: 'open' })
  listener.child.stdout?.destroy()
  const feed = setInterval(() => dialer.child.stdin?.write(randomBytes(10_000)), 20)
  await Promise.all([listener.exits(8), dialer.ended])
  clearInterval(feed)
  assert.match(listener.stderr, /EPIPE/)
})
