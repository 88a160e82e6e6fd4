import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Peer, UnreachableError, WrongKeyError } from '../../src/entry/node.js'
import { echoAll, exchange } from './exchange.js'
import { IrohPeer, skipStock } from './stock-peers.js'

const ALPN = 'anypath-test/1'
const BYTES = 300_000
const loopback = { udp: { host: '127.0.0.1' } }

for (const how of ['by ticket', 'by address'] as const) {
  test(`we dial stock iroh ${how}: streams and datagrams both ways, each checks the other's key`, {
    skip: skipStock,
  }, async () => {
    const listener = new IrohPeer(['listen', '--alpn', ALPN])
    const peer = await Peer.create(loopback)
    try {
      const { ticket = '', id = '', addrs = [] } = await listener.report('listening')
      const [host = '', port = ''] = addrs[0]?.split(':') ?? []
      const target = how === 'by ticket' ? ticket : { id, addresses: [{ host, port: Number(port) }] }
      const connection = await peer.connect(target, { alpn: ALPN })
      assert.equal(connection.remoteId, id)
      const accepted = await listener.report('connection')
      assert.equal(accepted.remote_id, peer.id)
      assert.equal(accepted.alpn, ALPN)

      await exchange(connection, BYTES)

      // A stock peer has no post-quantum group, and answers without a HelloRetryRequest.
      const { tls } = await connection.getStats()
      assert.deepEqual(tls, { group: 'X25519', cipher: 'TLS_CHACHA20_POLY1305_SHA256', resumed: false })
      connection.close({ closeCode: 7, reason: 'enough' })
      assert.equal((await listener.report('closed')).bi_streams, 1)
    } finally {
      await peer.close()
      await listener[Symbol.asyncDispose]()
    }
  })

  test(`stock iroh dials us ${how}: streams and datagrams both ways, each checks the other's key`, {
    skip: skipStock,
  }, async () => {
    const peer = await Peer.create({ ...loopback, alpns: [ALPN] })
    try {
      const ticket = await peer.ticket()
      const address = ticket.addresses.find(({ kind }) => kind === 'ip')
      assert.ok(address?.kind === 'ip')
      const target =
        how === 'by ticket'
          ? ['--ticket', String(ticket)]
          : ['--id', peer.id, '--addr', `${address.host}:${address.port}`]
      const incoming = echoAll(peer)
      const dialler = new IrohPeer(['dial', '--alpn', ALPN, '--bytes', String(BYTES), ...target])
      const checked = await dialler.report('checked')
      const connection = await incoming
      assert.equal(checked.remote_id, peer.id)
      assert.equal(checked.datagrams_echoed, 10)
      assert.match(connection.remoteId, /^[0-9a-f]{64}$/)
      assert.equal(connection.alpn, ALPN)
      assert.equal(connection.tls?.group, 'X25519')
      assert.equal(connection.tls.cipher, 'TLS_CHACHA20_POLY1305_SHA256')
      assert.equal(await dialler.exitCode(), 0)
    } finally {
      await peer.close()
    }
  })
}

test('another key at a stock peer’s address is told from silence there', { skip: skipStock }, async () => {
  const listener = new IrohPeer(['listen', '--alpn', ALPN])
  const peer = await Peer.create({ ...loopback, limits: { handshakeTimeoutMs: 1000 } })
  try {
    const { addrs = [] } = await listener.report('listening')
    const [host = '', port = ''] = addrs[0]?.split(':') ?? []
    const addresses = [{ host, port: Number(port) }]
    await assert.rejects(peer.connect({ id: peer.id, addresses }, { alpn: ALPN }), WrongKeyError)
    await listener[Symbol.asyncDispose]()
    await assert.rejects(peer.connect({ id: peer.id, addresses }, { alpn: ALPN }), UnreachableError)
  } finally {
    await peer.close()
    await listener[Symbol.asyncDispose]()
  }
})

test('stock iroh that expects another key at our address gives up, and we go on', { skip: skipStock }, async () => {
  const peer = await Peer.create({ ...loopback, alpns: [ALPN] })
  const other = await Peer.create(loopback)
  try {
    const address = (await peer.ticket()).addresses.find(({ kind }) => kind === 'ip')
    assert.ok(address?.kind === 'ip')
    const addr = `${address.host}:${address.port}`
    const mistaken = new IrohPeer(['dial', '--alpn', ALPN, '--id', other.id, '--addr', addr])
    await assert.rejects(mistaken.report('checked'), /iroh-peer/)
    void echoAll(peer)
    const right = new IrohPeer(['dial', '--alpn', ALPN, '--id', peer.id, '--addr', addr])
    assert.equal((await right.report('checked')).remote_id, peer.id)
  } finally {
    await Promise.all([peer.close(), other.close()])
  }
})
