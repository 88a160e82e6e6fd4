/** A STUN client of a few lines, written from RFC 8489 and sharing no code with the server that it asks. */
import dgram from 'node:dgram'

const COOKIE = Buffer.from('2112a442', 'hex')

export interface StunAnswer {
  /** 0x0101 is a success, 0x0111 an error. */
  readonly type: number
  readonly host: string | undefined
  readonly port: number | undefined
  readonly errorCode: number | undefined
  readonly unknown: readonly number[]
  readonly hasFingerprint: boolean
  readonly bytes: number
}

/** A UDP socket that asks. */
export class StunClient {
  readonly #socket: dgram.Socket
  readonly #waiting = new Map<string, (answer: Buffer) => void>()
  /** Datagrams that came back, asked for or not. */
  received = 0

  private constructor(socket: dgram.Socket) {
    this.#socket = socket
    socket.on('message', (data) => {
      this.received++
      this.#waiting.get(data.subarray(8, 20).toString('hex'))?.(data)
    })
  }

  static async open(host = '127.0.0.1'): Promise<StunClient> {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(0, host, resolve))
    return new StunClient(socket)
  }

  get port(): number {
    return this.#socket.address().port
  }

  send(data: Uint8Array, host: string, port: number): void {
    this.#socket.send(data, port, host)
  }

  /** Asks once; `undefined` when nothing comes within the time. */
  async ask(host: string, port: number, attributes = Buffer.alloc(0), waitMs = 5_000): Promise<StunAnswer | undefined> {
    const request = bindingRequest(attributes)
    const key = request.subarray(8, 20).toString('hex')
    let timer: NodeJS.Timeout | undefined
    const answer = new Promise<Buffer | undefined>((resolve) => {
      this.#waiting.set(key, resolve)
      timer = setTimeout(() => resolve(undefined), waitMs)
    })
    this.send(request, host, port)
    try {
      const data = await answer
      return data && read(data)
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(key)
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }
}

export function bindingRequest(attributes = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(0x0001, 0)
  header.writeUInt16BE(attributes.length, 2)
  COOKIE.copy(header, 4)
  return Buffer.concat([header, crypto.getRandomValues(Buffer.alloc(12)), attributes])
}

function read(data: Buffer): StunAnswer {
  let mapped: Buffer | undefined
  let errorCode: number | undefined
  let unknown: number[] = []
  let last = 0
  for (let at = 20; at < data.length; ) {
    const length = data.readUInt16BE(at + 2)
    const value = data.subarray(at + 4, at + 4 + length)
    last = data.readUInt16BE(at)
    if (last === 0x0020) mapped = value
    if (last === 0x0009) errorCode = (value[2] ?? 0) * 100 + (value[3] ?? 0)
    if (last === 0x000a) unknown = Array.from({ length: length / 2 }, (_, index) => value.readUInt16BE(2 * index))
    at += 4 + Math.ceil(length / 4) * 4
  }
  const mask = data.subarray(4, 20)
  const ip = mapped && Buffer.from(mapped.subarray(4).map((byte, index) => byte ^ (mask[index] ?? 0)))
  return {
    type: data.readUInt16BE(0),
    host: ip && (ip.length === 4 ? [...ip].join('.') : ip.toString('hex')),
    port: mapped && mapped.readUInt16BE(2) ^ 0x2112,
    errorCode,
    unknown,
    hasFingerprint: last === 0x8028,
    bytes: data.length,
  }
}
