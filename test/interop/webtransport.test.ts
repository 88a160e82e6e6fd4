import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Peer } from '../../src/entry/node.js'
import type { PeerOptions, WebTransportSession } from '../../src/index.js'

/** A Python with aioquic, an HTTP/3 that shares nothing with this one. */
const python = process.env.ANYPATH_AIOQUIC_PYTHON
const skip =
  python === undefined && (process.env.ANYPATH_AIOQUIC_MISSING ?? 'the stage that installs aioquic did not run')
const CLIENT = 'test/interop/aioquic/client.py'

/** What aioquic saw of a peer that echoes. */
async function seenBy(scenario: string, options: PeerOptions = {}) {
  const peer = await Peer.create({ webTransport: true, udp: { host: '127.0.0.1' }, ...options })
  const sessions: WebTransportSession[] = []
  const serving = (async () => {
    for await (const session of peer.webTransportSessions) {
      sessions.push(session)
      session.closed.catch(() => {})
      void echo(session)
    }
  })()
  try {
    const address = (await peer.ticket()).addresses.find(({ kind }) => kind === 'ip')
    assert.ok(address?.kind === 'ip')
    const { stdout } = await promisify(execFile)(python ?? '', [CLIENT, String(address.port), scenario], {
      cwd: process.env.ANYPATH_ROOT,
      timeout: 60_000,
    })
    return { seen: JSON.parse(stdout), sessions, stats: await peer.stats() }
  } finally {
    await peer.close()
    await serving
  }
}

async function echo(session: WebTransportSession): Promise<void> {
  session.datagrams.readable.pipeTo(session.datagrams.writable).catch(() => {})
  const bidirectional = async () => {
    for await (const { readable, writable } of session.incomingBidirectionalStreams)
      readable.pipeTo(writable).catch(() => {})
  }
  const unidirectional = async () => {
    for await (const readable of session.incomingUnidirectionalStreams)
      readable.pipeTo(await session.createUnidirectionalStream()).catch(() => {})
  }
  await Promise.allSettled([bidirectional(), unidirectional()])
}

test('aioquic opens a session and has everything echoed', { skip }, async () => {
  const { seen, sessions, stats } = await seenBy('use')
  const { settings, ...rest } = seen
  assert.deepEqual(rest, { status: '200', same: true, answered: 'one way', datagram: 'ping' })
  assert.equal(settings['0x8'], 1)
  assert.equal(settings['0x33'], 1)
  const [session] = sessions
  assert.equal(session?.path, '/echo?by=aioquic')
  assert.equal(session?.origin, '')
  assert.deepEqual(await session?.closed, { closeCode: 9, reason: 'bye' })
  assert.equal(stats.webTransportFaults, 0)
})

test('what aioquic asks for besides is answered by a status', { skip }, async () => {
  const session = ({ path }: { path: string }) => path !== '/forbidden'
  const { seen, stats } = await seenBy('others', { accept: { session } })
  const { get: _, ...statuses } = seen
  assert.deepEqual(statuses, { plain: '404', tunnel: '501', forbidden: '403', allowed: '200' })
  assert.deepEqual([stats.webTransportAccepted, stats.webTransportRefused], [1, 1])
})

test('aioquic that breaks a rule is told which', { skip }, async () => {
  const { seen, stats } = await seenBy('misbehave')
  // H3_FRAME_UNEXPECTED.
  assert.deepEqual(seen, { code: 0x105 })
  assert.equal(stats.webTransportFaults, 1)
})
