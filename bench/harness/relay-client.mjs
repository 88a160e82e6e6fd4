import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto'
import { connect } from 'node:net'
import { blake3 } from '@noble/hashes/blake3.js'

const CONTEXT = new TextEncoder().encode('iroh-relay handshake v1 challenge signature')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const CONTENT_AT = 34

/**
 * A client of the relay protocol that does as little as one can, so that the relay is what is measured: frames are made once and
 * sent again and again under the masking key 0, and of what comes only the headers are read.
 */
export class LightClient {
  received = 0
  /** Called for each datagram message of one packet with the bytes that it is in, and where its content begins. */
  onDatagram = () => {}
  onClose = () => {}
  #socket
  #left = Buffer.alloc(0)
  #waiting

  constructor() {
    const seed = randomBytes(32)
    this.secret = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
    this.key = createPublicKey(this.secret).export({ format: 'der', type: 'spki' }).subarray(-32)
  }

  /** Connects and proves the key. */
  async open(port) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('error', (error) => this.onClose(error))
    this.#socket.on('close', () => this.onClose(new Error('the relay closed the connection')))
    const upgraded = this.#upgrade(port)
    const challenge = await upgraded
    const message = blake3(challenge.subarray(1), { context: CONTEXT })
    const confirmed = this.#next()
    this.send(frame(Buffer.concat([Buffer.from([1]), this.key, Buffer.from([64]), sign(null, message, this.secret)])))
    const [type] = await confirmed
    if (type !== 2) throw new Error('the relay did not confirm the key')
    this.#waiting = undefined
  }

  send(bytes) {
    return this.#socket.write(bytes)
  }

  /** Several frames with one system call. */
  sendAll(frames) {
    this.#socket.cork()
    for (const bytes of frames) this.#socket.write(bytes)
    this.#socket.uncork()
  }

  close() {
    this.onClose = () => {}
    this.#socket.destroy()
  }

  #upgrade(port) {
    const head = [
      'GET /relay HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Protocol: iroh-relay-v2, iroh-relay-v1',
    ]
    const first = this.#next()
    let answer = Buffer.alloc(0)
    const onHead = (chunk) => {
      answer = Buffer.concat([answer, chunk])
      const end = answer.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#socket.off('data', onHead)
      if (!answer.toString('latin1', 0, 12).endsWith('101')) return this.#waiting.reject(new Error(answer.toString()))
      this.#socket.on('data', (bytes) => this.#read(bytes))
      this.#read(answer.subarray(end + 4))
    }
    this.#socket.on('data', onHead)
    this.#socket.write(`${head.join('\r\n')}\r\n\r\n`)
    return first
  }

  #next() {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.onClose = reject
    })
  }

  #read(chunk) {
    const bytes = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk])
    let at = 0
    while (bytes.length - at >= 2) {
      const short = bytes[at + 1] & 0x7f
      const header = short < 126 ? 2 : short === 126 ? 4 : 10
      if (bytes.length - at < header) break
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6)
      if (bytes.length - at < header + length) break
      this.#message(bytes, at + header, length)
      at += header + length
    }
    this.#left = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at))
  }

  #message(bytes, at, length) {
    switch (bytes[at]) {
      case 6:
      case 7:
        this.received++
        this.onDatagram(bytes, at + CONTENT_AT)
        return
      case 9:
        this.send(frame(Buffer.concat([Buffer.from([10]), bytes.subarray(at + 1, at + length)])))
        return
      case 0:
      case 2:
      case 3:
        this.#waiting?.resolve(Buffer.from(bytes.subarray(at, at + length)))
    }
  }
}

/** A client's WebSocket frame of a message, under the masking key 0, which leaves the message as it is. */
export function frame(message) {
  const { length } = message
  const header = length < 126 ? Buffer.alloc(6) : length <= 0xffff ? Buffer.alloc(8) : Buffer.alloc(14)
  header[0] = 0x82
  if (header.length === 6) header[1] = 0x80 | length
  else if (header.length === 8) {
    header[1] = 0x80 | 126
    header.writeUInt16BE(length, 2)
  } else {
    header[1] = 0x80 | 127
    header.writeUInt32BE(length, 6)
  }
  return Buffer.concat([header, message])
}

/** The frame of a datagram message to a key: one packet, or with a segment size a batch of them. */
export function datagramFrame(key, content, segmentBytes) {
  const type = segmentBytes === undefined ? 4 : 5
  const segment = segmentBytes === undefined ? [] : [segmentBytes >> 8, segmentBytes & 0xff]
  const message = Buffer.concat([Buffer.from([type]), key, Buffer.from([0, ...segment]), content])
  return frame(message)
}
