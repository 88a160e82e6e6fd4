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
  /** Whether it was in use for any of that time. */
  readonly selected: boolean
  readonly bytesPerSecond: number
}

type Moment = ReadonlyMap<string, Sample>

export class PathTimeline {
  readonly element = el('div', { class: 'paths', hidden: true })
  #lanes: ReadonlyMap<string, Lane> = new Map()
  readonly #caption = el('p', { class: 'paths-since' })
  #moments: Moment[] = []
  #measuredAt: number | undefined
  #bytes = new Map<number, number>()
  #selected: { readonly kind: string; readonly since: number } | undefined

  constructor() {
    this.element.append(this.#caption)
  }

  /** Takes in how a member's paths are now. A new measurement begins a new sample, and what else has changed adds to the last one. */
  show({ paths, measuredAt }: MemberView): void {
    const isNew = measuredAt !== this.#measuredAt || this.#moments.length === 0
    const rates = isNew ? this.#rates(paths, measuredAt) : undefined
    // A path that was in use for less than a sample is seen, too.
    const moment = new Map(isNew ? [] : this.#moments.at(-1))
    for (const [index, { kind }] of paths.entries()) {
      const { selected = false, bytesPerSecond = rates?.get(kind) ?? 0 } = moment.get(kind) ?? {}
      moment.set(kind, { selected: selected || index === 0, bytesPerSecond })
    }
    this.#moments = [...(isNew ? this.#moments : this.#moments.slice(0, -1)), moment].slice(-SAMPLES)
    const [first] = paths
    if (first !== undefined && first.kind !== this.#selected?.kind)
      this.#selected = { kind: first.kind, since: Date.now() }
    this.#draw(new Set(paths.map(({ kind }) => kind)))
  }

  clear(): void {
    this.#moments = []
    this.#measuredAt = undefined
    this.#bytes.clear()
    this.#selected = undefined
    this.#draw(new Set())
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

  #draw(open: ReadonlySet<string>): void {
    // The relay, which is there first, below what takes its place.
    const kinds = [...new Set(this.#moments.flatMap((moment) => [...moment.keys()]))].sort(
      (one, other) => Number(one === 'relay') - Number(other === 'relay'),
    )
    this.element.hidden = kinds.length === 0
    if (kinds.join() !== [...this.#lanes.keys()].join()) {
      const lanes = kinds.map((kind) => [kind, this.#lanes.get(kind) ?? new Lane(LANE_TEXT[kind] ?? kind)] as const)
      this.#lanes = new Map(lanes)
      this.element.replaceChildren(...lanes.map(([, { element }]) => element), this.#caption)
    }
    const { kind: selected = '', since = 0 } = this.#selected ?? {}
    for (const [kind, lane] of this.#lanes) {
      const use = !open.has(kind) ? 'closed' : kind === selected ? 'selected' : 'open'
      lane.draw(
        this.#moments.map((moment) => moment.get(kind)),
        use,
      )
    }
    setText(this.#caption, selected === '' ? '' : `${LANE_TEXT[selected] ?? selected} since ${formatClock(since)}`)
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

  draw(samples: readonly (Sample | undefined)[], use: 'selected' | 'open' | 'closed'): void {
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
    this.element.dataset.use = use
    setText(this.#rate, use === 'closed' ? 'closed' : formatRate(samples.at(-1)?.bytesPerSecond ?? 0))
  }
}

/** By the logarithm: a message must be seen beside a file. */
function heightOf(bytesPerSecond: number): number {
  if (bytesPerSecond <= NO_RATE) return 0
  const share = Math.log(bytesPerSecond / NO_RATE) / Math.log(TOP_RATE / NO_RATE)
  return Math.round((LINE + Math.min(1, share) * (HEIGHT - LINE)) * 10) / 10
}
