import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from './run.mjs'

/** Where tools and build products that survive a checkout are kept: `ANYPATH_CACHE_DIR`, else the user's cache folder. */
export const cacheDir =
  process.env.ANYPATH_CACHE_DIR ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'anypath')

/** One cargo target folder for all native programs of the test set-up, so that they share compiled crates. */
export const cargoTargetDir = join(cacheDir, 'build')

/** The environment in which native tools and peers are built: unoptimised and without debug info, which is fastest to build. */
export function cargoBuildEnv(toolchain) {
  return { ...toolchain.env, CARGO_TARGET_DIR: cargoTargetDir, CARGO_PROFILE_DEV_DEBUG: '0' }
}

/**
 * The environment in which the core's crates are tested and linted: optimised, for simulations and property tests are bound
 * by the processor, and the same for both, so that C code is compiled once.
 */
export function coreTestEnv(toolchain) {
  return { ...cargoBuildEnv(toolchain), CARGO_PROFILE_DEV_OPT_LEVEL: '2' }
}

/** Where a program is, or will be, that `installTool` installs. */
export function toolPath({ crate, version, bin, folder = `${crate}-${version}` }) {
  return join(cacheDir, 'tools', folder, 'bin', bin)
}

/**
 * Installs a program from crates.io into the cache unless it is there already.
 *
 * @param {{crate: string, version: string, bin: string, folder?: string, args?: string[], release?: boolean}} tool `release`: optimised, which
 *   takes much longer to build
 * @param {{cargo: string, env: NodeJS.ProcessEnv}} toolchain a native toolchain from `rust-toolchain.mjs`
 * @returns {Promise<string>} the path of the program
 * @throws {Error} with cargo's last lines, when it can't be built
 */
export async function installTool(tool, toolchain) {
  const program = toolPath(tool)
  if (existsSync(program)) return program
  const root = dirname(dirname(program))
  mkdirSync(root, { recursive: true })
  console.error(`installing ${tool.crate} ${tool.version} into ${root} (once; a few minutes)`)
  const profile = tool.release === true ? [] : ['--debug']
  const args = ['install', ...profile, tool.crate, '--version', tool.version, '--root', root, ...(tool.args ?? [])]
  const result = await run(toolchain.cargo, args, { env: cargoBuildEnv(toolchain) })
  if (result.code !== 0 || !existsSync(program)) {
    throw new Error(`cargo ${args.join(' ')} failed:\n${lastLines(result.output, 30)}`)
  }
  return program
}

/** The last lines of a program's output, for an error message. */
export function lastLines(text, count) {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}

/** The SHA-256 of some bytes or text, in lower-case hex. */
export function sha256(data) {
  return createHash('sha256').update(data).digest('hex')
}
