import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { scanManifest } from '../../../src/cli/transfer/manifest.js'
import { type FileResult, type ReceiverOptions, receiveTransfer } from '../../../src/cli/transfer/receiver.js'
import { sameSecret } from '../../../src/cli/transfer/secret.js'
import { type ByteStream, type SenderOptions, serveTransfer, WrongSecret } from '../../../src/cli/transfer/sender.js'
import { TargetFolder } from '../../../src/cli/transfer/target.js'
import { breakingAfter, streamPair } from './memory-stream.js'

const MiB = 1024 * 1024
const root = await mkdtemp(join(tmpdir(), 'anypath-transfer-'))
after(() => rm(root, { recursive: true, force: true }))

const secret = randomBytes(32)
let folders = 0

/** A folder with the given files, by path; and an empty one to receive into. */
const scene = async (files: Record<string, Uint8Array | string>): Promise<{ source: string; target: string }> => {
  const source = join(root, `${folders}`, 'things')
  const target = join(root, `${folders++}`, 'target')
  await mkdir(source, { recursive: true })
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(source, path)), { recursive: true })
    await writeFile(join(source, path), content)
  }
  return { source, target }
}

interface Run {
  readonly results: Map<string, FileResult>
  readonly receivedBytes: number
  readonly receiving: PromiseSettledResult<void>
  readonly sending: PromiseSettledResult<void>
}

const transfer = async (
  { source, target }: { source: string; target: string },
  receiver: Partial<ReceiverOptions> = {},
  { wrap = (s: ByteStream) => s, ...sender }: Partial<SenderOptions> & { wrap?: (s: ByteStream) => ByteStream } = {},
): Promise<Run> => {
  const [near, far] = streamPair()
  const results = new Map<string, FileResult>()
  let receivedBytes = 0
  const [sending, receiving] = await Promise.allSettled([
    serveTransfer(near, {
      manifest: () => scanManifest([source]),
      checkSecret: (shown) => sameSecret(shown, secret),
      ...sender,
    }),
    receiveTransfer(wrap(far), {
      secret,
      target: await TargetFolder.open(target),
      overwrite: false,
      portable: true,
      onBytes: (bytes) => void (receivedBytes += bytes),
      onFile: (file) => void results.set(file.path, file),
      ...receiver,
    }),
  ])
  return { results, receivedBytes, receiving, sending }
}

const succeeded = (run: Run): Run => {
  assert.deepEqual([run.sending, run.receiving], Array(2).fill({ status: 'fulfilled', value: undefined }))
  return run
}

const reasonOf = (outcome: PromiseSettledResult<void>): Error => {
  assert.equal(outcome.status, 'rejected')
  return (outcome as PromiseRejectedResult).reason
}

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')
const outcomes = (run: Run): Record<string, string> =>
  Object.fromEntries([...run.results].map(([path, { outcome }]) => [path, outcome]).sort())

test('a folder arrives with its empty files, empty folders and executable bits', async () => {
  const large = randomBytes(3 * MiB + 17)
  const place = await scene({ 'a.txt': 'hello', 'deep/er/large.bin': large, 'deep/empty': '', 'run.sh': '#!/bin/sh\n' })
  await mkdir(join(place.source, 'hollow'))
  await import('node:fs/promises').then(({ chmod }) => chmod(join(place.source, 'run.sh'), 0o755))
  const run = succeeded(await transfer(place))
  assert.deepEqual(new Set(Object.values(outcomes(run))), new Set(['received']))
  assert.equal(run.results.get('things/deep/er/large.bin')?.sha256, sha256(large))
  assert.deepEqual(await readFile(join(place.target, 'things/deep/er/large.bin')), large)
  assert.equal((await stat(join(place.target, 'things/deep/empty'))).size, 0)
  assert.ok((await stat(join(place.target, 'things/hollow'))).isDirectory())
  assert.equal((await stat(join(place.target, 'things/run.sh'))).mode & 0o111, 0o111)
  assert.equal((await stat(join(place.target, 'things/a.txt'))).mode & 0o111, 0)
  const left = (await readdir(place.target, { recursive: true })).filter((name) => name.includes('anypath-part'))
  assert.deepEqual(left, [])
})

test('six hundred small files arrive, each with its own content', async () => {
  const files = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`${i % 20}/${i}.txt`, `file ${i}`]))
  const place = await scene(files)
  const run = succeeded(await transfer(place))
  assert.equal(run.results.size, 600)
  for (const i of [0, 333, 599]) {
    assert.equal(await readFile(join(place.target, 'things', `${i % 20}/${i}.txt`), 'utf8'), `file ${i}`)
  }
})

test('a single file is received under its own name', async () => {
  const place = await scene({ 'one.bin': 'x' })
  succeeded(await transfer({ ...place, source: join(place.source, 'one.bin') }))
  assert.equal(await readFile(join(place.target, 'one.bin'), 'utf8'), 'x')
})

test('a broken transfer leaves no final name, and resuming it repeats at most 1 MiB', async () => {
  const content = randomBytes(24 * MiB)
  const place = await scene({ 'big.bin': content })
  const first = await transfer(place, {}, { wrap: (stream) => breakingAfter(stream, 10.5 * MiB) })
  assert.match(reasonOf(first.receiving).message, /connection was lost/)
  assert.deepEqual(await readdir(join(place.target, 'things')), ['big.bin.anypath-part'])
  const second = succeeded(await transfer(place))
  assert.equal(await readFile(join(place.target, 'things/big.bin')).then(sha256), sha256(content))
  assert.ok(first.receivedBytes > 10 * MiB)
  assert.ok(first.receivedBytes + second.receivedBytes - content.length <= MiB)
})

test('a damaged partial file is noticed, and only what follows the damage comes again', async () => {
  const content = randomBytes(8 * MiB)
  const place = await scene({ 'big.bin': content })
  await mkdir(join(place.target, 'things'), { recursive: true })
  const part = Buffer.from(content.subarray(0, 6 * MiB))
  part[5 * MiB + 5] = (part[5 * MiB + 5] ?? 0) ^ 1
  await writeFile(join(place.target, 'things/big.bin.anypath-part'), part)
  const run = succeeded(await transfer(place))
  assert.equal(run.receivedBytes, 3 * MiB)
  assert.deepEqual(await readFile(join(place.target, 'things/big.bin')), content)
})

test('a partial file that is longer than the source is cut', async () => {
  const content = randomBytes(2 * MiB)
  const place = await scene({ 'big.bin': content })
  await mkdir(join(place.target, 'things'), { recursive: true })
  await writeFile(join(place.target, 'things/big.bin.anypath-part'), Buffer.concat([content, randomBytes(MiB)]))
  assert.equal(succeeded(await transfer(place)).receivedBytes, 0)
  assert.deepEqual(await readFile(join(place.target, 'things/big.bin')), content)
})

test('an identical file is skipped by its hash, a different one is kept and reported', async () => {
  const place = await scene({ same: 'same', longer: 'longer', other: 'other' })
  await mkdir(join(place.target, 'things'), { recursive: true })
  await writeFile(join(place.target, 'things/same'), 'same')
  await writeFile(join(place.target, 'things/longer'), 'short')
  await writeFile(join(place.target, 'things/other'), 'OTHER')
  const run = succeeded(await transfer(place))
  assert.deepEqual(outcomes(run), {
    'things/longer': 'conflict',
    'things/other': 'conflict',
    'things/same': 'identical',
  })
  assert.equal(run.receivedBytes, 0)
  assert.equal(await readFile(join(place.target, 'things/other'), 'utf8'), 'OTHER')
  const again = succeeded(await transfer(place, { overwrite: true }))
  assert.deepEqual(outcomes(again), {
    'things/longer': 'received',
    'things/other': 'received',
    'things/same': 'identical',
  })
  assert.equal(await readFile(join(place.target, 'things/other'), 'utf8'), 'other')
  assert.equal(await readFile(join(place.target, 'things/longer'), 'utf8'), 'longer')
})

test('a wrong secret is told nothing, not even names', async () => {
  const place = await scene({ private: 'x' })
  let listed = false
  const run = await transfer(place, { secret: randomBytes(32) }, { onManifest: () => void (listed = true) })
  assert.ok(reasonOf(run.sending) instanceof WrongSecret)
  assert.equal(run.receiving.status, 'rejected')
  assert.equal(listed, false)
})

test('a source that grows while it is sent fails clearly, and the other files arrive', async () => {
  const place = await scene({ 'a-log': randomBytes(4 * MiB), 'z-fine': 'fine' })
  let grown: Promise<void> | undefined
  const run = succeeded(
    await transfer(place, {}, { onBytes: () => void (grown ??= appendFile(join(place.source, 'a-log'), 'more')) }),
  )
  await grown
  assert.deepEqual(outcomes(run), { 'things/a-log': 'unavailable', 'things/z-fine': 'received' })
  assert.match(run.results.get('things/a-log')?.reason ?? '', /changed on the sender/)
  await assert.rejects(stat(join(place.target, 'things/a-log')))
})

test('a source that is cut, or removed after it was listed, fails clearly', async () => {
  const place = await scene({ cut: randomBytes(4 * MiB), gone: 'x', small: 'small' })
  const manifest = await scanManifest([place.source])
  await truncate(join(place.source, 'cut'), MiB)
  await rm(join(place.source, 'gone'))
  const run = succeeded(await transfer(place, {}, { manifest: async () => manifest }))
  assert.deepEqual(outcomes(run), {
    'things/cut': 'unavailable',
    'things/gone': 'unavailable',
    'things/small': 'received',
  })
  assert.match(run.results.get('things/cut')?.reason ?? '', /size changed from 4194304 to 1048576/)
})

test('links and special files in a folder are not sent but named', async () => {
  const place = await scene({ real: 'x' })
  await symlink('/etc/passwd', join(place.source, 'link'))
  const { skipped } = await scanManifest([place.source])
  assert.deepEqual(skipped, [{ path: 'things/link', reason: 'a symbolic link' }])
})

test('a symbolic link in the target folder is never followed', async () => {
  const place = await scene({ 'sub/file': 'evil' })
  const outside = join(root, 'outside')
  await mkdir(outside, { recursive: true })
  await mkdir(join(place.target, 'things'), { recursive: true })
  await symlink(outside, join(place.target, 'things/sub'))
  const run = await transfer(place)
  assert.match(reasonOf(run.receiving).message, /things\/sub: is a symbolic link/)
  assert.deepEqual(await readdir(outside), [])
})

test('a symbolic link in place of the partial or the final file is never followed', async () => {
  for (const name of ['file', 'file.anypath-part']) {
    const place = await scene({ file: 'evil' })
    const victim = join(root, `victim-${name}`)
    await writeFile(victim, 'precious')
    await mkdir(join(place.target, 'things'), { recursive: true })
    await symlink(victim, join(place.target, 'things', name))
    const run = await transfer(place, { overwrite: true })
    assert.match(reasonOf(run.receiving).message, /is a symbolic link in the target folder/)
    assert.equal(await readFile(victim, 'utf8'), 'precious')
  }
})

test('more bytes than are free fail with ENOSPC before any of them is asked for', async () => {
  const place = await scene({ big: randomBytes(2 * MiB) })
  const target = await TargetFolder.open(place.target)
  target.freeBytes = async () => MiB
  const run = await transfer(place, { target })
  assert.equal((reasonOf(run.receiving) as Error & { code: string }).code, 'ENOSPC')
  assert.equal(run.receivedBytes, 0)
})
