import type { Channel, ChannelMaker, ChannelSignal } from '../../../src/driver/channels.js'
import type { ChannelEvents } from '../../../src/transport/transport.js'

/** What WebRTC is to a test: two channels with each other's signals are open, as long as the network lets them. */
export class FakeNetwork implements ChannelMaker {
  /** Whether negotiations come to anything. */
  isOpen = true
  /** Channels that were made, and those that are not closed. */
  made = 0
  /** Of these, answers to offers. */
  answered = 0
  readonly live = new Set<FakeChannel>()
  packets = 0

  negotiate(initiator: boolean, events: ChannelEvents): Channel {
    this.made += 1
    if (!initiator) this.answered += 1
    const channel = new FakeChannel(this, initiator, String(this.made), events)
    this.live.add(channel)
    return channel
  }

  find(name: string): FakeChannel | undefined {
    return [...this.live].find((channel) => channel.name === name)
  }

  /** Every channel is gone, as when a machine's network is. */
  cut(): void {
    for (const channel of [...this.live]) channel.fail()
  }

  /** What one side sends is lost from now on, which nobody notices: a page whose channel takes nothing more. */
  mute(side: 'initiator' | 'answerer'): void {
    for (const channel of this.live) if (channel.initiator === (side === 'initiator')) channel.isMuted = true
  }

  /** Nothing comes through for a while, which ICE agents notice. */
  interrupt(): void {
    for (const channel of this.live) channel.interrupt()
  }
}

class FakeChannel implements Channel {
  readonly name: string
  readonly initiator: boolean
  isMuted = false
  readonly #network: FakeNetwork
  readonly #events: ChannelEvents
  #other: string | undefined
  #isThrough = false

  constructor(network: FakeNetwork, initiator: boolean, name: string, events: ChannelEvents) {
    this.#network = network
    this.name = name
    this.initiator = initiator
    this.#events = events
    if (initiator) setImmediate(() => events.signal({ type: 'offer', sdp: name }))
  }

  get place(): { host: string; port: number } {
    return { host: '192.0.2.1', port: 7 }
  }

  get writableBytes(): number {
    return 1 << 20
  }

  signal(signal: ChannelSignal): void {
    if (signal.type === 'candidate' || !this.#network.live.has(this)) return
    this.#other = signal.sdp
    if (signal.type === 'offer') this.#events.signal({ type: 'answer', sdp: this.name })
    // What is no other's name never opens.
    if (this.#network.isOpen && this.#network.find(signal.sdp)) setImmediate(() => this.#open())
  }

  send(packets: Uint8Array, segmentBytes: number): void {
    if (this.isMuted) return
    const size = segmentBytes || packets.length
    for (let at = 0; at < packets.length; at += size) {
      const packet = packets.slice(at, at + size)
      setImmediate(() => this.#network.find(this.#other ?? '')?.receive(packet))
    }
  }

  receive(packet: Uint8Array): void {
    if (!this.#isThrough) return
    this.#network.packets += 1
    this.#events.packet(packet)
  }

  close(): void {
    const other = this.#network.find(this.#other ?? '')
    this.#network.live.delete(this)
    setImmediate(() => other?.fail())
  }

  fail(): void {
    if (this.#network.live.delete(this)) setImmediate(() => this.#events.closed())
  }

  interrupt(): void {
    this.#isThrough = false
    this.#events.interrupted()
  }

  #open(): void {
    if (!this.#network.live.has(this)) return
    this.#isThrough = true
    this.#events.opened()
  }
}
