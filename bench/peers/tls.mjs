import tls from 'node:tls'
import { selfSigned } from '../harness/certificate.mjs'
import { runTasks } from '../harness/flow.mjs'

/** Both sides show a certificate, as peers do. */
const RULES = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', rejectUnauthorized: false }

export const roles = { handshakes: { server: answer, client: dial } }

async function answer({ link, begin }) {
  const server = tls.createServer({ ...RULES, ...selfSigned(), requestCert: true }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => socket.end(data))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  link.send(server.address().port)
  begin()
  await link.receive()
  return {}
}

async function dial({ options, link, begin }) {
  const port = await link.receive()
  const certificate = selfSigned()
  const task = () =>
    new Promise((resolve, reject) => {
      const socket = tls.connect({ ...RULES, ...certificate, port, host: '127.0.0.1' })
      socket.once('error', reject)
      socket.once('secureConnect', () => socket.write('x'))
      socket.once('data', () => {
        socket.destroy()
        resolve()
      })
    })
  await runTasks(Math.min(10, options.count), options.concurrency, task)
  begin()
  const figures = await runTasks(options.count, options.concurrency, task)
  link.send('done')
  return figures
}
