/**
 * What the driver needs from anything that moves datagrams.
 *
 * One transport is one carrier: one UDP socket, one in-memory port, later one WebRTC channel. Transports know addresses as
 * text and number and packets as bytes; they never see the core.
 */
export interface Transport {
  readonly kind: 'udp' | 'memory'
  /** The largest packet that it carries, bytes of UDP payload. */
  readonly maxPacketBytes: number
  /** Whether packets above 1,200 bytes are dropped rather than fragmented on the way, so that path MTU discovery tells the truth. */
  readonly discoversMtu: boolean
  /** Bytes that its queue takes now. Zero until `TransportEvents.writable`. What is sent beyond it is dropped and counted. */
  readonly writableBytes: number
  /** Bytes accepted by `send` that the platform has not taken yet. */
  readonly queuedBytes: number
  /** Packets that its bounded queue dropped or whose send failed, by cause; counts only grow. */
  readonly drops: Readonly<Record<string, number>>

  /**
   * Opens it.
   *
   * @throws AnypathError `AddressInUse` when another process has the port, `TransportFailed` when it can't be opened otherwise.
   */
  start(events: TransportEvents): Promise<void>
  /** Where it can be reached now; empty before `start` and after `close`. */
  localAddresses(): readonly TransportAddress[]
  /**
   * Sends packets to one address: `packets` is cut every `segmentBytes` bytes, or one packet when that is 0.
   * The bytes stay as they are until `queuedBytes` is zero again; a transport that needs them longer copies them.
   */
  send(address: TransportAddress, packets: Uint8Array<ArrayBuffer>, segmentBytes: number): void
  /** Releases it. Idempotent; nothing is received afterwards. */
  close(): Promise<void>
}

/** An IP address (or a virtual one) as text, without brackets; IPv4 is never shown as IPv6-mapped. */
export interface TransportAddress {
  readonly host: string
  readonly port: number
}

export interface TransportEvents {
  /** A packet came in. `data` is only valid during the call; `ecn` is 0 where it is unknown. */
  receive(host: string, port: number, data: Uint8Array, ecn: number): void
  /** `writableBytes` is above zero again. */
  writable(): void
  /** Its local addresses changed, for example after it was bound anew. */
  changed(): void
  /** It is gone and delivers nothing any more. */
  failed(cause: Error): void
}
