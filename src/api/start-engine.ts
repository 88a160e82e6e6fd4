import { resolveSettings } from '../config/index.js'
import { createEngine, type EngineOptions } from '../driver/create.js'
import type { Engine } from '../driver/engine.js'
import { InvalidConfigError } from '../errors/index.js'
import type { QlogSink, QlogWriter } from '../observe/qlog.js'
import { AcceptingEngine } from './engine/accepting.js'
import { AddressingEngine } from './engine/addressing.js'
import { ObservedEngine } from './engine/observed.js'
import type { PeerOptions } from './peer-options.js'
import type { Platform } from './platform.js'

/** An engine with everything around it that lives beside the core. */
export interface StartedEngine {
  readonly engine: Engine
  readonly incomingBacklog: number
}

/** Starts a core and puts around it what the options inject; what they leave out costs nothing. */
export async function startEngine(options: PeerOptions, platform: Platform): Promise<StartedEngine> {
  const { logger, accept } = options
  const settings = resolveSettings(options, options.randomBytes ?? randomBytes)
  const qlog = qlogSink(options.qlog, platform)
  const writers = new Map<number, QlogWriter>()
  const { incomingBacklog, ...limits } = settings.limits
  const engineOptions: EngineOptions = {
    secretKey: settings.secretKey,
    alpns: settings.alpns,
    limits,
    transports: options.transports ?? platform.transports({ ...settings.udp, maxPacketBytes: limits.maxMtuBytes }),
    core: options.core ?? platform.core(),
    accept: settings.alpns.length > 0,
    askBeforeHandshake: accept?.address !== undefined,
    earlyData: settings.earlyData,
    classicalOnly: settings.classicalOnly,
    congestion: settings.congestion,
    ...(options.clock && { clock: options.clock }),
    ...(options.randomBytes && { randomBytes: options.randomBytes }),
    ...(logger && {
      log: (level, target, message) => logger[level === 'trace' ? 'debug' : level](message, { target }),
    }),
    ...(logger && { logLevel: options.logLevel ?? 'warn' }),
    ...(qlog && { qlog: (connectionId, bytes) => writerOf(writers, qlog, connectionId).write(bytes) }),
  }
  const inner = await createEngine(engineOptions)
  try {
    return { engine: wrapped(inner, options, writers, limits.handshakeTimeoutMs), incomingBacklog }
  } catch (thrown) {
    // Something injected is not what it claims to be: the socket must not stay open for nobody.
    await inner.close(0, '', 0)
    throw thrown
  }
}

/** The engine with what the options inject around it. */
function wrapped(inner: Engine, options: PeerOptions, writers: Map<number, QlogWriter>, timeoutMs: number): Engine {
  const { logger, meter, tracer, accept, qlog } = options
  let engine = inner
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
      now: () => (options.clock ?? performance).now(),
    })
  }
  engine = new AddressingEngine(engine, options.discovery ?? [], timeoutMs, logger)
  if (accept?.address || accept?.connection) engine = new AcceptingEngine(engine, accept, logger)
  return engine
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

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length))
}
