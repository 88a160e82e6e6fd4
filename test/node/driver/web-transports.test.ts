import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressCodec } from '../../../src/core/address.js'
import type { Core } from '../../../src/core/core.js'
import { encodeWebTransportAddress, tcpAddress } from '../../../src/core/web-transport-address.js'
import { WebTransports } from '../../../src/driver/web-transports.js'
import type { PacketSessionEvents } from '../../../src/transport/transport.js'
import { FakeClock } from './fake-clock.js'

const hash = new Uint8Array(32).fill(7)
const addressOf = (...hosts: string[]) => {
  const sockets = hosts.map((host) => ({ host, port: 4433 }))
  return encodeWebTransportAddress({ hashes: [hash], sockets }, new AddressCodec()) ?? new Uint8Array()
}

/** The sessions' driver over a core that only remembers, and a dialer that does what the test says. */
function driven() {
  const clock = new FakeClock()
  const calls: string[] = []
  const dials: { url: string; events: PacketSessionEvents; closed: boolean; sent: number }[] = []
  const received: [host: string, bytes: number][] = []
  const core = {
    addresses: new AddressCodec(),
    setCarrier: (_id: number, kind: string, bytes: number) => calls.push(`${kind} ${bytes}`),
    removeCarrier: () => calls.push('removed'),
  } as unknown as Core
  const sessions = new WebTransports(core, clock, {
    takes: () => true,
    dial: (url, hashes, events) => {
      assert.deepEqual(hashes, url.startsWith('https:') ? [hash] : [])
      const dial = { url, events, closed: false, sent: 0 }
      dials.push(dial)
      return {
        writableBytes: 0,
        send: (packets) => {
          dial.sent += packets.length
        },
        close: () => {
          dial.closed = true
        },
      }
    },
  })
  sessions.start({
    receive: (_id, host, _port, data) => received.push([host, data.length]),
    ready: () => {},
    tell: (call) => call(),
  })
  const dial = (connection: number, data: Uint8Array) => {
    const targets = sessions.resolve({ addresses: [], relays: [], webTransport: [data] })
    sessions.use(connection, targets)
    return targets.addresses[0]?.carrier ?? 0
  }
  return { clock, calls, dials, received, sessions, dial }
}

test('the sockets of a peer are tried one after the other, and the first that answers is used', async () => {
  const { clock, calls, dials, received, sessions, dial } = driven()
  const id = dial(1, addressOf('192.0.2.1', '2001:db8::1', '192.0.2.3'))
  assert.deepEqual(
    dials.map(({ url }) => url),
    ['https://192.0.2.1:4433/.well-known/anypath/1'],
  )
  await clock.advance(100)
  assert.equal(dials[1]?.url, 'https://[2001:db8::1]:4433/.well-known/anypath/1')
  dials[1]?.events.opened()
  await clock.advance(1000)
  assert.equal(dials.length, 2)
  assert.deepEqual(
    dials.map(({ closed }) => closed),
    [true, false],
  )
  assert.deepEqual(calls, ['webtransport 0', 'webtransport 1200'])
  assert.deepEqual(sessions.find(id)?.at, { host: '2001:db8::1', port: 4433 })
  sessions.find(id)?.open?.session.send(new Uint8Array(9), 0)
  dials[1]?.events.packet(new Uint8Array(5))
  // To the core the remote is at the socket that was dialled, whichever answers.
  assert.deepEqual([dials[1]?.sent, received], [9, [['192.0.2.1', 5]]])
})

test('a socket that refuses is not waited for', async () => {
  const { dials, dial } = driven()
  dial(1, addressOf('192.0.2.1', '192.0.2.2'))
  dials[0]?.events.closed()
  assert.equal(dials.length, 2)
})

test('a peer that can’t be reached is tried ever more rarely, and a lost session is opened again', async () => {
  const { clock, calls, dials, dial } = driven()
  dial(1, addressOf('192.0.2.1'))
  const pauses: number[] = []
  for (let round = 0; round < 9; round++) {
    dials.at(-1)?.events.closed()
    const [before, from] = [dials.length, clock.now()]
    while (dials.length === before) await clock.advance(100)
    pauses.push(clock.now() - from)
  }
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  dials.at(-1)?.events.opened()
  await clock.advance(20_000)
  dials.at(-1)?.events.closed()
  assert.deepEqual(calls, ['webtransport 0', 'webtransport 1200', 'webtransport 0'])
  const before = dials.length
  await clock.advance(500)
  assert.equal(dials.length, before + 1, 'soon, for it had lasted')
})

test('connections with one peer share its session, which is closed with the last of them', async () => {
  const { clock, calls, dials, sessions, dial } = driven()
  const data = addressOf('192.0.2.1')
  assert.equal(dial(1, data), dial(2, data))
  assert.equal(dials.length, 1)
  dials[0]?.events.opened()
  for (let packet = 0; packet < 2; packet++) dials[0]?.events.dropped()
  sessions.release(1)
  await clock.advance(1)
  assert.equal(dials[0]?.closed, false)
  sessions.release(2)
  await clock.advance(1)
  assert.equal(dials[0]?.closed, true)
  assert.equal(calls.at(-1), 'removed')
  const sum: Record<string, number> = {}
  sessions.addDrops(sum)
  assert.deepEqual(sum, { 'webtransport-queue-full': 2 })
  assert.equal(clock.timers, 0)
})

test('a dial does not wait for the pause of another one, and opens nothing beside what is open', async () => {
  const { clock, dials, sessions, dial } = driven()
  const data = addressOf('192.0.2.1')
  dial(1, data)
  for (let failed = 0; failed < 5; failed++) {
    dials.at(-1)?.events.closed()
    await clock.advance(failed < 4 ? 500 * 2 ** failed : 0)
  }
  assert.equal(dials.length, 5)
  dial(2, data)
  assert.equal(dials.length, 6, 'at once')
  dial(3, data)
  assert.equal(dials.length, 6, 'one is under way')
  dials[5]?.events.opened()
  for (const connection of [1, 2, 3]) sessions.release(connection)
  dial(4, data)
  await clock.advance(0)
  assert.deepEqual([dials.length, dials[5]?.closed], [6, false], 'the open one serves the next dial')
})

test('of a ticket with many addresses few are tried', () => {
  const { dials, sessions } = driven()
  const webTransport = Array.from({ length: 40 }, (_, n) => addressOf(`192.0.2.${n + 1}`))
  const targets = sessions.resolve({ addresses: [], relays: [], webTransport })
  sessions.use(1, targets)
  assert.deepEqual([targets.addresses.length, dials.length], [2, 2])
})

test('nothing is left of a dial that the core refused, nor of a driver that is closed', async () => {
  const { clock, calls, dials, sessions, dial } = driven()
  sessions.resolve({ addresses: [], relays: [], webTransport: [addressOf('192.0.2.1')] })
  sessions.release()
  await clock.advance(1)
  assert.deepEqual([calls, dials.length], [['webtransport 0', 'removed'], 0])
  dial(3, addressOf('192.0.2.9'))
  sessions.closeAll()
  dials[0]?.events.opened()
  await clock.advance(60_000)
  assert.deepEqual([dials.length, dials[0]?.closed, clock.timers], [1, true, 0])
})

test('an address that can’t be read is left out and counted', () => {
  const { sessions, dials } = driven()
  const targets = sessions.resolve({ addresses: [], relays: [], webTransport: [new Uint8Array([0, 1, 1])] })
  assert.deepEqual([targets.addresses, dials.length], [[], 0])
  const sum: Record<string, number> = {}
  sessions.addDrops(sum)
  assert.deepEqual(sum, { malformed: 1 })
})

const tcpOf = (name: string, host: string) => tcpAddress(name, [{ host, port: 443 }]) ?? new Uint8Array()
const RELAY = 0x8000_0000
const UDP = 0

test('over TCP a dial waits for half a second, and then leads to the socket or to the name', async () => {
  const { clock, dials, sessions, dial } = driven()
  const id = dial(1, tcpOf('', '2001:db8::1'))
  const named = dial(2, tcpOf('peer.example.com', '192.0.2.1'))
  await clock.advance(499)
  assert.equal(dials.length, 0)
  await clock.advance(1)
  assert.deepEqual(
    dials.map(({ url }) => url),
    ['ws://[2001:db8::1]:443/.well-known/anypath/1', 'wss://peer.example.com:443/.well-known/anypath/1'],
  )
  dials[0]?.events.opened()
  assert.deepEqual(sessions.find(id)?.at, { host: '2001:db8::1', port: 443, tcp: true })
  dials[1]?.events.opened()
  dials[1]?.events.closed()
  // Where the name leads only the system knows, and a path that is lost was over TCP as well.
  assert.deepEqual(sessions.find(named)?.at, { host: 'peer.example.com', port: 443, tcp: true })
})

test('a connection that is direct by then needs no session over TCP, and one that is relayed gets it three seconds later', async () => {
  const { clock, calls, dials, sessions, dial } = driven()
  const id = dial(1, tcpOf('', '192.0.2.1'))
  sessions.selected(1, UDP)
  await clock.advance(60_000)
  assert.equal(dials.length, 0)
  sessions.selected(1, RELAY)
  await clock.advance(2999)
  assert.equal(dials.length, 0)
  await clock.advance(2)
  assert.equal(dials.length, 1)
  dials[0]?.events.opened()
  sessions.selected(1, id)
  await clock.advance(60_000)
  assert.equal(dials[0]?.closed, false)
  sessions.selected(1, UDP)
  await clock.advance(1)
  assert.deepEqual([dials[0]?.closed, calls.at(-1)], [true, 'webtransport 0'])
  // Nothing is heard any more.
  sessions.selected(1)
  await clock.advance(3001)
  assert.equal(dials.length, 2)
})

test('a session over TCP that others use stays when one of them has a better way', async () => {
  const { clock, dials, sessions, dial } = driven()
  for (const connection of [1, 2]) dial(connection, tcpOf('', '192.0.2.1'))
  await clock.advance(500)
  dials[0]?.events.opened()
  sessions.selected(1, UDP)
  await clock.advance(1)
  assert.deepEqual([dials.length, dials[0]?.closed], [1, false])
  sessions.selected(2, UDP)
  await clock.advance(1)
  assert.equal(dials[0]?.closed, true, 'nobody is left that needs it')
  dial(3, tcpOf('', '192.0.2.1'))
  sessions.selected(3, UDP)
  await clock.advance(60_000)
  assert.equal(dials.length, 1)
})

test('a session over TCP that the last but one left for a better way goes when the last is gone', async () => {
  const { clock, dials, sessions, dial } = driven()
  for (const connection of [1, 2]) dial(connection, tcpOf('', '192.0.2.1'))
  await clock.advance(500)
  dials[0]?.events.opened()
  sessions.selected(1, UDP)
  await clock.advance(1)
  sessions.release(2)
  await clock.advance(1)
  assert.equal(dials[0]?.closed, true)
})

test('a session over TCP that a connection left for the relay is dead, and another one follows', async () => {
  const { clock, dials, sessions, dial } = driven()
  const id = dial(1, tcpOf('', '192.0.2.1'))
  await clock.advance(500)
  dials[0]?.events.opened()
  sessions.selected(1, id)
  await clock.advance(1)
  // Nothing is heard over any path: TCP itself may go on.
  sessions.selected(1)
  await clock.advance(1)
  assert.equal(dials[0]?.closed, false)
  sessions.selected(1, RELAY)
  await clock.advance(1)
  assert.equal(dials[0]?.closed, true)
  await clock.advance(3000)
  assert.equal(dials.length, 2)
})

test('a driver that is closed dials nothing for what was selected just before', async () => {
  const { clock, dials, sessions, dial } = driven()
  dial(1, tcpOf('', '192.0.2.1'))
  sessions.selected(1, RELAY)
  sessions.closeAll()
  await clock.advance(60_000)
  assert.deepEqual([dials.length, clock.timers], [0, 0])
})

test('what is no name of a host makes a URL that nobody can open', async () => {
  const { clock, dials, dial } = driven()
  dial(1, tcpOf('a/b?c@d:1#', '192.0.2.1'))
  await clock.advance(500)
  assert.equal(URL.canParse(dials[0]?.url ?? ''), false)
})
