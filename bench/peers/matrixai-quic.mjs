import { createHmac, randomFillSync, timingSafeEqual } from 'node:crypto'
import { selfSigned } from '../harness/certificate.mjs'
import { readAll, writeFor } from '../harness/flow.mjs'

export const roles = { throughput: { server: receive, client: send } }

async function load() {
  const { QUICServer, QUICClient, events } = await import('@matrixai/quic')
  const { default: Logger } = await import('@matrixai/logger')
  // Without handlers it writes nothing.
  return { QUICServer, QUICClient, events, logger: new Logger('bench', 5, []) }
}

function hmac(key, data) {
  return createHmac('sha256', Buffer.from(key)).update(Buffer.from(data)).digest()
}

async function receive(context) {
  const { QUICServer, events, logger } = await load()
  const { cert, key } = selfSigned()
  const arrayBuffer = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
  const server = new QUICServer({
    crypto: {
      key: new ArrayBuffer(32),
      ops: {
        sign: async (secret, data) => arrayBuffer(hmac(secret, data)),
        verify: async (secret, data, signature) => timingSafeEqual(hmac(secret, data), Buffer.from(signature)),
      },
    },
    config: { key, cert, verifyPeer: false, maxIdleTimeout: 30_000 },
    logger,
  })
  const arrived = new Promise((resolve) => {
    server.addEventListener(events.EventQUICServerConnection.name, ({ detail: connection }) => {
      connection.addEventListener(events.EventQUICConnectionStream.name, ({ detail }) => resolve(detail))
    })
  })
  await server.start({ host: '127.0.0.1', port: 0 })
  context.link.send(server.port)
  const stream = await arrived
  return readAll(stream.readable, context)
}

async function send(context) {
  const { QUICClient, logger } = await load()
  const client = await QUICClient.createQUICClient({
    host: '127.0.0.1',
    port: await context.link.receive(),
    localHost: '127.0.0.1',
    crypto: { ops: { randomBytes: async (data) => void randomFillSync(new Uint8Array(data)) } },
    config: { verifyPeer: false, maxIdleTimeout: 30_000 },
    logger,
  })
  const stream = client.connection.newStream('uni')
  await writeFor(stream.writable, context)
  return {}
}
