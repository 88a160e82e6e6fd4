import dgram from 'node:dgram'
import { createError } from '../../errors/index.js'
import type { Family, LanClock, Link, LinkEvents } from './link.js'
import { FAMILIES } from './link.js'
import { Neighbourhood } from './neighbourhood.node.js'

/** RFC 6762 section 3. */
const PORT = 5353
const GROUPS = { 4: '224.0.0.251', 6: 'ff02::fb' } as const

/** How often the interfaces are looked at. */
const WATCH_MS = 5000
/** How long leaving waits for what was sent. */
const FLUSH_MS = 500

/** Joins the group of mDNS on all interfaces, in both families as far as the machine has them. The sockets keep no process alive. */
export async function openMulticastLink(events: LinkEvents, clock: LanClock, port = PORT): Promise<Link> {
  const opened = await Promise.allSettled(FAMILIES.map((family) => GroupSocket.open(family, port, events)))
  const sockets = opened.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  for (const { status } of opened) if (status === 'rejected') events.dropped('not-open')
  if (sockets.length > 0) return new MulticastLink(sockets, clock)
  const [{ reason }] = opened as [PromiseRejectedResult]
  const code = (reason as NodeJS.ErrnoException).code ?? String(reason)
  if (code === 'EADDRINUSE')
    throw createError('AddressInUse', `UDP port ${port} is taken by a program that does not share it`, {
      cause: reason,
    })
  throw createError('TransportFailed', `UDP port ${port} can't be opened: ${code}`, { cause: reason })
}

class MulticastLink implements Link {
  readonly #sockets: readonly GroupSocket[]
  readonly #clock: LanClock
  #neighbourhood = new Neighbourhood()
  #timer: unknown
  #closed: Promise<void> | undefined

  constructor(sockets: readonly GroupSocket[], clock: LanClock) {
    this.#sockets = sockets
    this.#clock = clock
    for (const socket of sockets) socket.join(this.#neighbourhood)
    this.#watch()
  }

  send(packet: Uint8Array, family: Family): void {
    this.#look()
    for (const socket of this.#sockets) if (socket.family === family) socket.send(packet)
  }

  isNeighbour(host: string): boolean {
    return this.#neighbourhood.isNeighbour(host)
  }

  isDialable(host: string): boolean {
    return this.#neighbourhood.isDialable(host)
  }

  close(): Promise<void> {
    this.#clock.clearTimeout(this.#timer)
    this.#closed ??= Promise.all(this.#sockets.map((socket) => socket.close())).then(() => {})
    return this.#closed
  }

  #watch(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#look()
      this.#watch()
    }, WATCH_MS)
  }

  /** Follows changes of the machine's interfaces, of which Node does not tell. */
  #look(): void {
    if (this.#closed !== undefined) return
    const now = new Neighbourhood()
    if (now.key === this.#neighbourhood.key) return
    this.#neighbourhood = now
    for (const socket of this.#sockets) socket.join(now)
  }
}

/** One family's socket: it is shared with the other programs of this machine that speak mDNS. */
class GroupSocket {
  readonly family: Family
  readonly #socket: dgram.Socket
  readonly #port: number
  readonly #dropped: LinkEvents['dropped']
  /** What of the group has been joined; a membership goes with its interface. */
  #joined = new Set<string>()
  #sending = 0
  #flushed: () => void = () => {}

  static async open(family: Family, port: number, events: LinkEvents): Promise<GroupSocket> {
    const socket = dgram.createSocket({
      type: `udp${family}`,
      reuseAddr: true,
      ipv6Only: family === 6,
      // An address needs no looking up, which would also delay it beyond the choice of the next interface.
      lookup: (host, _options, callback) => callback(null, host, family),
    })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind({ address: family === 4 ? '0.0.0.0' : '::', port, exclusive: true }, resolve)
      })
      socket.setMulticastTTL(255)
      socket.setMulticastLoopback(true)
    } catch (thrown) {
      socket.close()
      throw thrown
    }
    return new GroupSocket(family, socket, port, events)
  }

  private constructor(family: Family, socket: dgram.Socket, port: number, events: LinkEvents) {
    this.family = family
    this.#socket = socket
    this.#port = port
    this.#dropped = events.dropped
    socket.unref()
    socket.removeAllListeners('error')
    socket.on('error', () => events.dropped('socket-error'))
    socket.on('message', (packet, source) => {
      events.received(packet, { host: source.address, port: source.port, family })
    })
  }

  /** Joins the group on every interface, as far as the system allows. */
  join(neighbourhood: Neighbourhood): void {
    const wanted = neighbourhood.interfaces(this.family)
    for (const one of this.#joined) {
      if (!wanted.includes(one)) quietly(() => this.#socket.dropMembership(GROUPS[this.family], one))
    }
    this.#joined = new Set(
      wanted.filter((one) => {
        const joined = this.#joined.has(one) || quietly(() => this.#socket.addMembership(GROUPS[this.family], one))
        if (!joined) this.#dropped('not-joined')
        return joined
      }),
    )
  }

  send(packet: Uint8Array): void {
    for (const one of this.#joined) {
      const sent = quietly(() => {
        this.#socket.setMulticastInterface(one)
        this.#socket.send(packet, this.#port, GROUPS[this.family], (error) => this.#sent(error))
        this.#sending += 1
      })
      if (!sent) this.#dropped('not-sent')
    }
  }

  async close(): Promise<void> {
    if (this.#sending > 0) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#flushed = resolve
        timer = setTimeout(resolve, FLUSH_MS)
      })
      clearTimeout(timer)
    }
    await new Promise<void>((resolve) => this.#socket.close(resolve))
  }

  #sent(error: Error | null): void {
    this.#sending -= 1
    if (error) this.#dropped('not-sent')
    if (this.#sending === 0) this.#flushed()
  }
}

/** Whether it went well: an interface can go at any time. */
function quietly(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}
