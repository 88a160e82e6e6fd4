import { createGlue } from '../../wasm/pkg/anypath_core.js'
import type { CoreProgram } from './load.js'

/** The core for browsers, from the code in `anypath/core.wasm`. */
export function browserCore(wasm: CoreProgram['wasm']): CoreProgram {
  return { wasm, createGlue }
}
