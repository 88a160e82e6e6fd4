import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { readDescription } from '../../../../src/transport/port-mapping/upnp/description.js'
import { encodeSearches, readLocation } from '../../../../src/transport/port-mapping/upnp/ssdp.js'
import { parseXml } from '../../../../src/transport/port-mapping/upnp/xml.js'
import { EXTERNAL, INTERNAL_PORT, LoopbackRouter, mapperOf, until } from './loopback-router.js'

const MINUTE = 60_000
const IGD = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'
const CONNECTION = (version: number) => `urn:schemas-upnp-org:service:WANIPConnection:${version}`

type Values = Readonly<Record<string, string | number>>
type Act = (action: string, values: Values) => Values | { readonly error: number }

interface DeviceOptions {
  readonly version?: 1 | 2
  readonly act: Act
  /** In place of the description. */
  readonly describe?: RequestListener
  readonly controlUrl?: string
  readonly base?: string
  /** In place of the location. */
  readonly location?: (port: number) => string
}

/** A gateway on loopback: SSDP by UDP, the rest by HTTP. */
async function device(context: TestContext, options: DeviceOptions) {
  const acted: string[] = []
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(`${request.method} ${request.url}`)
    if (request.method === 'POST') void control(options, acted, request, response)
    else if (options.describe) options.describe(request, response)
    else response.end(description(options))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const ssdp = await LoopbackRouter.start(context)
  const location = options.location?.(port) ?? `http://127.0.0.1:${port}/root.xml`
  ssdp.answerSearch = () => [Buffer.from(`HTTP/1.1 200 OK\r\nST: ${IGD}\r\nLocation:  ${location}\r\nEXT:\r\n\r\n`)]
  const unused = await LoopbackRouter.start(context)
  unused.answer = (request) => [
    request[0] === 2 ? Buffer.of(0, 0x81, 0, 1, 0, 0, 0, 0) : Buffer.of(0, 0x80, 0, 5, 0, 0, 0, 0),
  ]
  const mapper = mapperOf(context, unused, { ssdp: { host: '127.0.0.1', port: ssdp.port } })
  mapper.begin()
  return { acted, paths, ssdp, ...mapper }
}

const description = ({
  version = 1,
  controlUrl = '/control',
  base = '',
}: DeviceOptions): string => `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0">${base === '' ? '' : `<URLBase>${base}</URLBase>`}<device><deviceList><device>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/no</controlURL></service></serviceList>
<deviceList><device><serviceList><service><serviceType>${CONNECTION(version)}</serviceType><controlURL>${controlUrl}</controlURL></service>
</serviceList></device></deviceList></device></deviceList></device></root>`

async function control(
  { act, version = 1 }: DeviceOptions,
  acted: string[],
  request: IncomingMessage,
  response: ServerResponse,
) {
  const action = String(request.headers.soapaction).replace(/^.*#|"$/g, '')
  assert.equal(String(request.headers.soapaction), `"${CONNECTION(version)}#${action}"`)
  acted.push(action)
  let body = ''
  for await (const piece of request) body += String(piece)
  const given = parseXml(body)?.children[0]?.children[0]?.children ?? []
  const answer = act(action, Object.fromEntries(given.map(({ name, text }) => [name, text])))
  const envelope = (inner: string) =>
    `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${inner}</s:Body></s:Envelope>`
  if ('error' in answer) {
    response.statusCode = 500
    const fault = `<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${answer.error}</errorCode><errorDescription>No &amp; never</errorDescription></UPnPError>`
    response.end(envelope(`<s:Fault><detail>${fault}</detail></s:Fault>`))
    return
  }
  const values = Object.entries(answer).map(([name, value]) => `<${name}>${value}</${name}>`)
  response.end(envelope(`<u:${action}Response xmlns:u="x">${values.join('')}</u:${action}Response>`))
}

/** A table of ports as a router keeps it. */
function router(taken: readonly number[] = []) {
  const entries = new Map<string, Values>()
  const act: Act = (action, values) => {
    const port = String(values.NewExternalPort)
    switch (action) {
      case 'GetExternalIPAddress':
        return { NewExternalIPAddress: EXTERNAL.host }
      case 'AddAnyPortMapping':
        entries.set(String(EXTERNAL.port), values)
        return { NewReservedPort: EXTERNAL.port }
      case 'AddPortMapping':
        if (taken.includes(Number(port))) return { error: 718 }
        entries.set(port, values)
        return {}
      case 'GetSpecificPortMappingEntry':
        return entries.get(port) ?? { error: 714 }
      case 'DeletePortMapping':
        return entries.delete(port) ? {} : { error: 714 }
      default:
        return { error: 401 }
    }
  }
  return { entries, act }
}

/** Lets the search take place: what has answered is asked 200 ms later. */
async function answered({ ssdp, clock }: Awaited<ReturnType<typeof device>>): Promise<void> {
  // The search's end, its repetition, and the end after the first answer.
  await until(() => ssdp.searches >= 2 && clock.timers >= 3, 'an answer')
  await clock.advance(200)
}

/** Lets the search take place, and gives what becomes of it. */
async function outcome(gateway: Awaited<ReturnType<typeof device>>): Promise<string> {
  const { mapper, told } = gateway
  await answered(gateway)
  await until(() => told.length > 0 || mapper.stats.failure !== undefined, 'an outcome')
  return mapper.stats.failure ?? ''
}

test('a gateway of version 1 forwards the port that it is asked for, for two hours, and gives it back', async (context) => {
  const { act, entries } = router()
  const gateway = await device(context, { act })
  const { mapper, clock, told } = gateway
  await outcome(gateway)
  assert.deepEqual(told, [[{ host: EXTERNAL.host, port: INTERNAL_PORT }]])
  assert.equal(mapper.stats.protocol, 'upnp')
  assert.deepEqual(entries.get(String(INTERNAL_PORT)), {
    NewRemoteHost: '',
    NewExternalPort: String(INTERNAL_PORT),
    NewProtocol: 'UDP',
    NewInternalPort: String(INTERNAL_PORT),
    NewInternalClient: '127.0.0.1',
    NewEnabled: '1',
    NewPortMappingDescription: 'anypath',
    NewLeaseDuration: '7200',
  })
  await mapper.close()
  assert.equal(entries.size, 0)
  assert.equal(clock.timers, 0)
})

test('a gateway of version 2 chooses the port', async (context) => {
  const gateway = await device(context, { version: 2, ...router() })
  await outcome(gateway)
  assert.deepEqual(gateway.told, [[EXTERNAL]])
  assert.deepEqual(gateway.acted, ['GetExternalIPAddress', 'AddAnyPortMapping'])
})

test('one of version 2 that can’t choose is asked for the port', async (context) => {
  const { act } = router()
  const gateway = await device(context, {
    version: 2,
    act: (action, values) => (action === 'AddAnyPortMapping' ? { error: 401 } : act(action, values)),
  })
  await outcome(gateway)
  assert.deepEqual(gateway.told, [[{ host: EXTERNAL.host, port: INTERNAL_PORT }]])
})

test('where the port is taken, four at most are tried', async (context) => {
  const gateway = await device(context, router([INTERNAL_PORT]))
  await outcome(gateway)
  const [[external] = []] = gateway.told
  assert.ok((external?.port ?? 0) >= 49_152)
  const full = await device(context, {
    act: (action) => (action === 'AddPortMapping' ? { error: 718 } : { NewExternalIPAddress: EXTERNAL.host }),
  })
  assert.match(await outcome(full), /upnp: refused with 718 \(No & never\)$/)
  assert.equal(full.acted.filter((action) => action === 'AddPortMapping').length, 4)
})

test('a gateway that forwards for good only is not used', async (context) => {
  const gateway = await device(context, {
    act: (action) => (action === 'AddPortMapping' ? { error: 725 } : { NewExternalIPAddress: EXTERNAL.host }),
  })
  assert.match(await outcome(gateway), /forwards for good only/)
  assert.deepEqual(gateway.told, [])
})

test('a restart is noticed within two minutes, and a port that is somebody else’s is not believed', async (context) => {
  const { act, entries } = router()
  const gateway = await device(context, { act })
  const { clock, acted, told } = gateway
  await outcome(gateway)
  const asked = () => acted.filter((action) => action === 'GetSpecificPortMappingEntry').length
  const added = () => acted.filter((action) => action === 'AddPortMapping').length
  await clock.advance(MINUTE)
  await until(() => asked() === 1 && clock.timers === 1, 'the question')
  assert.equal(added(), 1)
  entries.clear()
  await clock.advance(MINUTE)
  await until(() => added() === 2 && clock.timers === 1, 'the renewal')
  entries.set(String(INTERNAL_PORT), { NewInternalClient: '192.168.1.66', NewInternalPort: INTERNAL_PORT })
  await clock.advance(MINUTE)
  await until(() => added() === 3 && clock.timers === 1, 'the renewal')
  assert.equal(told.length, 1)
})

for (const [name, location] of [
  ['another host', () => 'http://127.0.0.2/root.xml'],
  ['a name', (port: number) => `http://localhost:${port}/root.xml`],
  ['another scheme', (port: number) => `https://127.0.0.1:${port}/root.xml`],
  ['a user', (port: number) => `http://a:b@127.0.0.1:${port}/root.xml`],
  ['no URL', () => 'root.xml'],
  ['a file', () => 'file:///etc/passwd'],
] as const) {
  test(`a description that is at ${name} is not fetched`, async (context) => {
    const gateway = await device(context, { act: router().act, location })
    assert.match(await outcome(gateway), /at another host/)
    assert.equal(gateway.mapper.stats.drops['foreign-location'], 1)
    assert.deepEqual(gateway.paths, [])
  })
}

for (const [name, change] of [
  ['control URL', { controlUrl: 'http://127.0.0.2/control' }],
  ['base', { base: 'http://192.168.1.77/' }],
  ['scheme', { controlUrl: 'ftp://127.0.0.1/control' }],
] as const) {
  test(`a description that names a ${name} elsewhere is not used`, async (context) => {
    const gateway = await device(context, { act: router().act, ...change })
    await outcome(gateway)
    assert.equal(gateway.mapper.stats.drops['foreign-location'], 1)
    assert.deepEqual(gateway.acted, [])
  })
}

for (const [name, describe, why] of [
  ['redirects', (_, response) => response.writeHead(302, { location: 'http://127.0.0.2/' }).end(), /not there \(302\)/],
  ['is enormous', (_, response) => response.end(Buffer.alloc(1_000_000, '<')), /says too much/],
  ['never ends', (_, response) => void endless(response), /says too much/],
  [
    'breaks off',
    (_, response) => response.writeHead(200, { 'content-length': 99 }).write('<root>', () => response.destroy()),
    /breaks off|aborted/,
  ],
  ['is no XML', (_, response) => response.end('<root><device></root>'), /no service/],
  ['is too deep', (_, response) => response.end('<a>'.repeat(5000)), /no service/],
  ['has no such service', (_, response) => response.end('<root/>'), /no service/],
  [
    'has headers without end',
    (_, response) => response.writeHead(200, { a: 'b'.repeat(12_000) }).end(),
    /Header overflow/,
  ],
] as const satisfies readonly (readonly [string, RequestListener, RegExp])[]) {
  test(`a gateway whose description ${name} is left alone`, async (context) => {
    const gateway = await device(context, { act: router().act, describe })
    assert.match(await outcome(gateway), why)
    assert.deepEqual(gateway.acted, [])
  })
}

async function endless(response: ServerResponse): Promise<void> {
  response.on('error', () => {})
  while (!response.destroyed) {
    if (!response.write('x'.repeat(1000)))
      await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
  }
}

test('a gateway that speaks a letter at a time is given up after three seconds', async (context) => {
  let begun = 0
  const gateway = await device(context, {
    act: router().act,
    describe: (_, response) => {
      response.writeHead(200)
      response.write('<')
      begun += 1
    },
  })
  const { clock, mapper } = gateway
  await answered(gateway)
  await until(() => begun === 1, 'the description')
  await clock.advance(2999)
  assert.equal(mapper.stats.failure, undefined)
  await clock.advance(1)
  await until(() => mapper.stats.failure !== undefined, 'the end')
  assert.match(mapper.stats.failure ?? '', /too slow/)
})

test('answers from elsewhere and what is no gateway’s are dropped, and the right one among them is taken', async (context) => {
  const gateway = await device(context, router())
  const { ssdp, mapper, told } = gateway
  const answer = ssdp.answerSearch
  ssdp.answerSearch = () => [
    Buffer.alloc(0),
    Buffer.from('NOTIFY * HTTP/1.1\r\n\r\n'),
    Buffer.from(
      'HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:MediaServer:1\r\nLOCATION: http://127.0.0.1/\r\n\r\n',
    ),
    Buffer.alloc(4000, 'a'),
    Buffer.from(`HTTP/1.1 200 OK\r\nST: ${IGD}\r\nLOCATION: http://127.0.0.9/\r\n\r\n`),
    ...answer(),
  ]
  await outcome(gateway)
  assert.equal(told.length, 1)
  assert.ok((mapper.stats.drops.malformed ?? 0) >= 4)
})

test('a device that is not the router is not asked', async (context) => {
  const gateway = await device(context, router())
  const other = mapperOf(context, await LoopbackRouter.start(context), {
    findGateway: () => '127.0.0.9',
    ssdp: { host: '127.0.0.1', port: gateway.ssdp.port },
    gatewayPort: 9,
  })
  other.begin()
  await until(() => (other.mapper.stats.drops.foreign ?? 0) > 0, 'an answer')
  await other.clock.advance(2500)
  await until(() => other.mapper.stats.failure !== undefined, 'the end')
  assert.match(other.mapper.stats.failure ?? '', /upnp: no router answers$/)
})

test('a search is for gateways of both versions', () => {
  const texts = encodeSearches().map((packet) => Buffer.from(packet).toString())
  assert.equal(
    texts[0],
    `M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ${IGD}\r\n\r\n`,
  )
  assert.match(texts[1] ?? '', /InternetGatewayDevice:2\r\n/)
  assert.equal(readLocation(Buffer.from(`HTTP/1.0 200\r\nst:${IGD}\r\nlocation: http://x:1/a?b\r\n`)), 'http://x:1/a?b')
  assert.equal(readLocation(Buffer.from(`HTTP/1.1 404 no\r\nST: ${IGD}\r\nLOCATION: http://x/\r\n\r\n`)), undefined)
})

test('XML is read without its prefixes, and what is no document, or a bomb, is not', () => {
  assert.deepEqual(parseXml('<a:b xmlns:a="c"> x &amp; y <d/></a:b>'), {
    name: 'b',
    text: 'x & y',
    children: [{ name: 'd', text: '', children: [] }],
  })
  for (const text of ['', 'x', '<a>', '<a></b>', '<a/><b', `${'<a>'.repeat(40)}${'</a>'.repeat(40)}`]) {
    assert.equal(parseXml(text), undefined, text)
  }
  assert.equal(parseXml(`<a>${'<b/>'.repeat(3000)}</a>`), undefined)
  const bomb = '<!DOCTYPE a [<!ENTITY b "cccc"><!ENTITY d "&b;&b;">]><a>&d;</a>'
  assert.equal(parseXml(bomb), undefined)
  const base = new URL('http://192.168.1.1/root.xml')
  assert.equal(readDescription('<root/>', base), 'malformed')
})
