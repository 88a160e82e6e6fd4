/** Views over an instance's memory, made anew whenever it has grown. */
export class CoreMemory {
  readonly #memory: WebAssembly.Memory
  #bytes: Uint8Array<ArrayBuffer>
  #view: DataView

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory
    this.#bytes = new Uint8Array(memory.buffer)
    this.#view = new DataView(memory.buffer)
  }

  /** All of it. Valid until the next call into the instance. */
  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#bytes.length === 0) this.#renew()
    return this.#bytes
  }

  /** All of it. Valid until the next call into the instance. */
  get view(): DataView {
    if (this.#bytes.length === 0) this.#renew()
    return this.#view
  }

  /** Growth detaches the old buffer, which shows as a length of zero. */
  #renew(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.#view = new DataView(this.#memory.buffer)
  }
}
