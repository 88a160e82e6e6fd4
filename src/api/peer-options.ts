import type { Settings } from '../config/settings.js'
import type { Discovery } from '../discovery/discovery.js'
import type { CoreSource, EngineOptions } from '../driver/create.js'
import type { Admission, EngineAddress } from '../driver/engine.js'
import type { Logger } from '../observe/logger.js'
import type { Meter, Tracer } from '../observe/opentelemetry.js'
import type { QlogSink } from '../observe/qlog.js'

/** Somebody who begins a handshake: only the address is known, and unless `validated` it may be forged. */
export interface IncomingAddress {
  readonly host: string
  readonly port: number
  /** The relay that it came over; `host` and `port` are the relay's then. */
  readonly relay?: string
  /** Whether the address has proved that it receives what is sent to it (RFC 9000 section 8.1). */
  readonly validated: boolean
}

/** Somebody who has finished the handshake. */
export interface IncomingPeer {
  /** The authenticated public key, 64 hexadecimal digits. */
  readonly remoteId: string
  readonly alpn: string
  readonly address: { readonly host: string; readonly port: number; readonly relay?: string }
}

/** A client, a browser as a rule, that wants a WebTransport session. Nothing of it is proven but the address. */
export interface WebTransportRequest {
  readonly host: string
  readonly port: number
  /** The host and port of the URL. */
  readonly authority: string
  /** The path of the URL, with its query. */
  readonly path: string
  /** The origin of the page (RFC 6454); empty where the client is no browser. */
  readonly origin: string
}

/** Decides who may connect. A hook that throws or rejects refuses; what it threw is logged. */
export interface AcceptHooks {
  /**
   * Asked before the handshake. `retry` makes the address prove itself first and asks again; `ignore` does not answer at all.
   *
   * @default accepts, and sends a Retry above `limits.retryAbove`
   */
  readonly address?: (address: IncomingAddress) => Admission | Promise<Admission>
  /**
   * Asked after the handshake; `false` closes the connection, and the application never sees it. With this hook early data waits for the
   * handshake too.
   *
   * @default accepts
   */
  readonly connection?: (peer: IncomingPeer) => boolean | Promise<boolean>
  /**
   * Asked before a WebTransport session is accepted; `false` refuses with status 403, a number from 400 to 599 with that status. Sessions that
   * carry packets of peers are not asked about: who comes by one is asked about by `connection`, as every peer.
   *
   * @default accepts, from all origins that the setting `webTransport` allows
   */
  readonly session?: (request: WebTransportRequest) => boolean | number | Promise<boolean | number>
}

/**
 * The options of `Peer.create`. All have defaults. Everything that is not plain data is injected, lives beside the core, and is shared by
 * nobody who was not given it.
 */
export interface PeerOptions extends Settings {
  readonly accept?: AcceptHooks
  /** Asked for the addresses of peers that are dialled without any. @default none: addresses come from tickets */
  readonly discovery?: readonly Discovery[]
  /** Gets what is worth telling. @default none */
  readonly logger?: Logger
  /** The least important records of the core that the logger gets. @default 'warn' */
  readonly logLevel?: 'error' | 'warn' | 'info' | 'debug' | 'trace'
  /** Gets the metrics that docs/api.md lists. @default none */
  readonly meter?: Meter
  /** Gets a span for each dial. @default none */
  readonly tracer?: Tracer
  /** Gets each connection's qlog; in Node a text names a folder to write `<connection>.sqlog` files into. @default none */
  readonly qlog?: QlogSink | string
  /** What moves datagrams, in carrier order. @default UDP in Node, nothing in a browser */
  readonly transports?: EngineOptions['transports']
  /** Opens WebSockets to relays. @default the browser's, and those of the package `ws` in Node */
  readonly relayDialer?: NonNullable<EngineOptions['relayDialer']>
  /**
   * The WebAssembly core: the code of `anypath/core.wasm` (compiled, as bytes, as a response, or where to fetch it), or a program of code and
   * glue.
   *
   * @default the one of this package; with `anypath/slim` it has to be given
   */
  readonly core?: EngineOptions['core'] | GivenCore
  /** @default the platform's clock */
  readonly clock?: NonNullable<EngineOptions['clock']>
  /** Must be cryptographically secure outside of tests. @default `crypto.getRandomValues` */
  readonly randomBytes?: (length: number) => Uint8Array
}

/** A core's code, or a promise of it, as a fetch gives. */
export type GivenCore = CoreSource | Promise<CoreSource>

/** A socket address to dial. */
export interface DialAddress {
  readonly host: string
  readonly port: number
  /** @default 'udp' */
  readonly transport?: EngineAddress['transport']
  /** How long after the first address this one is tried, milliseconds. @default 0 */
  readonly delayMs?: number
}

/** A peer to dial, by id, with the addresses that are known. */
export interface DialTarget {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** @default none: discovery is asked, unless there are relays */
  readonly addresses?: readonly DialAddress[]
  /** URLs of relays where it may be. Needs relays of this peer's own: see `PeerOptions.relays`. @default none */
  readonly relays?: readonly string[]
}

/** How a connection is dialled. */
export interface ConnectOptions {
  /** The application protocol (ALPN), 1 to 255 bytes. */
  readonly alpn: string
  /** Gives up when it fires, and frees everything: the call rejects with `AbortedError` and the signal's reason as `cause`. */
  readonly signal?: AbortSignal
  /** Gives up after this many milliseconds, with `UnreachableError`. @default `limits.handshakeTimeoutMs` */
  readonly timeoutMs?: number
  /**
   * Uses early data (0-RTT) when this peer was connected to that remote before: the call resolves at once, streams may be opened before
   * `ready`, and what they carry leaves with the first packets.
   *
   * **An attacker who records those packets can replay them**, so send only what may arrive twice, and wait for `ready` with the rest.
   * When the remote does not take it (`earlyDataAccepted` is false), streams that were opened before `ready` fail and have to be opened
   * again. Both peers need `earlyData: true` in their own options.
   *
   * @default false
   */
  readonly earlyData?: boolean
}

/** What the attached side of a port may choose: everything else lives beside the core. */
export interface AttachOptions {
  readonly logger?: Logger
  /**
   * In a window: lets the peer, where that is in a worker, make WebRTC data channels here, for workers have none. Remotes learn this
   * machine's addresses by that, as from a peer in this window; the peer's own `directPaths: false` keeps it from asking.
   *
   * @default true
   */
  readonly lendWebRtc?: boolean
  /** Accepted connections that wait in `peer.incoming`; further ones are closed. @default 256 */
  readonly incomingBacklog?: number
}
