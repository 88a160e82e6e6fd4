import { readFile } from 'node:fs/promises'
import { createGlue } from '../../wasm/pkg/anypath_core_node.js'
import type { CoreProgram } from './load.js'

/** The core for Node, read from the file beside this module (after bundling: beside the bundle). */
export function nodeCore(): CoreProgram {
  return {
    wasm: async () => new Uint8Array(await readFile(new URL('./anypath_core_node.wasm', import.meta.url))),
    createGlue,
  }
}
