/** Options of the commands: declared once, for parsing and for the help text. */
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { UsageError } from './exit.js'

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What the value is called in the help text. */
  readonly value?: string
  readonly help: string
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

export interface CommandSpec {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Behind `anypath <name>`. */
  readonly usage: string
  /** Paragraphs. */
  readonly description: readonly string[]
  readonly options: OptionSpecs
  /** How many arguments it takes. */
  readonly positionals: readonly [min: number, max: number]
  readonly examples: readonly string[]
}

type RawValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

/** Parsed options by their long names. */
export class Values {
  readonly #values: RawValues
  readonly positionals: readonly string[]

  constructor(values: RawValues, positionals: readonly string[]) {
    this.#values = values
    this.positionals = positionals
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    if (value === '') throw new UsageError(`--${name} needs a value`)
    return typeof value === 'string' ? value : undefined
  }

  /** All values of an option that may be given several times. */
  texts(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
  }

  /** A whole number within a range. @throws {UsageError} */
  number(name: string, [min, max]: readonly [number, number]): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not "${text}"`)
    }
    return value
  }

  /** A duration such as `500ms`, `30s`, `5m`, `2h`, or seconds without a unit; milliseconds. @throws {UsageError} */
  durationMs(name: string): number | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : parseDuration(text, `--${name}`)
  }

  /** The argument at a position that the command's spec has made sure of. */
  argument(position: number): string {
    const value = this.positionals[position]
    if (value === undefined) throw new UsageError('an argument is missing')
    return value
  }
}

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** Milliseconds of a duration text. @throws {UsageError} */
export const parseDuration = (text: string, what: string): number => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  const value = Number(match?.[1]) * unitMs[(match?.[2] ?? 's') as keyof typeof unitMs]
  if (!Number.isFinite(value) || value > 2 ** 31 - 1) {
    throw new UsageError(`${what} must be a duration such as 500ms, 30s, 5m or 2h, not "${text}"`)
  }
  return value
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, with brackets around an IPv6 address. @throws {UsageError} */
export const parseHostPort = (text: string, what: string): HostPort => {
  const match = /^(?:\[([0-9a-f:.%\w]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || port > 65_535) {
    throw new UsageError(`${what} must be HOST:PORT, with brackets around an IPv6 address, not "${text}"`)
  }
  return { host, port }
}

/** Where to bind: `HOST`, `HOST:PORT` or `:PORT`, with an IP address as host. @throws {UsageError} */
export const parseBind = (text: string): { host?: string; port?: number } => {
  const onlyPort = /^:(\d{1,5})$/.exec(text)
  if (onlyPort !== null && Number(onlyPort[1]) <= 65_535) return { port: Number(onlyPort[1]) }
  const bare = /^\[([^\]]+)\]$/.exec(text)?.[1] ?? text
  if (/^[0-9a-f.]+$/i.test(bare) || (bare.match(/:/g)?.length ?? 0) >= 2) {
    if (!text.includes(']:')) return { host: checkedIp(bare) }
  }
  const { host, port } = parseHostPort(text, '--bind')
  return { host: checkedIp(host), port }
}

const checkedIp = (host: string): string => {
  if (isIP(host) === 0) throw new UsageError(`--bind must name an IP address, not "${host}"`)
  return host
}

/** An ALPN as dumbpipe writes it: `utf8:` and text, or hexadecimal digits. @throws {UsageError} */
export const parseAlpn = (text: string): string => {
  if (text.startsWith('utf8:')) return checkedAlpn(text.slice(5))
  if (!/^([0-9a-f]{2})+$/i.test(text)) {
    throw new UsageError(`--custom-alpn must be "utf8:" and a text, or hexadecimal digits, not "${text}"`)
  }
  try {
    return checkedAlpn(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'hex')))
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError('--custom-alpn must be UTF-8', { cause: error })
  }
}

const checkedAlpn = (alpn: string): string => {
  const length = Buffer.byteLength(alpn)
  if (length < 1 || length > 255) throw new UsageError(`an ALPN has 1 to 255 bytes, not ${length}`)
  return alpn
}

/** Node's own messages, shortened to what concerns the option. */
const messageOf = (error: Error): string => {
  const missing = /^Option '(?:-\w, )?(--[\w-]+)[^']*' argument (missing|is ambiguous)/.exec(error.message)
  return missing === null ? (error.message.split('. ')[0] ?? error.message) : `${missing[1]} needs a value`
}

/**
 * Parses what follows the command's name.
 *
 * @throws {UsageError} on an unknown option, a missing value, and too few or too many arguments.
 */
export const parseCommand = (spec: CommandSpec, options: OptionSpecs, args: readonly string[]): Values => {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  )
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: config,
      allowPositionals: true,
      strict: true,
    })
    const parsed = new Values(values, positionals)
    if (!parsed.flag('help')) checkCount(spec, positionals.length)
    return parsed
  } catch (error) {
    const { code } = error as { code?: string }
    if (error instanceof TypeError && code?.startsWith('ERR_PARSE_ARGS'))
      throw new UsageError(messageOf(error), { cause: error })
    throw error
  }
}

const checkCount = ({ positionals: [min, max], usage }: CommandSpec, count: number): void => {
  if (count < min) throw new UsageError(`${usage.includes('<ticket>') ? 'a ticket' : 'an argument'} is missing`)
  if (count > max) throw new UsageError(`too many arguments: ${count} instead of ${max}`)
}
