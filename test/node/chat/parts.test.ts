import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { openAnnouncement, sealAnnouncement } from '../../../src/cli/chat/announcement.js'
import { fromBase64Url, toBase64Url } from '../../../src/cli/chat/encoding.js'
import { encodeFrame, type Message, parseFrame } from '../../../src/cli/chat/frames.js'
import { deriveKeys } from '../../../src/cli/chat/keys.js'
import { MAX_CLOCK_STEP, TIMELINE_LENGTH } from '../../../src/cli/chat/limits.js'
import { formatLink, LinkError, newSecret, parseLink } from '../../../src/cli/chat/link.js'
import { cleanFileName, cleanName, cleanText } from '../../../src/cli/chat/text.js'
import { Timeline } from '../../../src/cli/chat/timeline.js'
import { ProtocolError } from '../../../src/cli/transfer/protocol.js'

const page = 'http://127.0.0.1:4000/'
const relay = 'http://127.0.0.1:3340/'

test('a link keeps relay and secret behind the #, and reads back', () => {
  const link = { page, relay, secret: newSecret() }
  const text = formatLink(link)
  assert.match(text, /^http:\/\/127\.0\.0\.1:4000\/#relay=http%3A%2F%2F127\.0\.0\.1%3A3340%2F&room=[\w-]{32}$/)
  assert.deepEqual(parseLink(text), link)
  assert.deepEqual(parseLink(`  ${formatLink({ ...link, relay: undefined })}\n`), { ...link, relay: undefined })
})

test('a link that is cut off, changed or of another kind says what is wrong', () => {
  const good = formatLink({ page, relay, secret: newSecret() })
  for (const [text, reason] of [
    ['hello', /begins with http/],
    ['javascript:alert(1)#room=x', /begins with http/],
    [page, /has no room/],
    [good.slice(0, -1), /cut off/],
    [`${good}A`, /cut off/],
    [good.replace('room=', 'room=!'), /cut off/],
    [good.replace('relay=http', 'relay=ftp'), /the relay in the link/],
    ['http://me:secret@127.0.0.1/#room=x', /password/],
  ] as const) {
    assert.throws(
      () => parseLink(text),
      (error) => error instanceof LinkError && reason.test(error.message),
      text,
    )
  }
})

test('base64url reads back, and no two texts mean the same bytes', () => {
  for (let length = 0; length < 40; length++) {
    const bytes = new Uint8Array(randomBytes(length))
    assert.deepEqual(fromBase64Url(toBase64Url(bytes)), bytes)
  }
  for (const text of ['A', 'AB', 'AA==', 'A+', 'é']) assert.equal(fromBase64Url(text), undefined, text)
})

test('the tag is the same for all who know the secret and tells nothing of it', async () => {
  const secret = newSecret()
  const { tag } = await deriveKeys(secret)
  assert.match(tag, /^[0-9a-f]{32}$/)
  assert.equal((await deriveKeys(secret)).tag, tag)
  assert.notEqual((await deriveKeys(newSecret())).tag, tag)
  assert.notEqual(createHash('sha256').update(secret).digest('hex').slice(0, 32), tag)
})

test('announcements have one length, differ each time, and open only with the key of their room', async () => {
  const keys = await deriveKeys(newSecret())
  const announcement = { id: 'a'.repeat(64), ticket: 'anypath…' }
  const sealed = await sealAnnouncement(keys, announcement)
  const again = await sealAnnouncement(keys, { ...announcement, ticket: 'x'.repeat(500) })
  assert.equal(sealed.length, again.length)
  assert.deepEqual(await openAnnouncement(keys, sealed), announcement)
  assert.equal(await openAnnouncement(await deriveKeys(newSecret()), sealed), undefined)
  assert.equal(await openAnnouncement(keys, sealed.slice(1)), undefined)
  for (const at of [0, 11, 12, 500, sealed.length - 1]) {
    const changed = Uint8Array.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.equal(await openAnnouncement(keys, changed), undefined)
  }
  await assert.rejects(sealAnnouncement(keys, { ...announcement, ticket: 'x'.repeat(1_100) }), RangeError)
})

const message = (seq: number, clock: number): Message => ({ seq, clock, at: 0, body: { type: 'text', text: `${seq}` } })
const [a, b] = ['a'.repeat(64), 'b'.repeat(64)]

test('frames read back, and random bytes and changed frames are read or refused, and nothing else', () => {
  const frame = { kind: 'past', author: a, name: 'Ana', message: message(1, 2) } as const
  const bytes = encodeFrame(frame).slice(2)
  assert.deepEqual(parseFrame(bytes), frame)
  let refused = 0
  for (let i = 0; i < 4_000; i++) {
    const changed = i % 4 === 0 ? new Uint8Array(randomBytes(i % 60)) : Uint8Array.from(bytes)
    if (i % 4 !== 0) changed[i % changed.length] = Math.floor(Math.random() * 256)
    try {
      parseFrame(changed)
    } catch (error) {
      assert(error instanceof ProtocolError, String(error))
      refused++
    }
  }
  assert(refused > 400)
})

test('the order of messages does not depend on the order of their arrival', () => {
  const messages = [1, 2, 3, 4, 5, 6].map((seq) => ({ author: seq % 2 ? a : b, message: message(seq, seq >> 1 || 1) }))
  const orderOf = (list: typeof messages): string[] => {
    const timeline = new Timeline()
    for (const { author, message } of list) timeline.add(author, 'N', message, true)
    return timeline.entries.map(({ key }) => key)
  }
  const expected = orderOf(messages)
  for (let i = 0; i < 50; i++) assert.deepEqual(orderOf([...messages].sort(() => Math.random() - 0.5)), expected)
})

test('a message is in the timeline once, and its author is believed before others', () => {
  const timeline = new Timeline()
  const told = { ...message(1, 5), body: { type: 'text', text: 'forged' } } as const
  assert.equal(timeline.add(a, 'Ana', told, false)?.index, 0)
  assert.equal(timeline.add(a, 'Ana', message(1, 5), false), undefined)
  assert.equal(timeline.add(a, 'Ana', message(1, 5), true)?.entry.direct, true)
  assert.equal(timeline.add(a, 'Ana', told, true), undefined)
  assert.equal(timeline.entries.length, 1)
  assert.equal(timeline.add(b, 'Ben', message(1, 5 + MAX_CLOCK_STEP + 1), true), undefined)
  assert.equal(timeline.tick(), 6)
})

test('the timeline keeps a bounded number, and the history leaves out what is known', () => {
  const timeline = new Timeline()
  for (let i = 1; i <= TIMELINE_LENGTH + 50; i++) timeline.add(a, 'Ana', message(i, i), true)
  assert.equal(timeline.entries.length, TIMELINE_LENGTH)
  assert.equal(timeline.add(b, 'Ben', message(1, 1), true), undefined, 'older than all')
  const history = timeline.history()
  assert.equal(history.length, 100)
  assert.equal(timeline.history(history.slice(0, 60).map(({ key }) => key)).length, 40)
})

test('names of files lose folders, devices and what file systems do not hold', () => {
  const clean = (name: string): string => cleanFileName(name, 120)
  assert.equal(clean('/etc/passwd'), 'passwd')
  assert.equal(clean('C:\\Windows\\win.ini'), 'win.ini')
  assert.equal(clean('..'), 'file')
  assert.equal(clean('.bashrc'), 'bashrc')
  assert.equal(clean('con.txt'), '_con.txt')
  assert.equal(clean('a\u202egnp.exe'), 'agnp.exe')
  assert.equal(clean('what?<>|".txt '), 'what_____.txt')
  assert.equal(clean(''), 'file')
  const long = clean(`${'x'.repeat(300)}.tar.gz`)
  assert.equal(long.length, 120)
  assert.match(long, /\.tar\.gz$/)
})

test('texts keep their lines, and names are on one', () => {
  assert.equal(cleanText('\u0000 one\r\ntwo\ttabs\u2028 \ud800'), 'one\ntwo\ttabs \ufffd')
  assert.equal(cleanName(' a\n b\u200f '), 'a b')
})
