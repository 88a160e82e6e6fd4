import dgram from 'node:dgram'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PortMapper, type PortMapperOptions } from '../../../../src/transport/port-mapping/port-mapper.node.js'
import type { TransportAddress } from '../../../../src/transport/transport.js'
import { FakeClock } from '../../driver/fake-clock.js'

export const INTERNAL_PORT = 40_000
export const EXTERNAL = { host: '203.0.113.7', port: 41_000 }

/** A router on loopback that answers as a test has it answer. */
export class LoopbackRouter {
  /** What was asked, the latest last. */
  readonly requests: Buffer[] = []
  /** What is sent for a request, none or several. */
  answer: (request: Buffer) => readonly Uint8Array[] = () => []
  readonly socket: dgram.Socket
  asker: dgram.RemoteInfo | undefined
  /** What is sent for a search for gateways of UPnP. */
  answerSearch: () => readonly Uint8Array[] = () => []
  searches = 0

  private constructor(socket: dgram.Socket) {
    this.socket = socket
    socket.on('message', (request, asker) => {
      const isSearch = request.toString().startsWith('M-SEARCH')
      if (isSearch) this.searches += 1
      else this.requests.push(request)
      this.asker = asker
      for (const answer of isSearch ? this.answerSearch() : this.answer(request)) {
        socket.send(answer, asker.port, asker.address)
      }
    })
  }

  static async start(context: TestContext): Promise<LoopbackRouter> {
    const socket = dgram.createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    context.after(() => socket.close())
    return new LoopbackRouter(socket)
  }

  get port(): number {
    return this.socket.address().port
  }

  /** Requests of a version and an operation. */
  asked(version: number, operation: number): Buffer[] {
    return this.requests.filter((request) => request[0] === version && request[1] === operation)
  }
}

/** A port mapper that asks this router, in virtual time, and what it told. */
export function mapperOf(context: TestContext, router: LoopbackRouter, options: Partial<PortMapperOptions> = {}) {
  const clock = new FakeClock()
  const told: (readonly TransportAddress[])[] = []
  const log: string[] = []
  const mapper = new PortMapper({
    clock,
    randomBytes: (length) => Buffer.alloc(length, 7),
    findGateway: () => '127.0.0.1',
    ssdp: { host: '127.0.0.1', port: router.port },
    gatewayPort: router.port,
    mayAskFrom: (host) => host === '127.0.0.1',
    log: (message) => log.push(message),
    ...options,
  })
  mapper.start((addresses) => told.push(addresses))
  context.after(() => clock.until(mapper.close(), 2000))
  const begin = () => mapper.update([{ host: '127.0.0.1', port: INTERNAL_PORT }])
  /** Why there is no mapping, once all ways of asking have been tried. */
  const failure = async () => {
    await until(() => router.searches > 0, 'a search')
    await clock.advance(2500)
    await until(() => mapper.stats.failure !== undefined, 'the end')
    return mapper.stats.failure ?? ''
  }
  return { mapper, clock, told, log, begin, failure }
}

/** Waits for what comes by the loopback interface, in real time. */
export async function until(isSo: () => boolean, what: string, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(2)
  }
}

/** The answer of a PCP router to a request, with changes. */
export function pcpAnswer(
  request: Buffer,
  { result = 0, lifetime = 7200, host = EXTERNAL.host, port = EXTERNAL.port } = {},
): Buffer {
  const answer = Buffer.from(request)
  answer[1] = (request[1] ?? 0) | 0x80
  answer[2] = 0
  answer[3] = result
  answer.writeUInt32BE(lifetime, 4)
  answer.writeUInt32BE(1000, 8)
  answer.fill(0, 12, 24)
  if (request[1] === 1) {
    answer.writeUInt16BE(port, 42)
    Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...host.split('.').map(Number)]).copy(answer, 44)
  }
  return answer
}

/** The answer of a NAT-PMP router to a request, with changes. */
export function natPmpAnswer(
  request: Buffer,
  { result = 0, lifetime = 3600, host = EXTERNAL.host, port = EXTERNAL.port } = {},
): Buffer {
  const isMap = request[1] === 1
  const answer = Buffer.alloc(isMap ? 16 : 12)
  answer[1] = (request[1] ?? 0) | 0x80
  answer.writeUInt16BE(result, 2)
  answer.writeUInt32BE(1000, 4)
  if (isMap) {
    request.copy(answer, 8, 4, 6)
    answer.writeUInt16BE(port, 10)
    answer.writeUInt32BE(lifetime, 12)
  } else Buffer.from(host.split('.').map(Number)).copy(answer, 8)
  return answer
}

/** What a router answers that knows NAT-PMP alone. */
export function natPmpOnly(request: Buffer, changes: Parameters<typeof natPmpAnswer>[1] = {}): Buffer[] {
  if (request[0] === 0) return [natPmpAnswer(request, changes)]
  return [Buffer.from([0, 0x80 | (request[1] ?? 0), 0, 1, 0, 0, 0, 9])]
}
