/** The largest packet that is taken from a stream: no peer sends a larger one. */
const MAX_PACKET_BYTES = 1472

/** Cuts what a stream brings into packets, each of which stands behind its length in two bytes. */
export class PacketReader {
  #rest = new Uint8Array(0)

  /**
   * Hands out the packets that are whole now; each is only valid during the call.
   *
   * @throws Error for a length that no packet has.
   */
  push(bytes: Uint8Array, packet: (data: Uint8Array) => void): void {
    const data = this.#rest.length === 0 ? bytes : joined([this.#rest, bytes])
    let at = 0
    while (at + 2 <= data.length) {
      const end = at + 2 + (data[at] ?? 0) * 256 + (data[at + 1] ?? 0)
      if (end === at + 2 || end > at + 2 + MAX_PACKET_BYTES) throw new RangeError()
      if (end > data.length) break
      packet(data.subarray(at + 2, end))
      at = end
    }
    this.#rest = data.slice(at)
  }
}

/** A packet as a stream has it: bytes for `joined`. */
export function framed(packet: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined([Uint8Array.of(packet.length >> 8, packet.length), packet])
}

/** All bytes as one piece: few large writes are several times as fast as many small ones. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
