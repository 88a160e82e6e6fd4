/** Where one connection's qlog goes: a JSON text sequence (RFC 7464) in pieces of any size. */
export interface QlogWriter {
  write(bytes: Uint8Array<ArrayBuffer>): void
  /** The connection is over; nothing more comes. */
  close?(): void
}

/** Opens a place for the qlog of a connection. Called at its first piece. */
export type QlogSink = (connectionId: number) => QlogWriter
