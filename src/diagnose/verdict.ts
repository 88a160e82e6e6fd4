/** Which remotes a peer behind such a NAT gets a direct path to. */
import type { NatReport, RemoteKind, RemoteVerdict } from './report.js'

const REMOTES: readonly RemoteKind[] = [
  'open',
  'address-restricted',
  'port-restricted',
  'symmetric-sequential',
  'symmetric',
  'udp-blocked',
]

type Outcome = RemoteVerdict['outcome']

/** Both ways: who is first does not matter. What is not here is direct. */
const EXCEPTIONS: Readonly<Record<string, Outcome>> = {
  'port-restricted symmetric-sequential': 'predicted',
  'port-restricted symmetric': 'many-ports',
  'symmetric-sequential symmetric-sequential': 'predicted',
  'symmetric symmetric-sequential': 'relayed',
  'symmetric symmetric': 'relayed',
}

/** What a NAT is to a remote: what counts for meeting through it. */
export function remoteKindOf({ mapping, filtering, ports, translated }: NatReport): RemoteKind | undefined {
  if (!translated || mapping === 'endpoint-independent') {
    if (filtering === 'unknown') return translated ? undefined : 'open'
    if (filtering === 'endpoint-independent') return 'open'
    return filtering === 'address-dependent' ? 'address-restricted' : 'port-restricted'
  }
  if (mapping === 'unknown') return undefined
  return ports === 'sequential' ? 'symmetric-sequential' : 'symmetric'
}

/** @param relayed whether a relay is connected, over which two peers agree on when to begin. */
export function verdicts(own: RemoteKind | undefined, relayed: boolean): RemoteVerdict[] {
  return REMOTES.map((remote) => ({ remote, outcome: outcomeOf(own, remote, relayed) }))
}

function outcomeOf(own: RemoteKind | undefined, remote: RemoteKind, relayed: boolean): Outcome {
  const blocked = own === 'udp-blocked' || remote === 'udp-blocked'
  if (blocked) return relayed ? 'relayed' : 'unreachable'
  // Whoever is dialled there by a ticket needs no help.
  if (remote === 'open' || own === 'open') return 'direct'
  if (!relayed) return 'unreachable'
  if (own === undefined) return 'unknown'
  return EXCEPTIONS[[own, remote].sort().join(' ')] ?? 'direct'
}
