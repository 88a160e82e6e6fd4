import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AcceptHooks } from '../../../src/api/peer-options.js'
import { AdmittingEngine } from '../../../src/api/web-transport/admission.js'
import { IncomingSessions } from '../../../src/api/web-transport/sessions.js'
import type { EngineEvent, WebTransportEvent } from '../../../src/driver/engine.js'
import { PeerClosedError, ProtocolViolationError } from '../../../src/errors/index.js'
import { FakeEngine } from '../api/fake-engine.js'

const REQUEST = { host: '192.0.2.7', port: 5000, authority: 'example:1', path: '/room', origin: 'https://example.com' }

/** An engine whose sessions are asked for by hand. */
class Asked extends FakeEngine {
  answers: [number, number][] = []
  closings: number[] = []
  stillOpen = true
  #listener: (event: EngineEvent) => void = () => {}

  constructor() {
    super(new Map(), [], 'ab'.repeat(32))
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  override async answerSession(sessionId: number, status: number): Promise<boolean> {
    this.answers.push([sessionId, status])
    return this.stillOpen
  }

  override closeConnection(connectionId: number): void {
    this.closings.push(connectionId)
  }

  tell(event: WebTransportEvent): void {
    this.#listener({ type: 'web-transport', event })
  }

  request(connectionId: number, path = '/room', origin = REQUEST.origin): void {
    this.tell({ type: 'requested', connectionId, ...REQUEST, path, origin })
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

function admitting(origins: string[] | undefined, hook?: AcceptHooks['session']) {
  const engine = new Asked()
  const told: EngineEvent[] = []
  new AdmittingEngine(engine, { origins, hook }, undefined).onEvent((event) => told.push(event))
  return { engine, told }
}

test('sessions of all origins are accepted unless some are named', async () => {
  const all = admitting(undefined)
  all.engine.request(1)
  all.engine.request(2, '/room', '')
  await turn()
  assert.deepEqual(all.engine.answers, [
    [1, 200],
    [2, 200],
  ])
  assert.equal(all.told.length, 2)
  const some = admitting(['https://example.com'])
  some.engine.request(1)
  some.engine.request(2, '/room', 'https://example.org')
  some.engine.request(3, '/room', '')
  await turn()
  assert.deepEqual(some.engine.answers, [
    [1, 200],
    [2, 403],
    [3, 403],
  ])
  assert.equal(some.told.length, 1)
})

test('the hook decides by path, and its status is the answer', async () => {
  const statuses: Record<string, boolean | number> = { '/yes': true, '/no': false, '/gone': 410, '/odd': 200 }
  const { engine, told } = admitting(undefined, async ({ path }) => {
    if (path === '/throws') throw new Error('no')
    return statuses[path] ?? false
  })
  for (const [i, path] of ['/yes', '/no', '/gone', '/odd', '/throws'].entries()) engine.request(i, path)
  await turn()
  await turn()
  assert.deepEqual(
    engine.answers.map(([, status]) => status),
    [200, 403, 410, 403, 403],
  )
  assert.equal(told.length, 1)
})

test('the paths of this library are nobody else’s', async () => {
  const { engine } = admitting(undefined)
  for (const path of ['/.well-known/anypath', '/.well-known/anypath?x', '/.well-known/anypath/a', '/.well-known/any'])
    engine.request(1, path)
  await turn()
  assert.deepEqual(
    engine.answers.map(([, status]) => status),
    [404, 404, 404, 200],
  )
})

test('sessions that carry packets of peers are subject to origins alone, and nobody hears of them', async () => {
  const carrier = '/.well-known/anypath/1'
  const { engine, told } = admitting(['https://example.com'], () => false)
  engine.request(1, carrier)
  engine.request(2, carrier, 'https://example.org')
  engine.request(3, `${carrier}?x`)
  await turn()
  assert.deepEqual(engine.answers, [
    [1, 200],
    [2, 403],
    [3, 404],
  ])
  engine.tell({ type: 'closed', connectionId: 1, code: 20, by: 'remote', wireCode: 0, reason: '' })
  engine.tell({ type: 'drained', connectionId: 1 })
  assert.deepEqual(told, [])
  // The id is an ordinary session's from then on.
  engine.request(1)
  await turn()
  assert.deepEqual(engine.answers.at(-1), [1, 403])
})

test('what was not accepted is not heard of', async () => {
  const { engine, told } = admitting(undefined, () => new Promise((resolve) => setTimeout(resolve, 20, true)))
  engine.request(1)
  engine.tell({ type: 'closed', connectionId: 1, code: 25, by: 'remote', wireCode: 0, reason: '' })
  engine.tell({ type: 'drained', connectionId: 1 })
  engine.request(2)
  engine.stillOpen = false
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.deepEqual(engine.answers, [[2, 200]])
  assert.deepEqual(told, [])
})

test('sessions that are open are told goodbye before the engine closes', async () => {
  const engine = new Asked()
  const admitting = new AdmittingEngine(engine, { origins: undefined, hook: undefined }, undefined)
  engine.request(1)
  engine.request(2)
  await turn()
  engine.tell({ type: 'closed', connectionId: 1, code: 20, by: 'remote', wireCode: 0, reason: '' })
  const closing = admitting.close(3, 'going', 1000)
  await turn()
  assert.deepEqual([engine.closings, engine.closed], [[2], false])
  engine.request(3)
  await turn()
  assert.deepEqual(engine.answers.at(-1), [3, 503])
  await closing
  assert.equal(engine.closed, true)
})

function incoming(backlog: number) {
  const engine = new Asked()
  const sessions = new IncomingSessions({ engine, logger: undefined, now: () => 0, backlog })
  engine.onEvent((event) => {
    if (event.type === 'web-transport') sessions.handle(event.event)
  })
  return { engine, sessions }
}

test('a session says what the client said, and how it ended', async () => {
  const { engine, sessions } = incoming(10)
  for (const id of [1, 2, 3]) engine.request(id, `/${id}`)
  const taken = []
  for await (const session of sessions) if (taken.push(session) === 3) break
  const [first, second, third] = taken
  assert.ok(first && second && third)
  await first.ready
  const { host, port, authority, path, origin } = first
  assert.deepEqual({ host, port, authority, path, origin }, { ...REQUEST, path: '/1' })
  engine.tell({ type: 'closed', connectionId: 1, code: 20, by: 'remote', wireCode: 9, reason: 'bye' })
  assert.deepEqual(await first.closed, { closeCode: 9, reason: 'bye' })
  await assert.rejects(first.createBidirectionalStream(), /the remote closed the connection \(code 9: bye\)/)
  engine.tell({ type: 'closed', connectionId: 2, code: 24, by: 'transport', wireCode: 1, reason: 'odd' })
  await assert.rejects(second.closed, ProtocolViolationError)
  sessions.end(new PeerClosedError('the peer is closed'))
  await assert.rejects(third.closed, PeerClosedError)
  assert.throws(() => third.close({ closeCode: 2 ** 32 }), /closeCode/)
})

test('when too many sessions wait the newest is closed', async () => {
  const { engine, sessions } = incoming(1)
  engine.request(1)
  engine.request(2)
  assert.deepEqual(engine.closings, [2])
  sessions.end(new PeerClosedError('over'))
  const left = []
  for await (const session of sessions) left.push(session)
  assert.equal(left.length, 1)
  await Promise.allSettled(left.map(({ closed }) => closed))
})
