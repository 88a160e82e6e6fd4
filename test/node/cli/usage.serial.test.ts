import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { commands } from '../../../src/cli/commands/index.js'
import { exitCodeMeanings } from '../../../src/cli/exit.js'
import { commandHelp, generalHelp } from '../../../src/cli/help.js'
import { loopback, Workbench } from './command.js'

const bench = await Workbench.open()
const root = process.env.ANYPATH_SOURCES ?? process.cwd()
const names = ['id', 'listen', 'connect', 'listen-tcp', 'connect-tcp', 'send', 'receive', 'ping', 'stun']

test('--help explains the program and each command, in at most 80 columns', async () => {
  const general = await bench.run(0, ['--help'])
  for (const name of names) assert.match(general.stdout, new RegExp(`^  ${name} `, 'm'))
  for (const [code, meaning] of exitCodeMeanings) {
    assert.match(general.stdout, new RegExp(`^ +${code}  ${meaning.slice(0, 20)}`, 'm'))
  }
  const texts = [generalHelp(commands.map(({ spec }) => spec)), ...commands.map(({ spec }) => commandHelp(spec))]
  for (const text of texts) {
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
  }
  const receive = await bench.run(0, ['receive', '--help'])
  assert.match(receive.stdout, /^Usage: anypath receive \[options\] <ticket>\n/)
  assert.deepEqual((await bench.run(0, ['help', 'receive'])).stdout, receive.stdout)
})

test('the documentation names every command, option, exit code and event', async () => {
  const text = await readFile(join(root, 'docs', 'cli.md'), 'utf8')
  for (const { spec } of commands) {
    assert.match(text, new RegExp(`anypath ${spec.name}`))
    for (const option of Object.keys(spec.options)) assert.ok(text.includes(`--${option}`), `--${option}`)
  }
  for (const [code, meaning] of exitCodeMeanings) assert.ok(text.includes(`| ${code} | ${meaning} |`), meaning)
})

test('wrong usage prints the usage line on stderr, nothing on stdout, and is exit code 2', async () => {
  for (const args of [
    [],
    ['nonsense'],
    ['receive'],
    ['send'],
    ['ping', '-c'],
    ['id', 'x'],
    ['listen-tcp'],
    ['listen', '--bind', 'x:y'],
    ['listen', '--bind', '1.2.3'],
    ['stun', '--host', 'localhost'],
    ['stun', '--port', '65536'],
  ]) {
    const run = await bench.run(2, args)
    assert.equal(run.stdout, '')
    assert.match(run.stderr, /^error: .*\nUsage: anypath .*\nTry "anypath .*--help"\.\n$/)
  }
  const json = await bench.run(2, ['receive', '--json'])
  assert.deepEqual(json.events, [{ event: 'error', code: 'Usage', exitCode: 2, message: 'a ticket is missing' }])
})

test('where stdout carries data, stderr has JSON lines alone, whatever is wrong', async () => {
  for (const [code, args] of [
    [2, ['connect', '--json']],
    [2, ['listen', '--json', '--bind', 'x:y']],
    [2, ['listen', '--json', '--nonsense']],
    [6, ['connect', '--json', 'endpointxyz']],
  ] as const) {
    const run = await bench.run(code, args)
    assert.equal(run.stdout, '')
    const lines = run.stderr.trimEnd().split('\n')
    const events = lines.map((line) => JSON.parse(line))
    assert.deepEqual(
      events.map(({ event }) => event),
      ['error'],
      run.stderr,
    )
    assert.equal(events[0].exitCode, code)
  }
})

test('id shows the same id every time, and the secret only when asked', async () => {
  const first = await bench.run(0, ['id'])
  assert.match(first.stdout, /^[0-9a-f]{64}\n$/)
  assert.match(first.stderr, /made a new key/)
  const second = await bench.run(0, ['id', '--json'])
  assert.equal(`${second.event('id')?.id}\n`, first.stdout)
  assert.deepEqual([second.event('id')?.created, second.event('id')?.secretKey], [false, undefined])
  assert.equal((await stat(bench.path('.config/anypath/secret.key'))).mode & 0o777, 0o600)
  const shown = await bench.run(0, ['id', '--show-secret'])
  const secret = shown.stdout.split('\n')[1] ?? ''
  assert.match(secret, /^[0-9a-f]{64}$/)
  const other = await bench.run(0, ['id'], { env: { ANYPATH_SECRET_KEY: secret }, cwd: '/' })
  assert.equal(other.stdout, first.stdout)
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  assert.equal((await bench.run(0, ['--version'])).stdout, `${version}\n`)
})

test('dialling a port where nobody listens ends with exit code 3 within the timeout, naming the address', async () => {
  const listener = bench.start(['listen', '--json', ...loopback], { input: 'open' })
  const { ticket } = await listener.untilEvent('listening')
  await listener.kill('SIGKILL')
  const begin = performance.now()
  const run = await bench.run(3, ['ping', '--json', '--timeout', '1s', ticket])
  assert.ok(performance.now() - begin < 6_000)
  assert.match(run.event('error')?.message, /\(tried 127\.0\.0\.1:\d+\)$/)
})

test('somebody else at the address is exit code 4', async () => {
  const key = (text: string) => createHash('sha256').update(text).digest('hex')
  const start = async (secret: string, port = 0) => {
    const bind = ['--bind', `127.0.0.1:${port}`]
    const listener = bench.start(['listen', '--json', ...bind], {
      input: 'open',
      env: { ANYPATH_SECRET_KEY: key(secret) },
    })
    const { ticket } = await listener.untilEvent('listening')
    return { listener, ticket: String(ticket) }
  }
  const first = await start('one')
  const peerPort = await bench.run(0, ['ping', '--json', '-c', '1', first.ticket])
  const { port } = peerPort.event('connected')?.path ?? {}
  await first.listener.kill('SIGINT')
  const second = await start('two', port)
  const run = await bench.run(4, ['ping', '--json', first.ticket])
  assert.equal(run.event('error')?.code, 'WrongKey')
  await second.listener.kill('SIGINT')
})

test('a second Ctrl-C ends at once', async () => {
  const listener = bench.start(['listen', ...loopback], { input: 'open' })
  await listener.until(() => /Listening/.test(listener.stderr), 'the ticket')
  listener.child.kill('SIGINT')
  listener.child.kill('SIGINT')
  assert.deepEqual(await listener.ended, { code: 130, signal: null })
})
