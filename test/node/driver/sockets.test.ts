import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import { readdirSync, readlinkSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DEFAULT_LIMITS } from '../../../src/config/index.js'
import { PEER_FIELDS } from '../../../src/core/stats.js'
import { createEngine } from '../../../src/driver/create.js'
import { UdpTransport } from '../../../src/transport/udp.node.js'
import { FakeCore } from './fake-core.js'

const FIRST = 0x4000_0000
const COUNT = 256

/** The open sockets of this process; where there are too many files there is none to read them by. */
function openSockets(): number {
  const folder = '/proc/self/fd'
  try {
    const files = readdirSync(folder).map((file) => linkOf(`${folder}/${file}`))
    return files.filter((link) => link.startsWith('socket:')).length
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** What a descriptor is; the folder's own is closed again by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/** An engine with a real socket, whose core asks for what a test says. */
async function staged() {
  const core = new FakeCore()
  core.results.peer_stats = PEER_FIELDS.indexOf('stunRequestsSent') * 8
  const engine = await createEngine({
    secretKey: new Uint8Array(32),
    alpns: [],
    transports: [new UdpTransport({ host: '127.0.0.1' })],
    core: core.program(),
    limits: DEFAULT_LIMITS,
  })
  const told = (method: string) => core.calls.filter(([name, ...args]) => name === method && args.some(isSocket)).length
  const settled = async (count: number) => {
    for (let wait = 0; wait < 500 && told('set_carrier') + told('remove_carrier') < count; wait++) await sleep(10)
  }
  const ask = (kind: number, first = FIRST, count = COUNT) => {
    for (let id = first; id < first + count; id++) core.record(kind, id)
    engine.wake()
  }
  return { core, engine, told, settled, open: ask.bind(undefined, 24), close: ask.bind(undefined, 25) }
}

function isSocket(argument: unknown): boolean {
  return typeof argument === 'number' && argument >= FIRST && argument < FIRST + 10 * COUNT
}

/** Waits until as many sockets are open as is expected, and gives how many are. */
async function socketsBecome(expected: number): Promise<number> {
  for (let wait = 0; wait < 300 && openSockets() !== expected; wait++) await sleep(10)
  return openSockets()
}

if (process.env.ANYPATH_FEW_FILES === '1') {
  const { engine, told, settled, open, close } = await staged()
  const before = openSockets()
  open()
  await settled(COUNT)
  const [opened, failed] = [told('set_carrier'), told('remove_carrier')]
  close()
  const left = (await socketsBecome(before)) - before
  await engine.close(0, '', 0)
  process.stdout.write(JSON.stringify({ opened, failed, left }))
} else {
  test('sockets that the core asks for are opened beside the main one, send and receive, and are all closed', async () => {
    const { core, engine, told, settled, open, close } = await staged()
    const before = openSockets()
    open()
    await settled(COUNT)
    assert.deepEqual([told('set_carrier'), told('remove_carrier')], [COUNT, 0])
    assert.equal(await socketsBecome(before + COUNT), before + COUNT)

    const remote = dgram.createSocket('udp4')
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve))
    const port = remote.address().port
    const arrived = new Promise<number>((resolve) => remote.once('message', (_, { port: source }) => resolve(source)))
    const where = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1, port & 255, port >> 8, 0, 0, 0, 0, 0, 0]
    core.record(1, FIRST + 7, (writer) => writer.bytes(new Uint8Array([...where, 1, 2, 3])))
    engine.wake()
    const source = await arrived
    const { port: main } = (await engine.localAddresses())[0] ?? {}
    assert.notEqual(source, main, 'it has a port of its own')
    assert.equal((await engine.localAddresses()).length, 1, 'which nobody is told')
    const ingested = () => core.calls.filter(([name]) => name === 'ingest').length
    const taken = ingested()
    remote.send(new Uint8Array(9), source, '127.0.0.1')
    for (let wait = 0; wait < 300 && ingested() === taken; wait++) await sleep(10)
    assert.ok(ingested() > taken)
    remote.close()

    close(FIRST, COUNT - 1)
    assert.equal(await socketsBecome(before + 1), before + 1)
    close(FIRST + COUNT - 1, 1)
    assert.equal(await socketsBecome(before), before)
    open(FIRST + COUNT, 20)
    await settled(COUNT + 20)
    await engine.close(0, '', 0)
    // The main socket is closed with them.
    assert.equal(await socketsBecome(before - 1), before - 1)
  })

  test('sockets that are given up before they are open stay closed', async () => {
    const { engine, told, open, close } = await staged()
    const before = openSockets()
    open()
    close()
    await sleep(200)
    assert.equal(told('set_carrier'), 0)
    assert.equal(await socketsBecome(before), before)
    await engine.close(0, '', 0)
  })

  test('where the system gives too few files the core is told of each socket that it does not get, and none is left', () => {
    const child = spawnSync(
      'sh',
      ['-c', 'ulimit -n 100; exec "$0" "$1"', process.execPath, fileURLToPath(import.meta.url)],
      {
        env: { ...process.env, ANYPATH_FEW_FILES: '1', NODE_TEST_CONTEXT: undefined },
        encoding: 'utf8',
        timeout: 60_000,
      },
    )
    assert.equal(child.status, 0, child.stderr)
    const { opened, failed, left } = JSON.parse(child.stdout)
    assert.ok(opened > 0 && opened < 100, child.stdout)
    assert.deepEqual([opened + failed, left], [COUNT, 0], child.stdout)
  })
}
