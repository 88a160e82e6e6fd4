import { selfSigned } from '../harness/certificate.mjs'
import { first, readAll, writeFor } from '../harness/flow.mjs'

const PATH = '/bench'

export const roles = { throughput: { server: receive, client: send } }

async function receive(context) {
  const { Http3Server, quicheLoaded } = await import('@fails-components/webtransport')
  await quicheLoaded
  const { cert, key, sha256 } = selfSigned()
  const server = new Http3Server({ port: 0, host: '127.0.0.1', secret: 'bench', cert, privKey: key })
  server.startServer()
  await server.ready
  const sessions = await server.sessionStream(PATH)
  context.link.send({ port: server.address().port, hash: sha256.toString('hex') })
  const session = await first(sessions)
  await session.ready
  return readAll(await first(session.incomingUnidirectionalStreams), context)
}

async function send(context) {
  const { WebTransport, quicheLoaded } = await import('@fails-components/webtransport')
  await quicheLoaded
  const { port, hash } = await context.link.receive()
  const session = new WebTransport(`https://127.0.0.1:${port}${PATH}`, {
    serverCertificateHashes: [{ algorithm: 'sha-256', value: Buffer.from(hash, 'hex') }],
  })
  await session.ready
  const stream = await session.createUnidirectionalStream()
  await writeFor(stream, context)
  return {}
}
