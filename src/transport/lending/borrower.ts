import { type LinkEvents, type MessageLink, PacketChannel } from '../packet-channel.js'
import type { Channel, ChannelEvents, ChannelMaker, ChannelSignal, TransportAddress } from '../transport.js'
import {
  type BorrowerMessage,
  type LendingPort,
  MOST_UNDER_WAY,
  post,
  SEEN_EVERY_BYTES,
  type Servers,
  signalOf,
  type Untrusted,
  type WindowMessage,
} from './messages.js'
import { watchPresence } from './presence.js'

/** Within what time a window has to answer that is asked for a channel. */
const ANSWER_MS = 3000

/** Lost messages that are counted at a time: no more fit into the time between two that are not. */
const MOST_COUNTED = 1000

/** Windows that may lend at a time; of more the latest count. */
const MAX_WINDOWS = 64

/** Told of the windows that a peer has. */
export interface BorrowerEvents {
  /** Channels can be made by other windows than before; `undefined`: by none. */
  changed(maker: ChannelMaker | undefined): void
  /** The window at a port is gone. */
  gone(port: LendingPort): void
}

/** Makes data channels by windows that lend them, for a peer in a thread that has none. */
export class Borrower implements ChannelMaker {
  readonly #servers: Servers
  readonly #events: BorrowerEvents
  /** Who is asked first stands first. */
  #windows: BorrowedWindow[] = []

  constructor(servers: Servers, events: BorrowerEvents) {
    this.#servers = servers
    this.#events = events
  }

  /** Takes what a window has told. What makes no sense is left alone. */
  take(port: LendingPort, message: Untrusted<WindowMessage>): void {
    const known = this.#windows.find((window) => window.port === port)
    if (message.type === 'here') {
      if (known !== undefined) this.#remove(known)
      this.#add(port, message)
    } else if (known !== undefined && message.type === 'gone') this.#remove(known)
    else known?.receive(message)
  }

  /** The port says that its other side is gone. */
  closed(port: LendingPort): void {
    const known = this.#windows.find((window) => window.port === port)
    if (known !== undefined) this.#remove(known)
  }

  negotiate(initiator: boolean, events: ChannelEvents): Channel {
    const window = this.#windows.find(({ lends }) => lends)
    const connect = (linked: LinkEvents) => window?.link(initiator, this.#servers, linked) ?? nothing(linked)
    return new PacketChannel(events, connect, MOST_UNDER_WAY)
  }

  #add(port: LendingPort, { lock, lends }: Untrusted<WindowMessage>): void {
    const last = this.#windows.at(-1)
    if (last !== undefined && this.#windows.length >= MAX_WINDOWS) this.#remove(last)
    const window: BorrowedWindow = new BorrowedWindow(port, lends === true, lock, {
      failed: () => {
        // The others come first now.
        if (this.#windows.includes(window))
          this.#windows = [...this.#windows.filter((other) => other !== window), window]
      },
      gone: () => {
        this.#remove(window)
        this.#events.gone(port)
      },
    })
    this.#windows.unshift(window)
    if (window.lends) this.#changed()
  }

  #remove(window: BorrowedWindow): void {
    this.#windows = this.#windows.filter((other) => other !== window)
    window.end()
    if (window.lends) this.#changed()
  }

  #changed(): void {
    this.#events.changed(this.#windows.some(({ lends }) => lends) ? this : undefined)
  }
}

interface WindowEvents {
  /** A channel came to nothing. */
  failed(): void
  /** The window was closed, or has crashed. */
  gone(): void
}

/** A window, and the channels that it has lent. */
class BorrowedWindow {
  readonly port: LendingPort
  readonly lends: boolean
  readonly #events: WindowEvents
  readonly #links = new Map<unknown, BorrowedLink>()
  readonly #endWatch: () => void
  #last = 0

  constructor(port: LendingPort, lends: boolean, lock: unknown, events: WindowEvents) {
    this.port = port
    this.lends = lends
    this.#events = events
    this.#endWatch = watchPresence(lock, () => events.gone())
  }

  link(initiator: boolean, servers: Servers, events: LinkEvents): MessageLink {
    this.#last += 1
    const channel = this.#last
    const link = new BorrowedLink(this.port, channel, events, (wasThrough) => {
      this.#links.delete(channel)
      if (!wasThrough) this.#events.failed()
    })
    this.#links.set(channel, link)
    post(this.port, { type: 'negotiate', channel, initiator, ...servers })
    return link
  }

  receive(message: Untrusted<WindowMessage>): void {
    this.#links.get(message.channel)?.receive(message)
  }

  /** Ends what it has lent. */
  end(): void {
    this.#endWatch()
    for (const link of [...this.#links.values()]) link.end()
  }
}

/** A channel's messages, by way of a window. */
class BorrowedLink implements MessageLink {
  place: TransportAddress = { host: '', port: 0 }
  readonly #port: LendingPort
  readonly #channel: number
  readonly #events: LinkEvents
  readonly #ended: (wasThrough: boolean) => void
  readonly #untaken: (() => void)[] = []
  readonly #unanswered: ReturnType<typeof setTimeout>
  #unseen = 0
  #wasThrough = false
  #over = false

  constructor(port: LendingPort, channel: number, events: LinkEvents, ended: (wasThrough: boolean) => void) {
    this.#port = port
    this.#channel = channel
    this.#events = events
    this.#ended = ended
    this.#unanswered = setTimeout(() => {
      this.#post({ type: 'close', channel })
      this.end()
    }, ANSWER_MS)
  }

  signal(signal: ChannelSignal): void {
    this.#post({ type: 'signal', channel: this.#channel, signal })
  }

  write(message: Uint8Array<ArrayBuffer>, taken: () => void): void {
    this.#untaken.push(taken)
    this.#post({ type: 'message', channel: this.#channel, data: message.buffer }, [message.buffer])
  }

  close(): void {
    this.#post({ type: 'close', channel: this.#channel })
    this.#stop()
  }

  /** It is no more. */
  end(): void {
    if (this.#over) return
    this.#stop()
    this.#events.closed()
  }

  receive({ type, signal, isThrough, place, data, lost }: Untrusted<WindowMessage>): void {
    clearTimeout(this.#unanswered)
    if (type === 'signal') {
      const known = signalOf(signal)
      if (known === undefined) this.#events.malformed()
      else this.#events.signal(known)
    } else if (type === 'through') {
      this.place = placeOf(place)
      this.#wasThrough ||= isThrough === true
      this.#events.through(isThrough === true)
    } else if (type === 'message') this.#message(data, Number(lost) || 0)
    else if (type === 'taken') this.#untaken.shift()?.()
    else if (type === 'closed') this.end()
    else if (type !== 'begun') this.#events.malformed()
  }

  #message(data: unknown, lost: number): void {
    for (let i = 0; i < Math.min(lost, MOST_COUNTED); i += 1) this.#events.dropped()
    if (!(data instanceof ArrayBuffer)) return this.#events.malformed()
    this.#events.message(new Uint8Array(data))
    this.#unseen += data.byteLength
    if (this.#unseen < SEEN_EVERY_BYTES) return
    this.#post({ type: 'seen', channel: this.#channel, bytes: this.#unseen })
    this.#unseen = 0
  }

  #stop(): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#unanswered)
    this.#ended(this.#wasThrough)
  }

  #post(message: BorrowerMessage, transfer: Transferable[] = []): void {
    if (!this.#over) post(this.#port, message, transfer)
  }
}

/** The last window has gone meanwhile. */
function nothing({ closed }: LinkEvents): MessageLink {
  queueMicrotask(closed)
  return { place: { host: '', port: 0 }, signal() {}, write() {}, close() {} }
}

function placeOf(value: unknown): TransportAddress {
  const { host, port } = (value ?? {}) as Readonly<Record<string, unknown>>
  return { host: typeof host === 'string' ? host : '', port: Number(port) || 0 }
}
