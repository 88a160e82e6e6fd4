import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { connectedTo, fileOf, memorySink, pause, RoomHouse, textsOf, until } from './rooms.js'

let house: RoomHouse
beforeEach(async () => {
  house = await RoomHouse.open()
})
afterEach(() => house.close())

const never = new AbortController().signal

test('three members find each other, see names, paths and round-trip times, and read each message once and in one order', async () => {
  const [ana, ben, cleo] = await house.members('Ana', 'Ben', 'Cleo')
  assert(ana && ben && cleo)
  assert.deepEqual(connectedTo(ana.room), ['Ben', 'Cleo'])
  assert.equal(ana.room.members[0]?.path?.kind, 'udp')
  await until(() => (ana.room.members[0]?.path?.rttMs ?? 0) > 0, 'a round-trip time')
  for (let i = 0; i < 10; i++) {
    ana.room.say(`ana ${i}`)
    ben.room.say(`ben ${i}`)
    cleo.room.say(`cleo ${i}`)
  }
  const all = [ana, ben, cleo]
  await until(() => all.every(({ room }) => room.entries.length === 30), 'all messages everywhere')
  assert.deepEqual(textsOf(ben.room), textsOf(ana.room))
  assert.deepEqual(textsOf(cleo.room), textsOf(ana.room))
  assert.equal(new Set(textsOf(ana.room)).size, 30)
})

test('a pair that both dial keeps one connection', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  const live = () => [ana.peer.session(ben.peer.id), ben.peer.session(ana.peer.id)].map((s) => s.connections.length)
  await until(() => live().every((count) => count === 1), 'one connection on either side')
  await pause(1_000)
  assert.deepEqual(live(), [1, 1])
  assert.deepEqual(connectedTo(ana.room), ['Ben'])
})

test('a newcomer gets the last 100 messages from a member, and the room lives while one member does', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  for (let i = 0; i < 120; i++) ana.room.say(`message ${i}`)
  await until(() => ben.room.entries.length === 120, 'all messages at Ben')
  await ana.room.leave()
  const cleo = await house.join('Cleo')
  await until(() => cleo.room.entries.length === 100, 'the history')
  assert.equal(textsOf(cleo.room)[0], 'message 20')
  assert.equal(textsOf(cleo.room)[99], 'message 119')
  const [first] = cleo.room.entries
  assert.equal(first?.name, 'Ana')
  assert.equal(first?.direct, false, 'Ben told it')
})

test('typing is seen and ends with the message, and a new name is seen', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  const anaAtBen = () => ben.room.members[0]
  ana.room.typing(true)
  await until(() => anaAtBen()?.typing === true, 'typing')
  ana.room.say('there')
  await until(() => anaAtBen()?.typing === false, 'no typing')
  ana.room.rename('  Anabel\u202e  Lee ')
  await until(() => anaAtBen()?.name === 'Anabel Lee', 'the new name')
})

test('a member that leaves is shown as left at once', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  await ana.room.leave()
  await until(() => ben.room.members[0]?.state === 'left', 'left')
})

test('what was said just before leaving arrives', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  for (let i = 0; i < 20; i++) ana.room.say(`last words ${i}`)
  await ana.room.leave()
  await ana.peer.close()
  await until(() => textsOf(ben.room).includes('last words 19'), 'the last words')
  await until(() => ben.room.members[0]?.state === 'left', 'left')
})

test('a member that comes again with the same key is heard again', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  ana.room.say('the first time')
  await ana.room.leave()
  await until(() => ben.room.members[0]?.state === 'left', 'left')
  await ana.peer.close()
  const again = await house.join('Ana', {}, ana.secretKey)
  await until(() => connectedTo(ben.room).length === 1, 'here again')
  again.room.say('the second time')
  await until(() => textsOf(ben.room).includes('the second time'), 'the message')
  assert(textsOf(ben.room).includes('the first time'))
})

test('a member that dies is looked for, then called lost, and the others talk on', async () => {
  const [ana, ben, cleo] = await house.members('Ana', 'Ben', 'Cleo')
  assert(ana && ben && cleo)
  // Any other code than that of leaving is a loss.
  await ana.peer.close({ closeCode: 99 })
  await until(() => ben.room.members[0]?.state === 'reconnecting', 'reconnecting')
  ben.room.say('where is she')
  await until(() => textsOf(cleo.room).includes('where is she'), 'the message')
  await until(() => ben.room.members[0]?.state === 'lost', 'lost')
})

test('a connection that breaks is dialled again, and what was said meanwhile arrives', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  const [broken] = ana.peer.session(ben.peer.id).connections
  broken?.close({ closeCode: 99 })
  ana.room.say('into the gap')
  await until(() => ben.events.some((e) => e.type === 'presence' && e.member.state === 'reconnecting'), 'the loss')
  await until(() => connectedTo(ben.room).length === 1, 'connected again')
  await until(() => textsOf(ben.room).includes('into the gap'), 'the message of the gap')
  ben.room.say('back')
  await until(() => textsOf(ana.room).includes('back'), 'the answer')
  assert.equal(ben.room.entries[0]?.direct, true, 'its author told it')
})

test('a file arrives whole, with progress at both ends', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  const file = fileOf('../../holiday: photo.png', 3_000_000)
  const { key } = ana.room.offer(file)
  await until(() => ben.room.entries.length === 1, 'the offer')
  assert.equal(textsOf(ben.room)[0], '[holiday_ photo.png]')
  assert.equal(ana.room.entries[0]?.key, key)
  const sink = memorySink()
  const seen: number[] = []
  await ben.room.fetch(key, sink, { signal: never, onProgress: (bytes) => seen.push(bytes) })
  assert.deepEqual(sink.bytes, file.bytes)
  assert.equal(seen.at(-1), 3_000_000)
  assert(seen.length > 3)
  await until(() => ana.events.some((e) => e.type === 'upload' && e.upload.state === 'done'), 'done at the sender')
})

test('a file that was changed under way is not accepted, and one that is gone says so', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  const file = fileOf('a.bin', 100_000)
  const shorter = { ...file, open: () => fileOf('a.bin', 50_000).open() }
  const { key } = ana.room.offer(shorter)
  await until(() => ben.room.entries.length === 1, 'the offer')
  await assert.rejects(ben.room.fetch(key, memorySink(), { signal: never }), { code: 'FileLost' })
  ana.room.withdraw(key)
  await assert.rejects(ben.room.fetch(key, memorySink(), { signal: never }), { code: 'FileGone' })
  await ana.room.leave()
  await until(() => ben.room.members[0]?.state === 'left', 'left')
  await assert.rejects(ben.room.fetch(key, memorySink(), { signal: never }), { code: 'FileGone' })
})

test('the receiver cancels a file, and the sender is told', async () => {
  const [ana, ben] = await house.members('Ana', 'Ben')
  assert(ana && ben)
  const { key } = ana.room.offer(fileOf('large.bin', 20_000_000))
  await until(() => ben.room.entries.length === 1, 'the offer')
  const cancel = new AbortController()
  const fetching = ben.room.fetch(key, memorySink(), {
    signal: cancel.signal,
    onProgress: (bytes) => bytes > 1_000_000 && cancel.abort(new Error('enough')),
  })
  await assert.rejects(fetching, { message: 'enough' })
  await until(() => ana.events.some((e) => e.type === 'upload' && e.upload.state === 'failed'), 'told')
  ana.room.say('still here')
  await until(() => textsOf(ben.room).includes('still here'), 'the room goes on')
})
