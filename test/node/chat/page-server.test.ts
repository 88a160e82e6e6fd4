import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { createPageServer, rendezvousModule } from './rooms.js'

const { RendezvousStore, RequestRate } = rendezvousModule

const blob = (letter: string): string => letter.repeat(1366)
const slot = (n: number): string => n.toString(16).padStart(32, '0')
const tag = (n: number): string => n.toString(16).padStart(32, 'a')
interface Store {
  exchange(request: object): { blobs?: string[]; error?: string; status?: number }
}
const put = (store: Store, room: number, member: number, more: object = {}) =>
  store.exchange({ tag: tag(room), slot: slot(member), blob: 'AAAA', address: '10.0.0.1', ...more })

test('members see the others of their room, not their own, and no other room', () => {
  const store = new RendezvousStore()
  assert.deepEqual(put(store, 1, 1, { blob: 'one' }), { blobs: [] })
  assert.deepEqual(put(store, 1, 2, { blob: 'two' }), { blobs: ['one'] })
  assert.deepEqual(put(store, 2, 3, { blob: 'three' }), { blobs: [] })
  assert.deepEqual(put(store, 1, 1, { blob: 'new' }), { blobs: ['two'] })
  assert.deepEqual(put(store, 1, 2, { blob: null }), { blobs: ['new'] })
  assert.deepEqual(put(store, 1, 1), { blobs: [] })
})

test('announcements expire, and rooms with them', () => {
  let now = 0
  const store = new RendezvousStore({ ttlMs: 1000, now: () => now })
  put(store, 1, 1)
  put(store, 2, 1)
  now = 999
  assert.equal(store.rooms, 2)
  now = 1000
  assert.deepEqual(put(store, 1, 2), { blobs: [] })
  store.sweep()
  assert.equal(store.rooms, 1)
})

test('rooms, members of a room and members of an address are bounded, and leaving makes place', () => {
  const store = new RendezvousStore({ maxRooms: 3, maxBlobsPerRoom: 2, maxSlotsPerAddress: 4 })
  put(store, 1, 1)
  put(store, 1, 2)
  assert.equal(put(store, 1, 3).status, 409)
  assert.deepEqual(put(store, 1, 2), { blobs: ['AAAA'] }, 'a member may renew')
  put(store, 2, 1)
  put(store, 3, 1)
  assert.equal(put(store, 3, 2).status, 429)
  assert.equal(put(store, 4, 1, { address: '10.0.0.2' }).status, 503)
  put(store, 2, 1, { blob: null })
  assert.deepEqual(put(store, 4, 1, { address: '10.0.0.2' }), { blobs: [] })
})

test('an address that asks too often waits, others do not, and addresses are forgotten', () => {
  let now = 0
  const rate = new RequestRate({ perSecond: 1, burst: 3, maxAddresses: 2, now: () => now })
  assert.deepEqual(
    [1, 2, 3, 4].map(() => rate.take('a')),
    [true, true, true, false],
  )
  assert.equal(rate.take('b'), true)
  now = 1000
  assert.deepEqual(
    [1, 2].map(() => rate.take('a')),
    [true, false],
  )
  rate.take('c')
  assert.equal(rate.addresses, 2)
})

const server = createPageServer({
  assets: new Map([['/index.html', { type: 'text/html', body: '<p>page</p>' }]]),
  relay: (host: string) => `http://${host}:3340/`,
  opener: { path: '/open/abc', target: '/#room=secret' },
})
let url = ''
before(async () => {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => server.close())

const post = (path: string, body: unknown, type = 'application/json') =>
  fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': type } })

test('the page comes with a strict policy that names the relay and nothing else', async () => {
  const response = await fetch(url)
  assert.equal(await response.text(), '<p>page</p>')
  const policy = response.headers.get('content-security-policy') ?? ''
  assert.match(
    policy,
    /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:;/,
  )
  assert.match(policy, /connect-src 'self' ws:\/\/127\.0\.0\.1:3340 http:\/\/127\.0\.0\.1:3340;/)
  assert.equal(response.headers.get('referrer-policy'), 'no-referrer')
  assert.deepEqual(await (await fetch(`${url}/config.json`)).json(), { relay: 'http://127.0.0.1:3340/' })
})

test('announcements of the length that members use are taken, and what is malformed is refused', async () => {
  const path = `/rendezvous/${tag(1)}`
  const good = await post(path, { slot: slot(1), blob: blob('A') })
  assert.deepEqual([good.status, await good.json()], [200, { blobs: [] }])
  for (const [body, status] of [
    [{ slot: slot(1) }, 400],
    [{ slot: 'x', blob: null }, 400],
    [{ slot: slot(1), blob: '<script>' }, 400],
    [{ slot: slot(1), blob: 'A'.repeat(1401) }, 400],
    [null, 400],
    [{ slot: slot(1), blob: 'A'.repeat(10_000) }, 413],
  ] as const) {
    assert.equal((await post(path, body)).status, status, JSON.stringify(body)?.slice(0, 60))
  }
  assert.equal((await post(path, {}, 'text/plain')).status, 405)
  assert.equal((await fetch(`${url}${path}`)).status, 405)
  assert.equal((await post('/', {})).status, 405)
  for (const other of ['/../package.json', '/%2e%2e/package.json', '/rendezvous/short', '/nothing']) {
    assert.equal((await fetch(`${url}${other}`)).status, 404, other)
  }
})

test('the address that opens the browser leads to the room once', async () => {
  const first = await fetch(`${url}/open/abc`, { redirect: 'manual' })
  assert.deepEqual([first.status, first.headers.get('location')], [302, '/#room=secret'])
  assert.equal((await fetch(`${url}/open/abc`, { redirect: 'manual' })).status, 404)
})

test('a host that could change the policy is refused', async () => {
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.end("GET / HTTP/1.1\r\nHost: evil.example;script-src 'unsafe-inline'\r\n\r\n")
  let answer = ''
  for await (const chunk of socket) answer += chunk
  assert.match(answer, /^HTTP\/1\.1 400 /)
})

test('an address that floods is answered 429', async () => {
  const statuses = new Set<number>()
  for (let i = 0; i < 200; i++)
    statuses.add((await post(`/rendezvous/${tag(9)}`, { slot: slot(1), blob: null })).status)
  assert(statuses.has(429))
})
