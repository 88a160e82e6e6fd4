/** What can be found out about the NAT before one family's sockets, by RFC 5780 section 4 where a server has a second address. */

import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isSame, kindOf, mappingOf, type Observation, portsOf } from './classify.js'
import { mappingLifetime } from './lifetime.node.js'
import type { DiagnosedAddress, MappingLifetime, NatReport, StunServerReport } from './report.js'
import { bindingRequest, CHANGE_ADDRESS, CHANGE_PORT, TRANSACTION_BYTES, transactionOf } from './stun.js'
import { type Heard, type StunCounts, StunSocket } from './stun-socket.node.js'

/** A server that does not answer four requests in 3.5 seconds has not got them, or UDP is blocked. */
const REACHING_TRANSMISSIONS = 4

/** How often, and how often in a row, a packet is sent to an own external address. */
const HAIRPIN_TRIES = 4
const HAIRPIN_INTERVAL_MS = 150

/** A server with a second address and port, and that address. */
interface BehaviourServer {
  readonly primary: DiagnosedAddress
  readonly other: DiagnosedAddress
}

export interface FamilyFindings {
  readonly servers: readonly StunServerReport[]
  /** Absent where no server answered. */
  readonly nat?: NatReport
  /** Whether a server has a second address, by which filtering is found out. */
  readonly hasOther: boolean
}

/** Measures over sockets of its own, which it closes at the end, or when the signal fires. */
export class Measurement {
  readonly #host: string
  readonly #counts: StunCounts
  readonly #signal: AbortSignal
  readonly #lifetimeMs: number
  readonly #sockets: StunSocket[] = []
  readonly #observations: Observation[] = []
  #order = 0

  /**
   * @param host where to bind, an address of the family.
   * @param lifetimeMs for how long mappings are watched; 0 for not at all.
   */
  constructor(host: string, counts: StunCounts, signal: AbortSignal, lifetimeMs = 0) {
    this.#lifetimeMs = lifetimeMs
    this.#host = host
    this.#counts = counts
    this.#signal = signal
  }

  /** @throws TransportFailedError when there can be no socket. */
  async run(servers: readonly DiagnosedAddress[]): Promise<FamilyFindings> {
    const end = (): void => {
      for (const socket of this.#sockets) socket.close()
    }
    this.#signal.addEventListener('abort', end, { once: true })
    try {
      return await this.#run(servers)
    } finally {
      this.#signal.removeEventListener('abort', end)
      end()
    }
  }

  async #run(servers: readonly DiagnosedAddress[]): Promise<FamilyFindings> {
    const socket = await this.#open()
    const reports = await Promise.all(servers.map((server) => this.#reach(socket, server)))
    const answering = reports.find(({ mapped }) => mapped !== undefined)
    if (answering === undefined) return { servers: reports, hasOther: false }
    const behaviour = behaviourServer(reports)
    if (behaviour !== undefined) await Promise.all(others(behaviour).map((server) => this.#observe(socket, server)))
    const ofSocket = [...this.#observations]
    const mapping = mappingOf(ofSocket)
    const translated = !ofSocket.some(({ mapped, localPort }) => mapped.port === localPort && isOwn(mapped.host))
    const isWatched = translated && this.#lifetimeMs > 0
    const [filters, hairpin, lifetime] = await Promise.all([
      this.#filtering(behaviour ?? { primary: answering, other: answering }, behaviour !== undefined, mapping),
      translated && mapping === 'endpoint-independent' ? this.#hairpin(answering) : undefined,
      isWatched ? this.#lifetime(reports.filter(({ mapped }) => mapped !== undefined)) : undefined,
    ])
    const addresses = [...new Set(this.#observations.map(({ mapped }) => mapped.host))].sort()
    const nat = { translated, mapping, ...filters, ...portsOf(this.#observations), addresses }
    return {
      servers: reports,
      nat: {
        kind: kindOf(nat),
        ...nat,
        ...(hairpin === undefined ? {} : { hairpin }),
        ...(lifetime === undefined ? {} : { lifetime }),
      },
      hasOther: behaviour !== undefined,
    }
  }

  async #open(): Promise<StunSocket> {
    const socket = await StunSocket.open(this.#host, this.#counts)
    this.#sockets.push(socket)
    if (this.#signal.aborted) socket.close()
    return socket
  }

  /** Asks a server that may not be there; once more for the round-trip time, when it is and that is not known. */
  async #reach(socket: StunSocket, server: DiagnosedAddress): Promise<StunServerReport> {
    const heard = await this.#observe(socket, server, REACHING_TRANSMISSIONS)
    if (heard === undefined || heard.rttMs !== undefined) return report(server, heard)
    const again = await socket.ask(server, { transmissions: 1 })
    return report(server, { ...heard, rttMs: again?.rttMs })
  }

  /** Asks where a server sees the socket, and remembers it. */
  async #observe(socket: StunSocket, server: DiagnosedAddress, transmissions = 3): Promise<Heard | undefined> {
    const order = this.#order++
    const heard = await socket.ask(server, { transmissions })
    if (heard?.mapped === undefined) return heard
    // Nobody is seen there: such a server knows nothing, and must not have packets sent to anywhere.
    if (!isEndpoint(heard.mapped)) return { ...heard, mapped: undefined }
    this.#observations.push({ server, mapped: heard.mapped, localPort: socket.localPort, order })
    return heard
  }

  /**
   * Whose packets come in to a fresh socket that has written to one address only (RFC 5780 section 4.4), and whether the strangers among them
   * have moved its mapping.
   */
  async #filtering(
    { primary, other }: BehaviourServer,
    hasOther: boolean,
    mapping: NatReport['mapping'],
  ): Promise<Pick<NatReport, 'filtering' | 'movedByStrangers'>> {
    const socket = await this.#open()
    const first = await this.#observe(socket, primary)
    if (first?.mapped === undefined || !hasOther) return { filtering: 'unknown' }
    const strangePort = { host: primary.host, port: other.port }
    const ask = (change: number, source: DiagnosedAddress) => socket.ask(primary, { change, from: [source, primary] })
    const [byStranger, byNeighbour] = await Promise.all([
      ask(CHANGE_ADDRESS | CHANGE_PORT, other),
      ask(CHANGE_PORT, strangePort),
    ])
    // What nobody waited for did not fail to come.
    if (this.#signal.aborted) return { filtering: 'unknown' }
    // A server that answers from where it was asked can't do what it was asked for.
    if ([byStranger, byNeighbour].some((heard) => heard !== undefined && isSame(heard.source, primary)))
      return { filtering: 'unknown' }
    if (byStranger !== undefined) return { filtering: 'endpoint-independent' }
    const filtering = byNeighbour === undefined ? 'address-and-port-dependent' : 'address-dependent'
    if (mapping !== 'endpoint-independent') return { filtering }
    const later = await socket.ask(other)
    if (later?.mapped === undefined) return { filtering }
    return { filtering, movedByStrangers: !isSame(later.mapped, first.mapped) }
  }

  /** By the first server that can tell. */
  async #lifetime(servers: readonly DiagnosedAddress[]): Promise<MappingLifetime | undefined> {
    for (const server of servers) {
      const found = await mappingLifetime(() => this.#open(), server, this.#lifetimeMs, this.#signal)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Whether two sockets reach each other by their external addresses; both send, for that opens the filters. */
  async #hairpin(server: DiagnosedAddress): Promise<boolean | undefined> {
    const sockets = [await this.#open(), await this.#open()] as const
    const mapped = await Promise.all(sockets.map(async (socket) => (await this.#observe(socket, server))?.mapped))
    const [one, other] = mapped
    if (one === undefined || other === undefined) return undefined
    const messages = sockets.map(() => bindingRequest(randomBytes(TRANSACTION_BYTES)))
    const own = new Set(messages.map(transactionOf))
    return new Promise((resolve) => {
      let tries = 0
      const finish = (reached: boolean | undefined): void => {
        clearInterval(timer)
        resolve(reached)
      }
      const send = (): void => {
        if (this.#signal.aborted) return finish(undefined)
        if (tries++ === HAIRPIN_TRIES) return finish(false)
        sockets[0].send(messages[0] as Uint8Array, other)
        sockets[1].send(messages[1] as Uint8Array, one)
      }
      for (const socket of sockets) {
        socket.onRequest = (transaction) => {
          if (own.has(transaction)) finish(true)
        }
      }
      const timer = setInterval(send, HAIRPIN_INTERVAL_MS)
      send()
    })
  }
}

function report({ host, port }: DiagnosedAddress, heard: Heard | undefined): StunServerReport {
  if (heard?.mapped === undefined) return { host, port }
  const { mapped, rttMs, other } = heard
  return { host, port, mapped, ...(rttMs === undefined ? {} : { rttMs }), ...(other === undefined ? {} : { other }) }
}

/** The first server whose other address is one, at which one host can be, and that differs from its own in both parts. */
function behaviourServer(reports: readonly StunServerReport[]): BehaviourServer | undefined {
  for (const { host, port, other, mapped } of reports) {
    const isOther = other !== undefined && mapped !== undefined && other.host !== host && other.port !== port
    if (isOther && isIP(other.host) === isIP(host) && isEndpoint(other)) return { primary: { host, port }, other }
  }
  return undefined
}

/** Where else a server can be asked: its other address first, for that tells most. */
function others({ primary, other }: BehaviourServer): DiagnosedAddress[] {
  return [{ host: other.host, port: primary.port }, other, { host: primary.host, port: other.port }]
}

/** Whether one socket can be there: no multicast, broadcast or unspecified address, and a port. */
function isEndpoint({ host, port }: DiagnosedAddress): boolean {
  if (port === 0) return false
  if (isIP(host) === 6) return host !== '::' && !/^ff/i.test(host)
  const first = Number(host.split('.')[0])
  return first > 0 && first < 224
}

/** Whether it is an address of this machine. */
export function isOwn(host: string): boolean {
  return Object.values(networkInterfaces()).some((infos) => infos?.some(({ address }) => address === host))
}
