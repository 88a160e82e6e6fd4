/** Progress of a transfer: a bar with rate and time left on a terminal, events in JSON mode, nothing in a pipe. */
import { formatBytes, formatClock, formatRate } from './format.js'
import type { Output, Sink } from './output.js'

const redrawMs = 100
const eventMs = 250
const rateWindowMs = 5_000

/** Bytes per second over the last few seconds. */
export class RateMeter {
  readonly #samples: { at: number; bytes: number }[] = []

  /** @param bytes the running total */
  sample(at: number, bytes: number): void {
    this.#samples.push({ at, bytes })
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? at) <= at - rateWindowMs) this.#samples.shift()
  }

  get bytesPerSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.at <= first.at) return 0
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.at - first.at))
  }
}

export interface ProgressState {
  /** Bytes that are in place, those from before included. */
  readonly doneBytes: number
  readonly totalBytes: number
  /** Bytes that came over, or were given to, the connection. */
  readonly movedBytes: number
  readonly bytesPerSecond: number
}

/** One line of the given width: bar, percentage, sizes, rate, time left. */
export const renderBar = (label: string, state: ProgressState, columns: number): string => {
  const { doneBytes, totalBytes, bytesPerSecond } = state
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes)
  const left = bytesPerSecond === 0 ? Number.POSITIVE_INFINITY : (totalBytes - doneBytes) / bytesPerSecond
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  const tail = `${percent}  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}  ${formatRate(bytesPerSecond)}  ${formatClock(left)} left`
  const room = columns - 1 - tail.length - label.length - 4
  if (room < 8) return `${label} ${tail}`.slice(0, columns - 1)
  const width = Math.min(40, room)
  const full = Math.round(share * width)
  return `${label} [${'#'.repeat(full)}${'-'.repeat(width - full)}] ${tail}`
}

export class Progress {
  readonly #output: Output
  readonly #label: string
  readonly #terminal: Sink | undefined
  readonly #rate = new RateMeter()
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #doneBytes = 0
  #movedBytes = 0
  totalBytes = 0

  constructor(output: Output, label: string, now: () => number = () => performance.now()) {
    this.#output = output
    this.#label = label
    this.#terminal = output.terminal
    this.#now = now
  }

  get movedBytes(): number {
    return this.#movedBytes
  }

  /** Begins to draw, or to emit `progress` events. */
  start(): void {
    if (this.#timer !== undefined || (this.#terminal === undefined && !this.#output.json)) return
    this.#timer = setInterval(() => this.#tick(), this.#output.json ? eventMs : redrawMs)
    this.#timer.unref()
  }

  /** Bytes moved over the connection. */
  moved(bytes: number): void {
    this.#doneBytes += bytes
    this.#movedBytes += bytes
  }

  /** Bytes that were in place already; negative to take some back. */
  skipped(bytes: number): void {
    this.#doneBytes += bytes
  }

  /** Begins a session anew: what is in place is counted again. */
  rewind(): void {
    this.#doneBytes = 0
  }

  /** Erases the bar and ends the events with the last state. */
  stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#output.json) this.#tick()
    this.#erase()
  }

  get state(): ProgressState {
    return {
      doneBytes: this.#doneBytes,
      totalBytes: this.totalBytes,
      movedBytes: this.#movedBytes,
      bytesPerSecond: Math.round(this.#rate.bytesPerSecond),
    }
  }

  #tick(): void {
    this.#rate.sample(this.#now(), this.#movedBytes)
    if (this.#output.json) this.#output.event('progress', { ...this.state })
    const terminal = this.#terminal
    if (terminal === undefined) return
    terminal.write(`\r\u001b[2K${renderBar(this.#label, this.state, terminal.columns || 80)}`)
    this.#output.drawn(() => this.#erase())
  }

  #erase(): void {
    this.#terminal?.write('\r\u001b[2K')
    this.#output.drawn(undefined)
  }
}
