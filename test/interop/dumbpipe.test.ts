import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { namespacesMissing } from '../netns/namespaces.js'
import { skipStock, stockPeers } from './stock-peers.js'

const root = process.env.ANYPATH_ROOT ?? process.cwd()
const skip = skipStock || namespacesMissing()

/**
 * dumbpipe looks for public relays, so it runs where there is nothing but an address: `$LISTEN` prints a ticket on stderr, which `$CONNECT` is
 * given. Each sends a file and stores what it gets.
 */
const SCRIPT = `
set -eu
ip link set lo up
ip link add v0 type veth peer name v1
ip address add 10.78.0.1/24 dev v0
ip link set v0 up
ip link set v1 up
$LISTEN < listen.in > listen.out 2> listen.err &
listener=$!
for _ in $(seq 150); do grep -q 'endpoint[a-z2-7]' listen.err && break; sleep 0.2; done
$CONNECT "$(grep -o 'endpoint[a-z2-7]*' listen.err | tail -n 1)" < connect.in > connect.out 2> connect.err
wait $listener
`

for (const [name, listens] of [
  ['dumbpipe listens and we connect', true],
  ['we listen and dumbpipe connects', false],
] as const) {
  test(`${name}: both files arrive whole`, { skip, timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'anypath-dumbpipe-'))
    try {
      const anypath = `${process.execPath} ${join(root, 'dist', 'cli', 'anypath.mjs')}`
      const programs = [stockPeers?.dumbpipe ?? '', anypath]
      const [listener, connector] = listens ? programs : programs.toReversed()
      const files = { listen: randomBytes(3_000_000), connect: randomBytes(1_000_000) }
      for (const [side, bytes] of Object.entries(files)) await writeFile(join(folder, `${side}.in`), bytes)
      const env = {
        ...process.env,
        HOME: folder,
        XDG_CONFIG_HOME: folder,
        XDG_STATE_HOME: folder,
        LISTEN: `${listener} listen`,
        CONNECT: `${connector} connect`,
      }
      await promisify(execFile)('unshare', ['--net', 'bash', '-c', SCRIPT], {
        cwd: folder,
        env,
        timeout: 100_000,
      }).catch(async (error: unknown) => {
        const told = (side: string) => readFile(join(folder, `${side}.err`), 'utf8').catch(() => '')
        throw new Error(`${await told('listen')}\n${await told('connect')}`, { cause: error })
      })
      assert.ok(files.listen.equals(await readFile(join(folder, 'connect.out'))))
      assert.ok(files.connect.equals(await readFile(join(folder, 'listen.out'))))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}
