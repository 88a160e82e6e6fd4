import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BidirectionalStream, Connection, Peer } from '../../../src/api/index.js'
import {
  AbortedError,
  AlpnNotServedError,
  AnypathError,
  ClosedByPeerError,
  ClosedLocallyError,
  DatagramTooLargeError,
  InvalidArgumentError,
  InvalidTicketError,
  PeerClosedError,
  StreamLimitError,
  StreamResetError,
  StreamStoppedError,
} from '../../../src/errors/index.js'
import { ALPN } from './environments.js'
import { bytes, first, readAll, within } from './reading.js'

/** Two peers: `dialler` serves nothing, `acceptor` serves `test/1` and lets at most 4 streams of each kind be open. */
export interface Pair {
  readonly dialler: Peer
  readonly acceptor: Peer
  /** What the dialler dials. */
  readonly target: Parameters<Peer['connect']>[0]
}

interface Connected extends Pair {
  readonly near: Connection
  readonly far: Connection
}

/** What the API promises, whatever moves the bytes. */
export function connectionScenarios(label: string, start: () => Promise<Pair>): void {
  const scenario = (name: string, run: (connected: Connected) => Promise<void>) =>
    test(name, { timeout: 30_000 }, async () => {
      const pair = await start()
      try {
        const arriving = first(pair.acceptor.incoming)
        const near = await pair.dialler.connect(pair.target, { alpn: ALPN })
        await within(20_000, run({ ...pair, near, far: await arriving }))
      } finally {
        await Promise.all([pair.dialler.close(), pair.acceptor.close()])
      }
    })

  describe(`connections, ${label}`, () => {
    scenario('show who is there and what was negotiated', async ({ near, far, dialler, acceptor }) => {
      await Promise.all([near.ready, far.ready])
      assert.equal(near.remoteId, acceptor.id)
      assert.equal(far.remoteId, dialler.id)
      assert.deepEqual([near.incoming, far.incoming], [false, true])
      assert.deepEqual([near.alpn, far.alpn, near.protocol], [ALPN, ALPN, ALPN])
      assert.equal(near.reliability, 'supports-unreliable')
      assert.equal(near.paths.length, 1)
      const stats = await near.getStats()
      assert.deepEqual(stats.tls, { group: 'X25519MLKEM768', cipher: 'TLS_CHACHA20_POLY1305_SHA256', resumed: false })
      assert.deepEqual(near.tls, stats.tls)
      assert.ok(stats.smoothedRtt > 0)
      assert.equal(near.rttMs, stats.smoothedRtt)
      const asWebTransport: Pick<
        WebTransport,
        'ready' | 'datagrams' | 'createBidirectionalStream' | 'incomingUnidirectionalStreams'
      > = near
      assert.ok(asWebTransport)
    })

    scenario('carry bytes both ways on one stream', async ({ near, far }) => {
      const sent = bytes(200_000)
      const echoing = echo(far)
      const stream = await near.createBidirectionalStream()
      const writer = stream.writable.getWriter()
      const written = writer.write(sent).then(() => writer.close())
      assert.deepEqual(await readAll(stream.readable), sent)
      await Promise.all([written, echoing])
      assert.deepEqual(await stream.readable.getStats(), { bytesRead: sent.length })
      assert.deepEqual(await stream.writable.getStats(), { bytesWritten: sent.length })
    })

    scenario('carry bytes one way, from either side', async ({ near, far }) => {
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        const arriving = first(to.incomingUnidirectionalStreams)
        const stream = await from.createUnidirectionalStream()
        const writer = stream.getWriter()
        await writer.write(bytes(10))
        const ended = writer.close()
        assert.deepEqual(await readAll(await arriving), bytes(10))
        await ended
      }
    })

    scenario('read into a buffer that the reader brought', async ({ near, far }) => {
      const arriving = first(far.incomingUnidirectionalStreams)
      const writer = (await near.createUnidirectionalStream()).getWriter()
      await writer.write(bytes(100))
      const reader = (await arriving).getReader({ mode: 'byob' })
      const { value } = await reader.read(new Uint8Array(7))
      assert.deepEqual(value, bytes(100).subarray(0, 7))
      const rest = await reader.read(new Uint8Array(1000))
      assert.deepEqual(rest.value, bytes(100).subarray(7))
      writer.close().catch(() => {})
      assert.equal((await reader.read(new Uint8Array(1000))).done, true)
    })

    scenario('give a written buffer back: what is done to it later is not sent', async ({ near, far }) => {
      const arriving = first(far.incomingUnidirectionalStreams)
      const writer = (await near.createUnidirectionalStream()).getWriter()
      const buffer = bytes(1000)
      await writer.write(buffer)
      assert.equal(buffer.byteLength, 1000)
      buffer.fill(0)
      const ended = writer.close()
      assert.deepEqual(await readAll(await arriving), bytes(1000))
      await ended
    })

    scenario('take any view of a buffer, and refuse what is no bytes', async ({ near, far }) => {
      const arriving = first(far.incomingUnidirectionalStreams)
      const writer = (await near.createUnidirectionalStream()).getWriter() as WritableStreamDefaultWriter
      await writer.write(new Uint16Array([0x0201, 0x0403]))
      await writer.write(bytes(4).buffer)
      writer.close().catch(() => {})
      assert.deepEqual(await readAll(await arriving), new Uint8Array([1, 2, 3, 4, 0, 1, 2, 3]))
      const other = (await near.createUnidirectionalStream()).getWriter() as WritableStreamDefaultWriter
      await assert.rejects(other.write('text'), InvalidArgumentError)
    })

    scenario('tell the reader the code of an aborted stream', async ({ near, far }) => {
      const arriving = first(far.incomingUnidirectionalStreams)
      const stream = await near.createUnidirectionalStream()
      const writer = stream.getWriter()
      await writer.write(bytes(10))
      const reader = (await arriving).getReader()
      await reader.read()
      const rejection = assert.rejects(
        reader.read(),
        (error) => error instanceof StreamResetError && error.streamErrorCode === 42,
      )
      await writer.abort(Object.assign(new Error('no more'), { streamErrorCode: 42 }))
      await rejection
    })

    scenario('tell the writer the code of a cancelled stream', async ({ near, far }) => {
      const arriving = first(far.incomingUnidirectionalStreams)
      const writer = (await near.createUnidirectionalStream()).getWriter()
      await writer.write(bytes(10))
      await (await arriving).cancel(7)
      await assert.rejects(writer.closed, (error) => error instanceof StreamStoppedError && error.streamErrorCode === 7)
      await assert.rejects(writer.write(bytes(10)), StreamStoppedError)
    })

    scenario('hold back a writer whose reader does not read', async ({ near, far }) => {
      const arriving = first(far.incomingUnidirectionalStreams)
      const writer = (await near.createUnidirectionalStream()).getWriter()
      const chunk = new Uint8Array(64 * 1024)
      let taken = 0
      const writing = (async () => {
        for (let i = 0; i < 64; i++) {
          await writer.write(chunk)
          taken += chunk.length
        }
        await writer.close()
      })()
      await new Promise((resolve) => setTimeout(resolve, 300))
      assert.ok(taken < 64 * chunk.length, `${taken} bytes were taken`)
      assert.ok((writer.desiredSize ?? 0) <= 0)
      assert.equal((await readAll(await arriving)).length, 64 * chunk.length)
      await writing
    })

    scenario('wait for streams, or say that there are none', async ({ near }) => {
      for (let i = 0; i < 4; i++) await near.createUnidirectionalStream({ waitUntilAvailable: false })
      await assert.rejects(near.createUnidirectionalStream({ waitUntilAvailable: false }), StreamLimitError)
      const waiting = near.createUnidirectionalStream()
      near.close()
      await assert.rejects(waiting, ClosedLocallyError)
    })

    scenario('carry datagrams, and say which are too large', async ({ near, far }) => {
      assert.ok(near.datagrams.maxDatagramSize > 1000)
      const reader = far.datagrams.readable.getReader()
      await near.datagrams.send(bytes(50))
      assert.deepEqual((await reader.read()).value, bytes(50))
      await assert.rejects(near.datagrams.send(new Uint8Array(70_000)), DatagramTooLargeError)
      const writer = near.datagrams.writable.getWriter()
      await writer.write(new Uint8Array(70_000))
      await writer.write(bytes(60))
      assert.deepEqual((await reader.read()).value, bytes(60))
      assert.equal(near.datagrams.drops.outgoingTooLarge, 1)
      assert.equal((await near.getStats()).datagrams.tooLargeOutgoing, 1)
    })

    scenario('drop the oldest datagrams of a slow reader, and count them', async ({ near, far }) => {
      const reader = far.datagrams.readable.getReader()
      far.datagrams.incomingHighWaterMark = 2
      for (let i = 1; i <= 5; i++) await near.datagrams.send(new Uint8Array([i]))
      await until(() => far.datagrams.drops.incomingFull === 3)
      assert.deepEqual([(await reader.read()).value?.[0], (await reader.read()).value?.[0]], [4, 5])
    })

    scenario('close with a code and a reason that both sides learn', async ({ near, far }) => {
      const stream = await near.createBidirectionalStream()
      const read = assert.rejects(stream.readable.getReader().read(), ClosedLocallyError)
      const events: unknown[] = []
      far.on('close', (event) => events.push(event))
      near.close({ closeCode: 77, reason: 'enough' })
      near.close()
      const info = { closeCode: 77, reason: 'enough' }
      assert.deepEqual(await Promise.all([near.closed, far.closed]), [info, info])
      assert.deepEqual(events, [{ ...info, by: 'remote' }])
      await read
      await assert.rejects(stream.writable.getWriter().write(bytes(1)), ClosedLocallyError)
      await assert.rejects(near.createBidirectionalStream(), ClosedLocallyError)
      await assert.rejects(far.createBidirectionalStream(), ClosedByPeerError)
      await assert.rejects(far.getStats(), (error) => error instanceof AnypathError && error.closeCode === 77)
      await Promise.all([near.draining, far.draining])
      assert.deepEqual([near.state, far.state], ['closed', 'closed'])
      assert.equal((await far.datagrams.readable.getReader().read()).done, true)
    })

    scenario('refuse a close code that does not fit', async ({ near }) => {
      assert.throws(() => near.close({ closeCode: -1 }), InvalidArgumentError)
      assert.throws(() => near.close({ closeCode: 2 ** 32 }), InvalidArgumentError)
    })

    scenario(
      'come back through the session, with the addresses of before',
      async ({ near, far, dialler, acceptor }) => {
        const session = dialler.session(acceptor.id)
        const seen: string[] = []
        session.on('state', ({ to }) => seen.push(to))
        assert.equal(session.connection, near)
        assert.equal(await session.connect(), near)
        far.close()
        await near.closed
        assert.equal(session.connection, undefined)
        const arriving = first(acceptor.incoming)
        const again = await session.connect()
        assert.notEqual(again, near)
        assert.equal(session.connection, again)
        assert.equal((await arriving).remoteId, dialler.id)
        assert.ok(seen.includes('connecting'), `saw ${seen}`)
        assert.equal(dialler.session(acceptor.id), session)
      },
    )

    scenario('go on when a listener throws', async ({ near, far }) => {
      const called: string[] = []
      far.on('close', () => {
        called.push('throws')
        throw new Error('a listener of the application')
      })
      far.on('close', async () => {
        called.push('rejects')
        throw new Error('an async listener of the application')
      })
      const removed = () => called.push('removed')
      far.on('close', removed)
      far.off('close', removed)
      far.on('close', () => called.push('works'))
      near.close()
      await far.closed
      assert.deepEqual(called, ['throws', 'rejects', 'works'])
    })

    scenario('are dialled in vain when nobody serves the protocol', async ({ dialler, target }) => {
      await assert.rejects(dialler.connect(target, { alpn: 'nobody/1' }), AlpnNotServedError)
    })

    scenario('are not dialled with what can not be an argument', async ({ dialler, target }) => {
      await assert.rejects(dialler.connect(target, { alpn: '' }), InvalidArgumentError)
      await assert.rejects(dialler.connect(target, { alpn: 'h3' }), InvalidArgumentError)
      await assert.rejects(dialler.connect(target, { alpn: 'anypath/1' }), InvalidArgumentError)
      await assert.rejects(dialler.connect(target, { alpn: ALPN, timeoutMs: 0 }), InvalidArgumentError)
      const id = '11'.repeat(32)
      const wrong = [
        { addresses: [{ kind: 'relay', url: 'https://relay.example/' }] },
        { addresses: [null] },
        { relays: [7] },
      ]
      for (const target of wrong as object[])
        await assert.rejects(dialler.connect({ id, ...target }, { alpn: ALPN }), InvalidArgumentError)
      await assert.rejects(dialler.connect('no ticket at all', { alpn: ALPN }), InvalidTicketError)
    })

    scenario('give up dialling when the signal fires, before or during', async ({ dialler, target }) => {
      const reason = new Error('changed my mind')
      const rejected = (error: unknown) =>
        error instanceof AbortedError && (error.cause as Error).message === 'changed my mind'
      await assert.rejects(dialler.connect(target, { alpn: ALPN, signal: AbortSignal.abort(reason) }), rejected)
      const controller = new AbortController()
      const dialling = dialler.connect(target, { alpn: ALPN, signal: controller.signal })
      controller.abort(reason)
      await assert.rejects(dialling, rejected)
    })

    scenario('end with their peer, and so does everything that waits', async ({ near, far, dialler, acceptor }) => {
      const iterator = acceptor.incoming[Symbol.asyncIterator]()
      const waiting = iterator.next()
      const stream = await near.createBidirectionalStream()
      const reading = assert.rejects(stream.readable.getReader().read(), AnypathError)
      const closed = new Promise((resolve) => acceptor.on('close', resolve))
      await acceptor.close({ closeCode: 3, reason: 'going home' })
      await acceptor.close()
      assert.deepEqual(await near.closed, { closeCode: 3, reason: 'going home' })
      await far.closed
      assert.equal((await waiting).done, true)
      await reading
      assert.deepEqual(await closed, {})
      await assert.rejects(acceptor.connect(dialler.id, { alpn: ALPN }), PeerClosedError)
      await assert.rejects(acceptor.ticket(), PeerClosedError)
      await assert.rejects(acceptor.stats(), PeerClosedError)
      assert.throws(() => acceptor.networkChanged(), PeerClosedError)
    })

    scenario('are counted', async ({ dialler, acceptor }) => {
      assert.equal((await dialler.stats()).connections, 1)
      assert.equal((await acceptor.stats()).connections, 1)
    })
  })
}

async function echo(connection: Connection): Promise<void> {
  const stream: BidirectionalStream = await first(connection.incomingBidirectionalStreams)
  await stream.readable.pipeTo(stream.writable)
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
