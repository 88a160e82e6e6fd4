/** The relay's options from a configuration file, the environment and flags: each goes before the one named before it. */
import { readFile } from 'node:fs/promises'
import { RELAY_FIELDS, type RelayField, type RelayOptions } from '../../relay/options.js'
import type { OptionSpecs, Values } from '../args.js'
import { CliError, ExitCode, UsageError } from '../exit.js'

const ENVIRONMENT_PREFIX = 'ANYPATH_RELAY_'

/** The last part of the name: `limits.maxClients` is `--max-clients` and `ANYPATH_RELAY_MAX_CLIENTS`. */
const words = ({ name }: RelayField): string[] =>
  (name.split('.').at(-1) ?? name).split(/(?=[A-Z])/).map((word) => word.toLowerCase())

const isOnByDefault = (field: RelayField): boolean => field.kind === 'flag' && field.default === true

/** `--max-clients`, without the dashes. A flag that is on by default is given to switch it off. */
export const flagOf = (field: RelayField): string => `${isOnByDefault(field) ? 'no-' : ''}${words(field).join('-')}`

/** `ANYPATH_RELAY_MAX_CLIENTS`. */
export const variableOf = (field: RelayField): string => `${ENVIRONMENT_PREFIX}${words(field).join('_').toUpperCase()}`

/** The relay's options as flags of the command. */
export const relayFlags = (): OptionSpecs =>
  Object.fromEntries(
    RELAY_FIELDS.filter(({ secret }) => secret !== true).map((field) => {
      const { kind, value, help } = field
      if (kind === 'flag')
        return [flagOf(field), { type: 'boolean', help: isOnByDefault(field) ? `don't ${help}` : help }]
      const shown = field.default === undefined ? help : `${help} (default ${field.default})`
      const several = kind === 'texts' ? { multiple: true } : {}
      return [flagOf(field), { type: 'string', ...several, ...(value === undefined ? {} : { value }), help: shown }]
    }),
  )

/**
 * Gathers the options; `startRelay` checks them.
 *
 * @throws UsageError for a number or a switch that is none, CliError for a configuration file that can't be read or is no JSON object.
 */
export const relayOptions = async (values: Values, env: NodeJS.ProcessEnv): Promise<RelayOptions> => {
  const file = values.text('config') ?? env[`${ENVIRONMENT_PREFIX}CONFIG`]
  const { limits, ...rest } = file === undefined ? { limits: {} } : await readConfig(file)
  const given: Record<string, unknown> = { ...rest }
  const givenLimits: Record<string, unknown> = { ...(limits as object | undefined) }
  refuseUnknownVariables(env)
  for (const field of RELAY_FIELDS) {
    const value = fromFlags(field, values) ?? fromEnvironment(field, env)
    if (value === undefined) continue
    if (field.name.startsWith('limits.')) givenLimits[field.name.slice('limits.'.length)] = value
    else given[field.name] = value
  }
  return { ...given, limits: givenLimits } as RelayOptions
}

const readConfig = async (file: string): Promise<Record<string, unknown>> => {
  const text = await readFile(file, 'utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid(`${file}: is no JSON: ${(cause as Error).message}`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${file}: must hold a JSON object`)
  const { limits } = value as { limits?: unknown }
  if (limits !== undefined && (typeof limits !== 'object' || limits === null || Array.isArray(limits))) {
    throw invalid(`${file}: limits: must be an object`)
  }
  return value as Record<string, unknown>
}

const invalid = (message: string, cause?: unknown): CliError =>
  new CliError(ExitCode.usage, 'InvalidConfig', message, { cause })

const fromFlags = (field: RelayField, values: Values): unknown => {
  if (field.secret === true) return undefined
  const name = flagOf(field)
  switch (field.kind) {
    case 'flag':
      return values.flag(name) ? !isOnByDefault(field) : undefined
    case 'text':
      return values.text(name)
    case 'texts':
      return values.texts(name).length === 0 ? undefined : values.texts(name)
    case 'integer':
      return values.number(name, [field.min ?? 0, field.max ?? 0])
  }
}

const fromEnvironment = (field: RelayField, env: NodeJS.ProcessEnv): unknown => {
  const name = variableOf(field)
  const text = env[name]
  if (text === undefined || text === '') return undefined
  switch (field.kind) {
    case 'flag':
      if (!/^(true|false|1|0)$/.test(text)) throw new UsageError(`${name} must be true or false, not "${text}"`)
      return text === 'true' || text === '1'
    case 'text':
      return text
    case 'texts':
      return text.split(',').map((one) => one.trim())
    case 'integer':
      if (!/^\d+$/.test(text)) throw new UsageError(`${name} must be a whole number, not "${text}"`)
      return Number(text)
  }
}

/** A misspelt variable would silently leave a limit or a list as it was. */
const refuseUnknownVariables = (env: NodeJS.ProcessEnv): void => {
  const known = new Set([`${ENVIRONMENT_PREFIX}CONFIG`, ...RELAY_FIELDS.map(variableOf)])
  const unknown = Object.keys(env).find((name) => name.startsWith(ENVIRONMENT_PREFIX) && !known.has(name))
  if (unknown !== undefined) throw new UsageError(`there is no environment variable ${unknown}`)
}
