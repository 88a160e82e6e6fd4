import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, encodingLength, type Packet } from 'dns-packet'
import { base32FromHex, hexFromBase32 } from '../base-32.js'

/** The service under which iroh's peers announce themselves (RFC 6763 section 4.1). */
const SERVICE = '_irohv1._udp.local'
const INSTANCE = /^([a-z2-7]{52})\._irohv1\._udp\.local$/
const HOST = /^([a-z2-7]{52})-\d{1,5}\.local$/
/** What every message about the service has in it, as long as names are written in lower case, as iroh's peers do. */
const MARK = Buffer.from('_irohv1')

/** Stock peers read no more than this of a packet. */
const MAX_SENT_BYTES = 1472
/** Nobody sends more about this service than fits into a frame of Ethernet. */
const MAX_READ_BYTES = 1500
/** Nor in more records: each can point to a name that is as long as one can be. */
const MAX_READ_RECORDS = 64

/** Few records can pair up to very many addresses. */
const MAX_READ_ADDRESSES = 64
/** How many addresses of one peer are taken. */
const MAX_PEER_ADDRESSES = 16

/** RFC 6762 section 10, for records that name a host. */
const TTL_SECONDS = 120

/** A socket of a peer. */
export interface LanAddress {
  readonly host: string
  readonly port: number
}

/** Somebody wants to know who is there. */
export interface LanQuery {
  readonly kind: 'query'
  /** Whether everybody is asked. */
  readonly all: boolean
  /** The ids that are asked for by themselves. */
  readonly ids: ReadonlySet<string>
  /** The records that whoever asks knows already (RFC 6762 section 7.1), as `recordKeys` writes them. */
  readonly known: ReadonlySet<string>
}

/** What is said of one peer. */
export interface LanAnswer {
  readonly id: string
  /** Empty: it has left. */
  readonly addresses: readonly LanAddress[]
  /** How long that holds. Older stock peers say 0, with addresses. */
  readonly ttlSeconds: number
}

export interface LanAnswers {
  readonly kind: 'answers'
  readonly peers: readonly LanAnswer[]
}

/** Asks for everybody, as stock peers understand it, and for some ids by themselves. */
export function encodeQuery(ids: readonly string[]): Uint8Array {
  return encode({
    type: 'query',
    id: 0,
    questions: [
      ...ids.map((id) => ({ name: instanceOf(id), type: 'SRV' as const, class: 'IN' as const })),
      { name: SERVICE, type: 'PTR', class: 'IN' },
    ],
  })
}

/**
 * Says where a peer is, in one packet: what does not fit is left out from the end.
 *
 * Stock peers take addresses only from the additional section, and records only without the cache-flush bit (RFC 6762 section 10.2).
 */
export function encodeAnnouncement(id: string, addresses: readonly LanAddress[]): Uint8Array {
  for (let count = addresses.length; ; count--) {
    const packet = announcement(id, addresses.slice(0, count))
    if (count === 0 || encodingLength(packet) <= MAX_SENT_BYTES) return encode(packet)
  }
}

/**
 * Says that a peer has left (RFC 6762 section 10.1). It has no addresses in it: stock peers read no times, and would take it for another
 * announcement.
 */
export function encodeGoodbye(id: string, addresses: readonly LanAddress[]): Uint8Array {
  return encode(response(id, addresses, [], 0))
}

/** Whether a packet may be about this service: all others, of printers and the like, are not looked into. */
export function isAboutService(bytes: Uint8Array): boolean {
  return bufferOf(bytes).includes(MARK)
}

/**
 * Reads a packet.
 *
 * @throws Error when it is malformed or too large.
 */
export function readMessage(bytes: Uint8Array): LanQuery | LanAnswers {
  const buffer = bufferOf(bytes)
  if (buffer.length > MAX_READ_BYTES) throw new Error('too large')
  checkCounts(buffer)
  const packet = decode(buffer)
  // RFC 6762 sections 18.3 and 18.11. The operation and the result are in the lower bits of the flags' two halves.
  if ((buffer.readUInt16BE(2) & 0x780f) !== 0) throw new Error('not a standard query or its answer')
  return packet.type === 'query' ? queryOf(packet) : answersOf(packet)
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** The codec makes room for as many records as the header claims, however few there are; and many that are small take long. */
function checkCounts(buffer: Buffer): void {
  if (buffer.length < 12) throw new Error('no header')
  const questions = buffer.readUInt16BE(4)
  const records = buffer.readUInt16BE(6) + buffer.readUInt16BE(8) + buffer.readUInt16BE(10)
  if (questions + records > MAX_READ_RECORDS) throw new Error('too many records')
  if (12 + questions * 5 + records * 11 > buffer.length) throw new Error('fewer records than announced')
}

function queryOf({ questions = [], answers = [] }: Packet): LanQuery {
  const ids = new Set<string>()
  let all = false
  for (const { name: written, type } of questions) {
    const name = written.toLowerCase()
    if (name === SERVICE) all ||= type === 'PTR' || (type as string) === 'ANY'
    const id = idIn(INSTANCE, name) ?? idIn(HOST, name)
    if (id !== undefined) ids.add(id)
  }
  // Less than half of its time left means that it wants to be told again.
  const known = answers.filter((answer) => 'ttl' in answer && (answer.ttl ?? 0) >= TTL_SECONDS / 2).flatMap(keyOf)
  return { kind: 'query', all, ids, known: new Set(known) }
}

/** The records that say where a peer is, apart from the empty TXT, as texts to compare. */
export function recordKeys(id: string, addresses: readonly LanAddress[]): string[] {
  const { answers = [], additionals = [] } = announcement(id, addresses)
  return [...answers, ...additionals].flatMap(keyOf)
}

function keyOf(record: Answer): string[] {
  const named = (data: string) => [`${record.type} ${record.name} ${data}`.toLowerCase()]
  switch (record.type) {
    case 'PTR':
    case 'A':
    case 'AAAA':
      return named(record.data)
    case 'SRV':
      return named(`${record.data.port} ${record.data.target}`)
    default:
      return []
  }
}

function answersOf({ answers = [], additionals = [] }: Packet): LanAnswers {
  const hosts = new Map<string, string[]>()
  const services = new Map<string, { target: string; port: number; ttl: number }[]>()
  const gone = new Set<string>()
  for (const record of [...answers, ...additionals]) {
    if (record.type === 'OPT' || record.class !== 'IN') continue
    const name = record.name.toLowerCase()
    if (record.type === 'A' || record.type === 'AAAA') append(hosts, name, record.data)
    if (record.type === 'SRV') {
      const id = idIn(INSTANCE, name)
      const { target, port } = record.data
      if (id !== undefined) append(services, id, { target: target.toLowerCase(), port, ttl: record.ttl ?? 0 })
    }
    if (record.type === 'PTR' && name === SERVICE && record.ttl === 0) {
      const id = idIn(INSTANCE, record.data.toLowerCase())
      if (id !== undefined) gone.add(id)
    }
  }
  let room = MAX_READ_ADDRESSES
  const peers = [...services].flatMap(([id, found]) => {
    const addresses = addressesOf(found, hosts, Math.min(MAX_PEER_ADDRESSES, room))
    room -= addresses.length
    const ttlSeconds = Math.max(...found.map(({ ttl }) => ttl))
    if (found.some(({ target }) => hosts.has(target))) gone.delete(id)
    else if (ttlSeconds === 0) gone.add(id)
    return addresses.length > 0 ? [{ id, addresses, ttlSeconds }] : []
  })
  return { kind: 'answers', peers: [...peers, ...[...gone].map((id) => ({ id, addresses: [], ttlSeconds: 0 }))] }
}

function addressesOf(
  services: readonly { target: string; port: number }[],
  hosts: ReadonlyMap<string, readonly string[]>,
  most: number,
): LanAddress[] {
  const addresses: LanAddress[] = []
  for (const { target, port } of services) {
    for (const host of hosts.get(target) ?? []) {
      if (addresses.length >= most) return addresses
      addresses.push({ host, port })
    }
  }
  return addresses
}

function announcement(id: string, addresses: readonly LanAddress[]): Packet {
  const additionals = addresses.map(({ host, port }): Answer => {
    const type = host.includes(':') ? 'AAAA' : 'A'
    return { name: hostOf(id, port), type, class: 'IN', ttl: TTL_SECONDS, data: host }
  })
  return response(id, addresses, additionals, TTL_SECONDS)
}

function response(id: string, addresses: readonly LanAddress[], additionals: Answer[], ttl: number): Packet {
  const common = { name: instanceOf(id), class: 'IN', ttl } as const
  const ports = [...new Set(addresses.map(({ port }) => port))]
  return {
    type: 'response',
    id: 0,
    flags: AUTHORITATIVE_ANSWER,
    answers: [
      { ...common, name: SERVICE, type: 'PTR', data: instanceOf(id) },
      ...ports.map((port): Answer => ({ ...common, type: 'SRV', data: { port, target: hostOf(id, port) } })),
      // There has to be one, if only with nothing in it (RFC 6763 section 6.1).
      { ...common, type: 'TXT', data: '' },
    ],
    additionals,
  }
}

function instanceOf(id: string): string {
  return `${base32FromHex(id)}.${SERVICE}`
}

function hostOf(id: string, port: number): string {
  return `${base32FromHex(id)}-${port}.local`
}

function idIn(pattern: RegExp, name: string): string | undefined {
  const text = pattern.exec(name)?.[1]
  return text === undefined ? undefined : hexFromBase32(text)
}

function append<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
