/** Runs tasks side by side, at most a fixed number at a time, and keeps the first error. */
export class TaskPool {
  readonly #limit: number
  readonly #running = new Set<Promise<void>>()
  readonly #onError: (error: unknown) => void

  /** @param onError is told of each task that failed. */
  constructor(limit: number, onError: (error: unknown) => void) {
    this.#limit = limit
    this.#onError = onError
  }

  /** Starts a task, waiting for a place. */
  async start(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running)
    const running: Promise<void> = task()
      .catch(this.#onError)
      .finally(() => void this.#running.delete(running))
    this.#running.add(running)
  }

  /** Resolves when no task is running. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running)
  }
}
