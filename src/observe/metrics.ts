import type { Attributes, Counter, Histogram, Meter, Observable, ObservableResult } from './opentelemetry.js'

/** The peer's own counters, as far as metrics show them. */
export interface CountedPeer {
  readonly handshakes: number
  readonly datagramsReceived: number
  readonly datagramsSent: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly malformedDropped: number
  readonly unroutedDropped: number
  readonly virtualDropped: number
  readonly retriesSent: number
  readonly refused: number
  readonly memoryBytes: number
  readonly traversalRounds: number
  readonly traversalMs: number
  readonly traversalsSucceeded: number
  readonly probesSent: number
  readonly birthdayProbesSent: number
  readonly directPathsLost: number
  readonly directPathsOpened: number
  readonly searches: Readonly<Record<string, object>>
  readonly observations: readonly {
    readonly by: string
    readonly observer: { readonly host: string; readonly port: number }
    readonly rttMs?: number
  }[]
  readonly transportDrops: Readonly<Record<string, number>>
}

/** What an instrument is told, and of what. */
export type Value = [number, Attributes?]

/** Has an instrument told of a peer's counters at each collection. */
export type Observe = (observable: Observable, values: (counted: CountedPeer) => Value[]) => void

/** A peer's instruments. Times are seconds and sizes bytes, as OpenTelemetry's conventions want them. */
export class PeerMetrics {
  readonly #connections: Counter
  readonly #handshakes: Counter
  readonly #dials: Histogram
  readonly #rtt: Histogram
  readonly #pathChanges: Counter
  readonly #earlyData: Counter
  readonly #observables: [Observable, (result: ObservableResult) => Promise<void>][] = []

  /**
   * @param stats asked for the counters at each collection.
   * @param more further instruments.
   */
  constructor(meter: Meter, stats: () => Promise<CountedPeer>, more?: (observe: Observe, meter: Meter) => void) {
    this.#connections = meter.createUpDownCounter('anypath.connections', {
      description: 'Authenticated connections that are open',
      unit: '{connection}',
    })
    this.#handshakes = meter.createCounter('anypath.handshakes', {
      description: 'Handshakes that ended, by direction and outcome',
      unit: '{handshake}',
    })
    this.#dials = meter.createHistogram('anypath.dial.duration', {
      description: 'From the dial to the authenticated remote, or to the failure',
      unit: 's',
    })
    this.#rtt = meter.createHistogram('anypath.path.rtt', {
      description: 'Round-trip time when a path opens',
      unit: 's',
    })
    this.#pathChanges = meter.createCounter('anypath.path.changes', { description: 'Path events', unit: '{change}' })
    this.#earlyData = meter.createCounter('anypath.early_data', {
      description: 'Answers to early data',
      unit: '{connection}',
    })
    this.#observe(meter, stats, more)
  }

  handshakeDone(direction: 'incoming' | 'outgoing'): void {
    this.#handshakes.add(1, { direction, outcome: 'ok' })
    this.#connections.add(1, { direction })
  }

  handshakeFailed(direction: 'incoming' | 'outgoing', error: string): void {
    this.#handshakes.add(1, { direction, outcome: error })
  }

  connectionClosed(direction: 'incoming' | 'outgoing'): void {
    this.#connections.add(-1, { direction })
  }

  dialEnded(durationMs: number, outcome: string): void {
    this.#dials.record(durationMs / 1000, { outcome })
  }

  pathChanged(change: string, kind: string, rttMs: number): void {
    this.#pathChanges.add(1, { change, kind })
    if (change !== 'closed' && rttMs > 0) this.#rtt.record(rttMs / 1000, { kind })
  }

  earlyDataAnswered(accepted: boolean): void {
    this.#earlyData.add(1, { accepted })
  }

  /** Ends the observations. */
  close(): void {
    for (const [observable, callback] of this.#observables.splice(0)) observable.removeCallback(callback)
  }

  #observe(
    meter: Meter,
    stats: () => Promise<CountedPeer>,
    more: ((observe: Observe, meter: Meter) => void) | undefined,
  ): void {
    const observe: Observe = (observable, values) => {
      const callback = async (result: ObservableResult) => {
        // A peer that is closing has nothing more to tell.
        const counted = await stats().catch(() => undefined)
        for (const [value, attributes] of counted === undefined ? [] : values(counted))
          result.observe(value, attributes)
      }
      observable.addCallback(callback)
      this.#observables.push([observable, callback])
    }
    observe(
      meter.createObservableCounter('anypath.network.io', { description: 'UDP payload', unit: 'By' }),
      (counted) => [
        [counted.bytesSent, { direction: 'sent' }],
        [counted.bytesReceived, { direction: 'received' }],
      ],
    )
    observe(meter.createObservableCounter('anypath.network.datagrams', { unit: '{datagram}' }), (counted) => [
      [counted.datagramsSent, { direction: 'sent' }],
      [counted.datagramsReceived, { direction: 'received' }],
    ])
    const dropped = { description: 'UDP datagrams that went no further, by cause', unit: '{datagram}' }
    observe(meter.createObservableCounter('anypath.network.dropped', dropped), (counted) => [
      [counted.malformedDropped, { cause: 'malformed' }],
      [counted.unroutedDropped, { cause: 'unrouted' }],
      [counted.virtualDropped, { cause: 'virtual-address' }],
      ...Object.entries(counted.transportDrops).map(([cause, count]): [number, Attributes] => [count, { cause }]),
    ])
    observe(meter.createObservableCounter('anypath.handshakes.retried', { unit: '{handshake}' }), ({ retriesSent }) => [
      [retriesSent],
    ])
    observe(meter.createObservableCounter('anypath.handshakes.refused', { unit: '{handshake}' }), ({ refused }) => [
      [refused],
    ])
    observe(meter.createObservableGauge('anypath.handshakes.pending', { unit: '{handshake}' }), ({ handshakes }) => [
      [handshakes],
    ])
    observe(
      meter.createObservableGauge('anypath.memory', { description: "The core's memory", unit: 'By' }),
      ({ memoryBytes }) => [[memoryBytes]],
    )
    more?.(observe, meter)
  }
}
