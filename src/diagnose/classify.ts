/** What several servers' words say about a NAT together, in the terms of RFC 4787. */
import type { DiagnosedAddress, NatReport } from './report.js'

/** At which address a server saw a socket. */
export interface Observation {
  readonly server: DiagnosedAddress
  readonly mapped: DiagnosedAddress
  /** The port of the socket on this machine. */
  readonly localPort: number
  /** Puts the first requests to each server, of all sockets, in the order in which they were sent. */
  readonly order: number
}

/** A single step up to this is taken for a sequence: of ports drawn at random one in 2,000 is that close to another. */
const SEQUENTIAL_STEP = 16

/** Ports of one sequence are no further apart, for others behind a NAT make few mappings between two requests. */
const LONGEST_STEP = 256

export const isSame = (one: DiagnosedAddress, other: DiagnosedAddress): boolean =>
  one.host === other.host && one.port === other.port

/** How one socket's mapping depends on the destination (RFC 5780 section 4.3). */
export function mappingOf(observations: readonly Observation[]): NatReport['mapping'] {
  let sameHost: boolean | undefined
  let otherHosts: boolean | undefined
  observations.forEach((one, at) => {
    for (const other of observations.slice(at + 1)) {
      const equal = isSame(one.mapped, other.mapped)
      // One difference outweighs what is equal by chance.
      if (one.server.host === other.server.host) sameHost = sameHost !== false && equal
      else otherHosts = otherHosts !== false && equal
    }
  })
  if (sameHost === false) return 'address-and-port-dependent'
  if (otherHosts === true) return 'endpoint-independent'
  if (otherHosts === undefined) return 'unknown'
  return sameHost === undefined ? 'dependent' : 'address-dependent'
}

/** How the ports of mappings are chosen, by all that were made. */
export function portsOf(observations: readonly Observation[]): Pick<NatReport, 'ports' | 'stride'> {
  if (observations.length === 0) return { ports: 'unknown' }
  if (observations.every(({ mapped, localPort }) => mapped.port === localPort)) return { ports: 'preserved' }
  const steps = stepsOf(observations)
  const longest = Math.max(...steps.map(Math.abs))
  const isOneWay = steps.every((step) => step > 0) || steps.every((step) => step < 0)
  if (steps.length === 0) return { ports: 'unknown' }
  if (longest > LONGEST_STEP || !isOneWay) return { ports: 'random' }
  if (steps.length === 1 && longest > SEQUENTIAL_STEP) return { ports: 'unknown' }
  return { ports: 'sequential', stride: steps.reduce(commonDivisor) }
}

/** From each new mapping's port to the next one's, the short way round. */
function stepsOf(observations: readonly Observation[]): number[] {
  const ports: number[] = []
  for (const { mapped } of observations.toSorted((one, other) => one.order - other.order)) {
    if (!ports.includes(mapped.port)) ports.push(mapped.port)
  }
  return ports.slice(1).map((port, i) => ((port - (ports[i] ?? 0) + 0x18000) % 0x10000) - 0x8000)
}

/** With the sign of the second. */
function commonDivisor(one: number, other: number): number {
  let [a, b] = [Math.abs(one), Math.abs(other)]
  while (b !== 0) [a, b] = [b, a % b]
  return other < 0 ? -a : a
}

/** The name that people know a NAT by; RFC 3489 coined most of them. */
export function kindOf({ translated, mapping, filtering }: Omit<NatReport, 'kind'>): NatReport['kind'] {
  if (translated === false) return filtering === 'endpoint-independent' || filtering === 'unknown' ? 'none' : 'firewall'
  if (mapping === 'unknown') return 'unknown'
  if (mapping !== 'endpoint-independent') return 'symmetric'
  const cones = {
    'endpoint-independent': 'full-cone',
    'address-dependent': 'address-restricted',
    'address-and-port-dependent': 'port-restricted',
    unknown: 'cone',
  } as const
  return cones[filtering]
}
