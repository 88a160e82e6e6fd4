/** The last round-trip times as a line; the numbers stand beside it, so screen readers skip it. */
import { svg } from './dom.js'

const SAMPLES = 30
const WIDTH = 56
const HEIGHT = 18

export class Sparkline {
  readonly element = svg('svg', { class: 'sparkline', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true' })
  readonly #line = svg('polyline', { points: '' })
  readonly #dot = svg('circle', { r: 1.8, cx: -9, cy: 0 })
  #samples: number[] = []

  constructor() {
    this.element.append(this.#line, this.#dot)
  }

  add(rttMs: number): void {
    if (rttMs <= 0) return
    this.#samples = [...this.#samples, rttMs].slice(-SAMPLES)
    const points = this.#points()
    this.#line.setAttribute('points', points.map((point) => point.join(',')).join(' '))
    const [x = 0, y = 0] = points.at(-1) ?? []
    this.#dot.setAttribute('cx', String(x))
    this.#dot.setAttribute('cy', String(y))
  }

  clear(): void {
    this.#samples = []
    this.#line.setAttribute('points', '')
    this.#dot.setAttribute('cx', '-9')
  }

  /** From zero to twice the usual, so that noise looks like noise and trouble like trouble. */
  #points(): [number, number][] {
    const sorted = [...this.#samples].sort((a, b) => a - b)
    const usual = sorted[Math.floor(sorted.length / 2)] ?? 1
    const top = Math.max(2 * usual, (sorted.at(-1) ?? 1) / 2, 1)
    return this.#samples.map((ms, i) => {
      const x = WIDTH - 3 - ((this.#samples.length - 1 - i) * (WIDTH - 6)) / (SAMPLES - 1)
      const y = HEIGHT - 2 - Math.min(1, ms / top) * (HEIGHT - 4)
      return [Math.round(x * 10) / 10, Math.round(y * 10) / 10]
    })
  }
}
