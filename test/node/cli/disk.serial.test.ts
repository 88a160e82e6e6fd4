import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { loopback, type Running, Workbench } from './command.js'

const bench = await Workbench.open()
const MiB = 1024 * 1024

/** Mounts need a mount namespace of our own, and as root permissions stop nothing: so a small tmpfs it is. */
const mounting = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', bench.root])
const skip = mounting.status === 0 ? false : 'no mount namespaces here (unshare -m, mount)'

/** Runs the command where `disk` is mounted with these options; afterwards lists what is on it. */
const onDisk = (options: string, args: readonly string[], then = 'ls -A "$DISK" >&2'): Running =>
  bench.start(args, {
    env: { DISK: bench.path('disk'), OPTIONS: options },
    prefix: [
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount -t tmpfs -o "$OPTIONS" none "$DISK" && "$@"; code=$?; ${then}; exit $code`,
      'sh',
    ],
  })

const sendFile = async (name: string, size: number): Promise<{ sender: Running; ticket: string }> => {
  await mkdir(bench.path('disk'), { recursive: true })
  await writeFile(bench.path(name), randomBytes(size))
  const sender = bench.start(['send', '--json', ...loopback, bench.path(name)])
  const { ticket } = await sender.untilEvent('ticket')
  return { sender, ticket }
}

test('a disk that is too small is exit code 8 within seconds, before anything is received', { skip }, async () => {
  const { sender, ticket } = await sendFile('large.bin', 3 * MiB)
  const run = await onDisk('size=1m', ['receive', '--json', '--to', bench.path('disk'), ticket]).exits(8)
  const { code, message } = run.event('error') ?? {}
  assert.equal(code, 'ENOSPC')
  assert.match(message, /no space left on the disk: 3145728 bytes are needed and \d+ are free/)
  await sender.kill('SIGINT')
})

test('a disk that fills up meanwhile is exit code 8; what has come stays for resuming', { skip }, async () => {
  const { sender, ticket } = await sendFile('filling.bin', 24 * MiB)
  // Takes the space away as soon as the partial file is there.
  const thief = 'while [ ! -s "$DISK"/*.anypath-part ]; do sleep 0.02; done; head -c 12m /dev/zero > "$DISK/thief"'
  const run = bench.start(['receive', '--json', '--to', bench.path('disk'), ticket], {
    env: { DISK: bench.path('disk') },
    prefix: [
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount -t tmpfs -o size=30m none "$DISK" && { (${thief}) & "$@"; code=$?; ls -A "$DISK" >&2; exit $code; }`,
      'sh',
    ],
  })
  await run.exits(8)
  assert.equal(run.event('error')?.code, 'ENOSPC')
  assert.match(run.stderr, /^filling\.bin\.anypath-part$/m)
  assert.doesNotMatch(run.stderr, /^filling\.bin$/m)
  assert.equal(sender.child.exitCode, null, 'the sender goes on')
  await sender.kill('SIGINT')
})

test('a read-only folder is exit code 8', { skip }, async () => {
  const { sender, ticket } = await sendFile('small.bin', 100)
  const run = await onDisk('ro', ['receive', '--json', '--to', bench.path('disk'), ticket]).exits(8)
  assert.equal(run.event('error')?.code, 'EROFS')
  assert.match(run.event('error')?.message, /the file system is read-only/)
  const deeper = await onDisk('ro', ['receive', '--json', '--to', bench.path('disk/sub'), ticket]).exits(8)
  assert.equal(deeper.event('error')?.code, 'EROFS')
  await sender.kill('SIGINT')
})
