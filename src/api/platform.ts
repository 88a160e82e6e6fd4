import type { RelaySettings } from '../config/relays.js'
import type {
  PersistSettings,
  ResolvedSettings,
  UdpSettings,
  WebRtcSettings,
  WebTransportSettings,
} from '../config/settings.js'
import type { DiagnosedPeer } from '../diagnose/diagnose.node.js'
import type { DiagnoseOptions, Diagnosis } from '../diagnose/report.js'
import type { Discovery } from '../discovery/discovery.js'
import type { ChannelMaker } from '../driver/channels.js'
import type { Clock } from '../driver/clock.js'
import type { EngineOptions } from '../driver/create.js'
import type { Engine } from '../driver/engine.js'
import type { Logger } from '../observe/logger.js'
import type { Observe } from '../observe/metrics.js'
import type { Meter } from '../observe/opentelemetry.js'
import type { QlogSink } from '../observe/qlog.js'
import type { WebTransportAddressesOf } from './make-ticket.js'
import type { WatchLifecycle } from './page-lifecycle.js'
import type { GivenCore, PeerOptions } from './peer-options.js'
import type { AttachedEngine, PortErrors } from './port/attach.js'
import type { EnginePort } from './port/messages.js'
import type { DiagnosedSettings } from './start-engine.js'
import type { ChannelEngineParts } from './web-rtc/channel-engine.js'
import type { SessionPolicy } from './web-transport/admission.js'
import type { IncomingSessions, SessionsContext } from './web-transport/sessions.js'

/** What differs between Node and a browser; an entry gives it to the API. */
export interface Platform {
  /** The core to run, from what the application gave, or else from where this build has it. */
  readonly core: (given?: GivenCore) => EngineOptions['core']
  /**
   * Checks the settings that mean nothing elsewhere.
   *
   * @throws InvalidConfigError naming the field.
   */
  readonly check?: (settings: ResolvedSettings) => void
  /** The transports of a peer that was given none, in carrier order. */
  readonly transports: (
    udp: UdpSettings & { readonly maxPacketBytes: number; readonly clock: Clock },
  ) => EngineOptions['transports']
  /** Opens WebSockets to relays, with what these need. */
  readonly relayDialer: (relays: readonly RelaySettings[]) => NonNullable<EngineOptions['relayDialer']>
  /** Opens WebTransport sessions to peers, where that can be done. */
  readonly webTransportDialer?: () => EngineOptions['webTransportDialer']
  /** Makes data channels with peers, where that can be done; what it takes is loaded at the first call. */
  readonly channels?: (
    settings: ChannelSettings,
    options: Pick<PeerOptions, 'stunServers' | 'transports' | 'clock' | 'logger'>,
    peer: () => ChannelHost,
  ) => ChannelEngineParts['maker'] | undefined
  /** Loads what it takes where a peer and its application are in different threads. */
  readonly port: () => Promise<PortModule>
  /** Whether peers have data channels only by windows that lend theirs: in workers. */
  readonly borrows?: boolean
  /** Watches what the peer runs in, where that can be hidden or frozen. */
  readonly watchLifecycle?: WatchLifecycle
  /** Instruments for the meter that only a peer of this platform has something to tell by. */
  readonly instruments?: (observe: Observe, meter: Meter) => void
  /** Opens a folder for qlogs, where there are folders. */
  readonly qlogFolder?: (path: string) => QlogSink
  /** Checks the setting `stunServers` where there is UDP; what it returns looks up the servers' addresses. */
  readonly stunServers?: (value: readonly string[]) => NonNullable<EngineOptions['stunServers']>
  /** The services of relays that were reached by this dialer, for direct paths; none where it does not know of any. */
  readonly relayServices?: (
    dialer: NonNullable<EngineOptions['relayDialer']>,
  ) => Pick<EngineOptions, 'stunServers' | 'discoveryServices'>
  /** Finds out what stands between a peer and direct paths. */
  readonly diagnose?: (peer: DiagnosedPeer & DiagnosedSettings, options: DiagnoseOptions) => Promise<Diagnosis>
  /** Has routers forward a port to the UDP socket where there is one, unless the setting `portMapping` or the environment says no. */
  readonly portMapping?: (
    setting: boolean | undefined,
    parts: {
      readonly clock: Clock
      readonly randomBytes: (length: number) => Uint8Array
      readonly log: (message: string) => void
    },
  ) => EngineOptions['portMapping']
  /** Looks for peers on the local network where that can be done, unless the setting `lan` or the environment says no. */
  readonly lan?: (setting: boolean | undefined, announce: boolean) => Discovery | undefined
  /** Sessions of browsers, where they can be listened for. */
  readonly webTransport?: {
    /** Puts the answers to requests around an engine. */
    readonly admitting: (engine: Engine, policy: SessionPolicy, logger: Logger | undefined) => Engine
    /** What the application takes sessions from. */
    readonly sessions: (context: SessionsContext) => IncomingSessions
    /**
     * Checks the setting, and makes what it needs.
     *
     * @throws InvalidConfigError
     */
    readonly listening: (setting: true | WebTransportSettings, handshakeTimeoutMs: number) => Listening
    /** What tickets tell of a peer that runs elsewhere. */
    readonly addressesOf: WebTransportAddressesOf
  }
  /** Takes a kept key for as long as a peer lives, where keys can be kept. */
  readonly holdKey?: (
    persist: Required<PersistSettings>,
    randomBytes: (length: number) => Uint8Array,
  ) => Promise<HeldKey>
}

/** What is loaded where a peer and its application are in different threads. */
export interface PortModule {
  /** An engine on the other side of a port. A window shows that it is there, and lends its data channels unless `lends` is false. */
  attach(port: EnginePort, errors: PortErrors, lends: boolean): Promise<AttachedEngine>
  /** Lends this window's data channels to a peer on the other side of a port, until `stop`; `undefined` where there are none. */
  lend(port: EnginePort): { stop(): void } | undefined
  /** What borrows them there. */
  borrower(servers: ChannelServers, events: BorrowerEvents): PortBorrower
}

/** What a window asks for its own addresses when it makes a channel: the servers that are named, or else these relays. */
export interface ChannelServers {
  readonly iceServers: WebRtcSettings['iceServers']
  readonly relays: readonly string[]
}

/** Told of the windows at a peer's ports. */
export interface BorrowerEvents {
  /** Channels can be made in other windows than before; `undefined`: in none. */
  changed(maker: ChannelMaker | undefined): void
  /** The window at a port is gone. */
  gone(port: EnginePort): void
}

/** Takes what windows say. */
export interface PortBorrower {
  take(port: EnginePort, message: object): void
  /** The port was closed. */
  closed(port: EnginePort): void
}

/** How a peer listens for sessions. */
export interface Listening {
  readonly maxSessions: number
  readonly origins: readonly string[] | undefined
  /** What tickets tell of it. */
  readonly addressesOf: WebTransportAddressesOf
  /** Listens on TCP, where that is wanted. */
  readonly channels: EngineOptions['channels']
}

/** The settings of a peer that may make data channels. */
export interface ChannelSettings extends Pick<ResolvedSettings, 'relays' | 'udp'> {
  /** `undefined` where nothing was said. */
  readonly webRtc: WebRtcSettings | undefined
}

/** What channels have of the peer, which is there when the first one is made. */
export interface ChannelHost {
  readonly engine: Engine | undefined
  readonly transports: EngineOptions['transports']
}

/** A secret key that nobody else uses until it is released. */
export interface HeldKey {
  readonly secretKey: Uint8Array
  release(): void
}
