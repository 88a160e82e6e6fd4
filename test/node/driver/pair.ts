import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { DEFAULT_LIMITS } from '../../../src/config/index.js'
import { nodeCore } from '../../../src/core/load.node.js'
import type { Clock } from '../../../src/driver/clock.js'
import { createEngine, type EngineLimits, type EngineOptions } from '../../../src/driver/create.js'
import type { Engine, EngineAddress, EngineEvent } from '../../../src/driver/engine.js'
import { UdpTransport } from '../../../src/transport/udp.node.js'

export const ALPN = new TextEncoder().encode('test/1')

/** An engine with what happened to it, and ways to wait for what will. */
export class Endpoint {
  readonly engine: Engine
  readonly events: EngineEvent[] = []
  #waiting: { readonly matches: (event: EngineEvent) => boolean; readonly resolve: (event: EngineEvent) => void }[] = []

  constructor(engine: Engine) {
    this.engine = engine
    engine.onEvent((event) => {
      this.events.push(event)
      const found = this.#waiting.filter(({ matches }) => matches(event))
      this.#waiting = this.#waiting.filter((wait) => !found.includes(wait))
      for (const { resolve } of found) resolve(event)
    })
  }

  /** The first event of a type (and connection), whether it came already or not. */
  event<Type extends EngineEvent['type']>(
    type: Type,
    connection?: number,
    nth = 0,
  ): Promise<EngineEvent & { type: Type }> {
    type Found = EngineEvent & { type: Type }
    let left = nth
    const matches = (event: EngineEvent): boolean =>
      event.type === type &&
      (connection === undefined || ('connectionId' in event && event.connectionId === connection)) &&
      left-- === 0
    const found = this.events.find(matches)
    if (found) return Promise.resolve(found as Found)
    return new Promise((resolve) => this.#waiting.push({ matches, resolve: (event) => resolve(event as Found) }))
  }

  async dial(to: Endpoint, addresses?: readonly EngineAddress[]): Promise<number> {
    return this.engine.connect({
      remoteId: to.engine.endpointId,
      alpn: ALPN,
      addresses: addresses ?? (await to.engine.localAddresses()),
      relays: [],
      earlyData: false,
    })
  }

  /** Reads a stream to its end. */
  async readAll(connection: number, stream: number): Promise<{ bytes: number; sha256: string }> {
    const hash = createHash('sha256')
    let bytes = 0
    for (;;) {
      const chunk = await this.engine.read(connection, stream, 256 * 1024)
      if (chunk === null) return { bytes, sha256: hash.digest('hex') }
      bytes += chunk.length
      hash.update(chunk)
    }
  }

  /** Writes pseudo-random bytes and the end; gives their hash. */
  async writeAll(connection: number, stream: number, bytes: number): Promise<{ bytes: number; sha256: string }> {
    const hash = createHash('sha256')
    for (let left = bytes; left > 0; ) {
      const chunk = randomBytes(Math.min(left, 100_000))
      hash.update(chunk)
      await this.engine.write(connection, stream, chunk)
      left -= chunk.length
    }
    await this.engine.finish(connection, stream)
    return { bytes, sha256: hash.digest('hex') }
  }
}

/** What `endpoint` need not make up. */
export type EndpointOptions = Partial<Omit<EngineOptions, 'limits'>> & { readonly limits?: Partial<EngineLimits> }

/** An engine with a key of its own; it is closed with the test. */
export async function endpoint(context: TestContext, options: EndpointOptions): Promise<Endpoint> {
  const engine = await createEngine({
    secretKey: randomBytes(32),
    alpns: [ALPN],
    transports: [],
    core: nodeCore(),
    ...options,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
  })
  const { clock } = options
  context.after(async () => {
    const closed = engine.close(0, '', 1000)
    if (clock && 'until' in clock)
      await (clock as Clock & { until(promise: Promise<void>): Promise<void> }).until(closed)
    await closed
  })
  return new Endpoint(engine)
}

/** An engine on a loopback socket. */
export async function loopback(
  context: TestContext,
  options: EndpointOptions = {},
): Promise<Endpoint & { udp: UdpTransport }> {
  const udp = new UdpTransport({ host: '127.0.0.1' })
  return Object.assign(await endpoint(context, { transports: [udp], ...options }), { udp })
}

/** Dials and waits until both sides have the connection. */
export async function connected(client: Endpoint, server: Endpoint): Promise<{ c: number; s: number }> {
  const already = server.events.filter(({ type }) => type === 'connected').length
  const c = await client.dial(server)
  const [there] = await Promise.all([server.event('connected', undefined, already), client.event('connected', c)])
  assert.deepEqual(there.info.remoteId, client.engine.endpointId)
  return { c, s: there.connectionId }
}

/** A promise's rejection, or a failure of the test when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await promise
  } catch (thrown) {
    return thrown as { code: string; message: string }
  }
  throw new assert.AssertionError({ message: 'it resolved' })
}
