import type { CarriedChannel, Channel, ChannelKeeper, ChannelMaker, ChannelSignal } from '../../driver/channels.js'
import type { Clock } from '../../driver/clock.js'
import type { Engine, PathInfo } from '../../driver/engine.js'
import { AttemptPace } from './attempt-pace.js'
import { SIGNALLING_ALPN, type SignalFrame, type WaysFrame } from './signal.js'
import { SIGNALLING_CODES, Signalling } from './signalling.js'

/** How long an attempt may take. */
const ATTEMPT_MS = 20_000

/** How long a channel has to last so that what happened before is forgotten. */
const LASTING_MS = 30_000

/** How long a signalling connection is kept that nobody uses. */
const IDLE_MS = 30_000

/** Different addresses that are taken from a remote while there are connections with it: it has one, and another one on another network. */
const MAX_TOLD = 8

/** How long the former channel is kept beside a new one, until connections use that. */
const OVERLAP_MS = 1000

/** What a remote's channel needs. */
export interface RemoteChannelParts {
  /** Dials and carries signalling. */
  readonly engine: Engine
  readonly keeper: ChannelKeeper
  /** Makes channels, while that can be done. */
  readonly maker: () => (() => Promise<ChannelMaker>) | undefined
  /** Whether WebTransport sessions can be opened to the remote. */
  readonly opensSessions: boolean
  /** Whether the remote is asked for a channel only by `ask`. */
  readonly waits: boolean
  /** What the remote is told that has dialled. */
  readonly ways: () => Promise<WaysFrame | undefined>
  readonly clock: Clock
  /** The remote's public key. */
  readonly remoteId: Uint8Array
  /** A signalling connection was dialled: its events are the remote's to `remoteChannel` from now on. */
  readonly dialled: (connectionId: number) => void
  /** No connection is left. */
  readonly ended: () => void
}

interface Attempt {
  readonly number: number
  readonly channel: Channel
  readonly carried: CarriedChannel
  isOpen: boolean
  /** When it opened last. */
  openedAt: number
}

interface Live {
  /** Whether the remote dialled it: then paths are the remote's to open. */
  readonly incoming: boolean
  /** The relay over which it goes, if it does. */
  relay: string | undefined
  /** The channel over which it goes, if it does. */
  channel?: Attempt | undefined
}

/**
 * The data channel with one remote, for all connections with it: negotiated over a signalling connection when a connection that this peer
 * dialled is relayed, and anew when it is lost or the network has changed.
 */
export class RemoteChannel {
  readonly #parts: RemoteChannelParts
  readonly #connections = new Map<number, Live>()
  #signalling: Signalling | undefined
  #asks: boolean
  #isDialling = false
  /** Whether the remote has not said that it makes none. */
  #makesChannels = true
  /** The latest attempt's number on this signalling connection. */
  #last = 0
  /** Where WebTransport sessions are opened because the remote said so. */
  readonly #told = new Set<string>()
  #attempt: Attempt | undefined
  #open: Attempt | undefined
  #isStopped = false
  readonly #pace: AttemptPace
  #timers: { deadline?: unknown; retry?: unknown; idle?: unknown } = {}

  constructor(parts: RemoteChannelParts) {
    this.#parts = parts
    this.#pace = new AttemptPace(parts.clock)
    this.#asks = !parts.waits
  }

  /** Whether a connection of an application is there. */
  get isUsed(): boolean {
    return this.#connections.size > 0
  }

  /** Where further connections can be led. */
  get target(): CarriedChannel['target'] | undefined {
    return this.#open?.isOpen ? this.#open.carried.target : undefined
  }

  /** A connection of an application with the remote is there. */
  add(connectionId: number, incoming: boolean, path: PathInfo): void {
    this.#connections.set(connectionId, { incoming, relay: path.relay })
    const { target } = this
    if (!incoming && target !== undefined && path.kind !== 'webrtc') this.#lead(connectionId, target)
    this.#want()
  }

  /** The remote is to be asked whenever a connection that this peer dialled is relayed. */
  ask(): void {
    this.#asks = true
    this.#want()
  }

  /** Another path of a connection carries data. */
  selected(connectionId: number, { kind, relay }: PathInfo): void {
    const connection = this.#connections.get(connectionId)
    if (connection === undefined) return
    const former = connection.channel
    connection.relay = relay
    connection.channel = kind === 'webrtc' ? this.#open : undefined
    // QUIC has found the channel dead, of which the browser knows nothing: it may carry nothing, or in one direction alone.
    if (relay !== undefined && former?.isOpen && former === this.#open) {
      former.carried.interrupt()
      this.#interrupted(former)
    } else this.#want()
  }

  /** A connection is gone. The last one takes everything with it. */
  delete(connectionId: number): void {
    this.#connections.delete(connectionId)
    if (this.isUsed) return
    this.#close()
    this.#parts.ended()
  }

  /** This machine is on another network: the channel may not know yet that it is dead. */
  networkChanged(): void {
    if (this.#isStopped || this.#attempt !== undefined || this.#open === undefined) return
    this.#pace.reset()
    this.#negotiate()
  }

  /** Channels can be made now, or by somebody else: the remote is asked at once, also by who was dialled, for it may have given up. */
  renewed(): void {
    if (this.#isStopped) return
    this.#pace.reset()
    const isRelayed = [...this.#connections.values()].some(({ relay }) => relay !== undefined)
    if (isRelayed && this.#attempt === undefined && !this.#open?.isOpen && !this.#isDialling) this.#negotiate()
  }

  /** A signalling connection that the remote dialled, or this peer, is there. */
  connected(connectionId: number, dialled: boolean, isSmaller: boolean): Signalling {
    const now = () => this.#parts.clock.now()
    const signalling: Signalling = new Signalling(this.#parts.engine, connectionId, dialled, now, {
      frame: (frame) => this.#heard(signalling, frame),
    })
    if (dialled) this.#isDialling = false
    const rival = this.#signalling
    // Of two the one stays that the smaller id dialled, or else the newer one.
    if (rival !== undefined && rival.dialled !== dialled && rival.dialled === isSmaller) {
      signalling.close(SIGNALLING_CODES.done)
      return signalling
    }
    rival?.close(SIGNALLING_CODES.done)
    this.#drop()
    this.#signalling = signalling
    this.#last = 0
    this.#used()
    void signalling.begin()
    if (dialled) this.#begin()
    else void this.#tellWays(signalling)
    return signalling
  }

  /** A signalling connection is over, or was never there: then the remote may not know of it. */
  disconnected(signalling: Signalling | undefined, isRefusal: boolean): void {
    if (signalling === undefined) {
      this.#isDialling = false
      if (isRefusal) this.#pace.refused()
      return this.#failed()
    }
    signalling.ended()
    if (this.#signalling !== signalling) return
    this.#signalling = undefined
    if (this.#attempt !== undefined || !this.#open?.isOpen) this.#failed()
  }

  /** Begins nothing any more; what is open stays so, for what is said at the end. */
  stop(): void {
    const { clock } = this.#parts
    this.#isStopped = true
    for (const timer of Object.values(this.#timers)) clock.clearTimeout(timer)
    this.#timers = {}
  }

  #close(): void {
    this.stop()
    this.#drop()
    this.#open?.carried.close()
    this.#open = undefined
    this.#signalling?.close(SIGNALLING_CODES.done)
    this.#signalling = undefined
  }

  /** The relay over which a connection goes that a channel would help, and for which this peer asks. */
  get #relay(): string | undefined {
    const { maker, opensSessions } = this.#parts
    if (!this.#asks || !(maker() || opensSessions)) return undefined
    for (const { incoming, relay } of this.#connections.values()) if (!incoming && relay !== undefined) return relay
    return undefined
  }

  #want(): void {
    if (this.#relay === undefined || this.#attempt !== undefined || this.#isDialling) return
    if (this.#open?.isOpen || this.#isStopped) return
    const { clock } = this.#parts
    const { waitMs } = this.#pace
    if (waitMs <= 0) return this.#negotiate()
    clock.clearTimeout(this.#timers.retry)
    this.#timers.retry = clock.setTimeout(() => this.#want(), waitMs)
  }

  /** Begins an attempt, or has the remote begin one, or dials it first. */
  #negotiate(): void {
    this.#used()
    if (this.#signalling?.dialled) return this.#begin()
    if (this.#signalling !== undefined) {
      if (this.#parts.maker()) this.#signalling.send({ type: 'wanted' })
      return
    }
    if (!this.#isDialling) void this.#dial()
  }

  async #dial(): Promise<void> {
    const relays = [...this.#connections.values()].flatMap(({ relay }) => (relay === undefined ? [] : [relay]))
    const { engine, remoteId, dialled } = this.#parts
    const { target } = this
    if (relays.length === 0 && target === undefined) return
    this.#isDialling = true
    try {
      const request = {
        remoteId,
        alpn: new TextEncoder().encode(SIGNALLING_ALPN),
        earlyData: false,
        addresses: target === undefined ? [] : [target],
        relays: [...new Set(relays)].map((url) => ({ url })),
      }
      dialled(await engine.connect(request))
    } catch {
      this.#isDialling = false
      this.#failed()
    }
  }

  /** Makes the offer. */
  #begin(): void {
    if (this.#attempt !== undefined || this.#parts.maker() === undefined || !this.#makesChannels) return
    const number = ++this.#last
    void this.#make(number, true)
  }

  async #heard(signalling: Signalling, frame: SignalFrame): Promise<void> {
    if (signalling !== this.#signalling) return
    this.#used()
    if (frame.type === 'ways') return this.#take(signalling, frame)
    if (frame.type === 'wanted') {
      if (signalling.dialled) this.#begin()
      return
    }
    if (frame.type === 'end') {
      if (frame.attempt === this.#attempt?.number) this.#failed()
      return
    }
    if (!signalling.dialled && frame.attempt > this.#last) {
      this.#drop()
      this.#last = frame.attempt
      await this.#make(frame.attempt, false)
    }
    const known = [this.#attempt, this.#open].find((attempt) => attempt?.number === frame.attempt)
    known?.channel.signal(frame.signal)
  }

  /** Says how else this peer is reached, to whom has dialled. */
  async #tellWays(signalling: Signalling): Promise<void> {
    const ways = await this.#parts.ways().catch(() => undefined)
    if (ways) signalling.send(ways)
  }

  /** The remote has said how else it is reached. */
  #take(signalling: Signalling, { webTransport, channels }: WaysFrame): void {
    if (!signalling.dialled) return
    this.#makesChannels = channels
    if (!channels) {
      // Whatever is being made is overtaken. The next time that a connection is relayed the remote is dialled again, and tells anew.
      this.#last += 1
      this.#drop()
      this.#pace.failed()
      this.#signalling = undefined
      signalling.close(SIGNALLING_CODES.done)
    } else this.#begin()
    const taken = webTransport.filter((address) => {
      if (this.#told.size < MAX_TOLD) this.#told.add(String(address))
      return this.#told.has(String(address))
    })
    for (const [id, { incoming }] of this.#connections)
      if (!incoming) this.#parts.engine.addAddresses(id, { addresses: [], relays: [], webTransport: taken })
  }

  async #make(number: number, initiator: boolean): Promise<void> {
    const signalling = this.#signalling
    const maker = this.#pace.take()
      ? await this.#parts
          .maker()?.()
          .catch(() => undefined)
      : undefined
    // It may have been overtaken, or nobody wants it any more.
    if (signalling !== this.#signalling || number !== this.#last || this.#isStopped) return
    if (maker === undefined) {
      signalling?.send({ type: 'end', attempt: number })
      return this.#failed()
    }
    const tell = (signal: ChannelSignal) => signalling?.send({ type: 'signal', attempt: number, signal })
    let channel: Channel | undefined
    const carried = this.#parts.keeper.carry((events) => {
      channel = maker.negotiate(initiator, {
        ...events,
        signal: tell,
        opened: () => {
          events.opened()
          this.#opened(attempt)
        },
        interrupted: () => {
          events.interrupted()
          this.#interrupted(attempt)
        },
        closed: () => {
          events.closed()
          this.#closed(attempt)
        },
      })
      return channel
    })
    const attempt: Attempt = { number, channel: channel as unknown as Channel, carried, isOpen: false, openedAt: 0 }
    this.#attempt = attempt
    this.#timers.deadline = this.#parts.clock.setTimeout(() => this.#failed(), ATTEMPT_MS)
  }

  #opened(attempt: Attempt): void {
    const { clock } = this.#parts
    attempt.isOpen = true
    attempt.openedAt = clock.now()
    if (attempt === this.#attempt) {
      clock.clearTimeout(this.#timers.deadline)
      this.#attempt = undefined
      const former = this.#open
      this.#open = attempt
      if (former) clock.setTimeout(() => former.carried.close(), OVERLAP_MS)
    }
    if (attempt !== this.#open) return
    for (const [id, { incoming }] of this.#connections) if (!incoming) this.#lead(id, attempt.carried.target)
  }

  #interrupted(attempt: Attempt): void {
    // Whether it is the network that is gone or the remote, another one may find a way where this one waits.
    if (attempt === this.#open) this.#lost(attempt)
    attempt.isOpen = false
  }

  #closed(attempt: Attempt): void {
    if (attempt === this.#attempt) return this.#failed()
    if (attempt !== this.#open) return
    this.#open = undefined
    this.#lost(attempt)
  }

  /** The open channel is none any more, which may be told more than once. Another one follows at once, unless it was short-lived. */
  #lost(attempt: Attempt): void {
    if (attempt.isOpen) {
      attempt.isOpen = false
      if (this.#parts.clock.now() - attempt.openedAt >= LASTING_MS) this.#pace.lasted()
      else this.#pace.failed()
    }
    this.#want()
  }

  /** An attempt came to nothing; the next one is later. */
  #failed(): void {
    if (this.#attempt !== undefined) this.#signalling?.send({ type: 'end', attempt: this.#attempt.number })
    this.#drop()
    this.#pace.failed()
    this.#want()
  }

  #drop(): void {
    this.#parts.clock.clearTimeout(this.#timers.deadline)
    const attempt = this.#attempt
    this.#attempt = undefined
    attempt?.carried.close()
  }

  #lead(connectionId: number, target: CarriedChannel['target']): void {
    this.#parts.engine.addAddresses(connectionId, { addresses: [target], relays: [] })
  }

  /** The signalling connection is in use; it is closed when it has not been for long. */
  #used(): void {
    const { clock } = this.#parts
    if (this.#isStopped) return
    clock.clearTimeout(this.#timers.idle)
    this.#timers.idle = clock.setTimeout(() => {
      if (this.#attempt !== undefined) return this.#used()
      if (!this.#signalling?.dialled) return
      this.#signalling.close(SIGNALLING_CODES.done)
      this.#signalling = undefined
    }, IDLE_MS)
  }
}
