/** Relays and STUN servers of the command: flags go before the environment, and that before the configuration file. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Values } from './args.js'
import { CliError, ExitCode, isSystemError } from './exit.js'
import { configFolder } from './folders.js'

export interface NetworkSettings {
  readonly relays: readonly string[]
  /** `undefined`: those of the relays. */
  readonly stunServers: readonly string[] | undefined
}

const invalid = (message: string, cause?: unknown): CliError =>
  new CliError(ExitCode.usage, 'InvalidConfig', message, { cause })

const fileSettings = ['relays', 'stunServers'] as const

/** Members of `$XDG_CONFIG_HOME/anypath/config.json`; none when there is no such file. */
const readFileSettings = async (env: NodeJS.ProcessEnv): Promise<Partial<NetworkSettings>> => {
  const path = join(configFolder(env), 'config.json')
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return {}
    if (error instanceof SyntaxError) throw invalid(`${path}: is no JSON: ${error.message}`, error)
    throw error
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${path}: must hold a JSON object`)
  for (const [name, texts] of Object.entries(value)) {
    if (!fileSettings.some((known) => known === name)) throw invalid(`${path}: ${name}: there is no such setting`)
    if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string'))
      throw invalid(`${path}: ${name}: must be an array of texts`)
  }
  return value
}

const listOf = (text: string | undefined): readonly string[] | undefined =>
  text === undefined || text.trim() === '' ? undefined : text.split(',').map((one) => one.trim())

/** @throws CliError for a configuration file that can't be read or holds something else. */
export const readSettings = async (values: Values, env: NodeJS.ProcessEnv): Promise<NetworkSettings> => {
  const flag = (name: string) => (values.texts(name).length === 0 ? undefined : values.texts(name))
  const relays = flag('relay') ?? listOf(env.ANYPATH_RELAYS)
  const stun = flag('stun') ?? listOf(env.ANYPATH_STUN)
  const file = relays === undefined || stun === undefined ? await readFileSettings(env) : {}
  const servers = stun ?? file.stunServers
  const isNone = servers?.length === 1 && servers[0] === 'none'
  return { relays: relays ?? file.relays ?? [], stunServers: isNone ? [] : servers }
}
