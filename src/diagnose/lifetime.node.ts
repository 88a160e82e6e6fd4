import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DiagnosedAddress, MappingLifetime } from './report.js'
import { bindingRequest, TRANSACTION_BYTES, transactionOf } from './stun.js'
import type { StunSocket } from './stun-socket.node.js'

/** After which parts of the longest time mappings are tried, each by a socket of its own. */
const PARTS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1]
/** When the request is sent again that is to be answered through a mapping, and how long the answer may take after the last. */
const TRANSMISSIONS_MS = [0, 300, 700]
const LAST_WAIT_MS = 1000

/**
 * Finds out for how long a NAT keeps a mapping over which nothing passes (RFC 4787 section 4.3): sockets are mapped at the same time, each stays silent for a
 * while, and then the server is asked from another socket to answer to it (RFC 5780 section 4.6).
 *
 * @param upToMs the longest time that is tried; that is how long it takes.
 * @returns `undefined` where the server does not answer to another port (RESPONSE-PORT), or the NAT gives sockets different addresses.
 */
export async function mappingLifetime(
  open: () => Promise<StunSocket>,
  server: DiagnosedAddress,
  upToMs: number,
  signal: AbortSignal,
): Promise<MappingLifetime | undefined> {
  const asking = await open()
  const own = await asking.ask(server)
  /** Whether a new socket is still reached after a silence. */
  const isKept = async (silenceMs: number): Promise<boolean | undefined> => {
    const silent = await open()
    const mapped = (await silent.ask(server))?.mapped
    if (mapped === undefined || mapped.host !== own?.mapped?.host) return undefined
    await sleep(silenceMs, undefined, { signal })
    return isReached(asking, silent, server, mapped.port)
  }
  try {
    if ((await isKept(0)) !== true) return undefined
    const kept = await Promise.all(PARTS.map((part) => isKept(upToMs * part)))
    const times = (was: boolean) => PARTS.filter((_, i) => kept[i] === was).map((part) => upToMs * part)
    const belowMs = Math.min(...times(false))
    const atLeastMs = Math.max(0, ...times(true).filter((time) => time < belowMs))
    return belowMs === Number.POSITIVE_INFINITY ? { atLeastMs } : { atLeastMs, belowMs }
  } catch {
    // The diagnosis is over: nothing is known.
    return undefined
  }
}

/** Whether what the server sends to that port arrives at a socket. */
async function isReached(asking: StunSocket, at: StunSocket, server: DiagnosedAddress, port: number): Promise<boolean> {
  const request = bindingRequest(randomBytes(TRANSACTION_BYTES), { responsePort: port })
  const timers = TRANSMISSIONS_MS.map((delayMs) => setTimeout(() => asking.send(request, server), delayMs))
  const heard = await at.expect(transactionOf(request), server, (TRANSMISSIONS_MS.at(-1) ?? 0) + LAST_WAIT_MS)
  for (const timer of timers) clearTimeout(timer)
  return heard
}
