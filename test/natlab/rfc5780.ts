/**
 * Finds out how a NAT behaves (RFC 5780 section 4), without any part of the package that is tested with these NATs.
 *
 * `node rfc5780.js serve` answers on both addresses of the server, on two ports each; `node rfc5780.js probe` prints a `Finding` as JSON.
 */
import { randomBytes } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { fileURLToPath } from 'node:url'
import { SERVERS } from './laboratory.js'
import type { Dependence } from './nat-rules.js'

const PORTS = [19302, 19303] as const
const MAGIC_COOKIE = 0x2112a442
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const CHANGE_REQUEST = 0x0003
const XOR_MAPPED_ADDRESS = 0x0020
const OTHER_ADDRESS = 0x802c
const CHANGE_IP = 4
const CHANGE_PORT = 2
const ANSWER_TIMEOUT_MS = 400
const TRIES = 3
/** A NAT is sequential when each mapping comes so little after the one before. */
const LARGEST_STEP = 16

/** What is found about the NATs between a host and the server. */
export interface Finding {
  readonly mapping: Dependence | 'blocked'
  readonly filtering: Dependence | 'blocked'
  readonly preservesPorts: boolean
  /** Whether the next mapping can be told from the last ones. */
  readonly sequential: boolean
  /** How many external addresses were seen. */
  readonly addresses: number
}

interface Endpoint {
  readonly host: string
  readonly port: number
}

const endpoint = (address: 0 | 1, port: 0 | 1): Endpoint => ({ host: SERVERS[address], port: PORTS[port] })

async function open(host: string, port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, host, resolve)
  })
  socket.on('error', () => {})
  return socket
}

async function serve(): Promise<void> {
  const sockets: Socket[] = []
  const at = (address: number, port: number) => sockets[address * 2 + port]
  for (const host of SERVERS) for (const port of PORTS) sockets.push(await open(host, port))
  sockets.forEach((socket, index) => {
    socket.on('message', (message, source) => {
      if (message.length < 20 || message.readUInt16BE(0) !== BINDING_REQUEST) return
      const change = message.length >= 28 && message.readUInt16BE(20) === CHANGE_REQUEST ? message.readUInt32BE(24) : 0
      const from = at((index >> 1) ^ (change & CHANGE_IP ? 1 : 0), (index & 1) ^ (change & CHANGE_PORT ? 1 : 0))
      const other = endpoint(index >> 1 === 0 ? 1 : 0, (index & 1) === 0 ? 1 : 0)
      from?.send(answer(message.subarray(8, 20), source, other), source.port, source.address)
    })
  })
  console.log('ready')
}

function answer(transaction: Buffer, { address, port }: RemoteInfo, other: Endpoint): Buffer {
  const message = Buffer.alloc(44)
  message.writeUInt16BE(BINDING_SUCCESS, 0)
  message.writeUInt16BE(24, 2)
  message.writeUInt32BE(MAGIC_COOKIE, 4)
  transaction.copy(message, 8)
  message.writeUInt16BE(XOR_MAPPED_ADDRESS, 20)
  message.writeUInt16BE(8, 22)
  message.writeUInt8(1, 25)
  message.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 26)
  octets(address).forEach((byte, i) => {
    message.writeUInt8(byte ^ message.readUInt8(4 + i), 28 + i)
  })
  message.writeUInt16BE(OTHER_ADDRESS, 32)
  message.writeUInt16BE(8, 34)
  message.writeUInt8(1, 37)
  message.writeUInt16BE(other.port, 38)
  octets(other.host).copy(message, 40)
  return message
}

const octets = (address: string): Buffer => Buffer.from(address.split('.').map(Number))

/** The external endpoint that the server saw, or `undefined` when no answer came. */
async function ask(socket: Socket, to: Endpoint, change = 0): Promise<Endpoint | undefined> {
  const request = Buffer.alloc(change === 0 ? 20 : 28)
  request.writeUInt16BE(BINDING_REQUEST, 0)
  request.writeUInt16BE(request.length - 20, 2)
  request.writeUInt32BE(MAGIC_COOKIE, 4)
  const transaction = randomBytes(12)
  transaction.copy(request, 8)
  if (change !== 0) {
    request.writeUInt16BE(CHANGE_REQUEST, 20)
    request.writeUInt16BE(4, 22)
    request.writeUInt32BE(change, 24)
  }
  for (let tries = 0; tries < TRIES; tries++) {
    socket.send(request, to.port, to.host)
    const message = await answerTo(socket, transaction)
    if (message === undefined) continue
    const address = [0, 1, 2, 3].map((i) => message.readUInt8(28 + i) ^ message.readUInt8(4 + i)).join('.')
    return { host: address, port: message.readUInt16BE(26) ^ (MAGIC_COOKIE >>> 16) }
  }
  return undefined
}

function answerTo(socket: Socket, transaction: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const finish = (message?: Buffer) => {
      clearTimeout(timer)
      socket.off('message', take)
      resolve(message)
    }
    const take = (message: Buffer) => {
      if (message.length >= 32 && message.subarray(8, 20).equals(transaction)) finish(message)
    }
    const timer = setTimeout(finish, ANSWER_TIMEOUT_MS)
    socket.on('message', take)
  })
}

async function probe(): Promise<Finding> {
  const socket = await open('0.0.0.0', 0)
  const mapped: Endpoint[] = []
  for (const to of [endpoint(0, 0), endpoint(1, 0), endpoint(1, 1), endpoint(0, 1)]) {
    const seen = await ask(socket, to)
    if (seen !== undefined) mapped.push(seen)
  }
  const local = socket.address().port
  socket.close()
  const filtering = await probeFiltering()
  const addresses = new Set(mapped.map(({ host }) => host)).size
  if (mapped.length < 4) return { mapping: 'blocked', filtering, preservesPorts: false, sequential: false, addresses }
  const steps = mapped.slice(1).map(({ port }, i) => port - (mapped[i]?.port ?? 0))
  const mapping = mappingOf(mapped)
  return {
    mapping,
    filtering,
    preservesPorts: mapped.every(({ port }) => port === local),
    sequential:
      mapping === 'address-and-port-dependent' &&
      new Set(steps).size === 1 &&
      steps.every((step) => Math.abs(step) <= LARGEST_STEP),
    addresses,
  }
}

function mappingOf(mapped: readonly Endpoint[]): Dependence {
  const [first, second, third, fourth] = mapped.map(({ host, port }) => `${host}:${port}`)
  if (new Set([first, second, third, fourth]).size === 1) return 'endpoint-independent'
  return first === fourth && second === third ? 'address-dependent' : 'address-and-port-dependent'
}

/** From a fresh socket, which has written to one endpoint only (RFC 5780 section 4.4). */
async function probeFiltering(): Promise<Finding['filtering']> {
  const socket = await open('0.0.0.0', 0)
  try {
    const to = endpoint(0, 0)
    if ((await ask(socket, to)) === undefined) return 'blocked'
    if ((await ask(socket, to, CHANGE_IP | CHANGE_PORT)) !== undefined) return 'endpoint-independent'
    return (await ask(socket, to, CHANGE_PORT)) === undefined ? 'address-and-port-dependent' : 'address-dependent'
  } finally {
    socket.close()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'serve') await serve()
  else console.log(JSON.stringify(await probe()))
}
