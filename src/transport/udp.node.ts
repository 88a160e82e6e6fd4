import dgram from 'node:dgram'
import { isIPv4 } from 'node:net'
import { createError } from '../errors/index.js'
import { DropCounts, packetCount } from './drops.js'
import { InterfaceWatch, type WatchClock } from './interface-watch.node.js'
import { largestPacketBytes, networkOf, reachableHosts } from './interfaces.node.js'
import type { SocketGuest, Transport, TransportAddress, TransportEvents } from './transport.js'

export interface UdpOptions {
  /**
   * Where to bind: an IPv4 or IPv6 address. `::` takes both families on one socket, and is IPv4 alone where there is no IPv6.
   * @default '::'
   */
  readonly host?: string
  /** 0 lets the system choose. @default 0 */
  readonly port?: number
  /**
   * At most what the interfaces' MTU leaves after headers; more than 1,452 bytes only makes sense on loopback and in data centres.
   *
   * @default 1452
   */
  readonly maxPacketBytes?: number
  /** Asked of the system, which may give less (Linux: `net.core.rmem_max`). @default 4 MiB */
  readonly receiveBufferBytes?: number
  /** Asked of the system, which may give less (Linux: `net.core.wmem_max`). @default 4 MiB */
  readonly sendBufferBytes?: number
  /** How often the machine's addresses are looked at, milliseconds; needs `clock`. 0 never looks. @default 1000 */
  readonly watchIntervalMs?: number
  /** The time by which the machine's addresses are looked at. @default none: they are not */
  readonly clock?: WatchClock
  /** What is compared at each look. @default the addresses under which others reach the socket */
  readonly readNetwork?: (host: string) => string
}

/** How many bytes go to the socket before it is asked whether it still takes them at once. */
const WRITABLE_BYTES = 256 * 1024

/** Half of the time in which a change is to be noticed: a busy machine looks late. */
const WATCH_INTERVAL_MS = 1000

/** How often a socket with a full buffer is asked whether it has sent what it had. */
const BLOCKED_POLL_MS = 10

const MAPPED = '::ffff:'

/** The first byte of a QUIC packet has the fixed bit (RFC 9000 section 17); below it are STUN, ZRTP, DTLS and TURN (RFC 7983). */
const FIRST_QUIC = 64

/** Errors that say something about one packet or one destination, never about the socket. */
const PACKET_ERRORS: Readonly<Record<string, string>> = {
  EMSGSIZE: 'too-large',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EHOSTDOWN: 'unreachable',
  EADDRNOTAVAIL: 'bad-address',
  EINVAL: 'bad-address',
  EAFNOSUPPORT: 'bad-address',
  EDESTADDRREQ: 'bad-address',
  EPERM: 'not-permitted',
  EACCES: 'not-permitted',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  EAGAIN: 'queue-full',
  ENOBUFS: 'queue-full',
  ENOMEM: 'queue-full',
}

/** Errors after which the socket will never work again. */
const SOCKET_ERRORS = new Set(['EBADF', 'ENOTSOCK', 'ERR_SOCKET_DGRAM_NOT_RUNNING'])

/**
 * One UDP socket as a transport: listening, dialling and probing all use it.
 *
 * `node:dgram` sets no DF bit, no ECN, no source address and no segmentation offload, and tells none of what came in. So path MTU
 * discovery is only on where a probe that is too large is known to be lost (Linux, below the interface's MTU); where the kernel
 * chooses another source address than the remote dialled, that path fails; and each packet costs a system call.
 *
 * The open socket keeps its process alive until `close`.
 */
export class UdpTransport implements Transport {
  readonly kind = 'udp'
  readonly discoversMtu = process.platform === 'linux'
  readonly #options: UdpOptions
  readonly #drops = new DropCounts()
  #host: string
  #socket: dgram.Socket | undefined
  #watch: InterfaceWatch | undefined
  #events: TransportEvents | undefined
  #guest: SocketGuest | undefined
  #dual = false
  #blocked = false
  #maxPacketBytes: number
  #lastSource = ''
  #lastHost = ''
  #lastTarget: TransportAddress | undefined
  #lastTargetHost = ''

  constructor(options: UdpOptions = {}) {
    this.#options = options
    this.#host = options.host ?? '::'
    this.#maxPacketBytes = options.maxPacketBytes ?? 1452
  }

  get maxPacketBytes(): number {
    return this.#maxPacketBytes
  }

  /** Zero while the kernel's buffer is full: nothing more is handed over then, so nothing grows old in a queue of ours. */
  get writableBytes(): number {
    return this.#blocked ? 0 : WRITABLE_BYTES
  }

  get queuedBytes(): number {
    return this.#socket?.getSendQueueSize() ?? 0
  }

  get drops(): Readonly<Record<string, number>> {
    return this.#drops.counts
  }

  /** What the system gave of the buffers that were asked for; zero while it is not open. */
  get bufferBytes(): { readonly receive: number; readonly send: number } {
    const socket = this.#socket
    return socket ? { receive: socket.getRecvBufferSize(), send: socket.getSendBufferSize() } : { receive: 0, send: 0 }
  }

  async start(events: TransportEvents): Promise<void> {
    this.#events = events
    this.#socket = await this.#open(this.#options.port ?? 0)
    this.#maxPacketBytes = largestPacketBytes(this.#host, this.#options.maxPacketBytes ?? 1452)
    this.#watch = this.#watched()
  }

  localAddresses(): readonly TransportAddress[] {
    if (!this.#socket) return []
    const { port } = this.#socket.address()
    if (this.#host !== '::' && this.#host !== '0.0.0.0') return [{ host: this.#host, port }]
    return reachableHosts(this.#dual ? ['IPv4', 'IPv6'] : ['IPv4']).map((host) => ({ host, port }))
  }

  send(address: TransportAddress, packets: Uint8Array<ArrayBuffer>, segmentBytes: number): void {
    const socket = this.#socket
    if (!socket) {
      this.#drops.add('closed', packetCount(packets, segmentBytes))
      return
    }
    const host = address === this.#lastTarget ? this.#lastTargetHost : this.#target(address)
    const step = segmentBytes === 0 ? packets.length : segmentBytes
    try {
      let start = 0
      for (; start + step < packets.length; start += step)
        socket.send(packets.subarray(start, start + step), address.port, host)
      // A callback costs as much as the rest of the call, and what fails for one packet to an address fails for the others
      // beside it: so only the last one reports, for all of them.
      const report = (error: Error | null) => this.#sent(socket, error, packetCount(packets, segmentBytes))
      socket.send(packets.subarray(start), address.port, host, report)
      if (socket.getSendQueueCount() > 0) this.#block(socket)
    } catch (thrown) {
      this.#refused(thrown as NodeJS.ErrnoException, packetCount(packets, segmentBytes))
    }
  }

  /**
   * Replaces the socket by a new one on another port, as a change of network does; connections migrate.
   *
   * @throws AnypathError `TransportFailed` when no other can be opened; the old one stays.
   */
  async rebind(): Promise<void> {
    const old = this.#socket
    if (!old) throw createError('TransportFailed', 'the UDP socket is not open')
    const fresh = await this.#open(0)
    if (this.#socket !== old) return closeSocket(fresh)
    this.#socket = fresh
    this.#blocked = false
    await closeSocket(old)
    this.#events?.changed()
    this.#events?.writable()
  }

  /** A socket of the same family; nobody is told of its address, so changes of that matter to nobody. */
  another(): UdpTransport {
    const { receiveBufferBytes, sendBufferBytes } = this.#options
    return new UdpTransport({
      host: this.#host,
      maxPacketBytes: this.#maxPacketBytes,
      ...(receiveBufferBytes !== undefined && { receiveBufferBytes }),
      ...(sendBufferBytes !== undefined && { sendBufferBytes }),
    })
  }

  share(guest: SocketGuest): void {
    this.#guest = guest
  }

  async close(): Promise<void> {
    this.#events = undefined
    this.#guest = undefined
    this.#watch?.stop()
    const socket = this.#socket
    this.#socket = undefined
    if (socket) await closeSocket(socket)
  }

  #watched(): InterfaceWatch | undefined {
    const { clock, watchIntervalMs: intervalMs = WATCH_INTERVAL_MS, readNetwork = networkOf } = this.#options
    const [read, changed] = [() => readNetwork(this.#host), () => this.#events?.changed()]
    return clock && new InterfaceWatch({ clock, intervalMs, read, changed })
  }

  async #open(port: number): Promise<dgram.Socket> {
    try {
      return await this.#bind(port)
    } catch (thrown) {
      const code = (thrown as NodeJS.ErrnoException).code ?? ''
      if (this.#host === '::' && ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL', 'EPROTONOSUPPORT'].includes(code)) {
        this.#host = '0.0.0.0'
        return this.#open(port)
      }
      const where = `UDP ${this.#host} port ${port}`
      if (code === 'EADDRINUSE') throw createError('AddressInUse', `${where} is taken`, { cause: thrown })
      throw createError('TransportFailed', `${where} can't be opened: ${code}`, { cause: thrown })
    }
  }

  async #bind(port: number): Promise<dgram.Socket> {
    const family = isIPv4(this.#host) ? 4 : 6
    // Node would look addresses up, each in a later turn; ours are addresses already.
    const lookup: dgram.SocketOptions['lookup'] = (host, _options, callback) => callback(null, host, family)
    const socket = dgram.createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: false, lookup })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind({ address: this.#host, port, exclusive: true }, resolve)
      })
    } catch (thrown) {
      socket.removeAllListeners('error')
      await closeSocket(socket)
      throw thrown
    }
    this.#dual = family === 6
    socket.removeAllListeners('error')
    socket.on('error', (error) => this.#refused(error, 0))
    socket.on('message', (data, source) => this.#received(data, source))
    socket.on('close', () => this.#gone(socket))
    growBuffer(this.#options.receiveBufferBytes ?? 4 << 20, (bytes) => socket.setRecvBufferSize(bytes))
    growBuffer(this.#options.sendBufferBytes ?? 4 << 20, (bytes) => socket.setSendBufferSize(bytes))
    return socket
  }

  #received(data: Uint8Array, source: dgram.RemoteInfo): void {
    // One remote sends many packets in a row: its text is compared, not taken apart again.
    if (source.address !== this.#lastSource) {
      this.#lastSource = source.address
      this.#lastHost = source.address.startsWith(MAPPED) ? source.address.slice(MAPPED.length) : source.address
    }
    // QUIC's packets begin above: they cost a comparison.
    if ((data[0] ?? 0) < FIRST_QUIC && this.#guest?.receive(this.#lastHost, source.port, data)) return
    this.#events?.receive(this.#lastHost, source.port, data, 0)
  }

  #target(address: TransportAddress): string {
    this.#lastTarget = address
    this.#lastTargetHost = this.#dual && !address.host.includes(':') ? MAPPED + address.host : address.host
    return this.#lastTargetHost
  }

  #sent(socket: dgram.Socket, error: NodeJS.ErrnoException | null, packets: number): void {
    if (socket !== this.#socket) return
    if (error) this.#refused(error, packets)
    if (this.#blocked) this.#unblock(socket)
  }

  #block(socket: dgram.Socket): void {
    if (this.#blocked) return
    this.#blocked = true
    // The last packet's report unblocks it, unless that packet failed at once while others still wait: so it is looked after.
    const timer = setInterval(() => {
      if (socket !== this.#socket || !this.#blocked || this.#unblock(socket)) clearInterval(timer)
    }, BLOCKED_POLL_MS)
    timer.unref()
  }

  #unblock(socket: dgram.Socket): boolean {
    if (socket !== this.#socket || socket.getSendQueueCount() > 0) return false
    this.#blocked = false
    this.#events?.writable()
    return true
  }

  #refused(error: NodeJS.ErrnoException, packets: number): void {
    const code = error.code ?? error.message
    if (SOCKET_ERRORS.has(code)) this.#fail(error)
    else this.#drops.add(PACKET_ERRORS[code] ?? code, packets)
  }

  #gone(socket: dgram.Socket): void {
    if (socket === this.#socket) this.#fail(new Error('the UDP socket was closed by somebody else'))
  }

  #fail(cause: Error): void {
    const events = this.#events
    this.#events = undefined
    this.#watch?.stop()
    const socket = this.#socket
    this.#socket = undefined
    if (socket) void closeSocket(socket)
    events?.failed(createError('TransportFailed', `the UDP socket failed: ${cause.message}`, { cause }))
  }
}

/** Asks for less and less until the system gives it: some refuse what is above their limit. */
function growBuffer(bytes: number, set: (bytes: number) => void): void {
  for (let wanted = bytes; wanted >= 65536; wanted /= 2) {
    try {
      set(wanted)
      return
    } catch {
      // Half of it may be allowed.
    }
  }
}

function closeSocket(socket: dgram.Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve())
    } catch {
      resolve()
    }
  })
}
