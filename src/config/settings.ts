import type { Limits } from './limits.js'
import type { RelaySettings } from './relays.js'

/** Where the UDP socket of a Node peer is bound. */
export interface UdpSettings {
  /** The local address. `::` listens on IPv6 and IPv4. @default '::' (or '0.0.0.0' on a machine without IPv6) */
  readonly host?: string
  /** The local port; 0 takes a free one. @default 0 */
  readonly port?: number
  /**
   * How often the machine's addresses are looked at, milliseconds: when they change, live connections are probed at once, as by
   * `peer.networkChanged()`. 0 never looks.
   *
   * @default 1000
   */
  readonly watchIntervalMs?: number
}

/** The part of a peer's options that is plain data. Everything has a default. */
export interface Settings {
  /** Ed25519 secret key: 32 bytes, or 64 hexadecimal digits. It decides the peer's id. @default a fresh random one */
  readonly secretKey?: Uint8Array | string
  /**
   * Browsers only: keeps the secret key in this origin's IndexedDB, so that the peer has the same id the next time. `true` means all defaults.
   *
   * @default false: nothing is stored
   */
  readonly persist?: boolean | PersistSettings
  /** Application protocols (ALPN, RFC 7301) served to incoming connections, 1 to 255 bytes each. @default [], which accepts none */
  readonly alpns?: readonly string[]
  readonly limits?: Partial<Limits>
  /**
   * Allows early data (0-RTT, RFC 8446 section 2.3) in both directions: see `ConnectOptions.earlyData` for what that costs.
   *
   * @default false
   */
  readonly earlyData?: boolean
  /** Offers and accepts only classical key exchange (X25519): without post-quantum protection. @default false */
  readonly classicalOnly?: boolean
  /** The congestion controller of every connection. @default 'cubic' */
  readonly congestion?: 'cubic' | 'new-reno' | 'bbr'
  readonly udp?: UdpSettings
  /**
   * Looks for a direct path where a connection is relayed: NAT traversal in Node, WebRTC with browsers. Remotes are told the addresses of this
   * machine and of its NAT for that; `false` keeps them from everybody but the relay, and such connections stay relayed.
   *
   * @default true
   */
  readonly directPaths?: boolean
  /**
   * Node only: asks the router of a private network, by PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP, to forward a port to this peer's UDP socket
   * while it lives, for `directPaths`; no host beyond the network is asked. Without a router that does, nothing changes.
   *
   * @default true, unless the environment says `ANYPATH_PORT_MAPPING=off`
   */
  readonly portMapping?: boolean
  /**
   * Node only: STUN servers (RFC 8489) that tell this peer at which addresses its NAT is seen, for `directPaths`. Each is `HOST:PORT` or
   * `stun:HOST:PORT`; an IPv6 address is in brackets, and the port is 3478 where none is named. At most 16; two at different addresses tell what kind
   * of NAT it is. Names are looked up at the start and when the network changes. The servers see this machine's public address, and that it is
   * there.
   *
   * @default the STUN and address-discovery services of this peer's own `relays`; `[]` asks nobody
   */
  readonly stunServers?: readonly string[]
  /**
   * Node only: finds peers on the local network by their ids (mDNS, RFC 6762), and tells that network this peer's id and addresses when it
   * serves a protocol (`alpns`) and `directPaths` is on. With transports of the application's own it is off unless this is `true`.
   *
   * @default true, unless the environment says `ANYPATH_LAN=off`
   */
  readonly lan?: boolean
  /**
   * Node only: listens for WebTransport sessions of browsers (HTTP/3) on the UDP port of this peer, with a certificate of its own:
   * `peer.webTransportSessions`. `true` means all defaults.
   *
   * @default false: their clients are strangers without a key, and whoever serves none should not be reached by them
   */
  readonly webTransport?: boolean | WebTransportSettings
  /**
   * How WebRTC data channels with peers are made, for `directPaths`: in a page by the browser, in Node by the package `node-datachannel` or
   * `@roamhq/wrtc` where one is installed, or else by a module that comes with this package. Where the servers are not taken, `create` fails with
   * `InvalidConfig`. `true` means all defaults, `false` makes no channels.
   *
   * @default true in a page; false in Node
   */
  readonly webRtc?: boolean | WebRtcSettings
  /**
   * The relays of this peer: the nearest becomes its home, where others reach it. Relays that a ticket or discovery names are used only when
   * there is one here. `n0Relays` are public ones.
   *
   * @default [], and no relay is used
   */
  readonly relays?: readonly (string | RelaySettings)[]
}

/** How a Node peer listens for browsers. */
export interface WebTransportSettings {
  /** Sessions at the same time; beyond it requests are answered by status 503. @default 256 */
  readonly maxSessions?: number
  /**
   * Origins (RFC 6454, for example `https://example.com`) whose pages may open sessions; others are answered by status 403. An empty text
   * stands for clients that are no browsers.
   *
   * @default all: a page has to know the certificate's hash, and sends no cookies, so an origin proves nothing that matters by itself
   */
  readonly origins?: readonly string[]
  /**
   * Listens on a TCP port as well, by WebTransport over WebSocket, for peers whose networks block UDP. Its sessions carry packets of peers and
   * nothing else, at most `maxSessions` beside those over UDP; tickets tell of it.
   *
   * @default none, and no TCP port is opened
   */
  readonly tcp?: TcpSettings
}

/** Where a Node peer listens on TCP for peers. */
export interface TcpSettings {
  /** The local port; 0 takes a free one. Networks that block UDP let 443 through as a rule. */
  readonly port: number
  /** The local address. @default '::' (or '0.0.0.0' on a machine without IPv6) */
  readonly host?: string
  /**
   * A certificate for pages, which take none that is not a public authority's: its chain and its private key, both PEM. Node peers do without, and
   * pages on `http:` where the address is a local one.
   *
   * @default none: the port is without TLS, and what is sent is encrypted all the same
   */
  readonly certificate?: {
    /** The host's name (RFC 1123) to which the certificate belongs, and where this peer is found. */
    readonly name: string
    readonly cert: string
    readonly key: string
  }
}

/** What the ICE agent (RFC 8445) may use. */
export interface WebRtcSettings {
  /**
   * STUN and TURN servers, as `RTCConfiguration` has them (W3C WebRTC section 4.2.1), at most 8. They see this machine's public address.
   *
   * @default in Node the setting `stunServers`; without it, and in pages, STUN at the first two relays: at the port of the relay's URL, where `anypath relay` answers it, or at 3478 if the URL has none
   */
  readonly iceServers?: readonly IceServer[]
  /**
   * Node only: `installed` takes the package `node-datachannel` or `@roamhq/wrtc`, and fails where there is none; `built-in` the module that
   * comes with this package, which has nothing native and shares the UDP socket, takes no `iceServers`, and is slower.
   *
   * @default an installed package where there is one, or else the built-in module
   */
  readonly implementation?: 'built-in' | 'installed'
}

/** A server, or several with the same credentials. */
export interface IceServer {
  /** `stun:HOST:PORT`, `turn:HOST:PORT`, `turns:HOST:PORT`. */
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

/** How a browser keeps a peer's secret key. */
export interface PersistSettings {
  /** Which of the origin's keys it is, 1 to 255 characters. @default 'default' */
  readonly name?: string
  /**
   * What to do while another tab, worker or peer of this origin uses the key: `fail` with `KeyInUse`, or go on with a `fresh-key`, which is
   * not kept.
   *
   * @default 'fail'
   */
  readonly whenInUse?: 'fail' | 'fresh-key'
}

/** Settings after validation, with every default filled in. */
export interface ResolvedSettings {
  readonly secretKey: Uint8Array
  readonly persist: Required<PersistSettings> | undefined
  readonly alpns: readonly Uint8Array[]
  readonly limits: Limits
  readonly earlyData: boolean
  readonly classicalOnly: boolean
  readonly congestion: 'cubic' | 'new-reno' | 'bbr'
  /** As it was given: only Node has a use for it, and checks it. */
  readonly udp: UdpSettings
  readonly directPaths: boolean
  /** `undefined` where the environment decides. */
  readonly portMapping: boolean | undefined
  /** `undefined` where the environment decides. */
  readonly lan: boolean | undefined
  /** As it was given: only Node has a use for it, and checks it. */
  readonly webTransport: true | WebTransportSettings | undefined
  /** `undefined` where nothing was said. */
  readonly webRtc: WebRtcSettings | false | undefined
  readonly relays: readonly RelaySettings[]
}
