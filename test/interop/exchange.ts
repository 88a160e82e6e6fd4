import assert from 'node:assert/strict'
import type { Connection, Peer } from '../../src/entry/node.js'

const DATAGRAM_INTERVAL_MS = 1000

/** Bytes that repeat nowhere near, so that a lost, doubled or swapped piece shows. */
export function payload(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
}

export async function everything(readable: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function send(writable: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = writable.getWriter()
  await writer.write(bytes)
  await writer.close()
}

export async function first<T>(readable: ReadableStream<T>): Promise<T> {
  const reader = readable.getReader()
  const { value, done } = await reader.read()
  reader.releaseLock()
  assert.ok(!done)
  return value
}

/** Sends so many bytes over a stream of each kind, and a datagram, to a peer that echoes, and checks that the same come back. */
export async function exchange(connection: Connection, bytes: number): Promise<void> {
  const sent = payload(bytes)
  const { readable, writable } = await connection.createBidirectionalStream()
  // Writes beside reading, because an echo stops taking what nobody takes back.
  const [back] = await Promise.all([everything(readable), send(writable, sent)])
  assert.ok(Buffer.from(sent).equals(back))

  const answer = first(connection.incomingUnidirectionalStreams).then(everything)
  await send(await connection.createUnidirectionalStream(), sent)
  assert.ok(Buffer.from(sent).equals(await answer))

  const echoed = first(connection.datagrams.readable)
  // A datagram may be lost on any path.
  const again = setInterval(() => void connection.datagrams.send(payload(1000)).catch(() => {}), DATAGRAM_INTERVAL_MS)
  try {
    await connection.datagrams.send(payload(1000))
    assert.deepEqual(await echoed, payload(1000))
  } finally {
    clearInterval(again)
  }
}

/** What an `iroh-peer listen` does: echoes a bidirectional stream on itself, a unidirectional one on a new one, and datagrams. */
export function echo(connection: Connection): void {
  const ignore = () => {}
  void (async () => {
    for await (const { readable, writable } of connection.incomingBidirectionalStreams)
      void readable.pipeTo(writable).catch(ignore)
  })().catch(ignore)
  void (async () => {
    for await (const readable of connection.incomingUnidirectionalStreams)
      void readable.pipeTo(await connection.createUnidirectionalStream()).catch(ignore)
  })().catch(ignore)
  void (async () => {
    for await (const datagram of connection.datagrams.readable) await connection.datagrams.send(datagram)
  })().catch(ignore)
}

/** Echoes on each connection that comes in, and gives the first one. */
export function echoAll(peer: Peer): Promise<Connection> {
  return new Promise((resolve) => {
    void (async () => {
      for await (const connection of peer.incoming) {
        echo(connection)
        resolve(connection)
      }
    })()
  })
}
