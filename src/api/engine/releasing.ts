import type { Engine } from '../../driver/engine.js'
import { ForwardingEngine } from './forwarding.js'

/** Gives back what was taken for an engine, such as its key, as soon as the engine is closed. */
export class ReleasingEngine extends ForwardingEngine {
  readonly #release: () => void
  #closing: Promise<void> | undefined

  /** @param release called once. */
  constructor(inner: Engine, release: () => void) {
    super(inner)
    this.#release = release
  }

  override close(code: number, reason: string, timeoutMs: number): Promise<void> {
    this.#closing ??= this.inner.close(code, reason, timeoutMs).finally(this.#release)
    return this.#closing
  }
}
