import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { test } from 'node:test'
import { defaultGateway } from '../../../../src/transport/port-mapping/default-gateway.node.js'
import {
  EXTERNAL,
  INTERNAL_PORT,
  LoopbackRouter,
  mapperOf,
  natPmpAnswer,
  natPmpOnly,
  pcpAnswer,
  until,
} from './loopback-router.js'

const MINUTE = 60_000

test('a PCP router forwards: the request is as RFC 6887 has it, and the address is told', async (context) => {
  const router = await LoopbackRouter.start(context)
  router.answer = (request) => [pcpAnswer(request)]
  const { mapper, told, begin } = mapperOf(context, router)
  begin()
  await until(() => told.length === 1, 'a mapping')
  assert.deepEqual(told, [[EXTERNAL]])
  const [request] = router.asked(2, 1)
  assert.equal(
    request?.toString('hex'),
    // version, MAP, reserved, 7,200 s, ::ffff:127.0.0.1; the nonce, UDP, reserved, 40,000, 40,000, ::ffff:0.0.0.0
    `0201000000001c2000000000000000000000ffff7f000001${'07'.repeat(12)}110000009c409c4000000000000000000000ffff00000000`,
  )
  const { protocol, external, failure, requests, obtained, lost, drops } = mapper.stats
  assert.deepEqual({ protocol, external, failure }, { protocol: 'pcp', external: EXTERNAL, failure: undefined })
  assert.deepEqual({ requests, obtained, lost, drops }, { requests: 1, obtained: 1, lost: 0, drops: {} })
})

test('a router that knows only NAT-PMP is asked by it', async (context) => {
  const router = await LoopbackRouter.start(context)
  router.answer = (request) => natPmpOnly(request)
  const { mapper, told, begin } = mapperOf(context, router)
  begin()
  await until(() => told.length === 1, 'a mapping')
  assert.deepEqual(told, [[EXTERNAL]])
  assert.equal(mapper.stats.protocol, 'nat-pmp')
  assert.equal(router.asked(0, 1)[0]?.toString('hex'), '000100009c409c4000001c20')
})

test('a request is repeated four times at most, and a silent router is tried again after a minute', async (context) => {
  const router = await LoopbackRouter.start(context)
  const { mapper, clock, told, begin, failure } = mapperOf(context, router)
  begin()
  for (const version of [2, 0]) {
    for (const [i, pauseMs] of [250, 500, 1000, 2000].entries()) {
      await until(() => router.requests.filter(([sent]) => sent === version).length === i + 1, `request ${i + 1}`)
      await clock.advance(pauseMs)
    }
  }
  assert.match(
    await failure(),
    /^pcp: the router does not answer; nat-pmp: the router does not answer; upnp: no router answers$/,
  )
  router.answer = (request) => [pcpAnswer(request)]
  await clock.advance(59_000)
  assert.deepEqual(told, [])
  await clock.advance(1000)
  await until(() => told.length === 1, 'a mapping')
  assert.equal(mapper.stats.failure, undefined)
})

test('where nobody listens the system says so at once', async (context) => {
  const router = await LoopbackRouter.start(context)
  const { port } = router
  const closed = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => closed.bind(0, '127.0.0.1', resolve))
  const silent = closed.address().port
  closed.close()
  assert.notEqual(port, silent)
  const { begin, failure } = mapperOf(context, router, { gatewayPort: silent })
  begin()
  assert.match(await failure(), /^pcp: the router does not listen; nat-pmp: the router does not listen;/)
})

test('short, foreign and wrong answers are counted and dropped, and the right one after them is taken', async (context) => {
  const router = await LoopbackRouter.start(context)
  const changed = (request: Buffer, at: number) => {
    const answer = pcpAnswer(request)
    answer[at] = (answer[at] ?? 0) ^ 0xff
    return answer
  }
  router.answer = (request) => [
    Buffer.of(2, 129),
    Buffer.alloc(0),
    Buffer.alloc(1200, 2),
    pcpAnswer(request).subarray(0, 59),
    pcpAnswer(request).subarray(0, 24),
    changed(request, 44),
    changed(request, 0),
    request,
    changed(request, 24),
    changed(request, 36),
    changed(request, 40),
    pcpAnswer(request),
  ]
  const { mapper, told, begin } = mapperOf(context, router)
  begin()
  await until(() => told.length === 1, 'a mapping')
  assert.deepEqual(told, [[EXTERNAL]])
  assert.deepEqual(mapper.stats.drops, { malformed: 7, unexpected: 4 })
})

test('a NAT-PMP router’s short and wrong answers are dropped as well', async (context) => {
  const router = await LoopbackRouter.start(context)
  router.answer = (request) => {
    if (request[0] !== 0) return natPmpOnly(request)
    const other = natPmpAnswer(request)
    if (request[1] === 1) other.writeUInt16BE(1, 8)
    else other[1] = 0x81
    const cut = natPmpAnswer(request)
    return [Buffer.of(0, 128), cut.subarray(0, cut.length - 1), other, cut]
  }
  const { mapper, told, begin } = mapperOf(context, router)
  begin()
  await until(() => told.length === 1, 'a mapping')
  assert.deepEqual(mapper.stats.drops, { malformed: 4, unexpected: 2 })
})

test('who floods with useless answers is not listened to', async (context) => {
  const router = await LoopbackRouter.start(context)
  router.answer = () => Array.from({ length: 40 }, () => Buffer.of(2))
  const { mapper, begin, failure } = mapperOf(context, router)
  begin()
  assert.match(await failure(), /pcp: the router floods; nat-pmp: the router floods;/)
  assert.deepEqual(mapper.stats.drops, { malformed: 32 })
})

test('a right answer from another address or port is not heard', async (context) => {
  const router = await LoopbackRouter.start(context)
  const forger = await LoopbackRouter.start(context)
  const elsewhere = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => elsewhere.bind(router.port, '127.0.0.2', resolve))
  context.after(() => elsewhere.close())
  const { told, begin } = mapperOf(context, router)
  begin()
  await until(() => router.requests.length === 1, 'a request')
  const [request] = router.requests as [Buffer]
  const { port = 0 } = router.asker ?? {}
  const forged = pcpAnswer(request, { host: '203.0.113.66' })
  for (const socket of [forger.socket, elsewhere])
    await new Promise((resolve) => socket.send(forged, port, '127.0.0.1', resolve))
  router.socket.send(pcpAnswer(request), port, '127.0.0.1')
  await until(() => told.length === 1, 'a mapping')
  assert.deepEqual(told, [[EXTERNAL]])
})

test('a refusal is told with its reason, and what grants nothing is one', async (context) => {
  const router = await LoopbackRouter.start(context)
  router.answer = (request) =>
    request[0] === 2 ? [pcpAnswer(request, { result: 12 })] : [natPmpAnswer(request, { lifetime: 0 })]
  const { begin, failure } = mapperOf(context, router)
  begin()
  assert.match(await failure(), /^pcp: address mismatch: .*; nat-pmp: nothing was forwarded;/)
})

test('the address of a router behind another NAT is told to nobody', async (context) => {
  for (const host of ['192.168.0.2', '100.64.3.4', '10.1.1.1', '172.31.0.1', '169.254.1.1', '127.0.0.1', '0.0.0.0']) {
    const router = await LoopbackRouter.start(context)
    router.answer = (request) => [pcpAnswer(request, { host })]
    const { mapper, told, begin } = mapperOf(context, router)
    begin()
    await until(() => mapper.stats.failure !== undefined, 'a mapping')
    assert.deepEqual(told.flat(), [], host)
    assert.match(mapper.stats.failure ?? '', /has itself no public address/)
    assert.deepEqual(mapper.stats.drops, { 'private-external': 1 })
  }
})

test('a mapping is asked for again each minute, with the same nonce and the port that was given', async (context) => {
  const router = await LoopbackRouter.start(context)
  const { mapper, clock, told, begin } = mapperOf(context, router)
  router.answer = (request) => [pcpAnswer(request)]
  begin()
  await until(() => told.length === 1, 'a mapping')
  for (let minute = 1; minute <= 3; minute++) {
    await clock.advance(MINUTE - 1)
    assert.equal(router.requests.length, minute)
    await clock.advance(1)
    await until(() => router.asked(2, 1).length === minute + 1 && clock.timers === 1, `the answer of minute ${minute}`)
  }
  const [first, renewal] = router.asked(2, 1) as [Buffer, Buffer]
  assert.equal(renewal.readUInt16BE(42), EXTERNAL.port)
  assert.deepEqual(renewal.subarray(24, 36), first.subarray(24, 36))
  assert.equal(told.length, 1)
  assert.equal(mapper.stats.obtained, 1)
})

test('a router that says it keeps nothing for long is not asked more than twice a minute', async (context) => {
  const router = await LoopbackRouter.start(context)
  const { clock, told, begin } = mapperOf(context, router)
  router.answer = (request) => [pcpAnswer(request, { lifetime: 1 })]
  begin()
  await until(() => told.length === 1, 'a mapping')
  await clock.advance(29_000)
  assert.equal(router.requests.length, 1)
  await clock.advance(1000)
  await until(() => router.requests.length === 2, 'the renewal')
})

for (const [name, answer] of [
  ['PCP', (request: Buffer, port: number) => [pcpAnswer(request, { port })]],
  ['NAT-PMP', (request: Buffer, port: number) => natPmpOnly(request, { port })],
] as const) {
  test(`a router that speaks ${name} and was restarted at once forwards again within a minute, and the new port is told`, async (context) => {
    const router = await LoopbackRouter.start(context)
    const { clock, told, begin } = mapperOf(context, router)
    let port = EXTERNAL.port
    router.answer = (request) => answer(request, port)
    begin()
    await until(() => told.length === 1, 'a mapping')
    port = 50_505
    await clock.advance(MINUTE)
    await until(() => told.length === 2, 'the new mapping')
    assert.deepEqual(told.at(-1), [{ host: EXTERNAL.host, port: 50_505 }])
  })
}

test('a router that falls silent takes the address back, and is found again when it is back', async (context) => {
  const router = await LoopbackRouter.start(context)
  const { mapper, clock, told, begin } = mapperOf(context, router)
  const answer = (request: Buffer) => [pcpAnswer(request)]
  router.answer = answer
  begin()
  await until(() => told.length === 1, 'a mapping')
  router.answer = () => []
  await clock.advance(MINUTE)
  await until(() => router.asked(2, 1).length === 2, 'the question')
  await clock.advance(3750)
  await until(() => told.length === 2, 'the loss')
  assert.deepEqual(told.at(-1), [])
  assert.deepEqual([mapper.stats.lost, mapper.stats.protocol], [1, undefined])
  router.answer = answer
  await clock.advance(5000)
  await until(() => told.length === 3, 'the mapping')
  assert.deepEqual(told.at(-1), [EXTERNAL])
})

test('another network makes everything begin anew', async (context) => {
  const router = await LoopbackRouter.start(context)
  router.answer = (request) => [pcpAnswer(request)]
  const { mapper, told, begin } = mapperOf(context, router)
  begin()
  await until(() => told.length === 1, 'a mapping')
  mapper.update([{ host: '198.51.100.1', port: INTERNAL_PORT }])
  assert.deepEqual(told.at(-1), [])
  assert.match(mapper.stats.failure ?? '', /no private IPv4 address/)
  begin()
  await until(() => told.length === 3, 'a mapping')
  assert.equal(router.asked(2, 1)[1]?.readUInt16BE(42), EXTERNAL.port)
})

test('a router is asked only from an address that the socket has', async (context) => {
  const router = await LoopbackRouter.start(context)
  const { mapper } = mapperOf(context, router, { mayAskFrom: () => true })
  mapper.update([{ host: '192.0.2.5', port: INTERNAL_PORT }])
  await until(() => mapper.stats.failure !== undefined, 'the end')
  assert.match(mapper.stats.failure ?? '', /no private address leads to 127\.0\.0\.1/)
  assert.equal(router.requests.length, 0)
})

test('closing gives the port back, and leaves no timer', async (context) => {
  for (const [version, answer] of [
    [2, (request: Buffer) => [pcpAnswer(request)]],
    [0, natPmpOnly],
  ] as const) {
    const router = await LoopbackRouter.start(context)
    router.answer = (request) => answer(request)
    const { mapper, clock, told, begin } = mapperOf(context, router)
    begin()
    await until(() => told.length === 1, 'a mapping')
    await mapper.close()
    const last = router.asked(version, 1).at(-1)
    assert.equal(last?.readUInt32BE(version === 2 ? 4 : 8), 0)
    assert.equal(clock.timers, 0)
    mapper.update([{ host: '127.0.0.1', port: 1 }])
    assert.deepEqual(told, [[EXTERNAL]])
  }
})

test('closing waits a second at most for a router that is gone, and a tenth for one that has not answered yet', async (context) => {
  const router = await LoopbackRouter.start(context)
  router.answer = (request) => [pcpAnswer(request)]
  const { mapper, clock, told, begin } = mapperOf(context, router)
  begin()
  await until(() => told.length === 1, 'a mapping')
  router.answer = () => []
  const closed = mapper.close()
  await clock.until(closed, 1000)
  assert.equal(clock.timers, 0)
  const silent = await LoopbackRouter.start(context)
  const searching = mapperOf(context, silent)
  searching.begin()
  await until(() => silent.requests.length === 1, 'a request')
  await searching.clock.until(searching.mapper.close(), 100)
  assert.equal(searching.clock.timers, 0)
  // It may have done as it was asked.
  await until(() => silent.requests.length === 2, 'the end of it')
  assert.deepEqual(
    silent.requests.map((request) => request.readUInt32BE(4)),
    [7200, 0],
  )
})

test('the default route with the lowest metric that is up leads to the router', () => {
  const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'
  const route = (gateway: string, flags: string, metric: number, to = '00000000', mask = '00000000') =>
    `eth0\t${to}\t${gateway}\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0\n`
  const routes = [
    route('0101A8C0', '0003', 600),
    route('0100A8C0', '0003', 100),
    route('0200A8C0', '0002', 1),
    route('00000000', '0001', 0),
    route('0300A8C0', '0003', 0, '0000000A', '000000FF'),
    route('0300A8C0', '0003', 0, '00000000', '00000080'),
    route('zz00A8C0', '0003', 0),
    'nonsense\n',
  ]
  assert.equal(
    defaultGateway(() => header + routes.join('')),
    '192.168.0.1',
  )
  assert.equal(
    defaultGateway(() => header),
    undefined,
  )
  assert.equal(
    defaultGateway(() => ''),
    undefined,
  )
})
