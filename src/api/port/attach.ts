import type {
  Admission,
  ConnectionStats,
  ConnectRequest,
  DialTargets,
  Engine,
  EngineAddress,
  EngineEvent,
  PeerStats,
  RelayInfo,
  TicketParts,
  WebTransportCertificate,
} from '../../driver/engine.js'
import type { AnypathError, SerializedError } from '../../errors/index.js'
import { type CallName, type CastName, type EnginePort, messageOf, post, type Reply } from './messages.js'

const NO_ANSWER_MS = 10_000
const PEER_CLOSED = 50
const GONE = 'the other side of the port was closed'

/** The classes of errors that the application knows: this code may be loaded beside them. */
export interface PortErrors {
  closed(message: string): AnypathError
  revive(data: SerializedError): AnypathError
}

/** An engine on the other side of a port. */
export interface AttachedEngine extends Engine {
  /** Closes the connections of this side, and leaves the engine to others that may come. Idempotent. */
  leave(reason?: string): void
}

/**
 * Waits for the other side of a port and gives an engine that works there.
 *
 * @param ended called once when the engine is of no use any more.
 * @throws PeerClosedError when the port is closed, or nobody serves it within 10 s.
 */
export function attachEngine(
  port: EnginePort,
  errors: PortErrors,
  ended: () => void = () => {},
): Promise<AttachedEngine> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(errors.closed('nobody serves the other side of this port')), NO_ANSWER_MS)
    const settle = () => clearTimeout(timer)
    const pending: { engine?: PortEngine } = {}
    port.addEventListener('message', ({ data }) => {
      const reply = messageOf<Reply>(data)
      if (reply === undefined) return
      if (reply.type === 'attached' && pending.engine === undefined) {
        settle()
        pending.engine = new PortEngine(port, reply.endpointId, errors, ended)
        resolve(pending.engine)
      } else {
        pending.engine?.receive(reply)
      }
    })
    port.addEventListener('close', () => {
      settle()
      reject(errors.closed('the port was closed'))
      pending.engine?.receive({ type: 'detached' })
    })
    port.start?.()
    post(port, { type: 'attach' })
  })
}

interface Waiting {
  resolve(value: never): void
  reject(reason: Error): void
}

/** An engine on the other side of a port. */
class PortEngine implements AttachedEngine {
  readonly endpointId: Uint8Array
  readonly #port: EnginePort
  readonly #errors: PortErrors
  readonly #ended: () => void
  readonly #waiting = new Map<number, Waiting>()
  /** Events that came before anybody listened. */
  #early: EngineEvent[] | undefined = []
  #listener: (event: EngineEvent) => void = (event) => this.#early?.push(event)
  #lastCall = 0
  #detached = false

  constructor(port: EnginePort, endpointId: Uint8Array, errors: PortErrors, ended: () => void) {
    this.#port = port
    this.#errors = errors
    this.#ended = ended
    this.endpointId = endpointId
  }

  receive(reply: Reply): void {
    if (this.#detached) return
    switch (reply.type) {
      case 'event':
        return this.#listener(reply.event)
      case 'result':
        return this.#settle(reply.call, (waiting) => waiting.resolve(reply.value as never))
      case 'failure':
        return this.#settle(reply.call, (waiting) => waiting.reject(this.#errors.revive(reply.error)))
      case 'detached':
        this.#detach()
        return this.#listener({ type: 'failed', code: PEER_CLOSED, message: GONE })
    }
  }

  relays(): Promise<RelayInfo[]> {
    return this.#call('relays', [])
  }

  localAddresses(): Promise<EngineAddress[]> {
    return this.#call('localAddresses', [])
  }

  connect(request: ConnectRequest): Promise<number> {
    return this.#call('connect', [request])
  }

  addAddresses(connectionId: number, targets: DialTargets): void {
    this.#cast('addAddresses', [connectionId, targets])
  }

  admit(incomingId: number, decision: Admission): void {
    this.#cast('admit', [incomingId, decision])
  }

  openStream(connectionId: number, bidirectional: boolean, wait = true): Promise<number> {
    return this.#call('openStream', [connectionId, bidirectional, wait])
  }

  read(connectionId: number, streamId: number, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#call('read', [connectionId, streamId, maxBytes])
  }

  write(connectionId: number, streamId: number, bytes: Uint8Array): Promise<void> {
    return this.#call('write', [connectionId, streamId, exact(bytes)])
  }

  finish(connectionId: number, streamId: number): Promise<void> {
    return this.#call('finish', [connectionId, streamId])
  }

  reset(connectionId: number, streamId: number, code: number): void {
    this.#cast('reset', [connectionId, streamId, code])
  }

  stop(connectionId: number, streamId: number, code: number): void {
    this.#cast('stop', [connectionId, streamId, code])
  }

  setPriority(connectionId: number, streamId: number, priority: number): void {
    this.#cast('setPriority', [connectionId, streamId, priority])
  }

  sendDatagram(connectionId: number, bytes: Uint8Array): Promise<void> {
    return this.#call('sendDatagram', [connectionId, exact(bytes)])
  }

  maxDatagramBytes(connectionId: number): Promise<number> {
    return this.#call('maxDatagramBytes', [connectionId])
  }

  closeConnection(connectionId: number, code: number, reason: string): void {
    this.#cast('closeConnection', [connectionId, code, reason])
  }

  connectionStats(connectionId: number): Promise<ConnectionStats> {
    return this.#call('connectionStats', [connectionId])
  }

  peerStats(): Promise<PeerStats> {
    return this.#call('peerStats', [])
  }

  ping(connectionId: number): void {
    this.#cast('ping', [connectionId])
  }

  keyUpdate(connectionId: number): void {
    this.#cast('keyUpdate', [connectionId])
  }

  networkChanged(): void {
    this.#cast('networkChanged', [])
  }

  setVisible(visible: boolean): void {
    this.#cast('setVisible', [visible])
  }

  wake(): void {
    this.#cast('wake', [])
  }

  resumed(): void {
    this.#cast('resumed', [])
  }

  answerSession(sessionId: number, status: number): Promise<boolean> {
    return this.#call('answerSession', [sessionId, status])
  }

  webTransportCertificates(): Promise<WebTransportCertificate[]> {
    return this.#call('webTransportCertificates', [])
  }

  parseTicket(text: string): Promise<TicketParts> {
    return this.#call('parseTicket', [text])
  }

  formatTicket(parts: TicketParts): Promise<string> {
    return this.#call('formatTicket', [parts])
  }

  async close(code: number, reason: string, timeoutMs: number): Promise<void> {
    if (this.#detached) return
    try {
      await this.#call<void>('close', [code, reason, timeoutMs])
    } finally {
      this.leave()
    }
  }

  leave(reason?: string): void {
    if (this.#detached) return
    post(this.#port, { type: 'detach', ...(reason && { reason }) })
    this.#detach()
    this.#port.close?.()
  }

  onEvent(listener: (event: EngineEvent) => void): void {
    const early = this.#early ?? []
    this.#early = undefined
    this.#listener = listener
    for (const event of early) listener(event)
  }

  #call<T>(method: CallName, args: readonly unknown[]): Promise<T> {
    if (this.#detached) return Promise.reject(this.#errors.closed(GONE))
    return new Promise<T>((resolve, reject) => {
      this.#lastCall += 1
      this.#waiting.set(this.#lastCall, { resolve, reject })
      post(this.#port, { type: 'call', call: this.#lastCall, method, args })
    })
  }

  #cast(method: CastName, args: readonly unknown[]): void {
    if (!this.#detached) post(this.#port, { type: 'cast', method, args })
  }

  #settle(call: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(call)
    this.#waiting.delete(call)
    if (waiting !== undefined) how(waiting)
  }

  #detach(): void {
    this.#detached = true
    for (const { reject } of this.#waiting.values()) reject(this.#errors.closed(GONE))
    this.#waiting.clear()
    this.#ended()
  }
}

/** Bytes whose clone is no larger than they are: a view is cloned with its whole buffer. */
function exact(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
}
