import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { loopback, type Running, Workbench } from './command.js'

const bench = await Workbench.open()

const serve = async (onSocket: (socket: Socket) => void): Promise<number> => {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  return (server.address() as AddressInfo).port
}

const forwarder = async (
  port: number,
): Promise<{ listener: Running; dialer: Running; port: number; ticket: string }> => {
  const listener = bench.start(['listen-tcp', '--json', '--host', `127.0.0.1:${port}`, ...loopback])
  const { ticket } = await listener.untilEvent('listening')
  const dialer = bench.start(['connect-tcp', '--json', '--addr', '127.0.0.1:0', ticket])
  const { port: local } = await dialer.untilEvent('listening')
  return { listener, dialer, port: local, ticket }
}

const exchange = async (port: number, request: Uint8Array): Promise<Buffer> => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.end(request)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('TCP connections are forwarded side by side, and a half-closed one still gets its answer', async () => {
  // Answers only when the request has ended.
  const service = await serve(async (socket) => {
    const chunks: Buffer[] = []
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk)
    socket.end(Buffer.concat([Buffer.from('echo:'), ...chunks]))
  })
  const { listener, dialer, port, ticket } = await forwarder(service)
  const requests = [randomBytes(1_000_000), Buffer.from('small'), Buffer.alloc(0), randomBytes(70_000)]
  const answers = await Promise.all(requests.map((request) => exchange(port, request)))
  for (const [i, request] of requests.entries()) {
    assert.ok(answers[i]?.equals(Buffer.concat([Buffer.from('echo:'), request])), `request ${i}`)
  }
  await bench.run(0, ['ping', '-c', '1', ticket])
  for (const command of [dialer, listener]) assert.deepEqual(await command.kill('SIGINT'), { code: 130, signal: null })
  assert.equal(listener.events.filter(({ event }) => event === 'forwarded').length, requests.length)
})

test('a service that is not there closes the TCP connection, and the forwarder goes on', async () => {
  const unused = await serve(() => undefined)
  // A port that was free a moment ago may be given to the forwarder itself, which then dials itself for ever.
  const nobody = 1
  const { listener, dialer, port } = await forwarder(nobody)
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('hello?')
  await once(socket, 'close')
  const failed = await listener.untilEvent('failed')
  assert.equal(failed.code, 'ECONNREFUSED')
  const again = connect(port, '127.0.0.1')
  again.on('error', () => undefined)
  await once(again, 'close')
  for (const command of [dialer, listener]) await command.kill('SIGINT')
  assert.ok(unused > 0)
})

test('a TCP port that is taken is exit code 8', async () => {
  const taken = await serve(() => undefined)
  const listener = bench.start(['listen', ...loopback], { input: 'open' })
  const ticket = await listener.until(() => /connect (endpoint\w+)/.exec(listener.stderr)?.[1], 'a ticket')
  const failed = await bench.run(8, ['connect-tcp', '--json', '--addr', `127.0.0.1:${taken}`, ticket])
  assert.equal(failed.event('error')?.code, 'EADDRINUSE')
  await bench.run(2, ['connect-tcp', ticket])
  await bench.run(6, ['connect-tcp', '--addr', '127.0.0.1:0', `${ticket}x`])
  await listener.kill('SIGINT')
})
