// time limit: 600 s
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { decodeBase32, encodeBase32 } from '../../../src/cli/base32.js'
import { type Fields, loopback, type Running, Workbench } from './command.js'

const MiB = 1024 * 1024
const bench = await Workbench.open()
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const startSend = async (...args: string[]): Promise<{ sender: Running; ticket: string; offered: Fields }> => {
  const sender = bench.start(['send', '--json', ...loopback, ...args])
  const offered = await sender.untilEvent('ticket')
  return { sender, ticket: offered.ticket, offered }
}

const interrupt = async (command: Running): Promise<void> => {
  assert.deepEqual(await command.kill('SIGINT'), { code: 130, signal: null })
}

test('a folder is sent and received, and receiving it again moves nothing', async () => {
  const large = randomBytes(5 * MiB)
  await mkdir(bench.path('folder/sub/hollow'), { recursive: true })
  await writeFile(bench.path('folder/large.bin'), large)
  await writeFile(bench.path('folder/sub/empty'), '')
  await writeFile(bench.path('folder/sub/run'), '#!/bin/sh\n')
  await chmod(bench.path('folder/sub/run'), 0o755)
  for (let i = 0; i < 200; i++) await writeFile(bench.path(`folder/sub/${i}.txt`), `number ${i}`)
  const { sender, ticket } = await startSend(bench.path('folder'))
  const first = await bench.run(0, ['receive', '--json', '--stats', '--to', bench.path('got'), ticket])
  const { files, failedFiles, identicalFiles, sessions } = first.event('done') ?? {}
  assert.deepEqual([files, failedFiles, identicalFiles, sessions], [203, 0, 0, 1])
  const told = first.events.find(({ event, path }) => event === 'file' && path === 'folder/large.bin')
  assert.deepEqual([told?.outcome, told?.sha256], ['received', sha256(large)])
  assert.equal(first.event('connected')?.path.kind, 'udp')
  assert.ok((await readFile(bench.path('got/folder/large.bin'))).equals(large))
  assert.equal(await readFile(bench.path('got/folder/sub/199.txt'), 'utf8'), 'number 199')
  assert.ok((await stat(bench.path('got/folder/sub/hollow'))).isDirectory())
  assert.equal((await stat(bench.path('got/folder/sub/run'))).mode & 0o100, 0o100)
  const again = await bench.run(0, ['receive', '--json', '--to', bench.path('got'), ticket])
  const second = again.event('done') ?? {}
  assert.deepEqual([second.identicalFiles, second.receivedBytes], [203, 0])
  const text = await bench.run(0, ['receive', '--to', bench.path('got'), ticket])
  assert.match(text.stdout, /^203 files in .*, each checked by its SHA-256, 203 of them were here already\n$/)
  assert.ok(!/\r/.test(text.stderr) && !text.stderr.includes('\u001b'), 'no progress bar in a pipe')
  await interrupt(sender)
})

test('--once ends with the first receiver, and two receivers are served at the same time', async () => {
  await writeFile(bench.path('shared.bin'), randomBytes(2 * MiB))
  const { sender, ticket } = await startSend(bench.path('shared.bin'))
  await Promise.all(['a', 'b'].map((name) => bench.run(0, ['receive', '--to', bench.path(name), ticket])))
  await interrupt(sender)
  const once = await startSend('--once', bench.path('shared.bin'))
  assert.equal(once.ticket, ticket)
  await bench.run(0, ['receive', '--to', bench.path('c'), ticket])
  await once.sender.exits(0)
})

test('the sender is killed in mid-transfer and started again: the receiver goes on by itself, repeating at most 1 MiB', async () => {
  const content = randomBytes(48 * MiB)
  await writeFile(bench.path('long.bin'), content)
  const first = await startSend(bench.path('long.bin'))
  const receiver = bench.start(['receive', '--json', '--idle-timeout', '5s', '--to', bench.path('long'), first.ticket])
  await receiver.untilEvent('progress', ({ movedBytes }) => movedBytes > 4 * MiB)
  await first.sender.kill('SIGKILL')
  assert.deepEqual(await readdir(bench.path('long')), ['long.bin.anypath-part'])
  const second = await startSend(bench.path('long.bin'))
  assert.equal(second.ticket, first.ticket)
  await receiver.exits(0)
  const done = receiver.event('done') ?? {}
  assert.ok(done.sessions >= 2, JSON.stringify(done))
  assert.ok(done.receivedBytes - content.length <= MiB, JSON.stringify(done))
  assert.equal(sha256(await readFile(bench.path('long/long.bin'))), sha256(content))
  assert.deepEqual(await readdir(bench.path('long')), ['long.bin'])
  await interrupt(second.sender)
})

test('the receiver is killed in mid-transfer and started again: it goes on, repeating at most 1 MiB', async () => {
  const content = randomBytes(48 * MiB)
  await writeFile(bench.path('kill.bin'), content)
  const { sender, ticket } = await startSend(bench.path('kill.bin'))
  const first = bench.start(['receive', '--json', '--to', bench.path('kill'), ticket])
  await first.untilEvent('progress', ({ movedBytes }) => movedBytes > 8 * MiB)
  await first.kill('SIGKILL')
  const moved = first.events.filter(({ event }) => event === 'progress').at(-1)?.movedBytes
  assert.deepEqual(await readdir(bench.path('kill')), ['kill.bin.anypath-part'])
  const second = await bench.run(0, ['receive', '--json', '--to', bench.path('kill'), ticket])
  const resumed = second.event('resumed') ?? {}
  assert.equal(resumed.repeatedBytes, 0)
  assert.ok(moved - resumed.offset <= MiB, `moved ${moved}, resumed at ${resumed.offset}`)
  assert.equal(second.event('done')?.receivedBytes, content.length - resumed.offset)
  assert.equal(sha256(await readFile(bench.path('kill/kill.bin'))), sha256(content))
  await interrupt(sender)
})

test('Ctrl-C at the receiver keeps what has come, with exit code 130; the sender serves on', async () => {
  const content = randomBytes(32 * MiB)
  await writeFile(bench.path('int.bin'), content)
  const { sender, ticket } = await startSend(bench.path('int.bin'))
  const first = bench.start(['receive', '--json', '--to', bench.path('int'), ticket])
  await first.untilEvent('progress', ({ movedBytes }) => movedBytes > 2 * MiB)
  await interrupt(first)
  assert.equal(first.event('error')?.code, 'Interrupted')
  await sender.untilEvent(
    'failed',
    ({ code }) => code === 'ClosedByPeer' || code === 'StreamReset' || code === 'StreamStopped',
  )
  const second = await bench.run(0, ['receive', '--json', '--to', bench.path('int'), ticket])
  assert.ok(second.event('resumed')?.offset > 0)
  assert.equal(sha256(await readFile(bench.path('int/int.bin'))), sha256(content))
  await interrupt(sender)
})

test('a wrong secret is refused with exit code 5, and one who guesses has to wait', async () => {
  await writeFile(bench.path('secret.txt'), 'private')
  const { sender, ticket } = await startSend(bench.path('secret.txt'))
  const bytes = decodeBase32(ticket.slice('anypath'.length))
  bytes[5] = (bytes[5] ?? 0) ^ 1
  const guess = `anypath${encodeBase32(bytes)}`
  const first = await bench.run(5, ['receive', '--json', '--to', bench.path('no'), guess])
  assert.equal(first.event('error')?.code, 'WrongSecret')
  assert.equal(first.event('offered'), undefined)
  assert.deepEqual(await readdir(bench.path('no')), [])
  await sender.until(() => /showed a wrong secret/.test(sender.stderr), 'a warning')
  await interrupt(sender)
})

test('a ticket that was cut or changed is exit code 6, one of another kind too', async () => {
  await writeFile(bench.path('cut.txt'), 'x')
  const { sender, ticket } = await startSend(bench.path('cut.txt'))
  for (const bad of [ticket.slice(0, 40), ticket.slice(0, -3), `${ticket}aaaa`, 'anypath!', 'nonsense']) {
    const failed = await bench.run(6, ['receive', '--json', bad])
    assert.equal(failed.event('error')?.code, 'InvalidTicket')
  }
  await interrupt(sender)
})

test('a send of the same files elsewhere says that its port is taken; --new-ticket makes the old ticket worthless', async () => {
  await writeFile(bench.path('twice.txt'), 'x')
  const { sender, ticket } = await startSend(bench.path('twice.txt'))
  const second = await bench.run(8, ['send', '--json', ...loopback, bench.path('twice.txt')])
  assert.match(second.event('error')?.message, /UDP port \d+, which the ticket of this send names, is in use/)
  await interrupt(sender)
  const fresh = await startSend('--new-ticket', bench.path('twice.txt'))
  assert.notEqual(fresh.ticket, ticket)
  await interrupt(fresh.sender)
  const again = await startSend(bench.path('twice.txt'))
  assert.equal(again.ticket, fresh.ticket)
  await interrupt(again.sender)
})

test('an existing file is kept, reported, and exit code 8; --overwrite replaces it', async () => {
  await writeFile(bench.path('keep.txt'), 'new content')
  await mkdir(bench.path('keep'))
  await writeFile(bench.path('keep/keep.txt'), 'old content')
  const { sender, ticket } = await startSend(bench.path('keep.txt'))
  const kept = await bench.run(8, ['receive', '--json', '--to', bench.path('keep'), ticket])
  assert.equal(kept.event('file')?.outcome, 'conflict')
  assert.equal(await readFile(bench.path('keep/keep.txt'), 'utf8'), 'old content')
  await bench.run(0, ['receive', '--overwrite', '--to', bench.path('keep'), ticket])
  assert.equal(await readFile(bench.path('keep/keep.txt'), 'utf8'), 'new content')
  await interrupt(sender)
})

test('a sender that is not there is exit code 3 within the time of --timeout; --wait waits for it', async () => {
  await writeFile(bench.path('late.txt'), 'late')
  const first = await startSend(bench.path('late.txt'))
  await first.sender.kill('SIGKILL')
  const begin = performance.now()
  const failed = await bench.run(3, ['receive', '--json', '--timeout', '2s', '--to', bench.path('late'), first.ticket])
  assert.ok(performance.now() - begin < 8_000)
  assert.equal(failed.event('error')?.code, 'Unreachable')
  const waiting = bench.start([
    'receive',
    '--json',
    '--timeout',
    '2s',
    '--wait',
    '60s',
    '--to',
    bench.path('late'),
    first.ticket,
  ])
  await waiting.untilEvent('away')
  const second = await startSend(bench.path('late.txt'))
  await waiting.exits(0)
  assert.equal(await readFile(bench.path('late/late.txt'), 'utf8'), 'late')
  await interrupt(second.sender)
  await rm(bench.path('late'), { recursive: true })
})

test('a receiver whose reader goes away tells the sender, and what has come is kept', async () => {
  await writeFile(bench.path('unread.bin'), randomBytes(64 * MiB))
  const { sender, ticket } = await startSend(bench.path('unread.bin'))
  const receiver = bench.start(['receive', '--json', '--to', bench.path('unread'), ticket])
  await receiver.untilEvent('progress')
  // As `| head -1` does.
  receiver.child.stdout?.destroy()
  assert.deepEqual(await receiver.ended, { code: 8, signal: null })
  assert.match(receiver.stderr, /^error: the reader of the output has gone$/m)
  const told = await sender.untilEvent('failed')
  assert.match(told.message, /the reader of the output has gone/)
  await bench.run(0, ['receive', '--to', bench.path('unread'), ticket])
  await interrupt(sender)
})
