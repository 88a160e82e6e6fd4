/** What a page, or the worker of one, tells the peers in it. */
export interface LifecycleEvents {
  /** The page was hidden or shown; a hidden page's timers are late. */
  visible(visible: boolean): void
  /** A second has passed in a hidden page, whose own timers may run once a minute only. */
  tick(): void
  /** Nothing ran for a while. */
  resumed(): void
  /** The network came back, or is another one. */
  networkChanged(): void
  /** The page goes away and will not come back. */
  ending(): void
}

/** Watches what a peer runs in. Returns what ends that. */
export type WatchLifecycle = (events: LifecycleEvents) => () => void

/**
 * What a page sends last leaves by another thread of the browser. Firefox ends the process of its last page at once, and lost two farewells
 * out of three without this.
 */
const FAREWELL_MS = 30

/**
 * The page's own events: visibility, freezing, the back-forward cache, and the network's return, as far as there are any.
 *
 * @param startTicks starts a worker that posts a message every second, for while the page is hidden.
 */
export const watchPage = (events: LifecycleEvents, startTicks?: () => Worker): (() => void) => {
  const listening = new AbortController()
  const { signal } = listening
  const scope: EventTarget = globalThis as unknown as EventTarget
  if (typeof scope.addEventListener !== 'function') return () => {}
  const moved = () => events.networkChanged()
  scope.addEventListener('online', moved, { signal })
  // Chromium alone tells (Network Information API); elsewhere the channels and relays notice.
  const { connection } = (globalThis.navigator ?? {}) as { connection?: EventTarget }
  connection?.addEventListener?.('change', moved, { signal })
  // A worker has neither a document nor an end that is told.
  if (typeof document === 'undefined') return () => listening.abort()
  const ticks = new BackgroundTicks(events.tick, startTicks)
  const shown = () => {
    events.visible(!document.hidden)
    ticks.run(document.hidden)
    if (!document.hidden) events.resumed()
  }
  document.addEventListener('visibilitychange', shown, { signal })
  document.addEventListener('resume', () => events.resumed(), { signal })
  scope.addEventListener('pageshow', (event) => isPersisted(event) && events.resumed(), { signal })
  const left = (event: Event) => {
    if (isPersisted(event)) return
    events.ending()
    spend(FAREWELL_MS)
  }
  scope.addEventListener('pagehide', left, { signal })
  if (document.hidden) shown()
  return () => {
    listening.abort()
    ticks.run(false)
  }
}

/** Keeps the page's process busy, and with it alive. */
function spend(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** Ticks from a worker: a browser slows a hidden page's timers to one a minute, but not a worker's. */
class BackgroundTicks {
  readonly #tick: () => void
  #startWorker: (() => Worker) | undefined
  #worker: Worker | undefined

  constructor(tick: () => void, startWorker: (() => Worker) | undefined) {
    this.#tick = tick
    this.#startWorker = startWorker
  }

  run(running: boolean): void {
    if (!running) {
      this.#worker?.terminate()
      this.#worker = undefined
    } else {
      this.#worker ??= this.#start()
    }
  }

  /** Where the page's policy or the package's place forbids it, what comes from the network has to drive the timers. */
  #start(): Worker | undefined {
    try {
      const worker = this.#startWorker?.()
      if (worker === undefined) return undefined
      worker.onmessage = this.#tick
      worker.onerror = (event) => {
        event.preventDefault()
        this.#refuse()
      }
      return worker
    } catch {
      this.#refuse()
      return undefined
    }
  }

  #refuse(): void {
    this.#startWorker = undefined
    this.run(false)
  }
}

/** Whether the page goes into, or comes from, the back-forward cache. */
function isPersisted(event: Event): boolean {
  return 'persisted' in event && event.persisted === true
}
