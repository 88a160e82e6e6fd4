import mittModule, { type Emitter as Mitt } from 'mitt'
import type { Logger } from '../observe/logger.js'

// mitt's types describe a CommonJS module; what is loaded is its ES module, whose default export is the function.
const mitt = mittModule as unknown as typeof mittModule.default

export type Listener<T> = (event: T) => void

/**
 * Events whose listeners can't harm each other: what one throws is logged, and the others are still called.
 *
 * An emitter without listeners holds nothing.
 */
export class Emitter<Events extends Record<string, unknown>> {
  readonly #logger: Logger | undefined
  #mitt: Mitt<Events> | undefined
  #wrapped: Map<unknown, Map<keyof Events, Listener<never>>> | undefined

  constructor(logger: Logger | undefined) {
    this.#logger = logger
  }

  /** The number of listeners of all events. */
  get size(): number {
    let size = 0
    for (const events of this.#wrapped?.values() ?? []) size += events.size
    return size
  }

  on<K extends keyof Events & string>(type: K, listener: Listener<Events[K]>): void {
    const wrapped = this.#wrapped ?? new Map<unknown, Map<keyof Events, Listener<never>>>()
    const ofListener = wrapped.get(listener) ?? new Map<keyof Events, Listener<never>>()
    if (ofListener.has(type)) return
    const isolated = (event: Events[K]) => this.#call(type, listener, event)
    ofListener.set(type, isolated)
    wrapped.set(listener, ofListener)
    this.#wrapped = wrapped
    this.#mitt ??= mitt<Events>()
    this.#mitt.on(type, isolated)
  }

  off<K extends keyof Events & string>(type: K, listener: Listener<Events[K]>): void {
    const ofListener = this.#wrapped?.get(listener)
    const isolated = ofListener?.get(type)
    if (ofListener === undefined || isolated === undefined) return
    this.#mitt?.off(type, isolated as Listener<Events[K]>)
    ofListener.delete(type)
    if (ofListener.size === 0) this.#wrapped?.delete(listener)
  }

  emit<K extends keyof Events & string>(type: K, event: Events[K]): void {
    this.#mitt?.emit(type, event)
  }

  #call<K extends keyof Events & string>(type: K, listener: Listener<Events[K]>, event: Events[K]): void {
    try {
      // A listener that is an async function rejects later instead.
      const returned: unknown = listener(event)
      if (returned instanceof Promise) returned.catch((thrown: unknown) => this.#report(type, thrown))
    } catch (thrown) {
      this.#report(type, thrown)
    }
  }

  #report(type: string, thrown: unknown): void {
    this.#logger?.error('a listener failed', {
      event: type,
      error: thrown instanceof Error ? thrown.message : String(thrown),
    })
  }
}
