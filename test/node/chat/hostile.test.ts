import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { CHAT_ALPN, CloseCode } from '../../../src/cli/chat/connection.js'
import { Conversation, type ConversationHandlers, type End } from '../../../src/cli/chat/conversation.js'
import { deriveKeys } from '../../../src/cli/chat/keys.js'
import { newSecret } from '../../../src/cli/chat/link.js'
import { proofOf } from '../../../src/cli/chat/membership.js'
import type { Connection, Peer } from '../../../src/entry/node.js'
import { connectedTo, fileOf, type Joined, pause, RoomHouse, textsOf, until } from './rooms.js'

let house: RoomHouse
let ana: Joined
let ben: Joined
let mallory: Peer

beforeEach(async () => {
  house = await RoomHouse.open()
  const members = await house.members('Ana', 'Ben')
  ;[ana, ben] = members as [Joined, Joined]
  mallory = await house.peer()
})
/** Whatever was done, the others still talk, and their connection is the one that they had. */
afterEach(async () => {
  try {
    ana.room.say('all is well')
    await until(() => textsOf(ben.room).includes('all is well'), 'the others talk')
  } finally {
    await house.close()
  }
})

const dial = async (): Promise<Connection> => {
  const connection = await mallory.connect((await ana.peer.ticket()).toString(), { alpn: CHAT_ALPN })
  connection.closed.catch(() => undefined)
  return connection
}

interface Wire {
  readonly connection: Connection
  readonly writer: WritableStreamDefaultWriter<Uint8Array>
  readonly reader: ReadableStreamDefaultReader<Uint8Array>
}

/** A member that knows the secret and speaks the wire by hand. */
const enter = async (secret = house.link.secret): Promise<Wire> => {
  const connection = await dial()
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  writer.closed.catch(() => undefined)
  await writer.write(await proofOf(await deriveKeys(secret), mallory.id, ana.peer.id))
  return { connection, writer, reader: readable.getReader() }
}

const framed = (json: string | Uint8Array): Uint8Array => {
  const bytes = typeof json === 'string' ? new TextEncoder().encode(json) : json
  const all = new Uint8Array(2 + bytes.length)
  new DataView(all.buffer).setUint16(0, bytes.length)
  all.set(bytes, 2)
  return all
}

const hello = framed(JSON.stringify({ kind: 'hello', name: 'Mallory' }))
const message = (seq: number, text = 'hi', more: object = {}): Uint8Array =>
  framed(JSON.stringify({ kind: 'message', message: { seq, clock: 1, at: 1, body: { type: 'text', text }, ...more } }))

const closeCodeOf = async ({ closed }: Connection): Promise<number> => (await closed).closeCode

test('a stranger with another secret is closed, learns nothing and is shown to nobody', async () => {
  const { connection, reader } = await enter(newSecret())
  await assert.rejects(reader.read())
  assert.equal(await closeCodeOf(connection), CloseCode.stranger)
  assert.deepEqual(connectedTo(ana.room), ['Ben'])
})

test('a stranger that says nothing is closed after a while', async () => {
  const connection = await dial()
  assert.equal(await closeCodeOf(connection), CloseCode.stranger)
})

test('a proof that was made for somebody else, or is sent back, is worth nothing', async () => {
  const keys = await deriveKeys(house.link.secret)
  for (const proof of [
    await proofOf(keys, ben.peer.id, ana.peer.id),
    await proofOf(keys, mallory.id, ben.peer.id),
    await proofOf(keys, ana.peer.id, mallory.id),
  ]) {
    const connection = await dial()
    const { writable } = await connection.createBidirectionalStream()
    await writable.getWriter().write(proof)
    assert.equal(await closeCodeOf(connection), CloseCode.stranger)
  }
})

test('seventeen silent strangers do not keep a member out', async () => {
  const crowd = await Promise.all(
    Array.from({ length: 17 }, async () =>
      (await house.peer()).connect((await ana.peer.ticket()).toString(), { alpn: CHAT_ALPN }),
    ),
  )
  for (const { closed } of crowd) closed.catch(() => undefined)
  await house.join('Cleo')
  await until(() => connectedTo(ana.room).includes('Cleo'), 'Cleo is in')
})

const long = (length: number): string => 'x'.repeat(length)

for (const [what, frame] of Object.entries({
  'no JSON': framed('{"kind":'),
  'no UTF-8': framed(Uint8Array.of(0x22, 0xff, 0x22)),
  'deeply nested JSON': framed('['.repeat(60_000)),
  'an array': framed('[]'),
  'an empty frame': framed(''),
  'a name too long': framed(JSON.stringify({ kind: 'hello', name: long(41) })),
  'a text too long': message(1, long(4_001)),
  'an empty text': message(1, ' \u0007 '),
  'a number that is none': message(1, 'hi', { seq: '1' }),
  'a negative clock': message(1, 'hi', { clock: -1 }),
  'a clock beyond safe numbers': message(1, 'hi', { clock: 2 ** 53 }),
  'a body of an unknown type': message(1, 'hi', { body: { type: 'html', text: '<script>' } }),
  'a file larger than allowed': message(1, 'hi', {
    body: { type: 'file', name: 'a', sizeBytes: 2 ** 40, mediaType: '' },
  }),
  'history that was not asked for twice': Buffer.concat([
    framed(JSON.stringify({ kind: 'past-end' })),
    framed(
      JSON.stringify({
        kind: 'past',
        author: 'a'.repeat(64),
        name: 'A',
        message: { seq: 1, clock: 1, at: 1, body: { type: 'text', text: 'forged' } },
      }),
    ),
  ]),
  'the same number twice': Buffer.concat([message(7, 'one'), message(7, 'two')]),
  'a list that is too long': framed(JSON.stringify({ kind: 'history', have: Array(101).fill(`${'a'.repeat(64)}:1`) })),
})) {
  test(`a member that sends ${what} is closed, and not taken again`, async () => {
    const { connection, writer } = await enter()
    await writer.write(Buffer.concat([hello, frame])).catch(() => undefined)
    assert.equal(await closeCodeOf(connection), CloseCode.protocol)
    const again = await enter()
    assert.equal(await closeCodeOf(again.connection), CloseCode.full)
    assert(!textsOf(ana.room).includes('two') && !textsOf(ana.room).includes('forged'))
  })
}

test('frames of unknown kinds and unknown members are ignored', async () => {
  const { writer } = await enter()
  await writer.write(Buffer.concat([hello, framed('{"kind":"dance"}'), message(1, 'hello', { colour: 'red' })]))
  await until(() => textsOf(ana.room).includes('hello'), 'the message behind them')
})

test('a message from far in the future does not move the clock of the room', async () => {
  const { writer } = await enter()
  await writer.write(Buffer.concat([hello, message(1, 'late', { clock: Number.MAX_SAFE_INTEGER }), message(2, 'ok')]))
  await until(() => textsOf(ana.room).includes('ok'), 'the message after it')
  assert(!textsOf(ana.room).includes('late'))
  assert(ana.room.say('now').clock < 100)
})

test('a flood is slowed to the pace that is allowed, keeps no memory and delays nobody else', async () => {
  const { writer } = await enter()
  await writer.write(hello)
  let sent = 0
  let over = false
  const flood = async () => {
    while (!over) await writer.write(message(++sent, `flood ${sent} ${long(2_000)}`))
  }
  const flooding = flood().catch(() => undefined)
  await pause(3_000)
  const floods = textsOf(ana.room).filter((text) => text.startsWith('flood'))
  assert(floods.length < 100 + 5 * 20, `${floods.length} came through`)
  const before = Date.now()
  ben.room.say('can you hear me')
  await until(() => textsOf(ana.room).includes('can you hear me'), "Ben's message")
  assert(Date.now() - before < 2_000)
  over = true
  void mallory.close()
  await flooding
})

test('texts and names lose what could deceive a reader', async () => {
  const { writer } = await enter()
  await writer.write(framed(JSON.stringify({ kind: 'hello', name: ' Ma\u0000l\u202elory\n' })))
  await writer.write(message(1, '<b>bold</b>\u0007 \u202egnp.exe'))
  await until(() => textsOf(ana.room).length === 1, 'the message')
  assert.equal(textsOf(ana.room)[0], '<b>bold</b> gnp.exe')
  assert.equal(ana.room.entries[0]?.name, 'Mallory')
})

test('more file requests than allowed are refused, and malformed ones end', async () => {
  const { seq } = ana.room.offer(fileOf('slow.bin', 30_000_000))
  const { connection, writer } = await enter()
  await writer.write(hello)
  const get = framed(JSON.stringify({ kind: 'get', seq }))
  const streams = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const { readable, writable } = await connection.createBidirectionalStream()
      await writable.getWriter().write(get)
      return readable.getReader()
    }),
  )
  const results = await Promise.allSettled(streams.map((reader) => reader.read()))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 4)
  await Promise.all(streams.map((reader) => reader.cancel().catch(() => undefined)))
  await pause(300)
  const { readable, writable } = await connection.createBidirectionalStream()
  await writable.getWriter().write(framed('{"kind":"get","seq":"../../etc/passwd"}'))
  await assert.rejects(readable.getReader().read())
})

test('a member that never reads is closed before it costs much memory', async () => {
  const keys = await deriveKeys(house.link.secret)
  const near = await house.peer()
  const dialled = await near.connect((await mallory.ticket()).toString(), { alpn: CHAT_ALPN })
  const [accepted] = await Promise.all([firstOf(mallory.incoming), dialled.ready])
  let ended: End | undefined
  const handlers: ConversationHandlers = { frame: () => {}, request: () => {}, ended: (_, end) => (ended = end) }
  const [conversation] = await Promise.all([
    Conversation.open(dialled, { keys, self: near.id, handlers }),
    // It proves itself, and is never started.
    Conversation.open(accepted, { keys, self: mallory.id, handlers }),
  ])
  conversation.start()
  let sent = 0
  for (; sent < 10_000 && ended === undefined; sent++) {
    conversation.send({
      kind: 'message',
      message: { seq: sent + 1, clock: 1, at: 1, body: { type: 'text', text: long(4_000) } },
    })
    if (sent % 100 === 0) await pause(1)
  }
  assert.equal(await closeCodeOf(accepted), CloseCode.tooSlow)
  // What was queued at most, and what QUIC's windows hold.
  assert(sent * 4_000 < 32 * 1024 * 1024, `${sent} messages were taken`)
})

const firstOf = async (connections: AsyncIterable<Connection>): Promise<Connection> => {
  for await (const connection of connections) return connection
  throw new Error('no connection')
}
