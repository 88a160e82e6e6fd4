import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InterfaceWatch } from '../../../src/transport/interface-watch.node.js'
import { UdpTransport } from '../../../src/transport/udp.node.js'
import { FakeClock } from './fake-clock.js'

const events = (changed: () => void) => ({ receive() {}, writable() {}, changed, failed() {} })

test('a change of addresses is told once, and nothing when they stay', async () => {
  const clock = new FakeClock()
  let [network, changes] = ['192.0.2.1', 0]
  const watch = new InterfaceWatch({ clock, intervalMs: 2000, read: () => network, changed: () => changes++ })
  await clock.advance(20_000)
  assert.equal(changes, 0)
  network = '192.0.2.1 2001:db8::1'
  await clock.advance(1999)
  assert.equal(changes, 0)
  await clock.advance(1)
  assert.equal(changes, 1)
  network = '192.0.2.1'
  await clock.advance(10_000)
  assert.equal(changes, 2)
  watch.stop()
  watch.stop()
  network = ''
  await clock.advance(10_000)
  assert.deepEqual([changes, clock.timers], [2, 0])
})

test('a look that fails is no change', async () => {
  const clock = new FakeClock()
  let [network, fails, changes] = ['a', true, 0]
  const read = () => {
    if (fails) throw new Error('too many open files')
    return network
  }
  const watch = new InterfaceWatch({ clock, intervalMs: 10, read, changed: () => changes++ })
  await clock.advance(100)
  fails = false
  await clock.advance(10)
  // What was there at the start is not known: a needless probe is the smaller harm.
  assert.equal(changes, 1)
  fails = true
  await clock.advance(100)
  fails = false
  await clock.advance(100)
  assert.equal(changes, 1)
  network = 'b'
  await clock.advance(10)
  assert.equal(changes, 2)
  watch.stop()
})

test('a UDP socket tells that the network changed until it is closed, and never where the watch is off', async () => {
  for (const [watchIntervalMs, expected] of [
    [undefined, 1],
    [500, 1],
    [0, 0],
  ] as const) {
    const clock = new FakeClock()
    let [network, changes] = ['a', 0]
    const options = watchIntervalMs === undefined ? {} : { watchIntervalMs }
    const transport = new UdpTransport({ host: '127.0.0.1', clock, readNetwork: () => network, ...options })
    await transport.start(events(() => changes++))
    network = 'b'
    await clock.advance(1000)
    assert.equal(changes, expected)
    await transport.close()
    network = 'c'
    await clock.advance(10_000)
    assert.deepEqual([changes, clock.timers], [expected, 0])
  }
})
