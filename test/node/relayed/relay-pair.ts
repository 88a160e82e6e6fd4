import type { TestContext } from 'node:test'
import { type Connection, Peer, type PeerOptions } from '../../../src/entry/node.js'
import { type Relay, startRelay } from '../../../src/relay/index.js'

export const ALPN = 'test/1'

/** A relay of this process, which ends with the test. */
export async function relayOf(context: TestContext, port = 0): Promise<Relay> {
  const relay = await startRelay({ port, limits: { drainMs: 50 } })
  context.after(() => relay.close())
  return relay
}

/** A peer that has no socket: it is reached over its relays only. */
export async function relayedPeer(
  context: TestContext,
  urls: readonly string[],
  options: PeerOptions = {},
): Promise<Peer> {
  const peer = await Peer.create({ transports: [], relays: urls, alpns: [ALPN], ...options })
  context.after(() => peer.close())
  return peer
}

/** The relays of a connection's paths, once only one is left: what was sent over a lost path is led over another one for a second. */
export async function relaysLeft(connection: Connection): Promise<(string | undefined)[]> {
  const relays = () => [...new Set(connection.paths.map(({ relay }) => relay))]
  for (let waits = 0; relays().length > 1 && waits < 500; waits++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  return relays()
}

/** Everything that a stream carries. */
export async function readAll(readable: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of readable) parts.push(part)
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Answers every bidirectional stream of every connection with what it carried. */
export async function echo(peer: Peer): Promise<void> {
  for await (const connection of peer.incoming) {
    void (async () => {
      for await (const { readable, writable } of connection.incomingBidirectionalStreams)
        readable.pipeTo(writable).catch(() => {})
    })().catch(() => {})
  }
}
