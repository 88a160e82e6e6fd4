import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { attachEngine } from '../../../src/api/port/attach.js'
import type { EnginePort } from '../../../src/api/port/messages.js'
import { serveEngine } from '../../../src/api/port/serve.js'
import { IncomingSessions } from '../../../src/api/web-transport/sessions.js'
import type { EngineEvent } from '../../../src/driver/engine.js'
import { deserializeError, PeerClosedError } from '../../../src/errors/index.js'
import { FakeEngine } from '../api/fake-engine.js'

const REQUEST = { host: '192.0.2.7', port: 5000, authority: 'example:1', path: '/room', origin: '' }

const PORT_ERRORS = { closed: (message: string) => new PeerClosedError(message), revive: deserializeError }

/** An engine that notes what it is told to close. */
class Noting extends FakeEngine {
  readonly closings: number[] = []

  override closeConnection(connectionId: number): void {
    this.closings.push(connectionId)
  }
}

test('sessions are served over a port, and end when the other side goes away', async () => {
  const { port1, port2 } = new MessageChannel()
  const inner = new Noting(new Map(), [], 'ab'.repeat(32))
  const server = serveEngine(inner, port1 as unknown as EnginePort, {
    dialled() {},
    isShared: () => false,
    detached() {},
    closed() {},
  })
  const engine = await attachEngine(port2 as unknown as EnginePort, PORT_ERRORS)
  const sessions = new IncomingSessions({ engine, logger: undefined, now: () => 0, backlog: 10 })
  engine.onEvent((event: EngineEvent) => {
    if (event.type === 'web-transport') sessions.handle(event.event)
  })
  const tell = (event: (EngineEvent & { type: 'web-transport' })['event']) =>
    server.handle({ type: 'web-transport', event })
  tell({ type: 'requested', connectionId: 1, ...REQUEST })
  tell({ type: 'requested', connectionId: 2, ...REQUEST })
  const taken = sessions[Symbol.asyncIterator]()
  const [first, second] = [(await taken.next()).value, (await taken.next()).value]
  assert.ok(first && second)
  tell({ type: 'datagram', connectionId: 1, bytes: Uint8Array.of(1, 2, 3) })
  const { value } = await first.datagrams.readable.getReader().read()
  assert.deepEqual(value, Uint8Array.of(1, 2, 3))
  tell({ type: 'closed', connectionId: 1, code: 20, by: 'remote', wireCode: 0, reason: '' })
  tell({ type: 'drained', connectionId: 1 })
  await first.closed
  assert.equal(await engine.answerSession(2, 200), true)
  assert.deepEqual(await engine.webTransportCertificates(), [])
  port2.close()
  while (inner.closings.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(inner.closings, [2])
  sessions.end(new PeerClosedError('the port was closed'))
  await assert.rejects(second.closed, PeerClosedError)
})
