import type { LinkEvents, MessageLink } from '../packet-channel.js'
import { QUEUE_BYTES } from '../packet-channel.js'
import type { ChannelSignal } from '../transport.js'
import {
  type BorrowerMessage,
  type LendingPort,
  lendingMessage,
  MOST_UNSEEN_BYTES,
  ownBuffer,
  post,
  type Servers,
  signalOf,
  type Untrusted,
  type WindowMessage,
} from './messages.js'
import { showPresence } from './presence.js'

/** Channels that one peer may have at a time here: a browser allows a page about 500. */
const MAX_CHANNELS = 128

/** Signals that may wait until the code for channels is loaded. */
const MAX_EARLY = 200

/** Begins to negotiate what carries a channel's messages. */
export type MakeLink = (servers: Servers, initiator: boolean, events: LinkEvents) => MessageLink

interface Lent {
  link?: MessageLink
  /** Signals that came before the link. */
  readonly early: ChannelSignal[]
  /** Bytes that the channel has been given and has not taken. */
  queued: number
  /** Bytes that the peer's thread has been given and has not seen. */
  unseen: number
  /** Messages that found no room on their way there. */
  lost: number
}

/** Makes data channels in this window for a peer in another thread. */
export class Lender {
  readonly #port: LendingPort
  readonly #load: () => Promise<MakeLink>
  readonly #lent = new Map<unknown, Lent>()
  readonly #leave: () => void
  readonly #listener = ({ data }: { readonly data: unknown }) => {
    const message = lendingMessage<BorrowerMessage>(data)
    if (message !== undefined) this.#receive(message)
  }
  #over = false

  /**
   * @param lends false where this window only shows that it is there.
   * @param load gives what makes channels; called when the first one is wanted.
   */
  constructor(port: LendingPort, lends: boolean, load: () => Promise<MakeLink>) {
    this.#port = port
    this.#load = load
    if (lends) {
      port.addEventListener('message', this.#listener)
      port.start?.()
    }
    this.#leave = showPresence((lock) => this.#post({ type: 'here', lock, lends }))
  }

  /** Closes what it has lent, and lends no more. Idempotent. */
  stop(): void {
    if (this.#over) return
    this.#port.removeEventListener?.('message', this.#listener)
    for (const id of [...this.#lent.keys()]) this.#close(id)
    this.#post({ type: 'gone' })
    this.#over = true
    this.#leave()
  }

  #receive({ type, channel, ...rest }: Untrusted<BorrowerMessage>): void {
    if (this.#over) return
    if (type === 'negotiate') return this.#begin(channel, rest)
    const lent = this.#lent.get(channel)
    if (lent === undefined) return
    if (type === 'signal') this.#signal(lent, signalOf(rest.signal))
    else if (type === 'message') this.#send(channel, lent, rest.data)
    else if (type === 'seen') lent.unseen = Math.max(0, lent.unseen - (Number(rest.bytes) || 0))
    else if (type === 'close') this.#close(channel)
  }

  #begin(channel: unknown, { initiator, iceServers, relays }: Untrusted<BorrowerMessage>): void {
    if (typeof channel !== 'number' || this.#lent.has(channel)) return
    this.#post({ type: 'begun', channel })
    const lent: Lent = { early: [], queued: 0, unseen: 0, lost: 0 }
    this.#lent.set(channel, lent)
    if (this.#lent.size > MAX_CHANNELS) return this.#closed(channel)
    const servers = {
      iceServers: Array.isArray(iceServers) ? iceServers : undefined,
      relays: Array.isArray(relays) ? relays : [],
    }
    this.#load()
      .then((make) => {
        if (this.#lent.get(channel) !== lent) return
        lent.link = make(servers, initiator === true, this.#events(channel, lent))
        for (const signal of lent.early.splice(0)) lent.link.signal(signal)
      })
      // The code can't be had, or the servers are none.
      .catch(() => this.#closed(channel))
  }

  #events(channel: number, lent: Lent): LinkEvents {
    return {
      signal: (signal) => this.#tell(lent, { type: 'signal', channel, signal }),
      through: (isThrough) => {
        const { host, port } = lent.link?.place ?? { host: '', port: 0 }
        this.#tell(lent, { type: 'through', channel, isThrough, place: { host, port } })
      },
      message: (data) => {
        if (!(data instanceof Uint8Array)) return this.#tell(lent, { type: 'malformed', channel })
        if (lent.unseen + data.length > MOST_UNSEEN_BYTES) {
          lent.lost += 1
          return
        }
        lent.unseen += data.length
        const buffer = ownBuffer(data)
        this.#tell(lent, { type: 'message', channel, data: buffer, lost: lent.lost }, [buffer])
        lent.lost = 0
      },
      malformed: () => this.#tell(lent, { type: 'malformed', channel }),
      dropped: () => {
        lent.lost += 1
      },
      closed: () => this.#lent.get(channel) === lent && this.#closed(channel),
    }
  }

  #signal(lent: Lent, signal: ChannelSignal | undefined): void {
    if (signal === undefined) return
    if (lent.link !== undefined) lent.link.signal(signal)
    else if (lent.early.length < MAX_EARLY) lent.early.push(signal)
  }

  /** A peer holds back what would be too much; what does not is none. */
  #send(channel: unknown, lent: Lent, data: unknown): void {
    if (!(data instanceof ArrayBuffer) || lent.link === undefined) return
    if (lent.queued + data.byteLength > QUEUE_BYTES) {
      lent.link.close()
      return this.#closed(channel)
    }
    lent.queued += data.byteLength
    const bytes = data.byteLength
    lent.link.write(new Uint8Array(data), () => {
      lent.queued -= bytes
      this.#tell(lent, { type: 'taken', channel: channel as number })
    })
  }

  #close(channel: unknown): void {
    const lent = this.#lent.get(channel)
    this.#lent.delete(channel)
    lent?.link?.close()
  }

  #closed(channel: unknown): void {
    this.#lent.delete(channel)
    this.#post({ type: 'closed', channel: channel as number })
  }

  /** Tells something of a channel, while it is there. */
  #tell(lent: Lent, message: WindowMessage & { readonly channel: number }, transfer: Transferable[] = []): void {
    if (this.#lent.get(message.channel) === lent) this.#post(message, transfer)
  }

  #post(message: WindowMessage, transfer: Transferable[] = []): void {
    if (!this.#over) post(this.#port, message, transfer)
  }
}
