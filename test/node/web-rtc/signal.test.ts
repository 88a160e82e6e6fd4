import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFrame, FrameReader, type SignalFrame } from '../../../src/api/web-rtc/signal.js'

const FRAMES: readonly SignalFrame[] = [
  { type: 'wanted' },
  { type: 'signal', attempt: 1, signal: { type: 'offer', sdp: 'v=0\r\n' } },
  {
    type: 'signal',
    attempt: 2,
    signal: { type: 'candidate', candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 },
  },
  { type: 'signal', attempt: 3, signal: { type: 'candidate', candidate: '', sdpMid: null, sdpMLineIndex: null } },
  { type: 'end', attempt: 2 ** 40 },
  { type: 'ways', webTransport: [Uint8Array.of(0, 1, 254, 255), new Uint8Array(0)], channels: false },
  { type: 'ways', webTransport: [], channels: true },
]

/** A frame with any content. */
function frame(content: unknown): Uint8Array {
  const text = new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content))
  return Uint8Array.of(text.length >> 8, text.length & 255, ...text)
}

test('frames come out as they went in, however they are cut', () => {
  const bytes = FRAMES.flatMap((one) => [...encodeFrame(one)])
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new FrameReader()
    const read: SignalFrame[] = []
    for (let at = 0; at < bytes.length; at += size)
      read.push(...reader.push(Uint8Array.from(bytes.slice(at, at + size))))
    assert.deepEqual(read, FRAMES)
  }
})

test('frames of later versions are passed over, and what they bring beside is dropped', () => {
  const reader = new FrameReader()
  assert.deepEqual(reader.push(frame({ type: 'later', attempt: 'x' })), [])
  const signal = { type: 'offer', sdp: 'v=0', iceServers: ['turn:evil.example'], renegotiate: true }
  assert.deepEqual(reader.push(frame({ type: 'signal', attempt: 1, signal, more: 1 })), [
    { type: 'signal', attempt: 1, signal: { type: 'offer', sdp: 'v=0' } },
  ])
})

test('what can not be a frame is an error', () => {
  for (const content of [
    '',
    '{',
    'null',
    '[]1',
    { type: 'end' },
    { type: 'ways' },
    { type: 'ways', webTransport: 'AAEC' },
    { type: 'ways', webTransport: [7] },
    { type: 'ways', webTransport: ['?'] },
    { type: 'ways', webTransport: [null] },
    { type: 'ways', webTransport: ['', '', '', '', ''] },
    { type: 'end', attempt: 0 },
    { type: 'end', attempt: 1.5 },
    { type: 'end', attempt: '1' },
    { type: 'signal', attempt: 1 },
    { type: 'signal', attempt: 1, signal: null },
    { type: 'signal', attempt: 1, signal: { type: 'rollback', sdp: '' } },
    { type: 'signal', attempt: 1, signal: { renegotiate: true } },
    { type: 'signal', attempt: 1, signal: { type: 'offer', sdp: 7 } },
    { type: 'signal', attempt: 1, signal: { type: 'candidate', candidate: {} } },
    { type: 'signal', attempt: 1, signal: { type: 'candidate', candidate: '', sdpMid: 1 } },
    { type: 'signal', attempt: 1, signal: { type: 'candidate', candidate: '', sdpMLineIndex: 0.5 } },
  ])
    assert.throws(() => new FrameReader().push(frame(content)), JSON.stringify(content))
  assert.throws(() => new FrameReader().push(Uint8Array.of(0, 2, 0xc3, 0x28)), 'no UTF-8')
  assert.throws(() => new FrameReader().push(Uint8Array.of(0x40, 1)), RangeError)
})
