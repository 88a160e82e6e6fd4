import { checkInjected, type ResolvedSettings, resolveSettings } from '../config/index.js'
import type { DiagnosedPeer } from '../diagnose/diagnose.node.js'
import type { Discovery } from '../discovery/discovery.js'
import type { ChannelKeeper } from '../driver/channels.js'
import { type Clock, systemClock } from '../driver/clock.js'
import { createEngine, type EngineOptions } from '../driver/create.js'
import type { Engine } from '../driver/engine.js'
import type { RecordKeeper } from '../driver/record-keeper.js'
import { InvalidConfigError } from '../errors/index.js'
import type { QlogSink, QlogWriter } from '../observe/qlog.js'
import { AcceptingEngine } from './engine/accepting.js'
import { AddressingEngine } from './engine/addressing.js'
import { ObservedEngine } from './engine/observed.js'
import { PublishingEngine } from './engine/publishing.js'
import { recordReader } from './engine/record-reader.js'
import { ReleasingEngine } from './engine/releasing.js'
import type { WebTransportAddressesOf } from './make-ticket.js'
import type { PeerOptions } from './peer-options.js'
import type { HeldKey, Listening, Platform } from './platform.js'
import type { EnginePort } from './port/messages.js'
import { type Borrow, borrowing } from './web-rtc/borrowing.js'
import { ChannelEngine, type ChannelEngineParts } from './web-rtc/channel-engine.js'
import { SIGNALLING_ALPN } from './web-rtc/signal.js'

/** An engine with everything around it that lives beside the core. */
export interface StartedEngine {
  readonly engine: Engine
  readonly incomingBacklog: number
  readonly diagnosed: DiagnosedSettings
  /** Listens for windows that lend their data channels, where the peer needs that; `gone` is told of windows that were there. */
  readonly borrow?: ((gone: (port: EnginePort) => void) => Borrow) | undefined
  /** What tickets tell of sessions; left out where none are listened for. */
  readonly addressesOf: WebTransportAddressesOf | undefined
}

/** What a diagnosis has to know of a peer's settings. */
export type DiagnosedSettings = Pick<DiagnosedPeer, 'host' | 'directPaths' | 'stunServers'> &
  Pick<ResolvedSettings, 'webRtc'> & { readonly relaySettings: ResolvedSettings['relays'] }

/** Starts a core and puts around it what the options inject; what they leave out costs nothing. */
export async function startEngine(options: PeerOptions, platform: Platform): Promise<StartedEngine> {
  checkInjected(options)
  const random = options.randomBytes ?? randomBytes
  const settings = resolveSettings(options, random)
  platform.check?.(settings)
  if (settings.webTransport && !platform.webTransport)
    throw new InvalidConfigError('webTransport: only a peer in Node listens for browsers')
  const listening =
    settings.webTransport && platform.webTransport?.listening(settings.webTransport, settings.limits.handshakeTimeoutMs)
  const relayDialer = options.relayDialer ?? platform.relayDialer(settings.relays)
  const servers = addressServers(options, platform, relayDialer)
  const webTransportDialer = platform.webTransportDialer?.()
  const { webRtc } = settings
  let inner: (Engine & RecordKeeper & ChannelKeeper) | undefined
  let transports: EngineOptions['transports'] = []
  const peer = () => ({ engine: inner, transports })
  const maker =
    settings.directPaths && webRtc !== false ? platform.channels?.({ ...settings, webRtc }, options, peer) : undefined
  const discovery = discoveryOf(settings, options, platform)
  const key = await secretKeyOf(settings, platform, random)
  const writers = new Map<number, QlogWriter>()
  try {
    const opensSessions = webTransportDialer !== undefined
    const addressesOf = listening?.addressesOf
    // A peer that could listen asks nobody where sessions can be opened: it has UDP.
    const negotiates = settings.directPaths && (maker || addressesOf || (opensSessions && !platform.webTransport))
    const own = negotiates && settings.alpns.length > 0 ? [new TextEncoder().encode(SIGNALLING_ALPN)] : []
    const resolved = { ...settings, secretKey: key.secretKey, alpns: [...settings.alpns, ...own] }
    const forCore = engineOptions(resolved, options, platform, writers, listening)
    transports = forCore.transports
    inner = await createEngine({
      ...forCore,
      relayDialer,
      ...servers,
      ...(webTransportDialer && { webTransportDialer }),
    })
    const { engine: wrapping, channels } = wrapped(inner, { ...options, discovery }, platform, {
      writers,
      timeoutMs: settings.limits.handshakeTimeoutMs,
      opensSessions,
      ways: negotiates
        ? {
            maker,
            addressesOf,
            opensSessions,
            traverses: forCore.transports.some(({ kind }) => kind === 'udp'),
          }
        : undefined,
    })
    const engine = admitting(wrapping, listening, options, platform)
    return {
      engine: new ReleasingEngine(engine, () => key.release()),
      incomingBacklog: settings.limits.incomingBacklog,
      borrow: borrowOf(settings, platform, channels),
      addressesOf,
      diagnosed: {
        host: settings.udp.host ?? '::',
        directPaths: settings.directPaths,
        webRtc,
        relaySettings: settings.relays,
        stunServers: {
          ofRelays: options.stunServers === undefined,
          count: options.stunServers?.length ?? 0,
          addresses: servers.stunServers ?? (async () => []),
        },
      },
    }
  } catch (thrown) {
    // Something injected is not what it claims to be: the socket must not stay open for nobody.
    await inner?.close(0, '', 0)
    key.release()
    throw thrown
  }
}

async function secretKeyOf(
  settings: ResolvedSettings,
  platform: Platform,
  random: (length: number) => Uint8Array,
): Promise<HeldKey> {
  if (settings.persist === undefined) return { secretKey: settings.secretKey, release() {} }
  if (platform.holdKey === undefined) throw new InvalidConfigError('persist: only a browser can keep the key')
  return platform.holdKey(settings.persist, random)
}

function engineOptions(
  settings: ResolvedSettings,
  options: PeerOptions,
  platform: Platform,
  writers: Map<number, QlogWriter>,
  listening: Listening | undefined,
): EngineOptions {
  const { logger, accept } = options
  const qlog = qlogSink(options.qlog, platform)
  const { incomingBacklog: _, ...limits } = settings.limits
  const clock = options.clock ?? systemClock()
  const portMapping = portMappingOf(settings, options, platform, clock)
  return {
    secretKey: settings.secretKey,
    alpns: settings.alpns,
    limits,
    transports:
      options.transports ?? platform.transports({ ...settings.udp, maxPacketBytes: limits.maxMtuBytes, clock }),
    core: isProgram(options.core) ? options.core : platform.core(options.core),
    relays: settings.relays.map(({ url }) => url),
    accept: settings.alpns.length > 0 || listening !== undefined,
    ...(listening && { webTransport: listening, channels: listening.channels }),
    askBeforeHandshake: accept?.address !== undefined,
    earlyData: settings.earlyData,
    classicalOnly: settings.classicalOnly,
    congestion: settings.congestion,
    directPaths: settings.directPaths,
    ...(portMapping && { portMapping }),
    clock,
    ...(options.randomBytes && { randomBytes: options.randomBytes }),
    ...(logger && {
      log: (level, target, message) => logger[level === 'trace' ? 'debug' : level](message, { target }),
    }),
    ...(logger && { logLevel: options.logLevel ?? 'warn' }),
    ...(qlog && { qlog: (connectionId, bytes) => writerOf(writers, qlog, connectionId).write(bytes) }),
  }
}

/** The engine with what the options inject around it. */
function wrapped(
  inner: Engine & RecordKeeper & ChannelKeeper,
  options: PeerOptions,
  { instruments }: Platform,
  {
    writers,
    timeoutMs,
    opensSessions,
    ways,
  }: {
    readonly writers: Map<number, QlogWriter>
    readonly timeoutMs: number
    readonly opensSessions: boolean
    readonly ways: Pick<ChannelEngineParts, 'maker' | 'addressesOf' | 'opensSessions' | 'traverses'> | undefined
  },
): { readonly engine: Engine; readonly channels: ChannelEngine | undefined } {
  const { logger, meter, tracer, accept, qlog, discovery = [] } = options
  const clock = options.clock ?? systemClock()
  const channels = ways && new ChannelEngine({ ...ways, inner, clock, asks: accept?.connection !== undefined })
  let engine: Engine = channels ?? inner
  if (meter || tracer || logger || qlog) {
    const drained = (connectionId: number) => {
      writers.get(connectionId)?.close?.()
      writers.delete(connectionId)
    }
    engine = new ObservedEngine(engine, {
      meter,
      tracer,
      logger,
      drained,
      instruments,
      now: () => (options.clock ?? performance).now(),
    })
  }
  engine = new AddressingEngine(engine, discovery, timeoutMs, logger, recordReader(inner), opensSessions)
  if (discovery.some(({ publish }) => publish !== undefined)) {
    engine = new PublishingEngine(engine, { records: inner, discovery, clock, logger })
  }
  if (accept?.address || accept?.connection)
    engine = new AcceptingEngine(engine, accept, logger, (connectionId) => channels?.wanted(connectionId))
  return { engine, channels }
}

/** A peer without data channels of its own borrows them; every window at its ports is watched. */
function borrowOf(
  { directPaths, webRtc, relays }: ResolvedSettings,
  { borrows, port }: Platform,
  channels: ChannelEngine | undefined,
): StartedEngine['borrow'] {
  if (!borrows) return undefined
  const servers = { iceServers: webRtc ? webRtc.iceServers : undefined, relays: relays.map(({ url }) => url) }
  const mayLend = directPaths && webRtc !== false
  return (gone) =>
    borrowing(async () =>
      (await port()).borrower(servers, { gone, changed: (maker) => mayLend && channels?.setMaker(maker) }),
    )
}

/** The engine with the answers to browsers around it, where they are listened for. */
function admitting(
  engine: Engine,
  listening: Listening | undefined,
  { accept, logger }: PeerOptions,
  platform: Platform,
): Engine {
  const policy = listening && { origins: listening.origins, hook: accept?.session }
  return policy === undefined ? engine : (platform.webTransport?.admitting(engine, policy, logger) ?? engine)
}

/** What the application gave, and the local network. */
function discoveryOf(
  { alpns, directPaths, lan: setting }: ResolvedSettings,
  { discovery = [], transports }: PeerOptions,
  platform: Platform,
): readonly Discovery[] {
  if (discovery.some(({ name }) => name === 'lan') || (transports !== undefined && setting !== true)) return discovery
  // Whoever serves nothing need not be found.
  const lan = platform.lan?.(setting, alpns.length > 0 && directPaths)
  return lan === undefined ? discovery : [...discovery, lan]
}

/** Who is asked for this machine's addresses: who is named, or else the services of the peer's own relays. */
function addressServers(
  { stunServers }: PeerOptions,
  platform: Platform,
  relayDialer: NonNullable<EngineOptions['relayDialer']>,
): Pick<EngineOptions, 'stunServers' | 'discoveryServices'> {
  if (stunServers === undefined) return platform.relayServices?.(relayDialer) ?? {}
  if (platform.stunServers === undefined) throw new InvalidConfigError('stunServers: there is no UDP socket here')
  return { stunServers: platform.stunServers(stunServers) }
}

function portMappingOf(
  { directPaths, portMapping }: ResolvedSettings,
  { randomBytes: random = randomBytes, logger, logLevel = 'warn' }: PeerOptions,
  platform: Platform,
  clock: Clock,
): EngineOptions['portMapping'] {
  const log = (message: string) => {
    if (logLevel !== 'error' && logLevel !== 'warn') logger?.info(message, { target: 'anypath::port_mapping' })
  }
  return directPaths ? platform.portMapping?.(portMapping, { clock, randomBytes: random, log }) : undefined
}

function qlogSink(qlog: PeerOptions['qlog'], platform: Platform): QlogSink | undefined {
  if (typeof qlog !== 'string') return qlog
  if (platform.qlogFolder === undefined)
    throw new InvalidConfigError('qlog: must be a function where there are no folders')
  return platform.qlogFolder(qlog)
}

function writerOf(writers: Map<number, QlogWriter>, sink: QlogSink, connectionId: number): QlogWriter {
  const writer = writers.get(connectionId) ?? sink(connectionId)
  writers.set(connectionId, writer)
  return writer
}

function isProgram(core: PeerOptions['core']): core is EngineOptions['core'] {
  return core !== undefined && 'createGlue' in core
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length))
}
