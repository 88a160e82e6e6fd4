import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { encodeBase32 } from '../../../src/cli/base32.js'
import { ExitCode } from '../../../src/cli/exit.js'
import { idOf, loadIdentity, parseSecretKey } from '../../../src/cli/key.js'
import { SecretGuard, sameSecret } from '../../../src/cli/transfer/secret.js'
import { readSendState, sendStateFile, writeSendState } from '../../../src/cli/transfer/send-state.js'

const root = await mkdtemp(join(tmpdir(), 'anypath-key-'))
after(() => rm(root, { recursive: true, force: true }))
const environment = (name: string) => ({ XDG_CONFIG_HOME: join(root, name), XDG_STATE_HOME: join(root, name) })

test('the id is the Ed25519 public key (RFC 8032, test 1)', () => {
  const secret = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
  assert.equal(idOf(secret), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
})

test('a key is made once, for its owner only, and found again', async () => {
  const env = environment('made')
  const first = await loadIdentity(undefined, env)
  assert.equal(first.created, true)
  const folder = join(root, 'made', 'anypath')
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  assert.equal((await stat(join(folder, 'secret.key'))).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(folder), ['secret.key'])
  const second = await loadIdentity(undefined, env)
  assert.deepEqual([second.created, second.id], [false, first.id])
})

test('processes that make the key at the same time all get the same one', async () => {
  const env = environment('race')
  const ids = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(undefined, env)))
  assert.equal(new Set(ids.map(({ id }) => id)).size, 1)
  assert.equal(ids.filter(({ created }) => created).length, 1)
})

test('a key file that others may use is refused', async () => {
  const file = join(root, 'open.key')
  await writeFile(file, '11'.repeat(32))
  await chmod(file, 0o644)
  await assert.rejects(loadIdentity(file, {}), (error: Error & { exitCode: number }) => {
    assert.equal(error.exitCode, ExitCode.localIo)
    assert.match(error.message, /can be used by others \(mode 0644\); run: chmod 600/)
    return true
  })
})

test('a malformed key is refused without being shown', async () => {
  const file = join(root, 'bad.key')
  await writeFile(file, 'hunter2', { mode: 0o600 })
  await assert.rejects(loadIdentity(file, {}), /is not a secret key/)
  await assert.rejects(loadIdentity(undefined, { ANYPATH_SECRET_KEY: 'hunter2' }), (error: Error) => {
    assert.match(error.message, /ANYPATH_SECRET_KEY is not/)
    assert.doesNotMatch(error.message, /hunter2/)
    return true
  })
})

test('--key goes before the environment, and the environment before the file', async () => {
  const file = join(root, 'mine.key')
  await writeFile(file, `${'11'.repeat(32)}\n`, { mode: 0o600 })
  const env = { ...environment('order'), ANYPATH_SECRET_KEY: encodeBase32(new Uint8Array(32).fill(0x22)) }
  assert.equal((await loadIdentity(file, env)).id, idOf(new Uint8Array(32).fill(0x11)))
  assert.equal((await loadIdentity(undefined, env, 'fresh')).id, idOf(new Uint8Array(32).fill(0x22)))
  await assert.rejects(readFile(join(root, 'order', 'anypath', 'secret.key')))
})

test('hexadecimal and base32 keys are understood, other texts are not', () => {
  const key = new Uint8Array(32).fill(0xab)
  assert.deepEqual(parseSecretKey(` ${'AB'.repeat(32)}\n`), key)
  assert.deepEqual(parseSecretKey(encodeBase32(key).toUpperCase()), key)
  for (const text of ['', 'ab', 'g'.repeat(64), '1'.repeat(52)]) assert.equal(parseSecretKey(text), undefined)
})

test('the same paths have the same state whatever their order, and it is private', async () => {
  const env = environment('state')
  const [a, b, link] = [join(root, 'a'), join(root, 'b'), join(root, 'link')]
  for (const path of [a, b]) await writeFile(path, '')
  await symlink(a, link)
  const file = await sendStateFile(env, 'id', [a, b])
  assert.equal(await sendStateFile(env, 'id', [b, link]), file)
  assert.notEqual(await sendStateFile(env, 'other id', [a, b]), file)
  assert.notEqual(await sendStateFile(env, 'id', [a]), file)
  assert.equal(await readSendState(file), undefined)
  const state = { port: 4433, secret: new Uint8Array(32).fill(5) }
  await writeSendState(file, state)
  assert.deepEqual(await readSendState(file), state)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  await writeFile(file, '{"version":1,"port":"x"}')
  assert.equal(await readSendState(file), undefined)
})

test('secrets are the same only byte for byte', () => {
  const secret = new Uint8Array(32).fill(1)
  assert.equal(sameSecret(secret, Uint8Array.from(secret)), true)
  assert.equal(sameSecret(secret, secret.subarray(1)), false)
  assert.equal(sameSecret(secret, Uint8Array.from([...secret.subarray(1), 2])), false)
})

test('an address that shows wrong secrets waits longer each time; others do not', () => {
  let now = 0
  const guard = new SecretGuard(() => now)
  const waits = Array.from({ length: 8 }, () => {
    guard.wrong('bad')
    const wait = guard.waitMs('bad')
    now += wait
    return wait
  })
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  assert.equal(guard.waitMs('bad'), 0)
  guard.wrong('bad')
  assert.equal(guard.waitMs('good'), 0)
  guard.right('bad')
  assert.equal(guard.waitMs('bad'), 0)
})
