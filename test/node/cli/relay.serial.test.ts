import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { RawClient } from '../relay/raw-client.js'
import { StunClient } from '../stun-client.js'
import { Workbench } from './command.js'

const bench = await Workbench.open()

test('a relay says where it is, serves, and ends with 0 when its clients have been told to move', async () => {
  const running = bench.start(['relay', '--port', '0', '--drain-ms', '300', '--metrics-port', '0', '--json'])
  const { url, metricsPort } = await running.untilEvent('listening')
  const one = await RawClient.connect(url)
  const two = await RawClient.connect(url)
  one.datagram(two.pair.key, Buffer.from('hello'))
  await two.nextOf(6)
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  assert.match(metrics, /^anypath_relay_clients 2$/m)
  running.child.kill('SIGTERM')
  await one.nextOf(12)
  assert.equal((await one.closed).code, 1012)
  await running.exits(0)
  assert.equal(running.event('draining')?.clients, 2)
  assert.ok(running.event('stopped'))
})

test('a second signal ends it at once', async () => {
  const running = bench.start(['relay', '--port', '0', '--drain-ms', '60000', '--json'])
  const { url } = await running.untilEvent('listening')
  await RawClient.connect(url)
  running.child.kill('SIGINT')
  await running.untilEvent('draining')
  running.child.kill('SIGINT')
  await running.exits(130)
})

test('SIGHUP has it read its lists again, and a broken one is told and changes nothing', async () => {
  const denied = bench.path('denied')
  await writeFile(denied, '')
  const running = bench.start(['relay', '--port', '0', '--deny-file', denied, '--drain-ms', '0', '--json'])
  const { url } = await running.untilEvent('listening')
  const client = await RawClient.connect(url)
  await writeFile(denied, 'nonsense\n')
  running.child.kill('SIGHUP')
  const { message } = await running.untilEvent('reloadFailed')
  assert.match(message, /denyFile, line 1: "nonsense" is no endpoint id/)
  await writeFile(denied, `${client.pair.id}\n`)
  running.child.kill('SIGHUP')
  await running.untilEvent('reloaded')
  assert.equal((await client.closed).code, 1008)
  running.child.kill('SIGTERM')
  await running.exits(0)
})

test('wrong options end it with 2 and the name of the field, a taken port with 8', async () => {
  const wrong = await bench.run(2, ['relay', '--port', 'x'])
  assert.match(wrong.stderr, /--port must be a whole number/)
  const config = bench.path('relay.json')
  await writeFile(config, '{"limits":{"maxClient":1}}')
  const unknown = await bench.run(2, ['relay', '--config', config])
  assert.match(unknown.stderr, /limits\.maxClient: there is no such option/)
  const running = bench.start(['relay', '--port', '0', '--json'])
  const { httpPort } = await running.untilEvent('listening')
  const taken = await bench.run(8, ['relay', '--port', String(httpPort)])
  assert.match(taken.stderr, /can't listen on 127\.0\.0\.1 port/)
  await running.kill('SIGKILL')
})

test('a token from the environment is asked for', async () => {
  const env = { ANYPATH_RELAY_TOKENS: 'open sesame' }
  const running = bench.start(['relay', '--port', '0', '--drain-ms', '0', '--json'], { env })
  const { url } = await running.untilEvent('listening')
  await RawClient.connect(url, { query: '?token=open%20sesame' })
  await assert.rejects(RawClient.connect(url), /no challenge/)
  assert.ok(!running.stdout.includes('sesame') && !running.stderr.includes('sesame'))
  await running.kill('SIGTERM')
})

test('it answers STUN beside its TCP port unless it is told not to, and goes without where that port is taken', async (context) => {
  const first = bench.start(['relay', '--port', '0', '--json'])
  const { httpPort, stunPort, stunOtherPort } = await first.untilEvent('listening')
  const client = await StunClient.open()
  context.after(() => client.close())
  for (const port of [stunPort, stunOtherPort]) assert.equal((await client.ask('127.0.0.1', port))?.port, client.port)
  const silent = bench.start(['relay', '--port', '0', '--no-stun', '--json'])
  assert.equal((await silent.untilEvent('listening')).stunPort, null)
  for (const running of [first, silent]) await running.kill('SIGTERM')
  const taken = createSocket('udp4')
  context.after(() => taken.close())
  await new Promise<void>((resolve) => taken.bind(httpPort, '127.0.0.1', resolve))
  const without = bench.start(['relay', '--port', String(httpPort), '--json'])
  assert.equal((await without.untilEvent('listening')).stunPort, null)
  assert.equal(without.event('log')?.level, 'warn')
  await without.kill('SIGTERM')
})
