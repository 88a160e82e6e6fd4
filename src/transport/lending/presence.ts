/** What the lock of a window is called: nothing else of the application's is ever waited for. */
const LOCK = /^anypath-window-[\da-f-]{36}$/

/**
 * Shows that this window is there, by a Web Lock that the browser releases when it is closed or crashes: a port says nothing of that
 * everywhere.
 *
 * @param shown called with the lock's name once it is held; `undefined` where there are no locks.
 * @returns what releases it.
 */
export function showPresence(shown: (lock: string | undefined) => void): () => void {
  const { locks } = globalThis.navigator ?? {}
  if (locks === undefined) {
    shown(undefined)
    return () => {}
  }
  const name = `anypath-window-${crypto.randomUUID()}`
  const over = new AbortController()
  const held = () => {
    shown(name)
    return new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve()))
  }
  // A page that may not hold locks is there all the same.
  locks.request(name, { signal: over.signal }, held).catch(() => over.signal.aborted || shown(undefined))
  return () => over.abort()
}

/**
 * Waits until the window that holds a lock is gone.
 *
 * @param name a lock's name, as the window has told it.
 * @returns what ends the wait.
 */
export function watchPresence(name: unknown, gone: () => void): () => void {
  const { locks } = globalThis.navigator ?? {}
  if (locks === undefined || typeof name !== 'string' || !LOCK.test(name)) return () => {}
  const over = new AbortController()
  const { signal } = over
  const watch = async () => {
    // Of a window in another storage partition nobody here has the lock, which says nothing about the window.
    const isElsewhere = await locks.request(name, { ifAvailable: true }, (lock) => lock !== null)
    if (!isElsewhere && !signal.aborted) await locks.request(name, { signal }, gone)
  }
  watch().catch(() => {})
  return () => over.abort()
}
