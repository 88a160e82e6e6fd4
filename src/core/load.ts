import { createError } from '../errors/index.js'
import type { CoreGlue } from './glue.js'

/** A core that can be instantiated: its bytes or its module, and the glue that was generated with them. */
export interface CoreProgram {
  /** Where the code comes from, or a function that finds it when it is needed. */
  readonly wasm: CoreSource | (() => CoreSource | Promise<CoreSource>)
  /** Makes glue with state of its own; instances share nothing but code. */
  createGlue(): CoreGlue
}

/** A core's code: compiled, as bytes, as the response of a fetch, or where to fetch it. */
export type CoreSource = WebAssembly.Module | ArrayBuffer | Uint8Array<ArrayBuffer> | Response | URL

/**
 * Finds and compiles a core. A compiled module passes through, so that many engines can share one.
 *
 * @throws AnypathError `TransportFailed` when it can't be fetched; `InvalidConfig` when the server has no such file, when what came is no
 *   WebAssembly, or when the page's Content-Security-Policy forbids to compile it.
 */
export async function compileCore(program: CoreProgram): Promise<WebAssembly.Module> {
  const source = await (typeof program.wasm === 'function' ? program.wasm() : program.wasm)
  if (source instanceof WebAssembly.Module) return source
  if (source instanceof URL) return compileResponse(await fetchCore(source))
  if (typeof Response === 'function' && source instanceof Response) return compileResponse(source)
  return compiled(WebAssembly.compile(source), 'what was given', 'InvalidConfig')
}

async function fetchCore(url: URL): Promise<Response> {
  try {
    return await fetch(url)
  } catch (thrown) {
    throw createError('TransportFailed', `core: can't be fetched from ${url}: ${textOf(thrown)}`, { cause: thrown })
  }
}

async function compileResponse(response: Response): Promise<WebAssembly.Module> {
  const from = response.url || 'the response'
  if (!response.ok) {
    throw createError('InvalidConfig', `core: ${from} answered ${response.status}; serve anypath/core.wasm there`)
  }
  // Streaming compilation insists on the MIME type, which not every file server gives.
  const isWasm = /^application\/wasm\s*(;|$)/i.test(response.headers.get('content-type') ?? '')
  const module = isWasm ? WebAssembly.compileStreaming(response) : response.arrayBuffer().then(WebAssembly.compile)
  return compiled(module, from, 'TransportFailed')
}

/** @param otherwise what it is when it is not the code's fault. */
async function compiled(
  module: Promise<WebAssembly.Module>,
  from: string,
  otherwise: 'TransportFailed' | 'InvalidConfig',
): Promise<WebAssembly.Module> {
  try {
    return await module
  } catch (thrown) {
    const code = thrown instanceof WebAssembly.CompileError ? 'InvalidConfig' : otherwise
    throw createError(code, `core: ${from} can't be compiled: ${textOf(thrown)}`, { cause: thrown })
  }
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
