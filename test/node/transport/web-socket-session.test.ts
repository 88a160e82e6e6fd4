import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type WebSocket, WebSocketServer } from 'ws'
import type { PacketSessionEvents } from '../../../src/transport/transport.js'
import { WebSocketSession, WebSocketSessions } from '../../../src/transport/web-socket-session.node.js'

/** What a session tells. */
class Told implements PacketSessionEvents {
  readonly packets: Uint8Array[] = []
  drops = 0
  writables = 0
  readonly isOpen: Promise<void>
  readonly isClosed: Promise<void>
  opened!: () => void
  closed!: () => void

  constructor() {
    this.isOpen = new Promise((resolve) => {
      this.opened = resolve
    })
    this.isClosed = new Promise((resolve) => {
      this.closed = resolve
    })
  }

  readonly packet = (data: Uint8Array) => void this.packets.push(data.slice())
  readonly writable = () => void this.writables++
  pause = () => new Promise<void>((resolve) => setImmediate(resolve))
  readonly dropped = () => void this.drops++
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A session over loopback, from both sides, and the messages that the accepting side got. */
async function pair(context: TestContext) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'webtransport_kDraft2' })
  await new Promise((resolve) => server.once('listening', resolve))
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve))
  const { port } = server.address() as { port: number }
  const [near, far] = [new Told(), new Told()]
  const session = new WebSocketSessions().dial(`ws://127.0.0.1:${port}/`, [], near)
  const socket = await accepted
  const messages: number[] = []
  socket.on('message', (data: Buffer) => messages.push(data.length))
  const other = new WebSocketSession(socket, far)
  await Promise.all([near.isOpen, far.isOpen])
  context.after(() => {
    socket.terminate()
    server.close()
  })
  return { session, other, near, far, socket, messages }
}

test('packets of a turn go together in messages of at most 16 KiB, and arrive as they were', async (context) => {
  const { session, other, near, far, messages } = await pair(context)
  const packets = Uint8Array.from({ length: 30 * 1200 }, (_, at) => at % 251)
  session.send(packets, 1200)
  session.send(new Uint8Array(21).fill(7), 0)
  await until(() => far.packets.length === 31)
  assert.deepEqual(Buffer.concat(far.packets.slice(0, 30)), Buffer.from(packets))
  assert.deepEqual(far.packets[30], new Uint8Array(21).fill(7))
  assert.equal(messages.length, 3)
  assert.ok(messages.every((length) => length <= 1 + 16 * 1024))
  other.send(packets, 1200)
  await until(() => near.packets.length === 30)
  session.close()
  await far.isClosed
})

test('what was sent in the turn of the close arrives before it', async (context) => {
  const { session, far } = await pair(context)
  session.send(new Uint8Array(1200), 0)
  session.close()
  await far.isClosed
  assert.equal(far.packets.length, 1)
})

test('messages of many packets are taken a few at a time', async (context) => {
  const { far, session } = await pair(context)
  let pauses = 0
  far.pause = () => {
    pauses += 1
    return new Promise((resolve) => setImmediate(resolve))
  }
  session.send(new Uint8Array(20_000 * 21), 21)
  await until(() => far.packets.length === 20_000)
  assert.ok(pauses >= 20, String(pauses))
  session.close()
})

test('a remote that reads nothing fills a queue that ends, and after three seconds holds nobody up', async (context) => {
  const { session, near, socket } = await pair(context)
  const tcp = (socket as unknown as { _socket: Socket })._socket
  tcp.pause()
  const packets = new Uint8Array(50 * 1200)
  // The system takes some megabytes before it takes no more.
  for (let sent = 0; sent < 400 && near.drops === 0; sent++) {
    session.send(packets, 1200)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(near.drops > 0)
  assert.ok(session.writableBytes < 1200)
  const before = near.writables
  await until(() => near.writables > before)
  assert.equal(session.writableBytes, 1 << 20)
  tcp.resume()
  await until(() => session.writableBytes === 1 << 20 && near.writables > before + 50)
  session.close()
})

test('what is no URL, and where nobody listens, is told as closed and never thrown', async () => {
  for (const url of ['wss://a%2Fb:443/', 'ws://127.0.0.1:1/']) {
    const told = new Told()
    const session = new WebSocketSessions().dial(url, [], told)
    session.send(new Uint8Array(3), 0)
    await told.isClosed
    session.close()
  }
})
