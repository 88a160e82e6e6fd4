import assert from 'node:assert/strict'
import { test } from 'node:test'

/** As much of a browser's class as is extended; events are the real ones. */
class BrowserWebSocket extends EventTarget {
  readonly url: string
  isClosed = false

  constructor(url: string) {
    super()
    this.url = url
  }

  close(): void {
    this.isClosed = true
  }
}

Object.assign(globalThis, { WebSocket: BrowserWebSocket })
const { noting, WebSocket: NotedWebSocket } = await import('../../../src/transport/noted-web-socket.js')

/** A socket as the ponyfill makes it, and the messages that the ponyfill is told of. */
function made() {
  const told: number[] = []
  const { socket } = noting('ws://192.0.2.1/', () => new NotedWebSocket('wss://elsewhere/', []))
  socket.addEventListener('message', ({ data }) => told.push(data.byteLength))
  const message = (data: unknown) => socket.dispatchEvent(new MessageEvent('message', { data }))
  const isClosed = () => (socket as unknown as BrowserWebSocket).isClosed
  return { socket, told, message, isClosed }
}

test('the WebSocket leads where it is to, and what makes none is no session', () => {
  assert.equal(made().socket.url, 'ws://192.0.2.1/')
  assert.throws(() => noting('ws://192.0.2.1/', () => undefined), /no WebSocket to ws:/)
})

test('of what comes the ponyfill is told of datagrams and of the end, and never of streams', () => {
  const { told, message } = made()
  for (const first of [0, 0x68, 0x99, 0x40]) message(new Uint8Array([first, 1, ...new Uint8Array(first)]).buffer)
  message('text')
  message(new ArrayBuffer(0))
  assert.deepEqual(told, [2, 2 + 0x68])
})

test('a remote that sends more than the page reads is cut off', () => {
  const { socket, message, isClosed } = made()
  const datagram = new ArrayBuffer(1 + (1 << 20))
  for (let count = 0; count < 200; count++) {
    message(datagram)
    socket.unread -= 1 << 20
  }
  assert.deepEqual([socket.unread, isClosed()], [0, false])
  for (let count = 0; count < 65; count++) message(datagram)
  assert.equal(isClosed(), true)
})
