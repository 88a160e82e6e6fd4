import { readFile } from 'node:fs/promises'
import { createGlue } from '../../wasm/pkg/anypath_core_node.js'
import type { CoreProgram } from './load.js'

/** The core for Node, from the code that is given, or else from the file beside this module (after bundling: beside the bundle). */
export function nodeCore(wasm: CoreProgram['wasm'] = besideThis): CoreProgram {
  return { wasm, createGlue }
}

async function besideThis(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(new URL('./anypath_core_node.wasm', import.meta.url)))
}
