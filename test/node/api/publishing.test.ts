import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { PublishingEngine } from '../../../src/api/engine/publishing.js'
import type { Discovery, PublishingPeer, TicketAddress } from '../../../src/discovery/index.js'
import { systemClock } from '../../../src/driver/clock.js'
import type { RelayInfo } from '../../../src/driver/engine.js'
import type { RecordKeeper, RecordParts } from '../../../src/driver/record-keeper.js'
import { FakeEngine } from './fake-engine.js'

const ALICE = 'aa'.repeat(32)
const SOCKET: TicketAddress = { kind: 'ip', host: '192.0.2.1', port: 4433 }
const RELAY: TicketAddress = { kind: 'relay', url: 'https://relay.example/' }

const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const relay = (state: RelayInfo['state'], home = true): RelayInfo => ({
  url: 'https://relay.example/',
  state,
  home,
  cause: 'none',
})
const settled = () => new Promise((resolve) => setTimeout(resolve, 10))

class FakeRecords implements RecordKeeper {
  readonly signed: RecordParts[] = []

  async signRecord(parts: RecordParts): Promise<Uint8Array> {
    this.signed.push(parts)
    return new Uint8Array([this.signed.length])
  }

  async readRecord(id: Uint8Array): ReturnType<RecordKeeper['readRecord']> {
    return { endpoint: { id, anypath: true, addresses: [RELAY] }, timestampMicros: 7n }
  }
}

/** An engine that publishes, what it told the discovery, and what happened in which order. */
function staged(closing: (peer: PublishingPeer) => Promise<void> = async () => {}) {
  const inner = new FakeEngine(new Map(), [], ALICE)
  const records = new FakeRecords()
  const updates: (readonly TicketAddress[])[] = []
  const order: string[] = []
  const warnings: string[] = []
  const peers: PublishingPeer[] = []
  const publisher: Discovery = {
    name: 'publisher',
    lookup: async () => [],
    publish: (peer) => {
      peers.push(peer)
      return {
        update: (addresses) => void updates.push(addresses),
        close: async () => {
          await closing(peer)
          order.push('withdrawn')
        },
      }
    },
  }
  const failing: Discovery = {
    name: 'failing',
    lookup: async () => [],
    publish: () => ({
      update: () => {
        throw new Error('no update')
      },
      close: () => Promise.reject(new Error('no close')),
    }),
  }
  const closeInner = inner.close.bind(inner)
  inner.close = async (code, reason) => {
    order.push('closed')
    return closeInner(code, reason)
  }
  const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void warnings.push(message) }
  const parts = { records, discovery: [failing, publisher], clock: systemClock(), logger }
  const engine = new PublishingEngine(inner, parts)
  return { engine, inner, records, updates, order, warnings, peers }
}

test('the home relay is told of only while it is connected, sockets always', async () => {
  const { engine, inner, updates, warnings } = staged()
  const events: string[] = []
  engine.onEvent(({ type }) => void events.push(type))
  await settled()
  const states: RelayInfo[] = [relay('connecting'), relay('connected', false), relay('connected'), relay('waiting')]
  for (const state of states) {
    inner.knownRelays.splice(0, 1, state)
    inner.emit({ type: 'relay', relay: state })
    await settled()
  }
  assert.deepEqual(updates, [[SOCKET], [SOCKET], [SOCKET], [RELAY, SOCKET], [SOCKET]])
  assert.deepEqual(events, ['relay', 'relay', 'relay', 'relay'])
  assert.ok(warnings.length > 0 && warnings.every((warning) => warning === 'publishing failed'))
})

test('the addresses are looked at anew when the network changes', async () => {
  const { engine, inner, updates } = staged()
  await settled()
  inner.localAddresses = async () => []
  engine.networkChanged()
  await settled()
  assert.deepEqual(updates, [[SOCKET], []])
  assert.deepEqual(inner.calls, ['networkChanged()'])
  // A transport has noticed it by itself.
  inner.localAddresses = async () => [{ transport: 'udp', carrier: 0, host: '192.0.2.77', port: 7 }]
  inner.emit({ type: 'network' })
  await settled()
  assert.deepEqual(updates.at(-1), [{ kind: 'ip', host: '192.0.2.77', port: 7 }])
})

test('a record is signed and read by the core, and an empty one has no mark', async () => {
  const { peers, records } = staged()
  const [peer] = peers
  assert.ok(peer)
  assert.equal(peer.id, ALICE)
  await peer.signRecord({ addresses: [RELAY], userData: 'x' }, 30, 1)
  await peer.signRecord({ addresses: [] }, 30, 2)
  const marks = records.signed.map(({ endpoint, userData }) => [endpoint.anypath, endpoint.addresses, userData])
  assert.deepEqual(marks, [
    [true, [RELAY], 'x'],
    [false, [], undefined],
  ])
  const record = await peer.readRecord(ALICE, new Uint8Array())
  assert.deepEqual(record.addresses, [RELAY])
  assert.equal(record.timestampMicros, 7n)
})

test('connections are closed as soon as the withdrawal is signed, not when the relay has answered', async () => {
  const { engine, order, records } = staged(async (peer) => {
    await peer.signRecord({ addresses: [] }, 30, 1)
    await new Promise((resolve) => setTimeout(resolve, 100))
  })
  await engine.close(0, '', 100)
  assert.equal(records.signed.length, 1)
  assert.deepEqual(order, ['closed', 'withdrawn'])
})

test('a publisher that takes its time does not keep connections open for longer than a quarter of a second', async () => {
  const { engine, inner, order } = staged(() => new Promise((resolve) => setTimeout(resolve, 1000)))
  const started = Date.now()
  const closed = engine.close(0, '', 100)
  assert.equal(engine.close(0, '', 100), closed)
  while (!inner.closed && Date.now() - started < 900) await settled()
  assert.ok(inner.closed && Date.now() - started < 900)
  await closed
  assert.deepEqual(order, ['closed', 'withdrawn'])
})
