import type { CoreGlue } from './glue.js'

/** A core that can be instantiated: its bytes or its module, and the glue that was generated with them. */
export interface CoreProgram {
  /** The compiled module, its bytes, where to fetch it, or a function that finds one of these when it is needed. */
  readonly wasm: CoreSource | (() => CoreSource | Promise<CoreSource>)
  /** Makes glue with state of its own; instances share nothing but code. */
  createGlue(): CoreGlue
}

export type CoreSource = WebAssembly.Module | ArrayBuffer | Uint8Array<ArrayBuffer> | URL

/**
 * Finds and compiles a core. A compiled module passes through, so that many engines can share one.
 *
 * @throws WebAssembly.CompileError when the bytes are no WebAssembly, TypeError when they can't be fetched.
 */
export async function compileCore(program: CoreProgram): Promise<WebAssembly.Module> {
  const source = typeof program.wasm === 'function' ? await program.wasm() : program.wasm
  if (source instanceof WebAssembly.Module) return source
  if (!(source instanceof URL)) return WebAssembly.compile(source)
  const response = await fetch(source)
  if (!response.ok) throw new TypeError(`the core can't be fetched from ${source}: ${response.status}`)
  // Streaming compilation wants the right MIME type, which not every file server gives.
  if (response.headers.get('content-type')?.startsWith('application/wasm'))
    return WebAssembly.compileStreaming(response)
  return WebAssembly.compile(await response.arrayBuffer())
}
