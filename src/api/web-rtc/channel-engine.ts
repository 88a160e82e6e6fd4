import type { ChannelKeeper, ChannelMaker } from '../../driver/channels.js'
import type { Clock } from '../../driver/clock.js'
import type { ConnectedInfo, ConnectRequest, Engine, EngineEvent } from '../../driver/engine.js'
import { ForwardingEngine } from '../engine/forwarding.js'
import { idToText } from '../identity.js'
import { ownSockets, type WebTransportAddressesOf } from '../make-ticket.js'
import { RemoteChannel } from './remote-channel.js'
import { SIGNALLING_ALPN, type WaysFrame } from './signal.js'
import { SIGNALLING_CODES, type Signalling } from './signalling.js'

/** The number of `AlpnNotServed` in the error table. */
const ALPN_NOT_SERVED = 12

/** What a `ChannelEngine` is made of. */
export interface ChannelEngineParts {
  readonly inner: Engine & ChannelKeeper
  /** Makes channels, where that can be done; what it takes is loaded at the first call. */
  readonly maker: (() => Promise<ChannelMaker>) | undefined
  /** Gives the addresses at which WebTransport sessions can be opened to this peer; left out where it listens for none. */
  readonly addressesOf: WebTransportAddressesOf | undefined
  /** Whether this peer can open such sessions. */
  readonly opensSessions: boolean
  readonly clock: Clock
  /**
   * Whether this peer looks for direct paths by UDP. Then it leaves it to remotes that it dials to find one so, and asks for a channel only who has
   * told of no address when that comes to nothing: a page.
   */
  readonly traverses: boolean
  /** Whether incoming connections count only when `wanted` is called: a hook of the application's decides about them. */
  readonly asks: boolean
}

/** A signalling connection: dialled ones are known before they are there. */
interface Own {
  readonly remote: RemoteChannel
  readonly dialled: boolean
  signalling?: Signalling
}

/**
 * Leads relayed connections over ways that both sides have to agree on: WebTransport sessions of which the remote tells, and WebRTC data
 * channels. What is said for that goes over connections of its own, which nobody behind this engine sees.
 */
export class ChannelEngine extends ForwardingEngine {
  readonly #parts: ChannelEngineParts
  /** By the text of the remote's id; only those with connections. */
  readonly #remotes = new Map<string, RemoteChannel>()
  readonly #own = new Map<number, Own>()
  /** The applications' connections, by id. */
  readonly #connections = new Map<number, RemoteChannel>()
  /** Dialled connections with peers of other programs. */
  readonly #foreign = new Set<number>()
  #maker: ChannelEngineParts['maker']
  /** Incoming connections about which the application is being asked. */
  readonly #asked = new Map<number, ConnectedInfo>()
  #listener: (event: EngineEvent) => void = () => {}

  constructor(parts: ChannelEngineParts) {
    super(parts.inner)
    this.#parts = parts
    this.#maker = parts.maker
    parts.inner.onEvent((event) => this.#handle(event))
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  override async connect(request: ConnectRequest): Promise<number> {
    const target = this.#remotes.get(idToText(request.remoteId))?.target
    const addresses = target === undefined ? request.addresses : [target, ...request.addresses]
    const connectionId = await super.connect({ ...request, addresses })
    if (request.isForeign) this.#foreign.add(connectionId)
    return connectionId
  }

  override networkChanged(): void {
    super.networkChanged()
    for (const remote of this.#remotes.values()) remote.networkChanged()
  }

  override close(code: number, reason: string, timeoutMs: number): Promise<void> {
    for (const remote of this.#remotes.values()) remote.stop()
    return super.close(code, reason, timeoutMs)
  }

  /** Channels are made by somebody else from now on, or by nobody. */
  setMaker(maker: ChannelMaker | undefined): void {
    this.#maker = maker && (async () => maker)
    if (maker) for (const remote of this.#remotes.values()) remote.renewed()
  }

  /** The application wants an incoming connection. */
  wanted(connectionId: number): void {
    const info = this.#asked.get(connectionId)
    this.#asked.delete(connectionId)
    if (info !== undefined) this.#add(connectionId, info)
  }

  #handle(event: EngineEvent): void {
    // In Node addresses come and go, those of containers too, and ICE notices a channel that has lost its own.
    if (event.type === 'network' && !this.#parts.traverses)
      for (const remote of this.#remotes.values()) remote.networkChanged()
    if (!('connectionId' in event)) return this.#listener(event)
    const { connectionId } = event
    if (event.type === 'connected' && isSignalling(event.info)) return this.#adopt(connectionId, event.info)
    const own = this.#own.get(connectionId)
    if (own !== undefined) return this.#handleOwn(own, event)
    if (event.type === 'connected' && !event.info.early) {
      if (event.info.incoming && this.#parts.asks) this.#asked.set(connectionId, event.info)
      else this.#add(connectionId, event.info)
    }
    if (event.type === 'search' && event.search.candidates === 0 && event.search.found === 'nothing')
      this.#connections.get(connectionId)?.ask()
    if (event.type === 'path' && event.change === 'selected')
      this.#connections.get(connectionId)?.selected(connectionId, event.path)
    if (event.type === 'drained') this.#delete(connectionId)
    this.#listener(event)
  }

  #add(connectionId: number, { remoteId, incoming, path }: ConnectedInfo): void {
    if (this.#foreign.has(connectionId)) return
    const name = idToText(remoteId)
    const remote = this.#remotes.get(name) ?? this.#begin(name, remoteId)
    this.#connections.set(connectionId, remote)
    remote.add(connectionId, incoming, path)
  }

  #begin(name: string, remoteId: Uint8Array): RemoteChannel {
    const { inner, clock, opensSessions, traverses } = this.#parts
    const remote: RemoteChannel = new RemoteChannel({
      engine: inner,
      keeper: inner,
      maker: () => this.#maker,
      opensSessions,
      waits: traverses,
      ways: () => this.#ways(),
      clock,
      remoteId,
      dialled: (connectionId) => this.#own.set(connectionId, { remote, dialled: true }),
      ended: () => this.#remotes.delete(name),
    })
    this.#remotes.set(name, remote)
    return remote
  }

  /** What a page is told that has asked this peer; nothing where that is what it takes for granted. */
  async #ways(): Promise<WaysFrame | undefined> {
    const { addressesOf, inner, traverses } = this.#parts
    const webTransport = addressesOf?.(await inner.webTransportCertificates(), await ownSockets(inner)) ?? []
    const channels = this.#maker !== undefined
    return traverses || !channels ? { type: 'ways', webTransport, channels } : undefined
  }

  #delete(connectionId: number): void {
    this.#asked.delete(connectionId)
    this.#foreign.delete(connectionId)
    this.#connections.get(connectionId)?.delete(connectionId)
    this.#connections.delete(connectionId)
  }

  /** A signalling connection's handshake is over. Nobody has any business with it who has no connection. */
  #adopt(connectionId: number, { remoteId, early }: ConnectedInfo): void {
    const dialled = this.#own.get(connectionId)
    const remote = dialled?.remote ?? this.#remotes.get(idToText(remoteId))
    if (early) return
    if (!remote?.isUsed) return this.inner.closeConnection(connectionId, SIGNALLING_CODES.refused, '')
    const own: Own = dialled ?? { remote, dialled: false }
    this.#own.set(connectionId, own)
    own.signalling = remote.connected(connectionId, own.dialled, isSmaller(this.endpointId, remoteId))
  }

  #handleOwn(own: Own, event: EngineEvent & { readonly connectionId: number }): void {
    const { remote, signalling } = own
    if (event.type === 'stream' && event.bidirectional) signalling?.take(event.streamId)
    if (event.type === 'closed') remote.disconnected(signalling, event.code === ALPN_NOT_SERVED)
    if (event.type === 'drained') this.#own.delete(event.connectionId)
  }
}

function isSignalling({ alpn }: ConnectedInfo): boolean {
  return new TextDecoder().decode(alpn) === SIGNALLING_ALPN
}

/** Compares ids as bytes. */
function isSmaller(one: Uint8Array, other: Uint8Array): boolean {
  const at = one.findIndex((byte, i) => byte !== other[i])
  return at >= 0 && (one[at] ?? 0) < (other[at] ?? 0)
}
