import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StunClient } from '../stun-client.js'
import { Workbench } from './command.js'

const bench = await Workbench.open()

test('anypath stun answers an independent client until Ctrl-C, and tells what it did', async (context) => {
  const server = bench.start(['stun', '--port', '0', '--json'])
  const { host, port } = await server.untilEvent('listening')
  assert.equal(host, '127.0.0.1')
  const client = await StunClient.open()
  context.after(() => client.close())
  const answer = await client.ask('127.0.0.1', port)
  assert.deepEqual([answer?.type, answer?.host, answer?.port], [0x0101, '127.0.0.1', client.port])
  // Its first byte is no protocol's (RFC 7983): 'n' would be QUIC's.
  client.send(Buffer.from('\u0005 no STUN'), '127.0.0.1', port)
  await client.ask('127.0.0.1', port)
  assert.deepEqual(await server.kill('SIGINT'), { code: 130, signal: null })
  assert.deepEqual(server.event('served'), { event: 'served', answered: 2, limited: 0, malformed: 1 })
})

test('anypath stun binds what --host says, in the text for people too', async (context) => {
  const server = bench.start(['stun', '--host', '0.0.0.0', '--port', '0'])
  const [, port] = await server.until(() => /stun:0\.0\.0\.0:(\d+)/.exec(server.stderr), 'the URL')
  const client = await StunClient.open()
  context.after(() => client.close())
  assert.equal((await client.ask('127.0.0.1', Number(port)))?.port, client.port)
  await server.kill('SIGTERM')
  assert.match(server.stderr, /answered 1 requests/)
})

test('a port that is taken is exit code 8', async () => {
  const first = bench.start(['stun', '--port', '0', '--json'])
  const { port } = await first.untilEvent('listening')
  const second = await bench.run(8, ['stun', '--port', String(port), '--json'])
  assert.equal(second.event('error')?.code, 'AddressInUse')
  await first.kill('SIGINT')
})
