/**
 * Where the driver and the transports get time from. Injected, so that tests run in virtual time.
 *
 * Handles are opaque: what `setTimeout` returns is only ever given back to `clearTimeout`.
 */
export interface Clock {
  /** Milliseconds on a monotonic clock, with fractions. */
  now(): number
  /** Milliseconds since the Unix epoch: when a core starts, and to notice that the machine slept. */
  epochMs(): number
  /** Calls back once after about `delayMs`. Must not by itself keep a process alive. */
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
  /** Calls back after the input that is ready now has been taken. */
  setImmediate(callback: () => void): void
}

/** The platform's clock: `performance.now` and its timers. Timers never keep a Node process alive; open sockets do. */
export function systemClock(): Clock {
  return {
    now: () => performance.now(),
    epochMs: () => Date.now(),
    setTimeout: (callback, delayMs) => {
      const handle: unknown = setTimeout(callback, delayMs)
      unref(handle)
      return handle
    },
    clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
    setImmediate: immediate(),
  }
}

function unref(handle: unknown): void {
  if (typeof handle === 'object' && handle !== null && 'unref' in handle) (handle as { unref(): void }).unref()
}

/** `setImmediate` where there is one, else a message to ourselves: `setTimeout` is clamped to 4 ms in browsers. */
function immediate(): (callback: () => void) => void {
  if (typeof setImmediate === 'function') return (callback) => void setImmediate(callback)
  const channel = new MessageChannel()
  const queue: (() => void)[] = []
  channel.port1.onmessage = () => queue.shift()?.()
  return (callback) => {
    queue.push(callback)
    channel.port2.postMessage(null)
  }
}
