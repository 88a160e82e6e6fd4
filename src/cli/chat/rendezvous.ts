/** The page's server as the place where members find each other. It keeps sealed announcements for a while, and knows nothing of them. */
import { fromBase64Url, toBase64Url, toHex } from './encoding.js'
import { MAX_ANNOUNCEMENT_BYTES, MAX_MEMBERS } from './limits.js'

export interface Rendezvous {
  /**
   * Leaves an announcement in place of the one before, or none, and gives those of the others.
   *
   * @throws {RendezvousError} when the server is out of reach or refuses.
   */
  exchange(sealed: Uint8Array | undefined, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>[]>
  /** Takes the announcement back. Never rejects; works while a page is being closed. */
  withdraw(): Promise<void>
}

export class RendezvousError extends Error {
  override readonly name = 'RendezvousError'
  readonly code = 'Rendezvous'
}

const MAX_ANSWER_BYTES = 128 * 1024
const TIMEOUT_MS = 10_000

/** Over HTTP, at `<page>rendezvous/<tag>`. */
export class HttpRendezvous implements Rendezvous {
  readonly #url: string
  /** Only its owner knows it, so that nobody else can replace or withdraw the announcement. */
  readonly #slot = toHex(crypto.getRandomValues(new Uint8Array(16)))

  /** @param page ends with `/`. */
  constructor(page: string, tag: string) {
    this.#url = new URL(`rendezvous/${tag}`, page).href
  }

  async exchange(sealed: Uint8Array | undefined, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>[]> {
    const body = JSON.stringify({ slot: this.#slot, blob: sealed === undefined ? null : toBase64Url(sealed) })
    try {
      const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
      const response = await fetch(this.#url, { method: 'POST', body, headers: HEADERS, signal: either })
      const text = await boundedText(response)
      if (!response.ok) throw new RendezvousError(reasonOf(text) ?? `the server answered ${response.status}`)
      return blobsOf(text)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof RendezvousError) throw error
      throw new RendezvousError('the page’s server can not be reached', { cause: error })
    }
  }

  async withdraw(): Promise<void> {
    const body = JSON.stringify({ slot: this.#slot, blob: null })
    await fetch(this.#url, { method: 'POST', body, headers: HEADERS, keepalive: true }).then(
      (response) => response.body?.cancel(),
      () => undefined,
    )
  }
}

const HEADERS = { 'content-type': 'application/json' }

const boundedText = async (response: Response): Promise<string> => {
  const decoder = new TextDecoder()
  let text = ''
  const reader = response.body?.getReader()
  for (let read = await reader?.read(); read !== undefined && !read.done; read = await reader?.read()) {
    text += decoder.decode(read.value, { stream: true })
    if (text.length > MAX_ANSWER_BYTES) {
      await reader?.cancel()
      throw new RendezvousError('the server’s answer is too long')
    }
  }
  return text
}

const parsed = (text: string): { blobs?: unknown; error?: unknown } => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

const reasonOf = (text: string): string | undefined => {
  const { error } = parsed(text)
  return typeof error === 'string' && error.length <= 100 ? error : undefined
}

const blobsOf = (text: string): Uint8Array<ArrayBuffer>[] => {
  const { blobs } = parsed(text)
  if (!Array.isArray(blobs)) throw new RendezvousError('the server’s answer is no list')
  return blobs.slice(0, 2 * MAX_MEMBERS).flatMap((blob) => {
    const bytes =
      typeof blob === 'string' && blob.length <= 2 * MAX_ANNOUNCEMENT_BYTES ? fromBase64Url(blob) : undefined
    return bytes === undefined ? [] : [bytes]
  })
}
