/** Rooms of real peers over UDP on loopback, which find each other at the demo's own page server. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CHAT_ALPN } from '../../../src/cli/chat/connection.js'
import type { FileSink, FileSource } from '../../../src/cli/chat/files.js'
import { newSecret, type RoomLink } from '../../../src/cli/chat/link.js'
import { Room, type RoomEvent } from '../../../src/cli/chat/room.js'
import type { Timing } from '../../../src/cli/chat/timing.js'
import { Peer } from '../../../src/entry/node.js'

type PageServer = import('node:http').Server
const demo = (path: string): string => pathToFileURL(resolve(process.env.ANYPATH_ROOT ?? '.', 'demo/chat', path)).href
export const { createPageServer }: { createPageServer(options: object): PageServer } = await import(
  demo('page-server.mjs')
)
export const rendezvousModule = await import(demo('rendezvous.mjs'))

export const newSha256 = () => createHash('sha256')

/** Waiting made short. */
const TIMING: Partial<Timing> = {
  announceMs: 500,
  lookMs: 200,
  measureMs: 200,
  dialMs: 3_000,
  redialMs: [100, 500],
  courtesyMs: 400,
  reconnectMs: 3_000,
}

/** A member with everything that it was told. */
export interface Joined {
  readonly room: Room
  readonly peer: Peer
  readonly events: RoomEvent[]
  readonly secretKey: Uint8Array
}

/** A page server and a room; `close` ends all that was started. */
export class RoomHouse {
  readonly link: RoomLink
  readonly server: PageServer
  readonly #joined: Joined[] = []
  readonly #peers: Peer[] = []

  private constructor(server: PageServer) {
    this.server = server
    const { port } = server.address() as AddressInfo
    this.link = { page: `http://127.0.0.1:${port}/`, relay: undefined, secret: newSecret() }
  }

  static async open(): Promise<RoomHouse> {
    const server = createPageServer({ assets: new Map(), relay: () => 'http://127.0.0.1:1/' })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    return new RoomHouse(server)
  }

  async peer(secretKey: Uint8Array = randomBytes(32)): Promise<Peer> {
    const limits = { idleTimeoutMs: 3_000, keepAliveMs: 500 }
    const peer = await Peer.create({ secretKey, alpns: [CHAT_ALPN], udp: { host: '127.0.0.1' }, limits })
    this.#peers.push(peer)
    return peer
  }

  async join(name: string, timing: Partial<Timing> = {}, secretKey: Uint8Array = randomBytes(32)): Promise<Joined> {
    const peer = await this.peer(secretKey)
    const room = await Room.join({ peer, link: this.link, name, newSha256, timing: { ...TIMING, ...timing } })
    const events: RoomEvent[] = []
    room.on((event) => events.push(event))
    const joined = { room, peer, events, secretKey }
    this.#joined.push(joined)
    return joined
  }

  /** All of them, connected with each other. */
  async members(...names: string[]): Promise<Joined[]> {
    const joined = await Promise.all(names.map((name) => this.join(name)))
    for (const { room } of joined) {
      await until(() => connectedTo(room).length === names.length - 1, `${room.name} is connected with all`)
    }
    return joined
  }

  async close(): Promise<void> {
    await Promise.all(this.#joined.map(({ room }) => room.leave()))
    await Promise.all(this.#peers.map((peer) => peer.close()))
    this.server.closeAllConnections()
    await new Promise((closed) => this.server.close(closed))
  }
}

export const connectedTo = (room: Room): string[] =>
  room.members.filter(({ state }) => state === 'connected').map(({ name }) => name)

export const textsOf = (room: Room): string[] =>
  room.entries.map(({ body }) => (body.type === 'text' ? body.text : `[${body.name}]`))

/** Waits until `look` is true; fails after 20 s. */
export const until = async (look: () => boolean, what: string): Promise<void> => {
  const deadline = Date.now() + 20_000
  while (!look()) {
    if (Date.now() > deadline) assert.fail(`never: ${what}`)
    await new Promise((soon) => setTimeout(soon, 20))
  }
}

export const pause = (ms: number): Promise<void> => new Promise((over) => setTimeout(over, ms))

/** A file of random bytes in memory, in pieces. */
export const fileOf = (name: string, sizeBytes: number, pieceBytes = 64 * 1024): FileSource & { bytes: Buffer } => {
  const bytes = randomBytes(sizeBytes)
  return {
    name,
    sizeBytes,
    mediaType: 'application/octet-stream',
    bytes,
    open: () =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < bytes.length; at += pieceBytes) controller.enqueue(bytes.subarray(at, at + pieceBytes))
          controller.close()
        },
      }),
  }
}

export const memorySink = (): FileSink & { readonly bytes: Buffer } => {
  const parts: Uint8Array[] = []
  return {
    write: (bytes) => void parts.push(Uint8Array.from(bytes)),
    get bytes() {
      return Buffer.concat(parts)
    },
  }
}
