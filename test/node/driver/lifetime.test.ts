import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import dgram from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createGlue } from '../../../wasm/pkg/anypath_core_node.js'
import { connected, loopback } from './pair.js'

const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

const ON_LOOPBACK = `{
  secretKey: crypto.getRandomValues(new Uint8Array(32)), alpns: [], core: nodeCore(), limits: DEFAULT_LIMITS,
  transports: [new UdpTransport({ host: '127.0.0.1' })],
}`

/** Runs a script with an engine in it; gives how it ended. */
function run(
  body: string,
  options = ON_LOOPBACK,
): Promise<{ code: number | string | null; stdout: string; stderr: string }> {
  const script = `
    import { DEFAULT_LIMITS } from ${at('../../../src/config/index.js')}
    import { createEngine } from ${at('../../../src/driver/create.js')}
    import { NodeRelays } from ${at('../../../src/transport/relay.node.js')}
    import { UdpTransport } from ${at('../../../src/transport/udp.node.js')}
    import { nodeCore } from ${at('../../../src/core/load.node.js')}
    const engine = await createEngine(${options})
    ${body}`
  return new Promise((resolve) => {
    const args = ['--input-type=module', '--eval', script]
    const cwd = fileURLToPath(new URL('.', import.meta.url))
    const child = execFile(process.execPath, args, { timeout: 30_000, cwd }, (error, stdout, stderr) =>
      resolve({ code: error ? (error.signal ?? error.code ?? 'failed') : 0, stdout, stderr }),
    )
    // One that stays open would stay for ever: a second is enough to see that nothing lets it end.
    child.stdout?.on('data', (text) => {
      if (text === 'open\n') setTimeout(() => child.kill(), 1000)
    })
  })
}

test('an open engine keeps its process alive, and a closed one does not', async () => {
  const closed = await run("await engine.close(0, '', 100); console.log('closed')")
  assert.deepEqual(closed, { code: 0, stdout: 'closed\n', stderr: '' })
  const open = await run("console.log('open')")
  assert.deepEqual([open.code, open.stdout], ['SIGTERM', 'open\n'])
})

test('an engine that has nothing but a relay that can not be reached keeps its process alive until it is closed', async () => {
  const options = `{
    secretKey: crypto.getRandomValues(new Uint8Array(32)), alpns: [], core: nodeCore(), limits: DEFAULT_LIMITS, transports: [],
    relays: ['http://127.0.0.1:1/'], relayDialer: new NodeRelays([]),
  }`
  const open = await run("console.log('open')", options)
  assert.deepEqual([open.code, open.stdout], ['SIGTERM', 'open\n'])
  const closed = await run("await engine.close(0, '', 100); console.log('closed')", options)
  assert.deepEqual(closed, { code: 0, stdout: 'closed\n', stderr: '' })
})

test('an engine that is closed while it dials lets its process end', async () => {
  const ended = await run(`
    const remoteId = engine.endpointId.map((byte) => byte)
    const addresses = [{ carrier: 0, host: '127.0.0.1', port: 9 }]
    engine.connect({ remoteId, alpn: new Uint8Array([1]), addresses, earlyData: false }).catch(() => {})
    await engine.close(0, '', 2000)`)
  assert.deepEqual(ended, { code: 0, stdout: '', stderr: '' })
})

test('log records reach the logger at its level', async (context) => {
  const lines: string[] = []
  const client = await loopback(context, {
    logLevel: 'debug',
    log: (level, target) => lines.push(`${level} ${target}`),
  })
  await connected(client, await loopback(context))
  assert.ok(lines.length > 0)
  assert.ok(
    lines.every((line) => /^(error|warn|info|debug) \S/.test(line)),
    lines[0],
  )
})

test("each connection's qlog reaches its sink", async (context) => {
  const qlog = new Map<number, Buffer[]>()
  const client = await loopback(context, {
    qlog: (connection, bytes) => void qlog.set(connection, [...(qlog.get(connection) ?? []), Buffer.from(bytes)]),
  })
  const { c } = await connected(client, await loopback(context))
  client.engine.closeConnection(c, 0, '')
  await client.event('drained', c)
  assert.match(Buffer.concat(qlog.get(c) ?? []).toString(), /packet_sent/)
})

test('a socket that does not take packets stops the drain until it does', async (context) => {
  const [client, server] = [await loopback(context), await loopback(context)]
  const { c, s } = await connected(client, server)
  const prototype = dgram.Socket.prototype
  const original = prototype.getSendQueueCount
  const restore = (): void => {
    prototype.getSendQueueCount = original
  }
  context.after(restore)
  // The loopback interface takes everything at once, so the socket only claims that it does not.
  prototype.getSendQueueCount = () => 1
  const stream = await client.engine.openStream(c, false)
  let done = false
  const sent = client.writeAll(c, stream, 1 << 20).finally(() => {
    done = true
  })
  while (client.udp.writableBytes > 0) await sleep(5)
  const { bytesSent } = await client.engine.connectionStats(c)
  await sleep(100)
  assert.equal((await client.engine.connectionStats(c)).bytesSent, bytesSent)
  assert.equal(done, false)
  restore()
  await server.event('stream', s)
  assert.deepEqual(await server.readAll(s, stream), await sent)
})

test('the glue asks for nothing but what it supplies', async () => {
  const file = new URL('../../../src/core/anypath_core_node.wasm', import.meta.url)
  const module = await WebAssembly.compile(await readFile(file))
  const [one, two] = [createGlue(), createGlue()]
  const [first, second] = [one.initSync({ module }), two.initSync({ module })]
  assert.notEqual(first.memory, second.memory)
  assert.notEqual(one.Core, two.Core)
  assert.equal(one.panic_message(), '')
  assert.throws(() => new one.Core(new Uint8Array([9])), /^Error: 3: /)
  assert.equal(two.panic_message(), '')
})
