import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, Peer } from '../../src/entry/node.js'
import { payload } from './exchange.js'
import { IrohPeer, skipStock } from './stock-peers.js'

const ALPN = 'anypath-test/1'
/** As many lengths as have different ends: blocks of the key stream are made four at once, which is 256 bytes. */
const LENGTHS = 600
const TRIES = 10

// The core seals and opens packets with code of its own, whose vectors exist in WebAssembly only. Stock iroh seals with ring's assembly.
test('stock iroh opens what our vectors have sealed, and the other way round, at every length', {
  skip: skipStock,
}, async () => {
  const listener = new IrohPeer(['listen', '--alpn', ALPN])
  const peer = await Peer.create({ udp: { host: '127.0.0.1' } })
  try {
    const { ticket = '' } = await listener.report('listening')
    const connection = await peer.connect(ticket, { alpn: ALPN })
    const { cipher } = (await connection.getStats()).tls ?? {}
    assert.equal(cipher, 'TLS_CHACHA20_POLY1305_SHA256')
    const largest = connection.datagrams.maxDatagramSize
    assert.ok(largest > LENGTHS, `${largest} bytes`)
    await echoEach(connection, [...Array(LENGTHS).keys(), ...Array.from({ length: 64 }, (_, less) => largest - less)])
    connection.close()
  } finally {
    await peer.close()
    await listener[Symbol.asyncDispose]()
  }
})

/** One at a time, so that each has a packet of its own; what the network loses is sent again. */
async function echoEach(connection: Connection, lengths: readonly number[]) {
  const reader = connection.datagrams.readable.getReader()
  let arrived = reader.read()
  for (const length of lengths) {
    const sent = payload(length)
    let echo: Uint8Array | undefined
    for (let tries = 0; echo?.byteLength !== length; tries++) {
      assert.ok(tries < TRIES, `${length} bytes did not come back`)
      await connection.datagrams.send(sent)
      const timer = new AbortController()
      const answer = await Promise.race([
        arrived,
        delay(2000, undefined, { signal: timer.signal }).catch(() => undefined),
      ])
      timer.abort()
      if (answer === undefined) continue
      assert.ok(!answer.done)
      echo = answer.value
      arrived = reader.read()
    }
    assert.deepEqual(echo, sent)
  }
  // The last one waits for a datagram that nobody sends.
  arrived.catch(() => {})
}
