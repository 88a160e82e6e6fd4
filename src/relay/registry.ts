import type { Client } from './client.js'
import { endpointGoneFrame, Status } from './frames.js'
import type { MutableMetrics } from './metrics.js'

/** How many others an endpoint is told about when they leave; the longest known is forgotten beyond that. */
const MAX_CORRESPONDENTS = 1_024

/** A key that is connected: the newest connection receives, older ones wait. */
export class Endpoint {
  readonly name: string
  readonly key: Buffer
  /** Those that it has exchanged datagrams with and that are connected. */
  readonly correspondents = new Set<Endpoint>()
  readonly inactive: Client[] = []
  active: Client
  /** The last one it sent to, which spares a lookup. */
  lastDestination: Endpoint | undefined

  constructor(name: string, key: Buffer, active: Client) {
    this.name = name
    this.key = key
    this.active = active
  }
}

/** The clients of a relay by their key, as a text of one character for each byte. */
export class Registry {
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #metrics: MutableMetrics
  readonly #maxConnectionsPerKey: number

  constructor(metrics: MutableMetrics, maxConnectionsPerKey: number) {
    this.#metrics = metrics
    this.#maxConnectionsPerKey = maxConnectionsPerKey
  }

  get(name: string): Endpoint | undefined {
    return this.#endpoints.get(name)
  }

  *clients(): Generator<Client> {
    for (const { active, inactive } of this.#endpoints.values()) {
      yield active
      yield* inactive
    }
  }

  /** Makes a client the one that receives what is sent to its key; an older one of the same key is told so and waits. */
  add(client: Client): Endpoint {
    const name = client.key.toString('latin1')
    const known = this.#endpoints.get(name)
    this.#metrics.clients++
    if (known === undefined) {
      const endpoint = new Endpoint(name, client.key, client)
      this.#endpoints.set(name, endpoint)
      return endpoint
    }
    known.inactive.push(known.active)
    known.active.sendStatus(Status.sameEndpointConnected)
    known.active = client
    this.#metrics.inactiveClients++
    if (known.inactive.length >= this.#maxConnectionsPerKey) {
      this.#metrics.refusedLimit++
      known.inactive[0]?.close(1008, 'too many connections of this key')
    }
    return known
  }

  /** Forgets a client. The youngest that waits takes its place; when there is none, its correspondents are told. */
  remove(client: Client): void {
    const { endpoint } = client
    this.#metrics.clients--
    if (endpoint.active !== client) {
      const at = endpoint.inactive.indexOf(client)
      if (at >= 0) endpoint.inactive.splice(at, 1)
      this.#metrics.inactiveClients--
      return
    }
    const next = endpoint.inactive.pop()
    if (next !== undefined) {
      this.#metrics.inactiveClients--
      endpoint.active = next
      next.sendStatus(Status.healthy)
      return
    }
    this.#endpoints.delete(endpoint.name)
    this.#tellGone(endpoint)
  }

  /** Remembers that two endpoints have to do with each other. */
  correspond(one: Endpoint, other: Endpoint): void {
    remember(one, other)
    remember(other, one)
  }

  #tellGone(endpoint: Endpoint): void {
    const frame = endpointGoneFrame(endpoint.key)
    for (const other of endpoint.correspondents) {
      other.correspondents.delete(endpoint)
      if (other.lastDestination === endpoint) other.lastDestination = undefined
      if (this.#endpoints.get(other.name) !== other) continue
      other.active.send(frame)
      this.#metrics.endpointsGone++
    }
    endpoint.correspondents.clear()
    endpoint.lastDestination = undefined
  }
}

function remember(endpoint: Endpoint, other: Endpoint): void {
  const { correspondents } = endpoint
  if (correspondents.has(other)) return
  if (correspondents.size >= MAX_CORRESPONDENTS) {
    const [oldest] = correspondents
    if (oldest !== undefined) {
      correspondents.delete(oldest)
      if (endpoint.lastDestination === oldest) endpoint.lastDestination = undefined
    }
  }
  correspondents.add(other)
}
