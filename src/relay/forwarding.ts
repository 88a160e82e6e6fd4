import type { Client } from './client.js'
import { FrameType, KEY_BYTES, PING_BYTES, readType, typeLength } from './frames.js'
import type { MutableMetrics } from './metrics.js'
import type { Endpoint, Registry } from './registry.js'

/** ECN byte, and at least one byte of a datagram. */
const SMALLEST_DATAGRAM = KEY_BYTES + 2
/** ECN byte, segment size, and at least one byte. */
const SMALLEST_BATCH = KEY_BYTES + 4

/** Passes datagrams on: of a message it reads the type and the key, and puts the sender's key where the receiver's was. */
export class Forwarding {
  readonly #registry: Registry
  readonly #metrics: MutableMetrics

  constructor(registry: Registry, metrics: MutableMetrics) {
    this.#registry = registry
    this.#metrics = metrics
  }

  /** Acts on a message of a client. The message is overwritten. Tells whether the protocol has such a message. */
  handle(client: Client, message: Buffer): boolean {
    const header = typeLength(message)
    if (header === 0) return false
    const body = message.length - header
    switch (readType(message, header)) {
      case FrameType.clientToRelayDatagram:
        if (body < SMALLEST_DATAGRAM) return false
        this.#forward(client.endpoint, message, header, FrameType.relayToClientDatagram)
        return true
      case FrameType.clientToRelayDatagramBatch:
        if (body < SMALLEST_BATCH) return false
        this.#forward(client.endpoint, message, header, FrameType.relayToClientDatagramBatch)
        return true
      case FrameType.ping:
        if (body !== PING_BYTES) return false
        this.#metrics.pingsReceived++
        message[header - 1] = FrameType.pong
        client.send(message.subarray(header - 1))
        return true
      case FrameType.pong:
        return body === PING_BYTES
      default:
        return false
    }
  }

  #forward(source: Endpoint, message: Buffer, header: number, type: number): void {
    const metrics = this.#metrics
    metrics.messagesReceived++
    metrics.bytesReceived += message.length
    const destination = this.#registry.get(message.toString('latin1', header, header + KEY_BYTES))
    if (destination === undefined) {
      metrics.droppedUnknown++
      return
    }
    if (source.lastDestination !== destination) {
      this.#registry.correspond(source, destination)
      source.lastDestination = destination
    }
    message[header - 1] = type
    message.set(source.key, header)
    if (!destination.active.offer(message.subarray(header - 1))) return
    metrics.messagesSent++
    metrics.bytesSent += message.length
  }
}
