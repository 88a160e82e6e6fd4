/** What can be said of a NAT by what relays tell the peer's own socket: how it maps, not how it filters. */
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { kindOf, mappingOf, type Observation, portsOf } from './classify.js'
import { isOwn } from './measure.node.js'
import type { AddressObservation, DiagnosedAddress, NatReport } from './report.js'

/** A handshake with a relay on the other side of the world takes a second, and a lost packet of it another one. */
const WAIT_MS = 3000
const INTERVAL_MS = 50

/**
 * Waits for what the peer's socket is told, until there are that many observations or nothing more is to be expected.
 *
 * @param count how many servers may tell something.
 */
export async function observed(
  read: () => Promise<readonly AddressObservation[]>,
  count: number,
  signal: AbortSignal,
): Promise<readonly AddressObservation[]> {
  for (const deadline = performance.now() + WAIT_MS; ; ) {
    const found = await read()
    if (found.length >= count || signal.aborted || performance.now() >= deadline) return found
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => {})
  }
}

/** What observations of one socket say about the NAT before it; `undefined` without any of that family. */
export function natByObservations(
  observations: readonly AddressObservation[],
  local: readonly DiagnosedAddress[],
  family: 4 | 6,
): NatReport | undefined {
  const localPort = local.find(({ host }) => isIP(host) === family)?.port ?? local[0]?.port ?? 0
  const ofFamily = observations
    .filter(({ mapped }) => isIP(mapped.host) === family)
    .map(({ host, port, mapped }, order): Observation => ({ server: { host, port }, mapped, localPort, order }))
  if (ofFamily.length === 0) return undefined
  // In which order the relays were asked is not known, and with it whether ports are in a sequence.
  const { ports } = portsOf(ofFamily)
  const nat: Omit<NatReport, 'kind'> = {
    translated: !ofFamily.some(({ mapped }) => mapped.port === localPort && isOwn(mapped.host)),
    mapping: mappingOf(ofFamily),
    filtering: 'unknown',
    ports: ports === 'preserved' ? ports : 'unknown',
    addresses: [...new Set(ofFamily.map(({ mapped }) => mapped.host))].sort(),
  }
  return { kind: kindOf(nat), ...nat }
}
