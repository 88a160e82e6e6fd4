import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Running, Workbench } from './command.js'

const bench = await Workbench.open()
const root = process.env.ANYPATH_ROOT ?? process.cwd()

const start = (name: string, ...args: string[]): Running => {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...outer } = process.env
  const env = { ...outer, HOME: bench.root, TMPDIR: bench.root }
  return new Running(spawn(process.execPath, [join(root, 'demo', name), ...args], { cwd: bench.root, env }))
}

test('npm start runs a relay and the chat page, prints their links, opens no browser in a pipe, and Ctrl-C ends all', async () => {
  const chat = start('server.mjs', '--port', '0', '--relay-port', '0')
  await chat.until(() => chat.stdout.includes('Ctrl-C ends all.'), 'the links')
  const told = (name: string): string => RegExp(`^ +${name} +(\\S+)$`, 'm').exec(chat.stdout)?.[1] ?? assert.fail(name)
  const page = await fetch(told('Page'))
  assert.match(await page.text(), /<title>anypath chat<\/title>/)
  const policy = page.headers.get('content-security-policy') ?? ''
  assert(policy.includes(new URL(told('Relay')).host), policy)
  for (const file of ['page.js', 'page.css', 'icon.svg', 'anypath_core.wasm']) {
    const response = await fetch(new URL(file, told('Page')))
    assert.equal(response.status, 200, file)
    assert((await response.arrayBuffer()).byteLength > 0, file)
  }
  assert.equal((await fetch(new URL('ping', told('Relay')))).status, 200)
  assert.match(told('A room'), /#relay=http%3A%2F%2F127\.0\.0\.1%3A\d+%2F&room=[\w-]{32}$/)
  assert(!chat.stdout.includes('/open/'))
  chat.child.kill('SIGINT')
  await chat.exits(130)
  await assert.rejects(fetch(told('Page')))
  await assert.rejects(fetch(told('Relay')))
})

test('npm start says what is wrong with a port', async () => {
  const chat = await start('server.mjs', '--port', 'x').exits(1)
  assert.match(chat.stderr, /x is not a port/)
})

test('the file demo moves a file between two processes, compares the hashes and leaves nothing behind', async () => {
  const demo = await start('file.mjs', '--size', '8').exits(0)
  assert.match(demo.stdout, /1\. The file: .*random\.bin, 8\.4 MB/)
  assert.match(demo.stdout, /2\. Process \d+ offers it/)
  assert.match(demo.stdout, /anypath[a-z2-7]{100,}\n/)
  assert.match(demo.stdout, /The path taken: udp to 127\.0\.0\.1 port \d+/)
  assert.match(demo.stdout, /End-to-end encrypted: X25519MLKEM768 and TLS_CHACHA20_POLY1305_SHA256/)
  const hashes = [...demo.stdout.matchAll(/SHA-256 ([0-9a-f]{64})/g)].map(([, hash]) => hash)
  assert.equal(hashes.length, 2)
  assert.equal(hashes[0], hashes[1])
  assert.match(demo.stdout, /The hashes are the same: the file has arrived whole\.\n$/)
  assert.ok(!demo.stdout.includes('\u001b'), 'no escape sequences in a pipe')
  assert.deepEqual(await readdir(bench.root), [])
})

test('the file demo takes a file of yours, and fails clearly without one', async () => {
  const own = await start('file.mjs', join(root, 'package.json')).exits(0)
  assert.match(own.stdout, /package\.json/)
  const none = await start('file.mjs', bench.path('nothing')).exits(1)
  assert.match(none.stderr, /The demo failed: .*no such file/)
})

test('the streams demo answers a hundred requests', async () => {
  const demo = await start('streams.mjs').exits(0)
  assert.match(demo.stdout, /^100 answers; the last: REQUEST 99\n/)
  assert.match(demo.stdout, /news for the server: no answer expected/)
})

test('the datagrams demo counts what arrives', async () => {
  const demo = await start('datagrams.mjs').exits(0)
  const arrived = Number(/(\d+) of 1000 arrived/.exec(demo.stdout)?.[1])
  assert.ok(arrived > 500, demo.stdout)
})

test('the chat demo carries lines both ways', async () => {
  const first = start('chat.mjs')
  const ticket = await first.until(() => /chat\.mjs (endpoint\w+)/.exec(first.stdout)?.[1], 'a ticket')
  const second = start('chat.mjs', ticket)
  await first.until(() => first.stdout.includes('< hello\n'), 'the first line')
  first.child.stdin?.end('good morning\n')
  await second.until(() => second.stdout.includes('< good morning\n'), 'the answer')
  second.child.stdin?.end('good night\n')
  await Promise.all([first.exits(0), second.exits(0)])
  assert.match(first.stdout, /< good night\n/)
})
