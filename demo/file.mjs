// Moves a file between two processes by a public key, and shows what happens. `npm run demo:file` runs it.
//
//   node demo/file.mjs                 a file of 64 MiB of random bytes
//   node demo/file.mjs --size 256      of 256 MiB
//   node demo/file.mjs PATH            a file of yours
//   --host ADDRESS                     listen on this address instead of loopback
//
// Both processes are the `anypath` command, with `--json`: one object per line, which is how another program drives it.

import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, existsSync, rmSync } from 'node:fs'
import { mkdtemp, open, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const command = fileURLToPath(new URL('../dist/cli/anypath.mjs', import.meta.url))
const MiB = 1024 * 1024
const children = new Set()
/** The last tenth that a pipe was told of. */
let shown = -1

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { size: { type: 'string', default: '64' }, host: { type: 'string', default: '127.0.0.1' } },
})

const folder = await mkdtemp(join(tmpdir(), 'anypath-demo-'))
process.on('exit', () => {
  for (const child of children) child.kill()
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))
try {
  await main()
} catch (error) {
  console.error(`\nThe demo failed: ${error.message}`)
  process.exitCode = 1
}

async function main() {
  if (!existsSync(command)) throw new Error('dist/ is not built; run `npm ci` or `npm run build`')
  console.log('anypath: one file, two processes, one public key\n')
  const file = positionals[0] === undefined ? await makeFile(Number(values.size)) : resolve(positionals[0])
  const { size } = await stat(file)
  const hash = await sha256Of(file)
  console.log(`1. The file: ${file}, ${megabytes(size)}`)
  console.log(`   SHA-256 ${hash}\n`)

  // The sender's key and state go into the temporary folder: the demo leaves nothing behind.
  const sender = anypath(['send', '--json', '--once', '--bind', values.host, file])
  const { ticket, id } = await sender.event('ticket')
  console.log(`2. Process ${sender.pid} offers it:   anypath send --once ${basename(file)}`)
  console.log(`   Its public key: ${id}`)
  console.log(`   Its ticket, which is that key, its addresses and a secret:\n   ${ticket}\n`)

  const target = join(folder, 'received')
  await receive(target, ticket)
  await sender.ended

  const received = await sha256Of(join(target, basename(file)))
  console.log(`   SHA-256 ${received}`)
  if (received !== hash) throw new Error('the hashes differ')
  console.log('   The hashes are the same: the file has arrived whole.')
}

async function receive(target, ticket) {
  const receiver = anypath(['receive', '--json', '--to', target, ticket])
  console.log(`3. Process ${receiver.pid} dials that key:   anypath receive <ticket>`)
  const { path, rttMs, tls } = await receiver.event('connected')
  console.log(`   The path taken: ${path.kind} to ${path.host} port ${path.port}, round trip ${rttMs.toFixed(1)} ms`)
  console.log(`   End-to-end encrypted: ${tls.group} and ${tls.cipher}`)
  receiver.on('progress', drawProgress)
  const done = await receiver.event('done')
  finishProgress()
  await receiver.ended
  console.log(`   Received ${megabytes(done.receivedBytes)} in ${(done.elapsedMs / 1000).toFixed(1)} s`)
}

/** Starts the command; its JSON lines are looked at by name. */
function anypath(args) {
  const env = { ...process.env, XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state') }
  const child = spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  const listeners = []
  let problems = ''
  child.stderr.on('data', (text) => {
    problems += text
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    const fields = JSON.parse(line)
    for (const listener of listeners) listener(fields)
  })
  const on = (name, listener) => listeners.push((fields) => fields.event === name && listener(fields))
  const ended = new Promise((done, failed) => {
    child.once('close', (code) => {
      children.delete(child)
      if (code === 0) done()
      else failed(new Error(`anypath ${args[0]} ended with exit code ${code}: ${problems.trim()}`))
    })
  })
  ended.catch(() => {})
  const event = (name) =>
    Promise.race([new Promise((found) => on(name, found)), ended.then(() => new Promise(() => {}))])
  return { pid: child.pid, on, event, ended }
}

/** A bar on a terminal; in a pipe a line for each tenth. */
function drawProgress({ doneBytes, totalBytes, bytesPerSecond }) {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes
  const left = bytesPerSecond === 0 ? '?' : Math.ceil((totalBytes - doneBytes) / bytesPerSecond)
  const text = `${String(Math.floor(share * 100)).padStart(3)}%  ${megabytes(bytesPerSecond)}/s, ${left} s left`
  if (process.stdout.isTTY) {
    const full = Math.round(share * 30)
    process.stdout.write(`\r\u001b[2K   [${'#'.repeat(full)}${'-'.repeat(30 - full)}] ${text}`)
  } else if (Math.floor(share * 10) > shown) {
    shown = Math.floor(share * 10)
    console.log(`   ${text}`)
  }
}

function finishProgress() {
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[2K')
}

async function makeFile(mebibytes) {
  if (!(mebibytes > 0 && mebibytes <= 65_536)) throw new Error('--size is a number of MiB up to 65536')
  const path = join(folder, 'random.bin')
  const file = await open(path, 'w')
  for (let i = 0; i < mebibytes; i++) await file.write(randomBytes(MiB))
  await file.close()
  return path
}

async function sha256Of(path) {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
