import type { ConnectionStats, PathInfo } from '../driver/engine.js'
import type { CandidatePair, PathEvent } from './connection-events.js'

/** A connection's open paths, as its events and measurements tell them. */
export class PathTable {
  /** The one in use first. */
  #paths = new Map<number, PathInfo>()
  /** Where the remote sees this side, by path. */
  readonly #observed = new Map<number, NonNullable<CandidatePair['local']>>()
  #rttMs = 0

  /** The round-trip time that was measured last, milliseconds. */
  get rttMs(): number {
    return this.#rttMs
  }

  all(): readonly PathInfo[] {
    return [...this.#paths.values()]
  }

  /** The pair of the path in use. */
  pair(): CandidatePair | undefined {
    const [remote] = this.#paths.values()
    if (remote === undefined) return undefined
    const local = this.#observed.get(remote.pathId)
    return local === undefined ? { remote } : { local, remote }
  }

  apply(change: PathEvent['change'], path: PathInfo): void {
    if (change === 'closed') {
      this.#paths.delete(path.pathId)
      this.#observed.delete(path.pathId)
    } else if (change === 'selected') {
      const others = [...this.#paths].filter(([pathId]) => pathId !== path.pathId)
      this.#paths = new Map([[path.pathId, path], ...others])
      if (path.rttMs > 0) this.#rttMs = path.rttMs
    } else if (change === 'observed') {
      this.#observed.set(path.pathId, { host: path.host, port: path.port })
    } else {
      this.#paths.set(path.pathId, path)
      if (path.rttMs > 0) this.#rttMs = path.rttMs
    }
  }

  measured(stats: ConnectionStats): void {
    this.#rttMs = stats.rttMs
    for (const { pathId, kind, host, port, relay, rttMs } of stats.paths) {
      if (!this.#paths.has(pathId)) continue
      const path = { pathId, kind, host, port, rttMs }
      this.#paths.set(pathId, relay === undefined ? path : { ...path, relay })
    }
  }
}
