import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Core } from '../../../src/core/core.js'
import { AcceptedSessions } from '../../../src/driver/accepted-sessions.js'
import type { AcceptSession, PacketSessionEvents, TransportAddress } from '../../../src/transport/transport.js'
import { FakeClock } from './fake-clock.js'

const FIRST = 0x3000_0000
const UNUSED_MS = 1000

/** A listener that does what the test says, over a core that only remembers. */
async function listening() {
  const clock = new FakeClock()
  const calls: string[] = []
  const received: string[] = []
  /** The carriers of the paths of connection 1. */
  const paths: { carrier: number }[] = []
  let accept!: AcceptSession
  let isListening = true
  const core = {
    setCarrier: (id: number, kind: string, bytes: number) => calls.push(`${id - FIRST} ${kind} ${bytes}`),
    removeCarrier: (id: number) => calls.push(`${id - FIRST} removed`),
    connectionStats: (id: number) => {
      assert.equal(id, 1, 'of one that goes another way nothing is asked')
      return { paths }
    },
  } as unknown as Core
  const listener = {
    start: async (told: AcceptSession) => {
      accept = told
    },
    close: async () => {
      isListening = false
    },
  }
  const sessions = new AcceptedSessions(core, clock, listener, UNUSED_MS)
  await sessions.start({
    receive: (id, host, port, data) => received.push(`${id - FIRST} ${host}:${port} ${data.length}`),
    ready: () => {},
    tell: (call) => call(),
  })
  const open = (from: TransportAddress) => {
    const session = { writableBytes: 5, sent: 0, isClosed: false }
    let events!: PacketSessionEvents
    accept(from, (told) => {
      events = told
      return {
        get writableBytes() {
          return session.writableBytes
        },
        send: (packets) => {
          session.sent += packets.length
        },
        close: () => {
          session.isClosed = true
        },
      }
    })
    events.opened()
    return Object.assign(session, { events })
  }
  return { clock, calls, received, paths, sessions, open, isListening: () => isListening }
}

test('a session is a carrier with the address that it comes from, and costs the others nothing', async () => {
  const { calls, received, sessions, open } = await listening()
  const one = open({ host: '192.0.2.1', port: 5 })
  open({ host: '192.0.2.1', port: 6 })
  one.events.packet(new Uint8Array(9))
  assert.deepEqual(received, ['0 192.0.2.1:5 9'])
  assert.equal(sessions.send(FIRST, new Uint8Array(7), 0), true)
  assert.equal(sessions.send(FIRST + 9, new Uint8Array(7), 0), false)
  assert.deepEqual([one.sent, sessions.writableBytes], [7, undefined])
  sessions.place(FIRST + 1)
  assert.equal(sessions.writableBytes, 5)
  one.events.dropped()
  const drops: Record<string, number> = {}
  sessions.addDrops(drops)
  assert.deepEqual(drops, { 'webtransport-queue-full': 1 })
  one.events.closed()
  // The kind of a session of our own would have the core look at every connection.
  assert.deepEqual(calls, ['0 memory 1200', '1 memory 1200', '0 removed'])
})

test('connections over a session that closes are told to look for another way', async () => {
  const { calls, sessions, open } = await listening()
  const one = open({ host: '192.0.2.1', port: 5 })
  assert.deepEqual(sessions.place(FIRST), { kind: 'webtransport', tcp: true, host: '192.0.2.1', port: 5 })
  one.events.closed()
  one.events.closed()
  assert.deepEqual(calls, ['0 memory 1200', '0 webtransport 0', '0 removed'])
  assert.deepEqual(sessions.place(FIRST), { kind: 'webtransport', tcp: true, host: '', port: 0 })
})

test('one that no connection uses is closed after its time, and all with the listener', async () => {
  const { clock, paths, sessions, open, isListening } = await listening()
  const [used, unused] = [open({ host: '192.0.2.1', port: 5 }), open({ host: '192.0.2.1', port: 6 })]
  sessions.used(1, FIRST)
  sessions.used(2, 0)
  paths.push({ carrier: FIRST })
  await clock.advance(UNUSED_MS - 1)
  assert.equal(unused.isClosed, false)
  await clock.advance(UNUSED_MS)
  assert.deepEqual([used.isClosed, unused.isClosed], [false, true])
  sessions.release(1)
  await clock.advance(2 * UNUSED_MS)
  assert.equal(used.isClosed, true)
  const last = open({ host: '192.0.2.1', port: 7 })
  await sessions.closeAll()
  await clock.advance(UNUSED_MS)
  assert.deepEqual([last.isClosed, isListening(), clock.timers], [true, false, 0])
})
