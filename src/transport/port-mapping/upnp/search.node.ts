import dgram from 'node:dgram'
import type { MappingClock } from '../gateway.node.js'
import { encodeSearches, readLocation, SSDP_GROUP, SSDP_PORT } from './ssdp.js'

/** When the search leaves once more: it may get lost. */
const REPEAT_MS = 600
/** Devices take up to a second (MX), and what comes with the first answer is heard as well. */
const WAIT_MS = 2500
const LINGER_MS = 200
/** How many devices are taken, and how many packets are looked at. */
const MAX_DEVICES = 4
const MAX_PACKETS = 64

/** A device that says it is a gateway. */
export interface FoundDevice {
  /** Its address, from the packet. */
  readonly host: string
  /** Where it says that its description is: anything. */
  readonly location: string
}

export interface SearchOptions {
  /** The address of this machine whose network is searched. */
  readonly localHost: string
  readonly clock: MappingClock
  /** Whether a device at that address may be a router of this network. */
  readonly mayAnswer: (host: string) => boolean
  readonly sent: () => void
  readonly dropped: (cause: string) => void
  /** Where searches are sent. @default the group of SSDP */
  readonly group?: { readonly host: string; readonly port: number }
}

/** Searches the network of one address for gateways. Never rejects: what fails has found none. */
export async function searchGateways(options: SearchOptions, signal: AbortSignal): Promise<FoundDevice[]> {
  const { clock, localHost } = options
  const socket = dgram.createSocket('udp4')
  const timers: unknown[] = []
  const found = new Map<string, FoundDevice>()
  let end: () => void = () => {}
  try {
    await new Promise<void>((resolve) => {
      end = resolve
      signal.addEventListener('abort', end, { once: true })
      if (signal.aborted) end()
      const endAfter = (delayMs: number) => timers.push(clock.setTimeout(resolve, delayMs))
      socket.on('error', end)
      socket.on('message', reader(options, found, endAfter, end))
      socket.bind(0, localHost, () => {
        if (!attempt(() => socket.setMulticastInterface(localHost))) return end()
        search(socket, options)
        timers.push(clock.setTimeout(() => search(socket, options), REPEAT_MS))
      })
      endAfter(WAIT_MS)
    })
  } finally {
    signal.removeEventListener('abort', end)
    for (const timer of timers) clock.clearTimeout(timer)
    socket.removeAllListeners('message')
    socket.close()
  }
  return [...found.values()]
}

function reader(
  { mayAnswer, dropped }: SearchOptions,
  found: Map<string, FoundDevice>,
  endAfter: (delayMs: number) => void,
  end: () => void,
): (packet: Uint8Array, source: dgram.RemoteInfo) => void {
  let left = MAX_PACKETS
  return (packet, { address: host }) => {
    left -= 1
    if (left < 0) return end()
    if (!mayAnswer(host)) return dropped('foreign')
    const location = readLocation(packet)
    if (location === undefined) return dropped('malformed')
    if (found.size === 0) endAfter(LINGER_MS)
    if (found.size < MAX_DEVICES) found.set(`${host} ${location}`, { host, location })
  }
}

function search(socket: dgram.Socket, { sent, group = { host: SSDP_GROUP, port: SSDP_PORT } }: SearchOptions): void {
  for (const packet of encodeSearches()) {
    sent()
    socket.send(packet, group.port, group.host, () => {})
  }
}

/** Whether it went well: an interface can go at any time. */
function attempt(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}
