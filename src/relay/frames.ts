/** The frames of the iroh relay protocol, as far as a relay reads and writes them: a varint type [RFC 9000 § 16] and a body. */

export const FrameType = {
  serverChallenge: 0,
  clientAuth: 1,
  serverConfirmsAuth: 2,
  serverDeniesAuth: 3,
  clientToRelayDatagram: 4,
  clientToRelayDatagramBatch: 5,
  relayToClientDatagram: 6,
  relayToClientDatagramBatch: 7,
  endpointGone: 8,
  ping: 9,
  pong: 10,
  health: 11,
  restarting: 12,
  status: 13,
} as const

/** Largest message, its type included. */
export const MAX_MESSAGE_BYTES = 65_536
export const KEY_BYTES = 32
export const PING_BYTES = 8
export const CHALLENGE_BYTES = 16

/** WebSocket subprotocols, the better one first. Version 1 has `health` texts where version 2 has `status` codes. */
export const SUBPROTOCOLS = ['iroh-relay-v2', 'iroh-relay-v1'] as const
export type Subprotocol = (typeof SUBPROTOCOLS)[number]

export const Status = { healthy: 0, sameEndpointConnected: 1, rateLimited: 2 } as const
export type Status = (typeof Status)[keyof typeof Status]

const statusTexts: Readonly<Record<Status, string>> = {
  [Status.healthy]: 'The connection is healthy again',
  [Status.sameEndpointConnected]:
    'Another endpoint connected with the same endpoint id. No more messages will be received.',
  [Status.rateLimited]: 'The relay is limiting the rate of this endpoint',
}

/** The length of the type at the start of a message; 0 when the message ends within it. */
export function typeLength(message: Uint8Array): number {
  const [first] = message
  if (first === undefined) return 0
  const length = 1 << (first >> 6)
  return length <= message.length ? length : 0
}

/** The type whose length `typeLength` told; -1 for one beyond 30 bits, of which there is none. */
export function readType(message: Uint8Array, length: number): number {
  if (length === 1) return message[0] as number
  if (length === 8) return -1
  let value = (message[0] as number) & 0x3f
  for (let at = 1; at < length; at++) value = value * 256 + (message[at] as number)
  return value
}

export function challengeFrame(challenge: Uint8Array): Buffer {
  return Buffer.concat([[FrameType.serverChallenge], challenge].map((part) => Buffer.from(part)))
}

export function confirmFrame(): Buffer {
  return Buffer.from([FrameType.serverConfirmsAuth])
}

/** A denial with its reason, a postcard string: at most 127 bytes, so that its length is one byte. */
export function denyFrame(reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, 127)
  return Buffer.concat([Buffer.from([FrameType.serverDeniesAuth, text.length]), text])
}

export function endpointGoneFrame(key: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([FrameType.endpointGone]), key])
}

export function pingFrame(payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([FrameType.ping]), payload])
}

/** A status as the client's version of the protocol has it; version 1 knows no "healthy again" and no rate limit. */
export function statusFrame(status: Status, protocol: Subprotocol): Buffer | undefined {
  if (protocol === 'iroh-relay-v2') return Buffer.from([FrameType.status, status])
  if (status !== Status.sameEndpointConnected) return undefined
  return Buffer.concat([Buffer.from([FrameType.health]), Buffer.from(statusTexts[status])])
}

/** Tells a client to come back after a while, and how long to try; milliseconds. */
export function restartingFrame(reconnectInMs: number, tryForMs: number): Buffer {
  const frame = Buffer.alloc(9)
  frame[0] = FrameType.restarting
  frame.writeUInt32BE(Math.min(reconnectInMs, 0xffff_ffff), 1)
  frame.writeUInt32BE(Math.min(tryForMs, 0xffff_ffff), 5)
  return frame
}
