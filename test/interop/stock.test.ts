import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IrohPeer, skipStock, talk } from './stock-peers.js'

test(
  'two stock iroh peers talk over loopback, so a failure of the tests beside this one is ours',
  {
    skip: skipStock,
  },
  () => talk([], 300_000),
)

test('a stock peer that dials the wrong key fails and says so', { skip: skipStock }, async () => {
  const listener = new IrohPeer(['listen', '--alpn', 'anypath-test/1'])
  const wrongId = '8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c'
  try {
    const { addrs = [] } = await listener.report('listening')
    const dialler = new IrohPeer([
      'dial',
      '--alpn',
      'anypath-test/1',
      '--id',
      wrongId,
      ...addrs.flatMap((addr) => ['--addr', addr]),
    ])
    await assert.rejects(dialler.report('checked'), /iroh-peer: can't connect/)
    assert.equal(await dialler.exitCode(), 1)
  } finally {
    await listener[Symbol.asyncDispose]()
  }
})
