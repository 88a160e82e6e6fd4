import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { sha256 } from '../../../src/cli/transfer/hash.js'
import { encode, FrameType, transferAlpn, writeHeader } from '../../../src/cli/transfer/protocol.js'
import { formatTransferTicket } from '../../../src/cli/transfer/ticket.js'
import { type Connection, Peer } from '../../../src/entry/node.js'
import { loopback, Workbench } from './command.js'

const bench = await Workbench.open()
const secret = randomBytes(32)

/** `asked` resolves when the receiver has sent its first request. */
type Answer = (write: (bytes: Uint8Array) => Promise<void>, asked: Promise<void>) => Promise<void>

const helloBytes = encode.hello(secret).length

const firstRequest = async (readable: ReadableStream<Uint8Array>): Promise<void> => {
  const reader = readable.getReader()
  for (let seen = 0; seen <= helloBytes; ) {
    const { done, value } = await reader.read()
    if (done) throw new Error('the receiver went away')
    seen += value.length
  }
}

const saying =
  (...frames: Uint8Array[]): Answer =>
  async (write) => {
    for (const frame of frames) await write(frame)
  }

/** A sender that says whatever it likes; its ticket. */
const hostileSender = async (answer: Answer): Promise<string> => {
  const peer = await Peer.create({ alpns: [transferAlpn], udp: { host: '127.0.0.1' } })
  after(() => peer.close())
  const serve = async (connection: Connection): Promise<void> => {
    connection.closed.catch(() => undefined)
    for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
      const writer = writable.getWriter()
      writer.closed.catch(() => undefined)
      const asked = firstRequest(readable)
      asked.catch(() => undefined)
      await answer((bytes) => writer.write(bytes), asked)
    }
  }
  void (async () => {
    for await (const connection of peer.incoming) serve(connection).catch(() => undefined)
  })()
  return formatTransferTicket({ secret, endpoint: (await peer.ticket()).toString() })
}

const file = (path: string, size = 4) => encode.entry({ kind: 'file', path, size, executable: false })
const data = (text: string): Uint8Array => {
  const bytes = new Uint8Array(5 + text.length)
  writeHeader(bytes, FrameType.data, text.length)
  bytes.set(Buffer.from(text), 5)
  return bytes
}

const offering = (...entries: Uint8Array[]) =>
  hostileSender(async (write, asked) => {
    await write(encode.welcome())
    for (const entry of entries) await write(entry)
    await write(encode.listed(entries.length, 4 * entries.length))
    await asked
    await write(encode.file(0, 0))
    await write(data('evil'))
    await write(encode.fileEnd(sha256().update('evil').digest()))
  })

const refuses = async (ticket: string, message: RegExp): Promise<void> => {
  const target = bench.path(`target-${randomBytes(4).toString('hex')}`, 'inside')
  const run = await bench.run(9, ['receive', '--json', '--to', target, ticket])
  assert.match(run.event('error')?.message, message)
  assert.deepEqual(await readdir(target), [])
  assert.deepEqual(await readdir(bench.path(target.split('/').at(-2) ?? '')), ['inside'])
}

test('a list with a path that leaves the folder is refused with exit code 9, and nothing is written', async () => {
  await refuses(await offering(file('../evil')), /contains "\.\."/)
  await refuses(await offering(file(bench.path('absolute'))), /is absolute/)
  await refuses(await offering(file('a\\..\\..\\evil')), /backslash/)
  await refuses(await offering(file('con.txt')), /reserved name on Windows/)
  await refuses(await offering(file('a\0b')), /NUL/)
  await refuses(await offering(file('x'.repeat(300))), /longer than 255 bytes/)
  await refuses(await offering(file('same'), file('same')), /listed twice/)
  await refuses(await offering(file('Same'), file('same')), /only in case/)
  await refuses(await offering(file('a'), file('a/b')), /both a file and a folder/)
  assert.deepEqual(
    (await readdir(bench.root)).filter((name) => !name.startsWith('target-')),
    [],
  )
})

test('a path through a symbolic link in the target folder is refused, and the link is not followed', async () => {
  const [target, outside] = [bench.path('linked'), bench.path('outside')]
  await mkdir(target)
  await mkdir(outside)
  await symlink(outside, bench.path('linked', 'way-out'))
  const run = await bench.run(9, ['receive', '--json', '--to', target, await offering(file('way-out/evil'))])
  assert.match(run.event('error')?.message, /way-out: is a symbolic link/)
  assert.deepEqual(await readdir(outside), [])
})

test('content that is not what its hash says never gets its name, with exit code 7', async () => {
  const ticket = await hostileSender(async (write, asked) => {
    await write(encode.welcome())
    await write(file('lie.txt'))
    await write(encode.listed(1, 4))
    await asked
    await write(encode.file(0, 0))
    await write(data('evil'))
    await write(encode.fileEnd(sha256().update('good').digest()))
  })
  const target = bench.path('corrupt')
  // This sender does not even end its stream: that is waited for, but not long.
  const run = await bench.run(7, ['receive', '--json', '--to', target, ticket])
  assert.equal(run.event('file')?.outcome, 'corrupt')
  assert.equal(run.event('error')?.code, 'Incomplete')
  assert.deepEqual(await readdir(target), [])
})

test('a sender that breaks the protocol is exit code 9', async () => {
  const cases: [Answer, RegExp][] = [
    [saying(encode.file(0, 0)), /did not begin with WELCOME/],
    [saying(Uint8Array.from([16, 0, 0, 0, 1, 99])), /protocol version 99 is not known/],
    [saying(Uint8Array.from([16, 255, 255, 255, 255])), /too large/],
    [saying(encode.welcome(), encode.listed(7, 0)), /does not agree with the list/],
    [saying(encode.welcome(), Uint8Array.from([200, 0, 0, 0, 0])), /within the list/],
  ]
  for (const [answer, message] of cases) {
    const ticket = await hostileSender(answer)
    const run = await bench.run(9, ['receive', '--json', '--to', bench.path('broken'), ticket])
    assert.match(run.event('error')?.message, message)
  }
  for (const [extra, message] of [
    [data('more than was listed'), /longer than its list entry/],
    [encode.fileEnd(new Uint8Array(32)), /shorter than listed/],
    [encode.same(0), /out of turn/],
  ] as const) {
    const ticket = await hostileSender(async (write, asked) => {
      await write(encode.welcome())
      await write(file('one'))
      await write(encode.listed(1, 4))
      await asked
      await write(encode.file(0, 0))
      await write(extra)
    })
    const run = await bench.run(9, ['receive', '--json', '--to', bench.path('broken'), ticket])
    assert.match(run.event('error')?.message, message)
  }
})

test('a receiver that breaks the protocol is sent away, and the sender serves others', async () => {
  await writeFile(bench.path('served.txt'), 'served')
  const sender = bench.start(['send', '--json', ...loopback, bench.path('served.txt')])
  const { ticket, id, port } = await sender.untilEvent('ticket')
  const peer = await Peer.create({ udp: { host: '127.0.0.1' } })
  for (const noise of [randomBytes(100), Buffer.from('GET / HTTP/1.1\r\n\r\n'), encode.hello(new Uint8Array(5))]) {
    const connection = await peer.connect({ id, addresses: [{ host: '127.0.0.1', port }] }, { alpn: transferAlpn })
    const { writable } = await connection.createBidirectionalStream()
    const writer = writable.getWriter()
    writer.closed.catch(() => undefined)
    await writer.write(noise)
    const { closeCode } = await connection.closed
    assert.equal(closeCode, 2)
  }
  await peer.close()
  await bench.run(0, ['receive', '--to', bench.path('served'), ticket])
  assert.equal(await readFile(bench.path('served/served.txt'), 'utf8'), 'served')
  assert.deepEqual(await sender.kill('SIGINT'), { code: 130, signal: null })
})
