import { randomFillSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import type { TransportAddress } from './transport.js'

/** What the module's exports take and give (`wasm/webrtc/src/boundary.rs`). */
interface Exports {
  readonly memory: WebAssembly.Memory
  _initialize(): void
  webrtc_input(bytes: number): number
  webrtc_output(): number
  webrtc_open(initiator: number): number
  webrtc_close(agent: number): void
  webrtc_signal(agent: number, kind: number): number
  webrtc_receive(): number
  webrtc_send(agent: number): number
  webrtc_poll(): number
  webrtc_wait(): number
}

/** What the module tells of an agent, by the numbers of `wasm/webrtc/src/records.rs`. */
export const RECORDS = {
  datagram: 1,
  offer: 2,
  answer: 3,
  open: 4,
  message: 5,
  room: 6,
  through: 7,
  interrupted: 8,
  closed: 9,
} as const

/** What a remote tells an agent, by the numbers of `webrtc_signal`. */
const SIGNALS = ['offer', 'answer', 'candidate'] as const

/** Bytes of an address: family, 16 bytes, port. */
const ADDRESS_BYTES = 19
const HEADER_BYTES = 9

/** Errors of WASI. */
const SUCCESS = 0
const NOT_SUPPORTED = 58

/** Compiles the module, which lies beside this one (after bundling: beside the bundle). */
export async function compileWebRtc(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL('./anypath_webrtc.wasm', import.meta.url)))
}

/**
 * One instance of the WebRTC module: ICE, DTLS and SCTP of any number of agents, without a socket and without a clock of its own. When it
 * panics, the call throws a `WebAssembly.RuntimeError`, `failure` has its words, and nothing of it is to be called again.
 */
export class WebRtcModule {
  /** What it said when it panicked. */
  failure = ''
  readonly #exports: Exports
  readonly #encoded = new Map<string, Uint8Array>()

  /** @param now milliseconds on a monotonic clock. */
  constructor(module: WebAssembly.Module, now: () => number) {
    const view = () => new DataView(this.#exports.memory.buffer)
    const wasi = {
      random_get: (at: number, bytes: number) => {
        randomFillSync(new Uint8Array(this.#exports.memory.buffer, at, bytes))
        return SUCCESS
      },
      clock_time_get: (_clock: number, _precision: bigint, at: number) => {
        view().setBigUint64(at, BigInt(Math.round(now() * 1e6)), true)
        return SUCCESS
      },
      environ_sizes_get: (countAt: number, bytesAt: number) => {
        view().setUint32(countAt, 0, true)
        view().setUint32(bytesAt, 0, true)
        return SUCCESS
      },
      environ_get: () => SUCCESS,
      fd_write: (_file: number, pieces: number, count: number, writtenAt: number) => {
        view().setUint32(writtenAt, this.#tell(pieces, count), true)
        return SUCCESS
      },
      proc_exit: () => NOT_SUPPORTED,
    }
    const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi })
    this.#exports = instance.exports as unknown as Exports
    this.#exports._initialize()
  }

  /**
   * Makes an agent, and gives its id.
   *
   * @param bases where the socket is bound: one address for each of its families.
   */
  open(initiator: boolean, bases: readonly TransportAddress[]): number {
    this.#put(bases.map((base) => this.#address(base)))
    return this.#exports.webrtc_open(Number(initiator))
  }

  /** Ends an agent. */
  close(agent: number): void {
    this.#exports.webrtc_close(agent)
  }

  /** Tells an agent what its remote has said; false when that is of no use. */
  signal(agent: number, type: (typeof SIGNALS)[number], text: string): boolean {
    this.#put([Buffer.from(text)])
    return this.#exports.webrtc_signal(agent, SIGNALS.indexOf(type)) === 1
  }

  /** Takes a datagram; false when it is for none of the agents. */
  receive(from: TransportAddress, data: Uint8Array): boolean {
    this.#put([this.#address(from), data])
    return this.#exports.webrtc_receive() === 1
  }

  /** Sends a message; false when the agent's channel has no room for it. */
  send(agent: number, message: Uint8Array): boolean {
    this.#put([message])
    return this.#exports.webrtc_send(agent) === 1
  }

  /** Does what is due, and hands out what came of it. The bytes stay as they are. */
  poll(record: (kind: number, agent: number, payload: Uint8Array<ArrayBuffer>) => void): void {
    const length = this.#exports.webrtc_poll()
    if (length === 0) return
    const at = this.#exports.webrtc_output()
    const bytes = new Uint8Array(this.#exports.memory.buffer).slice(at, at + length)
    const view = new DataView(bytes.buffer)
    for (let next = 0; next < length; ) {
      const from = next + HEADER_BYTES
      const end = from + view.getUint32(next + 5, true)
      record(view.getUint8(next), view.getUint32(next + 1, true), bytes.subarray(from, end))
      next = end
    }
  }

  /** In how many milliseconds `poll` is to be called at the latest; `undefined` while there is no agent. */
  get waitMs(): number | undefined {
    const wait = this.#exports.webrtc_wait()
    return wait < 0 ? undefined : wait
  }

  #put(parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    let at = this.#exports.webrtc_input(length)
    const memory = new Uint8Array(this.#exports.memory.buffer)
    for (const part of parts) {
      memory.set(part, at)
      at += part.length
    }
  }

  /** An address as bytes. A remote has few, and each of its datagrams comes from one. */
  #address({ host, port }: TransportAddress): Uint8Array {
    const name = `${host} ${port}`
    const known = this.#encoded.get(name)
    if (known !== undefined) return known
    if (this.#encoded.size >= MAX_KNOWN) this.#encoded.clear()
    const bytes = encodeAddress(host, port)
    this.#encoded.set(name, bytes)
    return bytes
  }

  #tell(pieces: number, count: number): number {
    const view = new DataView(this.#exports.memory.buffer)
    let written = 0
    for (let i = 0; i < count; i++) {
      const [at, length] = [view.getUint32(pieces + 8 * i, true), view.getUint32(pieces + 8 * i + 4, true)]
      const text = new TextDecoder().decode(new Uint8Array(this.#exports.memory.buffer, at, length))
      this.failure = (this.failure + text).slice(0, MAX_FAILURE)
      written += length
    }
    return written
  }
}

/** Addresses whose bytes are kept. */
const MAX_KNOWN = 256

/** Characters of a panic's words that are kept. */
const MAX_FAILURE = 500

/** The address that a record begins with, and what follows it. */
export function splitAddress(payload: Uint8Array<ArrayBuffer>): [TransportAddress, Uint8Array<ArrayBuffer>] {
  const port = (payload[17] ?? 0) * 256 + (payload[18] ?? 0)
  return [{ host: hostOf(payload), port }, payload.subarray(ADDRESS_BYTES)]
}

/** The bytes of the address that a record begins with: equal bytes are the same address. */
export function addressKey(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, ADDRESS_BYTES).toString('latin1')
}

function hostOf(payload: Uint8Array): string {
  if (payload[0] === 4) return payload.subarray(1, 5).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => (payload[1 + 2 * i] ?? 0) * 256 + (payload[2 + 2 * i] ?? 0))
  // As others write it: with the longest run of zeros left out (RFC 5952).
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1)
}

function encodeAddress(host: string, port: number): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES)
  bytes[0] = isIPv4(host) ? 4 : 6
  if (isIPv4(host)) bytes.set(host.split('.').map(Number), 1)
  else bytes.set(ipv6Bytes(host), 1)
  bytes[17] = port >> 8
  bytes[18] = port & 255
  return bytes
}

/** A scope (`%eth0`) has no place in it: such an address leads nowhere by itself. */
function ipv6Bytes(host: string): number[] {
  const [plain = ''] = host.split('%')
  const whole = new URL(`http://[${plain}]`).hostname.slice(1, -1)
  const [before = '', after] = whole.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [groups(before), groups(after ?? '')]
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last]
  return all.flatMap((group) => [group >> 8, group & 255])
}
