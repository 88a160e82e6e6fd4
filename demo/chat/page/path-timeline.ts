/** The paths to a member over the last minute: which were open, which one was in use, and how much each carried. */
import type { MemberView, PathView } from '../../../src/cli/chat/member.js'
import { el, setText, svg } from './dom.js'
import { formatClock, formatRate } from './format.js'

/** From one sample to the next, milliseconds. */
export const SAMPLE_MS = 1_000
const SAMPLES = 60
const STEP = 2
const WIDTH = SAMPLES * STEP
const HEIGHT = 16
/** The line of a path lies at the bottom, and what it carries is above. */
const LINE = 2
/** What fills a lane, bytes per second, and what is nothing: the keep-alives of an open path. */
const TOP_RATE = 20e6
const NO_RATE = 200

const LANE_TEXT: Readonly<Record<string, string>> = {
  relay: 'Relay',
  udp: 'UDP',
  webtransport: 'WebTransport',
  webrtc: 'WebRTC',
}

/** What is known of one kind of path at one time. */
interface Sample {
  readonly selected: boolean
  readonly bytesPerSecond: number
}

type Moment = ReadonlyMap<string, Sample>

export class PathTimeline {
  readonly element = el('div', { class: 'paths', hidden: true })
  readonly #lanes = new Map<string, Lane>()
  readonly #caption = el('p', { class: 'paths-since' })
  #moments: Moment[] = []
  #measuredAt: number | undefined
  #bytes = new Map<number, number>()
  #selected: { readonly kind: string; readonly since: number } | undefined

  constructor() {
    this.element.append(this.#caption)
  }

  /** Takes in how a member's paths are now. A new measurement begins a new sample, and what else has changed amends the last one. */
  show({ paths, measuredAt }: MemberView): void {
    const isNew = measuredAt !== this.#measuredAt || this.#moments.length === 0
    const rates = isNew ? this.#rates(paths, measuredAt) : undefined
    const last = this.#moments.at(-1)
    const moment = new Map<string, Sample>()
    for (const [index, { kind }] of paths.entries()) {
      const before = moment.get(kind)
      const bytesPerSecond = rates === undefined ? (last?.get(kind)?.bytesPerSecond ?? 0) : (rates.get(kind) ?? 0)
      moment.set(kind, before ?? { selected: index === 0, bytesPerSecond })
    }
    this.#moments = [...(isNew ? this.#moments : this.#moments.slice(0, -1)), moment].slice(-SAMPLES)
    const [first] = paths
    if (first !== undefined && first.kind !== this.#selected?.kind)
      this.#selected = { kind: first.kind, since: Date.now() }
    this.#draw()
  }

  clear(): void {
    this.#moments = []
    this.#measuredAt = undefined
    this.#bytes.clear()
    this.#selected = undefined
    this.#draw()
  }

  /** By kind, since the measurement before; a path that is new then has carried all of it since. */
  #rates(paths: readonly PathView[], measuredAt: number | undefined): ReadonlyMap<string, number> {
    const seconds =
      this.#measuredAt === undefined || measuredAt === undefined ? 0 : (measuredAt - this.#measuredAt) / 1000
    const rates = new Map<string, number>()
    for (const { pathId, kind, bytes = 0 } of paths) {
      const more = Math.max(0, bytes - (this.#bytes.get(pathId) ?? 0))
      rates.set(kind, (rates.get(kind) ?? 0) + (seconds > 0 ? more / seconds : 0))
    }
    this.#measuredAt = measuredAt
    this.#bytes = new Map(paths.map(({ pathId, bytes = 0 }) => [pathId, bytes]))
    return rates
  }

  #draw(): void {
    const kinds = new Set(this.#moments.flatMap((moment) => [...moment.keys()]))
    this.element.hidden = kinds.size === 0
    for (const [kind, lane] of this.#lanes) {
      if (kinds.has(kind)) continue
      lane.element.remove()
      this.#lanes.delete(kind)
    }
    // The relay, which is there first, below what takes its place.
    for (const kind of [...kinds].sort((one, other) => Number(one === 'relay') - Number(other === 'relay'))) {
      const lane = this.#lanes.get(kind) ?? new Lane(LANE_TEXT[kind] ?? kind)
      this.#lanes.set(kind, lane)
      lane.draw(this.#moments.map((moment) => moment.get(kind)))
      this.element.insertBefore(lane.element, this.#caption)
    }
    const { kind = '', since = 0 } = this.#selected ?? {}
    setText(this.#caption, kind === '' ? '' : `${LANE_TEXT[kind] ?? kind} since ${formatClock(since)}`)
  }
}

/** One kind of path: its name, its last minute, and what it carries now. */
class Lane {
  readonly element: HTMLElement
  readonly #rate = el('span', { class: 'lane-rate' })
  readonly #open = svg('path', { class: 'lane-open', d: '' })
  readonly #selected = svg('path', { class: 'lane-selected', d: '' })
  readonly #carried = svg('path', { class: 'lane-carried', d: '' })

  constructor(name: string) {
    const strip = svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      this.#carried,
      this.#open,
      this.#selected,
    )
    this.element = el('div', { class: 'lane' }, el('span', { class: 'lane-name' }, name), strip, this.#rate)
  }

  draw(samples: readonly (Sample | undefined)[]): void {
    const first = SAMPLES - samples.length
    const bars = (of: (sample: Sample) => number): string =>
      samples
        .map((sample, i) => {
          const height = sample === undefined ? 0 : of(sample)
          if (height === 0) return ''
          const x = (first + i) * STEP
          return `M${x} ${HEIGHT}h${STEP}v${-height}h${-STEP}z`
        })
        .join('')
    this.#open.setAttribute(
      'd',
      bars(({ selected }) => (selected ? 0 : LINE / 2)),
    )
    this.#selected.setAttribute(
      'd',
      bars(({ selected }) => (selected ? LINE : 0)),
    )
    this.#carried.setAttribute(
      'd',
      bars(({ bytesPerSecond }) => heightOf(bytesPerSecond)),
    )
    const now = samples.at(-1)
    this.element.dataset.use = now === undefined ? 'closed' : now.selected ? 'selected' : 'open'
    setText(this.#rate, now === undefined ? 'closed' : formatRate(now.bytesPerSecond))
  }
}

/** By the logarithm: a message must be seen beside a file. */
function heightOf(bytesPerSecond: number): number {
  if (bytesPerSecond <= NO_RATE) return 0
  const share = Math.log(bytesPerSecond / NO_RATE) / Math.log(TOP_RATE / NO_RATE)
  return Math.round((LINE + Math.min(1, share) * (HEIGHT - LINE)) * 10) / 10
}
