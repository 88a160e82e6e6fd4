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
  if (translated === false || mapping === 'endpoint-independent') {
    if (filtering === 'unknown') return translated === false ? 'open' : undefined
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

/** What a page knows of its own NAT: of filtering a browser tells nothing. */
export type PageKind = 'endpoint-independent' | 'dependent' | 'unknown' | 'udp-blocked'

/**
 * What becomes of two ICE agents (RFC 8445): they neither foretell ports nor try many. Who maps by destination shows each remote another port, which a
 * filter by address lets in and one by port does not.
 */
const OVER_WEBRTC: Readonly<Record<PageKind, Readonly<Record<RemoteKind, Outcome>>>> = {
  'endpoint-independent': ice(['direct', 'direct', 'direct'], 'unknown'),
  dependent: ice(['direct', 'direct', 'relayed'], 'relayed'),
  unknown: ice(['direct', 'direct', 'unknown'], 'unknown'),
  'udp-blocked': ice(['relayed', 'relayed', 'relayed'], 'relayed'),
}

function ice([open, byAddress, byPort]: readonly [Outcome, Outcome, Outcome], symmetric: Outcome) {
  return {
    open,
    'address-restricted': byAddress,
    'port-restricted': byPort,
    'symmetric-sequential': symmetric,
    symmetric,
    'udp-blocked': 'relayed',
  } as const
}

/** @param relayed whether a relay is connected, over which the two browsers tell each other their candidates. */
export function webRtcVerdicts(own: PageKind, relayed: boolean): RemoteVerdict[] {
  return REMOTES.map((remote) => ({ remote, outcome: relayed ? OVER_WEBRTC[own][remote] : 'unreachable' }))
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
