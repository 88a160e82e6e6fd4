/**
 * Where the members of a room find each other: under a tag that only they can derive they leave sealed announcements, which expire.
 * Nothing here can be read by this server, and everything is bounded: whoever asks can make it neither large nor slow.
 */
export class RendezvousStore {
  #limits
  #now
  /** @type {Map<string, Map<string, {blob: string, address: string, expires: number}>>} */
  #rooms = new Map()
  /** @type {Map<string, number>} */
  #slotsByAddress = new Map()

  /**
   * @param {{maxRooms?: number, maxBlobsPerRoom?: number, maxSlotsPerAddress?: number, ttlMs?: number, now?: () => number}} [options]
   */
  constructor({
    maxRooms = 1000,
    maxBlobsPerRoom = 32,
    maxSlotsPerAddress = 200,
    // Longer than the minute to which browsers slow the timers of hidden tabs.
    ttlMs = 150_000,
    now = Date.now,
  } = {}) {
    this.#limits = { maxRooms, maxBlobsPerRoom, maxSlotsPerAddress, ttlMs }
    this.#now = now
  }

  get rooms() {
    return this.#rooms.size
  }

  /**
   * Replaces what a slot holds, and gives what the other slots of the room hold.
   *
   * @param {{tag: string, slot: string, blob: string | null, address: string}} request `null` takes the announcement back
   * @returns {{blobs: string[]} | {error: string, status: number}}
   */
  exchange({ tag, slot, blob, address }) {
    this.#expire(tag)
    const refusal = blob === null ? undefined : this.#refusal(tag, slot, address)
    if (refusal !== undefined) return refusal
    this.#remove(tag, slot)
    const room = this.#rooms.get(tag)
    const blobs = [...(room?.values() ?? [])].map((held) => held.blob)
    if (blob !== null) this.#put(tag, slot, { blob, address, expires: this.#now() + this.#limits.ttlMs })
    return { blobs }
  }

  /** Forgets what has expired. */
  sweep() {
    for (const tag of [...this.#rooms.keys()]) this.#expire(tag)
  }

  #refusal(tag, slot, address) {
    const { maxRooms, maxBlobsPerRoom, maxSlotsPerAddress } = this.#limits
    const room = this.#rooms.get(tag)
    if (room?.has(slot)) return undefined
    if (room !== undefined && room.size >= maxBlobsPerRoom) return { error: 'the room is full', status: 409 }
    if ((this.#slotsByAddress.get(address) ?? 0) >= maxSlotsPerAddress) {
      return { error: 'too many members from one address', status: 429 }
    }
    if (room === undefined && this.#rooms.size >= maxRooms) this.sweep()
    return room === undefined && this.#rooms.size >= maxRooms
      ? { error: 'this server has no place for another room', status: 503 }
      : undefined
  }

  #put(tag, slot, held) {
    const room = this.#rooms.get(tag) ?? new Map()
    this.#rooms.set(tag, room.set(slot, held))
    this.#slotsByAddress.set(held.address, (this.#slotsByAddress.get(held.address) ?? 0) + 1)
  }

  #remove(tag, slot) {
    const room = this.#rooms.get(tag)
    const held = room?.get(slot)
    if (held === undefined) return
    room.delete(slot)
    if (room.size === 0) this.#rooms.delete(tag)
    const left = (this.#slotsByAddress.get(held.address) ?? 1) - 1
    if (left > 0) this.#slotsByAddress.set(held.address, left)
    else this.#slotsByAddress.delete(held.address)
  }

  #expire(tag) {
    const now = this.#now()
    for (const [slot, { expires }] of this.#rooms.get(tag) ?? []) if (expires <= now) this.#remove(tag, slot)
  }
}

/** Requests of each address by a token bucket; the addresses are bounded, those asked longest ago go first. */
export class RequestRate {
  #perSecond
  #burst
  #maxAddresses
  #now
  /** @type {Map<string, {tokens: number, at: number}>} */
  #buckets = new Map()

  constructor({ perSecond = 10, burst = 120, maxAddresses = 10_000, now = Date.now } = {}) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#maxAddresses = maxAddresses
    this.#now = now
  }

  get addresses() {
    return this.#buckets.size
  }

  /** Whether the address may ask once more. */
  take(address) {
    const now = this.#now()
    const { tokens, at } = this.#buckets.get(address) ?? { tokens: this.#burst, at: now }
    const refilled = Math.min(this.#burst, tokens + ((now - at) * this.#perSecond) / 1000)
    // Put at the end again, so that the first is the one that asked longest ago.
    this.#buckets.delete(address)
    this.#buckets.set(address, { tokens: Math.max(0, refilled - 1), at: now })
    if (this.#buckets.size > this.#maxAddresses) this.#buckets.delete(this.#buckets.keys().next().value)
    return refilled >= 1
  }
}
