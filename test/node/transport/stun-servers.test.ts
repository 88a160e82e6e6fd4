import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnypathError } from '../../../src/errors/index.js'
import { stunServers } from '../../../src/transport/stun-servers.node.js'

test('a server is a name or an IP address with a port, as a URI or without', async () => {
  const find = async (name: string) => (name === 'stun.example' ? ['192.0.2.1', '2001:db8::1'] : [])
  const servers = stunServers(
    ['stun:stun.example', 'stun.example:19302', '192.0.2.7:1', '[2001:db8::7]:2', 'STUN:[::1]'],
    find,
  )
  assert.deepEqual(await servers(), [
    { host: '192.0.2.1', port: 3478 },
    { host: '2001:db8::1', port: 3478 },
    { host: '192.0.2.1', port: 19_302 },
    { host: '2001:db8::1', port: 19_302 },
    { host: '192.0.2.7', port: 1 },
    { host: '2001:db8::7', port: 2 },
    { host: '::1', port: 3478 },
  ])
})

test('a name is looked up each time, and keeps its last addresses where it is not found', async () => {
  const answers = [['192.0.2.1'], ['192.0.2.2'], undefined]
  const servers = stunServers(['stun.example:1', 'other.example:1'], async (name) => {
    const answer = name === 'stun.example' ? answers.shift() : undefined
    if (answer === undefined) throw new Error('not found')
    return answer
  })
  for (const host of ['192.0.2.1', '192.0.2.2', '192.0.2.2']) assert.deepEqual(await servers(), [{ host, port: 1 }])
})

test('what is no server is an InvalidConfig that names it', () => {
  const wrong: [unknown, RegExp][] = [
    ['stun.example', /^stunServers: must be an array/],
    [Array.from({ length: 17 }, () => 'a:1'), /^stunServers: must be at most 16$/],
    [['a:1', 7], /^stunServers\[1\]: must be HOST:PORT or stun:HOST:PORT, not number$/],
    [[''], /^stunServers\[0\]: .* not ""$/],
    [['a:0'], /^stunServers\[0\]: /],
    [['a:65536'], /^stunServers\[0\]: /],
    [['turn:a:1'], /^stunServers\[0\]: /],
    [['stun://a:1'], /^stunServers\[0\]: /],
    [['2001:db8::1'], /^stunServers\[0\]: /],
    [['[192.0.2.1]:1'], /^stunServers\[0\]: /],
    [['a b:1'], /^stunServers\[0\]: /],
  ]
  for (const [value, message] of wrong) {
    assert.throws(
      () => stunServers(value),
      (error) => {
        assert.ok(error instanceof AnypathError)
        assert.equal(error.code, 'InvalidConfig')
        assert.match(error.message, message)
        return true
      },
    )
  }
})
