import { type Candidate, parseCandidate } from './candidates.js'

/** A candidate, and when the browser told it. */
export interface GatheredCandidate extends Candidate {
  /** Since the gathering began, milliseconds. */
  readonly afterMs: number
}

/** What the browser has found out. */
export interface Gathering {
  readonly candidates: readonly GatheredCandidate[]
  /** Why servers told nothing, in the browser's words. */
  readonly errors: readonly string[]
  /** Whether the browser has ended it: it looks for nothing more. */
  readonly isComplete: boolean
}

const FAILED: Gathering = { candidates: [], errors: [], isComplete: false }

/** A server of both families tells of the second one soon after the first. */
const SECOND_FAMILY_MS = 250

/** More than any machine has: a browser tells each socket with each server. */
const MAX_CANDIDATES = 256

/**
 * Has the browser gather candidates with these servers, for nobody: no other side ever hears of them.
 *
 * @param until ends it early: the signal that fires, and what is waited for.
 * @returns what was found until then; nothing where the browser makes no connection, with its reason as an error.
 */
export async function gather(
  iceServers: readonly RTCIceServer[],
  until: { readonly signal: AbortSignal; readonly waitMs: number; readonly type?: Candidate['type'] },
): Promise<Gathering> {
  let connection: RTCPeerConnection | undefined
  try {
    connection = new RTCPeerConnection({ iceServers: [...iceServers] })
    return await gathered(connection, until)
  } catch (thrown) {
    return { ...FAILED, errors: [thrown instanceof Error ? thrown.message : String(thrown)] }
  } finally {
    connection?.close()
  }
}

async function gathered(
  connection: RTCPeerConnection,
  {
    signal,
    waitMs,
    type,
  }: { readonly signal: AbortSignal; readonly waitMs: number; readonly type?: Candidate['type'] },
): Promise<Gathering> {
  const candidates: GatheredCandidate[] = []
  const errors: string[] = []
  // Whoever asks for a data channel needs neither a camera nor the user's leave.
  connection.createDataChannel('')
  let begin = performance.now()
  const listening = new AbortController()
  const timers: ReturnType<typeof setTimeout>[] = []
  try {
    const ended = new Promise<void>((resolve) => {
      const listen = (event: string, listener: (event: Event) => void) =>
        connection.addEventListener(event, listener, { signal: listening.signal })
      listen('icecandidate', (event) => {
        const { candidate } = event as RTCPeerConnectionIceEvent
        const parsed = candidate ? parseCandidate(candidate.candidate) : undefined
        if (parsed === undefined || candidates.length >= MAX_CANDIDATES) return
        candidates.push({ ...parsed, afterMs: performance.now() - begin })
        if (parsed.type === type) timers.push(setTimeout(resolve, SECOND_FAMILY_MS))
      })
      listen('icecandidateerror', (event) => {
        const { errorCode, errorText } = event as RTCPeerConnectionIceErrorEvent
        errors.push(`${errorCode} ${errorText}`.trim())
      })
      listen('icegatheringstatechange', () => connection.iceGatheringState === 'complete' && resolve())
      signal.addEventListener('abort', () => resolve(), { signal: listening.signal })
      if (signal.aborted) resolve()
      timers.push(setTimeout(resolve, waitMs))
    })
    const offer = await connection.createOffer()
    begin = performance.now()
    await connection.setLocalDescription(offer)
    await ended
    return { candidates, errors: [...new Set(errors)], isComplete: connection.iceGatheringState === 'complete' }
  } finally {
    listening.abort()
    for (const timer of timers) clearTimeout(timer)
  }
}
