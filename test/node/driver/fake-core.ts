import { ByteWriter } from '../../../src/core/bytes.js'
import type { CoreGlue, RawCore } from '../../../src/core/glue.js'
import type { CoreProgram } from '../../../src/core/load.js'

/** The smallest module there is: the fake has its memory beside it. */
const EMPTY_MODULE = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])

const INPUT_AT = 64 * 1024
const OUTPUT_AT = 512 * 1024

/** A core whose answers a test writes by hand: what a real one does only when it is broken. */
export class FakeCore {
  readonly memory = new WebAssembly.Memory({ initial: 32 })
  readonly calls: unknown[][] = []
  /** What the next drain gives. */
  readonly output: Uint8Array[] = []
  /** Results by method; 0 when there is none. A function is called. */
  readonly results: Record<string, unknown> = {}
  wake = Number.POSITIVE_INFINITY
  panicMessage = 'index out of bounds'
  freed = 0
  instances = 0

  program(): CoreProgram {
    return { wasm: EMPTY_MODULE, createGlue: () => this.#glue() }
  }

  record(kind: number, id: number, payload: (writer: ByteWriter) => void = () => {}): void {
    const body = new ByteWriter()
    payload(body)
    this.output.push(new ByteWriter().u8(kind).u32(id).u32(body.written.length).bytes(body.written).written.slice())
  }

  /** A `connected` record of a remote at 192.0.2.1 port 9. */
  connected(connection: number): void {
    const address = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0])
    this.record(2, connection, (w) =>
      w.bytes(new Uint8Array(32)).u8(0).u8(0).u16(0x1d).u16(0x1303).u8(0).u32(0).bytes(address).f64(1).u8(0),
    )
  }

  closed(connection: number, code: number, reason = ''): void {
    this.record(3, connection, (w) => w.u16(code).u8(1).f64(0).text16(reason, ''))
  }

  panicIn(method: string): void {
    this.results[method] = () => {
      throw new WebAssembly.RuntimeError('unreachable')
    }
  }

  #glue(): CoreGlue {
    const fake = this
    class Core {
      constructor(config: Uint8Array) {
        fake.instances += 1
        fake.#call('new', [config])
        // biome-ignore lint/correctness/noConstructorReturn: every method of the raw core is answered by name
        return new Proxy(this, {
          get:
            (_target, name) =>
            (...args: unknown[]) =>
              fake.#call(String(name), args),
        })
      }
    }
    return {
      initSync: () => ({ memory: fake.memory }),
      Core: Core as unknown as new (config: Uint8Array) => RawCore,
      panic_message: () => fake.panicMessage,
    }
  }

  #call(method: string, args: unknown[]): unknown {
    this.calls.push([method, ...args])
    const result = this.results[method]
    if (typeof result === 'function') return result(...args)
    if (result !== undefined) return result
    switch (method) {
      case 'input':
        return INPUT_AT
      case 'output':
        return OUTPUT_AT
      case 'next_wake':
        return this.wake
      case 'free':
        this.freed += 1
        return undefined
      case 'drain':
        return this.#drain()
      default:
        return 0
    }
  }

  #drain(): number {
    let length = 0
    for (const record of this.output.splice(0)) {
      new Uint8Array(this.memory.buffer).set(record, OUTPUT_AT + length)
      length += record.length
    }
    return length
  }
}
