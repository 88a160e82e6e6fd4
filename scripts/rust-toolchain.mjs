import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { capture } from './run.mjs'

const DEBIAN_BIN = '/usr/bin'
const WASM_TARGET = 'wasm32-unknown-unknown'
export const WASI_TARGET = 'wasm32-wasip1'

/** Where Debian's wasi-libc is. */
const WASI_LIBC = '/usr/lib/wasm32-wasi'

/** What a user without a toolchain is told to install; either line is enough. */
export const WASM_TOOLCHAIN_ADVICE = [
  'a Rust toolchain for wasm32-unknown-unknown is missing. Either:',
  '  rustup target add wasm32-unknown-unknown    and a clang that can compile for wasm32, or, on Debian:',
  '  apt-get install -y rustc-web cargo-web rust-web-src clang lld',
].join('\n')

/**
 * Finds a Rust toolchain for this machine: the one on PATH (rustup's proxies fail where HOME is not the one they were
 * installed in, so it has to answer), else Debian's.
 *
 * @returns {{cargo: string, rustc: string, version: string, env: NodeJS.ProcessEnv} | undefined}
 */
export function nativeToolchain() {
  for (const bin of ['', DEBIAN_BIN]) {
    const toolchain = answeringToolchain(bin)
    if (toolchain) return toolchain
  }
  return undefined
}

/**
 * Finds a Rust toolchain that builds for wasm32-unknown-unknown: one whose standard library for it is installed, else
 * Debian's with the standard library's source, which cargo then builds itself.
 *
 * @returns {{cargo: string, rustc: string, version: string, env: NodeJS.ProcessEnv, buildStd: boolean, stdSources?: string[]} | {missing: string}}
 */
export function wasmToolchain() {
  const clang = findClang()
  const onPath = answeringToolchain('')
  if (onPath && hasWasmStd(onPath)) {
    if (!clang) return { missing: 'clang is missing: ring compiles C for wasm32 (apt-get install -y clang)' }
    return { ...onPath, buildStd: false, env: { ...onPath.env, ...clangEnv(clang) } }
  }
  const debian = answeringToolchain(DEBIAN_BIN)
  if (!debian) return { missing: WASM_TOOLCHAIN_ADVICE }
  const missing = []
  const stdSources = findStdSource(debian)
  if (stdSources.length === 0) missing.push('rust-web-src')
  if (!clang) missing.push('clang')
  if (!existsSync('/usr/bin/wasm-ld')) missing.push('lld')
  if (missing.length > 0) return { missing: `packages are missing: apt-get install -y ${missing.join(' ')}` }
  return {
    ...debian,
    buildStd: true,
    stdSources,
    env: {
      ...debian.env,
      ...clangEnv(clang),
      RUSTC_BOOTSTRAP: '1',
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: '/usr/bin/wasm-ld',
    },
  }
}

/** What is missing where wasm32-wasip1 can't be built for. */
export const WASI_TOOLCHAIN_ADVICE = [
  'a Rust toolchain for wasm32-wasip1 is missing. Either:',
  '  rustup target add wasm32-wasip1    or, on Debian:',
  '  apt-get install -y rustc-web cargo-web rust-web-src lld wasi-libc',
].join('\n')

/**
 * Finds a Rust toolchain that builds for wasm32-wasip1, in the same way. Debian's takes the C library of a package of its own.
 *
 * @returns {{cargo: string, rustc: string, version: string, env: NodeJS.ProcessEnv, buildStd: boolean, stdSources?: string[], flags: string[]} | {missing: string}}
 */
export function wasiToolchain() {
  const onPath = answeringToolchain('')
  if (onPath && hasWasmStd(onPath, WASI_TARGET)) return { ...onPath, buildStd: false, flags: [] }
  const debian = answeringToolchain(DEBIAN_BIN)
  const stdSources = debian ? findStdSource(debian) : []
  if (!debian || stdSources.length === 0 || !existsSync('/usr/bin/wasm-ld') || !existsSync(join(WASI_LIBC, 'libc.a')))
    return { missing: WASI_TOOLCHAIN_ADVICE }
  const env = { ...debian.env, RUSTC_BOOTSTRAP: '1' }
  const flags = [
    '-Clinker=/usr/bin/wasm-ld',
    '-Clink-self-contained=no',
    `-Lnative=${WASI_LIBC}`,
    `-Clink-arg=-L${WASI_LIBC}`,
  ]
  return { ...debian, buildStd: true, stdSources, env, flags }
}

/** Whether the toolchain has a cargo subcommand such as `clippy` or `fmt`. */
export function hasSubcommand(toolchain, name) {
  return capture(toolchain.cargo, [name, '--version'], toolchain.env) !== undefined
}

function answeringToolchain(bin) {
  const cargo = bin ? join(bin, 'cargo') : 'cargo'
  const rustc = bin ? join(bin, 'rustc') : 'rustc'
  // Inside cargo and npm these name another toolchain than the one that is asked for here.
  const { RUSTC: _rustc, RUSTFLAGS: _flags, RUSTUP_TOOLCHAIN: _toolchain, ...inherited } = process.env
  const env = bin ? { ...inherited, RUSTC: rustc, PATH: `${bin}${delimiter}${process.env.PATH}` } : inherited
  const version = capture(rustc, ['--version'], env)
  if (version === undefined || capture(cargo, ['--version'], env) === undefined) return undefined
  return { cargo, rustc, version, env }
}

function hasWasmStd({ rustc, env }, target = WASM_TARGET) {
  const libdir = capture(rustc, ['--print', 'target-libdir', '--target', target], env)
  return libdir !== undefined && existsSync(libdir) && readdirSync(libdir).some((name) => name.startsWith('libstd-'))
}

function findStdSource({ rustc, env }) {
  const sysroot = capture(rustc, ['--print', 'sysroot'], env)
  const source = sysroot === undefined ? '' : join(sysroot, 'lib/rustlib/src/rust')
  // Debian's is a symbolic link, and rustc records some paths by the one name and some by the other.
  return existsSync(join(source, 'library/std/Cargo.toml')) ? [source, realpathSync(source)] : []
}

function findClang() {
  const probe = ['--target=wasm32-unknown-unknown', '--print-resource-dir']
  const clang = ['clang', 'clang-20', 'clang-19', 'clang-18', 'clang-17', 'clang-16', 'clang-15', 'clang-14'].find(
    (name) => capture(name, probe) !== undefined,
  )
  if (!clang) return undefined
  const ar = ['llvm-ar', clang.replace('clang', 'llvm-ar')].find((name) => capture(name, ['--version']) !== undefined)
  return { clang, ar }
}

function clangEnv({ clang, ar }) {
  return { CC_wasm32_unknown_unknown: clang, ...(ar ? { AR_wasm32_unknown_unknown: ar } : {}) }
}

/** Where cargo keeps registries and its own configuration. */
export function cargoHome() {
  return process.env.CARGO_HOME ?? join(homedir() || userInfo().homedir, '.cargo')
}
