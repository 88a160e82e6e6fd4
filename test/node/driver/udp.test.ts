import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type UdpOptions, UdpTransport } from '../../../src/transport/udp.node.js'

interface Received {
  readonly host: string
  readonly port: number
  readonly data: Buffer
}

class Probe {
  readonly transport: UdpTransport
  readonly received: Received[] = []
  readonly failures: Error[] = []
  changes = 0
  writables = 0

  constructor(options: UdpOptions) {
    this.transport = new UdpTransport(options)
  }

  async start(context: TestContext): Promise<this> {
    context.after(() => this.transport.close())
    await this.transport.start({
      receive: (host, port, data) => this.received.push({ host, port, data: Buffer.from(data) }),
      writable: () => this.writables++,
      changed: () => this.changes++,
      failed: (cause) => this.failures.push(cause),
    })
    return this
  }

  get port(): number {
    return this.transport.localAddresses()[0]?.port ?? 0
  }

  async receives(count: number): Promise<void> {
    for (let tries = 0; this.received.length < count && tries < 200; tries++) await sleep(5)
    assert.equal(this.received.length, count)
  }
}

const hasIpv6 = Object.values(networkInterfaces()).some((infos) => infos?.some(({ family }) => family === 'IPv6'))

test('one socket takes and sends both families, and shows IPv4 as IPv4', {
  skip: hasIpv6 ? false : 'no IPv6 here',
}, async (context) => {
  const dual = await new Probe({}).start(context)
  for (const host of ['127.0.0.1', '::1']) {
    const other = await new Probe({ host }).start(context)
    other.transport.send({ host, port: dual.port }, new Uint8Array([1, 2]), 0)
    await dual.receives(1)
    const [first] = dual.received.splice(0)
    assert.deepEqual(first, { host, port: other.port, data: Buffer.from([1, 2]) })
    dual.transport.send({ host, port: other.port }, new Uint8Array([3]), 0)
    await other.receives(1)
    assert.deepEqual(other.received[0], { host, port: dual.port, data: Buffer.from([3]) })
  }
})

test('packets are cut at the segment size and the last may be shorter', async (context) => {
  const a = await new Probe({ host: '127.0.0.1' }).start(context)
  const b = await new Probe({ host: '127.0.0.1' }).start(context)
  a.transport.send(
    { host: '127.0.0.1', port: b.port },
    new Uint8Array(25).map((_, index) => index),
    10,
  )
  await b.receives(3)
  assert.deepEqual(
    b.received.map(({ data }) => [data[0], data.length]),
    [
      [0, 10],
      [10, 10],
      [20, 5],
    ],
  )
  assert.equal(a.transport.queuedBytes, 0)
})

test('an address that is taken is AddressInUse, one that is not ours TransportFailed', async (context) => {
  const a = await new Probe({ host: '127.0.0.1' }).start(context)
  await assert.rejects(new Probe({ host: '127.0.0.1', port: a.port }).start(context), { code: 'AddressInUse' })
  await assert.rejects(new Probe({ host: '192.0.2.1' }).start(context), { code: 'TransportFailed' })
})

test('packets that can not be sent are dropped and counted by kind, and the socket goes on', async (context) => {
  const a = await new Probe({ host: '127.0.0.1' }).start(context)
  const b = await new Probe({ host: '127.0.0.1' }).start(context)
  a.transport.send({ host: '127.0.0.1', port: b.port }, new Uint8Array(65535), 0)
  a.transport.send({ host: '2001:db8::1', port: 9 }, new Uint8Array(10), 0)
  a.transport.send({ host: '127.0.0.1', port: 0 }, new Uint8Array(10), 0)
  a.transport.send({ host: '192.0.2.1', port: 9 }, new Uint8Array(30), 10)
  await sleep(50)
  const { drops } = a.transport
  assert.equal(drops['too-large'], 1)
  assert.ok(Object.values(drops).reduce((sum, count) => sum + count) >= 4, JSON.stringify(drops))
  a.transport.send({ host: '127.0.0.1', port: b.port }, new Uint8Array([7]), 0)
  await b.receives(1)
  assert.deepEqual(a.failures, [])
})

test('a platform error is counted under its kind and only a dead socket fails the transport', async (context) => {
  const kinds: Record<string, string> = {
    EMSGSIZE: 'too-large',
    ENETUNREACH: 'unreachable',
    EHOSTUNREACH: 'unreachable',
    EADDRNOTAVAIL: 'bad-address',
    EINVAL: 'bad-address',
    EPERM: 'not-permitted',
    ENOBUFS: 'queue-full',
    EAGAIN: 'queue-full',
    EWHATEVER: 'EWHATEVER',
  }
  for (const [code, cause] of Object.entries({ ...kinds, EBADF: undefined })) {
    const original = dgram.Socket.prototype.send
    const probe = await new Probe({ host: '127.0.0.1' }).start(context)
    // The kernel can't be made to give each of these, so the socket's send is replaced for one call.
    dgram.Socket.prototype.send = ((...args: unknown[]) => {
      const callback = args.at(-1)
      if (typeof callback === 'function') process.nextTick(callback, Object.assign(new Error(code), { code }))
    }) as typeof original
    probe.transport.send({ host: '127.0.0.1', port: 9 }, new Uint8Array(30), 10)
    dgram.Socket.prototype.send = original
    await sleep(1)
    assert.equal(probe.failures.length, cause === undefined ? 1 : 0, code)
    if (cause !== undefined) assert.deepEqual(probe.transport.drops, { [cause]: 3 }, code)
  }
})

test('a socket whose send throws is reported, not thrown', async (context) => {
  const probe = await new Probe({ host: '127.0.0.1' }).start(context)
  const original = dgram.Socket.prototype.send
  dgram.Socket.prototype.send = () => {
    throw Object.assign(new Error('Not running'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' })
  }
  try {
    probe.transport.send({ host: '127.0.0.1', port: 9 }, new Uint8Array(3), 0)
  } finally {
    dgram.Socket.prototype.send = original
  }
  assert.equal(probe.failures.length, 1)
  assert.equal((probe.failures[0] as { code?: string }).code, 'TransportFailed')
  assert.deepEqual(probe.transport.localAddresses(), [])
})

test('binding anew changes the port and keeps on receiving', async (context) => {
  const a = await new Probe({ host: '127.0.0.1' }).start(context)
  const b = await new Probe({ host: '127.0.0.1' }).start(context)
  const before = a.port
  await a.transport.rebind()
  assert.notEqual(a.port, before)
  assert.equal(a.changes, 1)
  b.transport.send({ host: '127.0.0.1', port: a.port }, new Uint8Array([1]), 0)
  await a.receives(1)
  assert.deepEqual(a.failures, [])
})

test('closing is idempotent, nothing comes afterwards, and what is sent is counted', async (context) => {
  const a = await new Probe({ host: '127.0.0.1' }).start(context)
  const { port } = a
  await Promise.all([a.transport.close(), a.transport.close()])
  await a.transport.close()
  a.transport.send({ host: '127.0.0.1', port }, new Uint8Array(20), 10)
  assert.deepEqual(a.transport.drops, { closed: 2 })
  assert.deepEqual(a.failures, [])
  assert.deepEqual(a.transport.localAddresses(), [])
})

test('local addresses are those of the interfaces, without link-local ones', async (context) => {
  const { transport } = await new Probe({}).start(context)
  const hosts = transport.localAddresses().map(({ host }) => host)
  const infos = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  assert.ok(hosts.length > 0)
  for (const host of hosts) assert.ok(infos.some(({ address }) => address === host) && !host.startsWith('fe80'), host)
  const outside = infos.filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
  assert.equal(
    hosts.some((host) => host === '127.0.0.1' || host === '::1'),
    outside.length === 0,
  )
  const bound = await new Probe({ host: '127.0.0.1' }).start(context)
  assert.deepEqual(
    bound.transport.localAddresses().map(({ host }) => host),
    ['127.0.0.1'],
  )
})

test('packets are bounded by 1,452 bytes, by the interface and by the option', async (context) => {
  const { transport } = await new Probe({ host: '127.0.0.1' }).start(context)
  assert.equal(transport.maxPacketBytes, 1452)
  const jumbo = await new Probe({ host: '127.0.0.1', maxPacketBytes: 8952 }).start(context)
  assert.equal(jumbo.transport.maxPacketBytes, 8952)
})

test('the buffers are as large as the system allows', {
  skip: process.platform === 'linux' ? false : 'reads /proc',
}, async (context) => {
  const { transport } = await new Probe({ host: '127.0.0.1', receiveBufferBytes: 1 << 20 }).start(context)
  const most = Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
  // Linux doubles what is asked for, for its own bookkeeping.
  assert.ok(transport.bufferBytes.receive >= Math.min(1 << 20, most), String(transport.bufferBytes.receive))
})
