import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, EarlyDataRejectedError, Peer } from '../../../src/entry/node.js'

const ALPN = 'early/1'
const secretKey = new Uint8Array(32).fill(7)

function server(port = 0): Promise<Peer> {
  return Peer.create({ secretKey, alpns: [ALPN], earlyData: true, udp: { host: '127.0.0.1', port } })
}

/** Answers every bidirectional stream with what it brought. */
function echo(peer: Peer): void {
  void (async () => {
    for await (const connection of peer.incoming)
      void (async () => {
        for await (const { readable, writable } of connection.incomingBidirectionalStreams)
          void readable.pipeTo(writable).catch(() => {})
      })().catch(() => {})
  })()
}

async function ask(connection: Connection, question: string): Promise<string> {
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  const sent = writer.write(new TextEncoder().encode(question)).then(() => writer.close())
  sent.catch(() => {})
  let answer = ''
  for await (const chunk of readable) answer += new TextDecoder().decode(chunk)
  await sent
  return answer
}

test('early data is taken from a known client, and refused by a restarted server without harm', async () => {
  const first = await server()
  echo(first)
  const ticket = String(await first.ticket())
  const client = await Peer.create({ earlyData: true, udp: { host: '127.0.0.1' } })
  let second: Peer | undefined
  try {
    const known = await client.connect(ticket, { alpn: ALPN, earlyData: true })
    assert.equal(await ask(known, 'hello'), 'hello')
    await sleep(100)
    known.close()

    const early = await client.connect(ticket, { alpn: ALPN, earlyData: true })
    assert.equal(early.earlyDataAccepted, undefined)
    assert.equal(await ask(early, 'in the first flight'), 'in the first flight')
    await early.ready
    assert.equal(early.earlyDataAccepted, true)
    assert.equal((await early.getStats()).tls.resumed, true)
    await sleep(100)
    early.close()
    await first.close()

    const address = (await client.parseTicket(ticket)).addresses.find(({ kind }) => kind === 'ip')
    assert.ok(address?.kind === 'ip')
    second = await server(address.port)
    echo(second)
    const refused = await client.connect(ticket, { alpn: ALPN, earlyData: true })
    await assert.rejects(ask(refused, 'lost'), EarlyDataRejectedError)
    await refused.ready
    assert.equal(refused.earlyDataAccepted, false)
    assert.equal(await ask(refused, 'again'), 'again')
  } finally {
    await Promise.all([client.close(), first.close(), second?.close()])
  }
})

test('a writer that is blocked can be aborted, and what was sent before a close can be read after it', async () => {
  const acceptor = await Peer.create({ alpns: [ALPN], udp: { host: '127.0.0.1' } })
  const dialler = await Peer.create({ udp: { host: '127.0.0.1' } })
  try {
    const accepted = (async () => {
      for await (const connection of acceptor.incoming) return connection
      throw new Error('closed')
    })()
    const near = await dialler.connect(await acceptor.ticket(), { alpn: ALPN })
    const far = await accepted
    const stream = await near.createUnidirectionalStream()
    const writer = stream.getWriter()
    const blocked = writer.write(new Uint8Array(32 << 20))
    blocked.catch(() => {})
    await sleep(200)
    await writer.abort({ streamErrorCode: 5 })
    await assert.rejects(blocked)

    const last = await near.createUnidirectionalStream()
    const lastWriter = last.getWriter()
    await lastWriter.write(new TextEncoder().encode('goodbye'))
    await lastWriter.close()
    near.close({ closeCode: 3 })
    await far.closed
    const texts: string[] = []
    for await (const readable of far.incomingUnidirectionalStreams) {
      try {
        for await (const chunk of readable) texts.push(new TextDecoder().decode(chunk).slice(0, 7))
      } catch {
        // The aborted one.
      }
    }
    assert.ok(texts.includes('goodbye'), String(texts.length))
  } finally {
    await Promise.all([acceptor.close(), dialler.close()])
  }
})
