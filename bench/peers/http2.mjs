import http2 from 'node:http2'
import { selfSigned } from '../harness/certificate.mjs'
import { runTasks } from '../harness/flow.mjs'

const BODY = Buffer.alloc(100, 0x5a)

export const roles = { requests: { server: answer, client: ask } }

async function answer({ link, begin }) {
  const { cert, key } = selfSigned()
  const server = http2.createSecureServer({ cert, key })
  server.on('stream', (stream) => {
    stream.on('data', () => {})
    stream.on('end', () => {
      stream.respond({ ':status': 200 })
      stream.end(BODY)
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  link.send(server.address().port)
  begin()
  await link.receive()
  return {}
}

async function ask({ options, link, begin }) {
  const port = await link.receive()
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  await new Promise((resolve) => session.once('connect', resolve))
  const exchange = () =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':method': 'POST', ':path': '/' })
      let bytes = 0
      stream.on('data', (data) => {
        bytes += data.length
      })
      stream.once('error', reject)
      stream.once('end', () => (bytes === BODY.length ? resolve() : reject(new Error(`${bytes} bytes came back`))))
      stream.end(BODY)
    })
  const { requests, concurrency } = options
  await runTasks(Math.min(200, requests), concurrency, exchange)
  begin()
  const figures = await runTasks(requests, concurrency, exchange)
  link.send('done')
  session.destroy()
  return figures
}
