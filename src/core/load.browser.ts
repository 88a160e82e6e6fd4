import { createGlue } from '../../wasm/pkg/anypath_core.js'
import type { CoreProgram, CoreSource } from './load.js'

/**
 * The core for browsers.
 *
 * @param wasm where the application serves `anypath/core.wasm`, or its bytes, or the compiled module. Default: beside this module.
 */
export function browserCore(wasm: CoreSource = new URL('./anypath_core.wasm', import.meta.url)): CoreProgram {
  return { wasm, createGlue }
}
