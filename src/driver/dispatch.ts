import type { SocketAddress } from '../core/address.js'
import type { ClosedRecord, ConnectedRecord, OutputSink, PathRecord, SearchRecord } from '../core/records.js'
import type { RelayRecord } from '../core/relay.js'
import type { SessionRequestRecord } from '../core/session.js'
import { createError } from '../errors/index.js'
import type { Carriers } from './carriers.js'
import type { EngineLogLevel } from './create.js'
import type { EngineEvent, SearchInfo, WebTransportEvent } from './engine.js'
import { closedError } from './errors.js'
import { causeName, closerName, connectedInfo, LOG_LEVELS, pathChangeName, pathInfo, stateName } from './names.js'
import type { Streams } from './streams.js'

/** In the order of their numbers. */
const FOUND = ['nothing', 'told', 'peer-reflexive', 'collision'] as const

/** Where log and qlog records go; what is left out is not produced. */
export interface Observers {
  readonly log?: ((level: EngineLogLevel, target: string, message: string) => void) | undefined
  readonly qlog?: ((connectionId: number, bytes: Uint8Array<ArrayBuffer>) => void) | undefined
}

/**
 * Sorts the core's output: packets go to their carrier at once, what lets a read or write go on is noted for `settle`, and
 * everything that the API hears of is queued for `emit`.
 */
export class Dispatch implements OutputSink {
  readonly #carriers: Carriers
  readonly #streams: Streams
  readonly #observers: Observers
  #listener: ((event: EngineEvent) => void) | undefined
  /** Connection and stream in turn. */
  #readable: number[] = []
  #writable: number[] = []
  /** Connection and direction in turn. */
  #openable: number[] = []
  #closed: { readonly connection: number; readonly record: ClosedRecord }[] = []
  #drained: number[] = []
  #events: EngineEvent[] = []
  /** Which of the connections are sessions of browsers. */
  readonly #sessions = new Set<number>()

  constructor(carriers: Carriers, streams: Streams, observers: Observers) {
    this.#carriers = carriers
    this.#streams = streams
    this.#observers = observers
  }

  listen(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  /** Adds an event of the driver's own. */
  push(event: EngineEvent): void {
    this.#events.push(event)
  }

  /** Goes on with what waits. Reads come before closes, so that data that came before a close is not lost. */
  settle(): void {
    const [readable, writable, openable, closed, drained] = [
      this.#readable,
      this.#writable,
      this.#openable,
      this.#closed,
      this.#drained,
    ]
    if (readable.length > 0) this.#readable = []
    for (let at = 0; at < readable.length; at += 2) this.#streams.readable(readable[at] ?? 0, readable[at + 1] ?? 0)
    if (writable.length > 0) this.#writable = []
    for (let at = 0; at < writable.length; at += 2) this.#streams.writable(writable[at] ?? 0, writable[at + 1] ?? 0)
    if (openable.length > 0) this.#openable = []
    for (let at = 0; at < openable.length; at += 2)
      this.#streams.streamsAvailable(openable[at] ?? 0, openable[at + 1] === 1)
    if (closed.length > 0) this.#closed = []
    for (const { connection, record } of closed) this.#streams.close(connection, closedError(record))
    if (drained.length > 0) this.#drained = []
    for (const connection of drained) this.#streams.delete(connection)
  }

  /** Hands out the queued events in order. A listener that throws is logged and harms nobody. */
  emit(): void {
    if (this.#events.length === 0) return
    const events = this.#events
    this.#events = []
    const listener = this.#listener
    if (!listener) return
    for (const event of events) {
      try {
        listener(event)
      } catch (thrown) {
        this.#observe(() =>
          this.#observers.log?.('error', 'anypath::driver', `a listener of '${event.type}' threw: ${textOf(thrown)}`),
        )
      }
    }
  }

  transmit(carrier: number, address: SocketAddress, packets: Uint8Array<ArrayBuffer>, segmentBytes: number): void {
    this.#carriers.send(carrier, address, packets, segmentBytes)
  }

  connected(connectionId: number, record: ConnectedRecord): void {
    this.#streams.add(connectionId)
    this.#carriers.channels.used(connectionId, record.path.carrier)
    this.#carriers.sessions.selected(connectionId, record.path.carrier)
    this.#events.push({ type: 'connected', connectionId, info: connectedInfo(record, this.#carriers) })
  }

  closed(connectionId: number, record: ClosedRecord): void {
    this.#closed.push({ connection: connectionId, record })
    const { code, wireCode, reason } = record
    this.#tell({ type: 'closed', connectionId, code, by: closerName(record.by), wireCode, reason })
  }

  streamOpened(connectionId: number, streamId: number, bidirectional: boolean): void {
    this.#tell({ type: 'stream', connectionId, streamId, bidirectional })
  }

  readable(connection: number, stream: number): void {
    this.#readable.push(connection, stream)
  }

  writable(connection: number, stream: number): void {
    this.#writable.push(connection, stream)
  }

  streamFinished(connection: number, stream: number): void {
    this.#streams.finished(connection, stream)
  }

  streamStopped(connectionId: number, streamId: number, code: number): void {
    this.#streams.stopped(connectionId, streamId, code)
    this.#tell({ type: 'stopped', connectionId, streamId, code })
  }

  streamsAvailable(connection: number, bidirectional: boolean): void {
    this.#openable.push(connection, bidirectional ? 1 : 0)
  }

  datagram(connectionId: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#tell({ type: 'datagram', connectionId, bytes })
  }

  /** Nobody waits for this: a datagram that does not fit pushes the oldest one out. */
  datagramsUnblocked(): void {}

  path(connectionId: number, event: number, path: PathRecord): void {
    const change = pathChangeName(event)
    this.#carriers.channels.used(connectionId, path.carrier)
    if (change === 'selected') this.#carriers.sessions.selected(connectionId, path.carrier)
    this.#events.push({ type: 'path', connectionId, change, path: pathInfo(path, this.#carriers) })
  }

  state(connectionId: number, from: number, to: number, cause: number, elapsedMs: number): void {
    const transition = { from: stateName(from), to: stateName(to), cause: causeName(cause), elapsedMs }
    // Nothing is heard over any path: one over TCP may be left.
    if (transition.to === 'recovering') this.#carriers.sessions.selected(connectionId)
    this.#events.push({ type: 'state', connectionId, ...transition })
  }

  search(connectionId: number, { byCollision, found, remote, ...counted }: SearchRecord): void {
    const search: SearchInfo = {
      scheme: byCollision ? 'birthday' : 'candidates',
      found: FOUND[found] ?? 'nothing',
      ...counted,
      ...(remote && { remote: { host: remote.host, port: remote.port } }),
    }
    this.#events.push({ type: 'search', connectionId, search })
  }

  incoming(incomingId: number, carrier: number, address: SocketAddress, validated: boolean): void {
    const { kind: _, ...place } = this.#carriers.place(carrier, address)
    this.#events.push({ type: 'incoming', incomingId, ...place, validated })
  }

  log(level: number, target: string, message: string): void {
    this.#observe(() => this.#observers.log?.(LOG_LEVELS[level - 1] ?? 'error', target, message))
  }

  qlog(connection: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#observe(() => this.#observers.qlog?.(connection, bytes))
  }

  earlyData(connectionId: number, accepted: boolean): void {
    if (!accepted)
      this.#streams.rejectStreams(connectionId, createError('EarlyDataRejected', 'the remote did not take early data'))
    this.#events.push({ type: 'early-data', connectionId, accepted })
  }

  drained(connectionId: number): void {
    this.#drained.push(connectionId)
    this.#tell({ type: 'drained', connectionId })
    this.#carriers.sessions.release(connectionId)
    this.#carriers.channels.release(connectionId)
    this.#sessions.delete(connectionId)
  }

  relayOpen(relay: number, url: string): void {
    this.#carriers.relays.open(relay, url)
  }

  relaySend(relay: number, message: Uint8Array<ArrayBuffer>): void {
    this.#carriers.relays.send(relay, message)
  }

  relayClose(relay: number): void {
    this.#carriers.relays.close(relay)
  }

  socketOpen(carrier: number): void {
    this.#carriers.sockets.open(carrier)
  }

  socketClose(carrier: number): void {
    this.#carriers.sockets.close(carrier)
  }

  sessionRequested(connectionId: number, { carrier, address, ...request }: SessionRequestRecord): void {
    this.#streams.add(connectionId)
    this.#sessions.add(connectionId)
    const { host, port } = this.#carriers.place(carrier, address)
    this.#tell({ type: 'requested', connectionId, host, port, ...request })
  }

  relay(id: number, record: RelayRecord): void {
    this.#events.push({ type: 'relay', relay: this.#carriers.relays.update(id, record) })
  }

  discover(connectionId: number): void {
    this.#events.push({ type: 'discover', connectionId })
  }

  /** Queues an event of a connection, or of a session. */
  #tell(event: WebTransportEvent): void {
    if (this.#sessions.has(event.connectionId)) this.#events.push({ type: 'web-transport', event })
    else if (event.type !== 'requested') this.#events.push(event)
  }

  /** Observers are the application's: what they throw must not stop the loop, and there is nobody left to tell. */
  #observe(call: () => void): void {
    try {
      call()
    } catch {}
  }
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}
