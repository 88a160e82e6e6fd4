import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseCommand } from '../../../src/cli/args.js'
import { dialingOptions } from '../../../src/cli/options.js'
import { readSettings } from '../../../src/cli/settings.js'

const SPEC = {
  name: 'x',
  summary: '',
  usage: '',
  description: [],
  options: dialingOptions,
  positionals: [0, 0],
  examples: [],
} as const

async function read(context: TestContext, file: string | undefined, env: NodeJS.ProcessEnv, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-settings-'))
  context.after(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'anypath'))
  if (file !== undefined) await writeFile(join(folder, 'anypath', 'config.json'), file)
  return readSettings(parseCommand(SPEC, dialingOptions, args), { ...env, XDG_CONFIG_HOME: folder })
}

const FILE = '{"relays": ["https://file.example"], "stunServers": ["file.example:1"]}'

test('flags go before the environment, and that before the file', async (context) => {
  const env = { ANYPATH_RELAYS: 'https://a.example, https://b.example', ANYPATH_STUN: 'env.example' }
  assert.deepEqual(await read(context, undefined, {}), { relays: [], stunServers: undefined })
  assert.deepEqual(await read(context, FILE, { ANYPATH_RELAYS: '' }), {
    relays: ['https://file.example'],
    stunServers: ['file.example:1'],
  })
  assert.deepEqual(await read(context, FILE, env), {
    relays: ['https://a.example', 'https://b.example'],
    stunServers: ['env.example'],
  })
  const flags = ['--relay', 'https://flag.example', '--stun', 'flag.example:9']
  assert.deepEqual(await read(context, FILE, env, ...flags), {
    relays: ['https://flag.example'],
    stunServers: ['flag.example:9'],
  })
})

test('no STUN server at all is something else than no word about them', async (context) => {
  assert.deepEqual((await read(context, '{"stunServers": []}', {})).stunServers, [])
  assert.deepEqual((await read(context, FILE, {}, '--stun', 'none')).stunServers, [])
  assert.deepEqual((await read(context, FILE, { ANYPATH_STUN: 'none' })).stunServers, [])
})

test('a file that holds something else is wrong usage, and says where', async (context) => {
  for (const [file, message] of [
    ['{', /config\.json: is no JSON/],
    ['[]', /must hold a JSON object/],
    ['{"relay": []}', /relay: there is no such setting/],
    ['{"relays": "https://a.example"}', /relays: must be an array of texts/],
    ['{"stunServers": [3478]}', /stunServers: must be an array of texts/],
  ] as const)
    await assert.rejects(read(context, file, {}), { code: 'InvalidConfig', exitCode: 2, message })
})
