import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { socketUrl, WebSocketRelays } from '../../../src/transport/relay.js'
import { NodeRelays } from '../../../src/transport/relay.node.js'

const TOKEN = 'secret-token'

/** A WebSocket server that chooses `protocol`, and what reached it. */
async function served(context: TestContext, protocol: string | false) {
  const http: Server = createServer()
  const sockets = new WebSocketServer({ server: http, handleProtocols: () => protocol })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  context.after(() => {
    for (const client of sockets.clients) client.terminate()
    sockets.close()
    http.close()
  })
  return { sockets, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/` }
}

/** The events of one dial as texts, in order. */
function dialled(url: string, tokens = new Map<string, string>()) {
  const happened: string[] = []
  let wake = () => {}
  const note = (what: string) => {
    happened.push(what)
    wake()
  }
  const socket = new NodeRelays([...tokens].map(([relay, token]) => ({ url: relay, token }))).dial(url, {
    opened: (version) => note(`opened ${version}`),
    message: (data) => note(`message ${[...data]}`),
    closed: (reason) => note(`closed ${reason}`),
  })
  const until = async (count: number) => {
    while (happened.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return happened
  }
  return { socket, until, happened }
}

test("a relay's WebSocket is at /relay of its host, encrypted where the relay is", () => {
  assert.equal(socketUrl('https://relay.example/some/path?x=1').href, 'wss://relay.example/relay')
  assert.equal(socketUrl('http://[::1]:3340/').href, 'ws://[::1]:3340/relay')
})

test('a dial offers both versions, sends the token in a header, and passes messages both ways', async (context) => {
  const { sockets, url } = await served(context, 'iroh-relay-v1')
  const seen = new Promise<{ authorization: string | undefined; path: string | undefined }>((resolve) => {
    sockets.on('connection', (client, request) => {
      resolve({ authorization: request.headers.authorization, path: request.url })
      client.on('message', (data) => client.send(data))
    })
  })
  const { socket, until } = dialled(url, new Map([[url, TOKEN]]))
  assert.deepEqual(await until(1), ['opened 1'])
  assert.deepEqual(await seen, { authorization: `Bearer ${TOKEN}`, path: '/relay' })
  socket.send(new Uint8Array([1, 2, 3]))
  assert.deepEqual(await until(2), ['opened 1', 'message 1,2,3'])
  socket.close()
  socket.close()
})

test('a server that is no relay, sends text, or is not there ends with one event', async (context) => {
  const { url } = await served(context, false)
  const [first = ''] = await dialled(url).until(1)
  assert.match(first, /^closed .*subprotocol/i)

  const talker = await served(context, 'iroh-relay-v2')
  talker.sockets.on('connection', (client) => client.send('hello'))
  assert.deepEqual(await dialled(talker.url).until(2), ['opened 2', 'closed the relay sent text'])

  const [absent = ''] = await dialled('http://127.0.0.1:1/').until(1)
  assert.match(absent, /^closed .*ECONNREFUSED/)
})

test('a WebSocket that is closed before it is open tells nothing and harms nobody', async (context) => {
  const { url } = await served(context, 'iroh-relay-v2')
  const { socket, happened } = dialled(url)
  socket.close()
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.deepEqual(happened, [])
})

test('a constructor that throws is an event of a later turn', async () => {
  const relays = new WebSocketRelays(() => {
    throw new Error('forbidden by the policy')
  }, new Map())
  const reason = await new Promise((resolve) => {
    relays.dial('http://relay.example/', { opened: () => {}, message: () => {}, closed: resolve })
  })
  assert.equal(reason, 'forbidden by the policy')
})
