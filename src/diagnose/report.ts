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
  /**
   * From a request to its answer, milliseconds; absent when the request had to be sent again. In a browser, which tells no more: from the begin of
   * a gathering of candidates to the one that the server told, with the look-up of its name and requests that were sent again.
   */
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
  /**
   * Whether addresses are translated; false: servers see an address of this machine. Absent where a browser hides those addresses, and ports are
   * kept.
   */
  readonly translated?: boolean
  /**
   * The name that people know: `none`, `firewall` (nothing is translated, strangers are kept out), `full-cone`, `address-restricted`,
   * `port-restricted`, `cone` (which of the three is unknown; without `translated` there may be no NAT at all), `symmetric`, or `unknown`.
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
  /** How ports are chosen (RFC 4787 section 4.2): the socket's own, in a sequence, or at random. A browser tells only whether they are kept. */
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
    | 'filtering-unknown'
    | 'addresses-hidden'
    | 'no-candidates'
    | 'no-webrtc'
    | 'no-webtransport'
    | 'insecure-context'
    | 'local-network-denied'
    | 'turn-silent'
  /** For people. */
  readonly message: string
}

/** What a browser has of what anypath needs, or uses where it is there. */
export interface BrowserSupport {
  /** Without it there is no WebTransport, no key that persists, and in Chromium no look at the local network. */
  readonly secureContext: boolean
  /** WebAssembly with SIMD, which the core is built with. */
  readonly webAssemblySimd: boolean
  /** `RTCPeerConnection`: paths to other pages. Workers have none. */
  readonly webRtc: boolean
  /** Paths to Node peers. */
  readonly webTransport: boolean
  /** Sessions to servers that a page knows by their certificate's hash (`serverCertificateHashes`), without which no peer is reached. */
  readonly certificateHashes: boolean
  /** `ReadableStream` of bytes: a stream's reader may bring its own buffer. */
  readonly byteStreams: boolean
  readonly worker: boolean
  readonly sharedWorker: boolean
  /** Web Locks: with IndexedDB they make a key persist. */
  readonly webLocks: boolean
  /** Whether this page is given an IndexedDB. */
  readonly indexedDb: boolean
}

/** What the user allows a page's origin; `unknown`: this browser does not tell, and may not ask. */
export type AccessState = 'granted' | 'denied' | 'prompt' | 'unknown'

/** An address at which a browser may be reached (RFC 8445 section 5.1.1). */
export interface BrowserCandidate {
  /** This machine's own, one that a STUN server has seen, or a TURN server's. */
  readonly type: 'host' | 'srflx' | 'prflx' | 'relay'
  readonly protocol: 'udp' | 'tcp'
  /** Absent where the browser hides it: others are told a name of mDNS, which only the local network can look up. */
  readonly host?: string
  readonly port: number
}

/** A TURN server that was asked for an address (RFC 8656). */
export interface TurnServerReport {
  readonly url: string
  /** The address that it gave; absent when it gave none. */
  readonly relayed?: DiagnosedAddress
  /** From the begin of gathering to that address, milliseconds. */
  readonly afterMs?: number
}

/** What only a browser has to tell. */
export interface BrowserReport {
  readonly runsIn: 'page' | 'worker'
  readonly support: BrowserSupport
  /** Local Network Access: whether this origin may reach addresses of the local network, and of this machine. */
  readonly localNetwork: { readonly local: AccessState; readonly loopback: AccessState }
  /** What the browser would tell another page, each once. Ports are those of this diagnosis. */
  readonly candidates: readonly BrowserCandidate[]
  readonly turnServers: readonly TurnServerReport[]
  /**
   * What becomes of connections with Node peers that listen for WebTransport (`webTransport: true`) and can be reached at an address of their
   * ticket.
   */
  readonly webTransport: RemoteVerdict['outcome']
}

/** What stands between this peer and direct paths. */
export interface Diagnosis {
  /**
   * Where the peer's UDP socket is reached on its own networks: its host candidates (RFC 8445 section 5.1.1.1). In a browser those that it does not
   * hide, of the diagnosis's own sockets.
   */
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
  /** In a browser: with other pages, and Node peers that make channels, over WebRTC. */
  readonly remotes: readonly RemoteVerdict[]
  /** Absent in Node. */
  readonly browser?: BrowserReport
  readonly findings: readonly DiagnosisFinding[]
  /** How much was sent and came back: answers that nobody was asked for are `forged`. A browser counts servers and not requests, and tells of no others. */
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
   * answers to another port (RFC 5780 section 7.5), as `anypath relay` and `anypath stun` do. Node only. @default 0, not at all
   */
  readonly lifetimeMs?: number
}
