/** What `peer.diagnose()` tells. */

/** On what of a destination a NAT's mapping or filter depends (RFC 4787 sections 4.1 and 5). */
export type NatDependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

/** A socket address as text and number; IPv6 without brackets. */
export interface DiagnosedAddress {
  readonly host: string
  readonly port: number
}

/** A STUN server that was asked (RFC 8489). */
export interface StunServerReport extends DiagnosedAddress {
  /** Where it sees a socket of this machine; absent when it did not answer. The peer's own socket has another port. */
  readonly mapped?: DiagnosedAddress
  /** From a request to its answer, milliseconds; absent when the request had to be sent again. */
  readonly rttMs?: number
  /** Its other address and port (OTHER-ADDRESS, RFC 5780 section 7.4), with which it finds out how a NAT filters. */
  readonly other?: DiagnosedAddress
}

/** What a relay's QUIC Address Discovery told the peer's own socket. */
export interface AddressObservation extends DiagnosedAddress {
  /** Where the service sees it. */
  readonly mapped: DiagnosedAddress
  /** From the question to the answer, milliseconds; absent when it was asked more than once. */
  readonly rttMs?: number
}

/** A relay, as the peer knows it. */
export interface RelayReport {
  readonly url: string
  readonly connected: boolean
  /** Whether others reach this peer there. */
  readonly home: boolean
  /** Its round-trip time, milliseconds; absent while it has not been measured. */
  readonly rttMs?: number
  /** Why it is not connected, where that is known. */
  readonly detail?: string
}

/** Between which times a NAT forgets a mapping over which nothing passes, milliseconds. */
export interface MappingLifetime {
  /** After that long it was still there. */
  readonly atLeastMs: number
  /** After that long it was not; absent where it was kept for as long as was tried. */
  readonly belowMs?: number
}

/** The NATs, and the firewall, between this machine and the servers, which behave together as one. */
export interface NatReport {
  /** Whether addresses are translated; false: servers see an address of this machine. */
  readonly translated: boolean
  /**
   * The name that people know: `none`, `firewall` (nothing is translated, strangers are kept out), `full-cone`, `address-restricted`,
   * `port-restricted`, `cone` (which of the three is unknown), `symmetric`, or `unknown`.
   */
  readonly kind:
    | 'none'
    | 'firewall'
    | 'full-cone'
    | 'address-restricted'
    | 'port-restricted'
    | 'cone'
    | 'symmetric'
    | 'unknown'
  /** On what a mapping depends (RFC 4787 section 4.1); `dependent`: on the address, and whether on the port too is unknown. */
  readonly mapping: NatDependence | 'dependent' | 'unknown'
  /** Whose packets come in (RFC 4787 section 5). */
  readonly filtering: NatDependence | 'unknown'
  /** How ports are chosen (RFC 4787 section 4.2): the socket's own, in a sequence, or at random. */
  readonly ports: 'preserved' | 'sequential' | 'random' | 'unknown'
  /** With `sequential`: from one mapping's port to the next one's. */
  readonly stride?: number
  /** Whether a packet from inside to an external address comes back in (RFC 4787 section 6); absent where that could not be found out. */
  readonly hairpin?: boolean
  /**
   * Whether a packet from outside that comes before any went there gives a later packet to there another external port: such a NAT has to be
   * opened from both sides at the same time. Absent where that could not be found out.
   */
  readonly movedByStrangers?: boolean
  /** For how long a mapping over which nothing passes is kept (RFC 4787 section 4.3); absent unless that was asked for and could be found out. */
  readonly lifetime?: MappingLifetime
  /** The external addresses that were seen; several: there is a pool of them. */
  readonly addresses: readonly string[]
}

/** What a remote may be behind. */
export type RemoteKind =
  | 'open'
  | 'address-restricted'
  | 'port-restricted'
  | 'symmetric-sequential'
  | 'symmetric'
  | 'udp-blocked'

/** What becomes of a connection with a remote of one kind. */
export interface RemoteVerdict {
  /** `open`: a public address, or a NAT that lets everybody in. `symmetric`: a NAT with random ports for each destination. */
  readonly remote: RemoteKind
  /**
   * `direct`; `predicted`: direct as long as ports are foretold rightly; `many-ports`: direct only if a mapping is found by many probes;
   * `relayed`; `unreachable`: only a relay could lead there, and none is connected; `unknown`.
   */
  readonly outcome: 'direct' | 'predicted' | 'many-ports' | 'relayed' | 'unreachable' | 'unknown'
}

/** Something that did not work or could not be found out, and why. */
export interface DiagnosisFinding {
  readonly code:
    | 'no-stun-server'
    | 'stun-unresolved'
    | 'stun-silent'
    | 'udp-blocked'
    | 'network-down'
    | 'one-stun-address'
    | 'no-other-address'
    | 'no-relay'
    | 'relay-unreachable'
    | 'forged-answers'
    | 'direct-paths-off'
    | 'cut-short'
  /** For people. */
  readonly message: string
}

/** What stands between this peer and direct paths. */
export interface Diagnosis {
  /** Where the peer's UDP socket is reached on its own networks: its host candidates (RFC 8445 section 5.1.1.1). */
  readonly local: readonly DiagnosedAddress[]
  /** `blocked`: no STUN server answers, and a relay does over TCP. `unknown`: none was asked, or nothing at all is reached. */
  readonly udp: 'works' | 'blocked' | 'unknown'
  /** Absent where no server of that family answered. Without STUN servers it is by `addressDiscovery`, and tells less. */
  readonly ipv4?: NatReport
  /** Absent where no server of that family answered. */
  readonly ipv6?: NatReport
  readonly stunServers: readonly StunServerReport[]
  /** What relays tell where there is no STUN server: stock relays have none. */
  readonly addressDiscovery: readonly AddressObservation[]
  readonly relays: readonly RelayReport[]
  readonly remotes: readonly RemoteVerdict[]
  readonly findings: readonly DiagnosisFinding[]
  /** How much was sent and came back: answers that nobody was asked for are `forged`. */
  readonly stun: {
    readonly sent: number
    readonly answered: number
    readonly forged: number
    readonly malformed: number
  }
  readonly elapsedMs: number
}

/** How long `peer.diagnose` may take. */
export interface DiagnoseOptions {
  /** Ends it when it fires: the call rejects with `AbortedError`, and the signal's reason as `cause`. */
  readonly signal?: AbortSignal
  /** Until then relays are waited for, and what is not known by then stays unknown; 1,000 to 60,000 milliseconds. @default 8000 */
  readonly timeoutMs?: number
  /**
   * Up to which time the NAT's mappings are watched, 1,000 to 600,000 milliseconds: the diagnosis takes that much longer. It needs a STUN server that
   * answers to another port (RFC 5780 section 7.5), as `anypath relay` and `anypath stun` do. @default 0, not at all
   */
  readonly lifetimeMs?: number
}
