import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createError, InvalidConfigError } from '../errors/index.js'
import type { ResolvedRelayOptions } from './options.js'

/** How the text of an endpoint id becomes its key. */
export type ParseId = (text: string) => Uint8Array | undefined

interface Lists {
  readonly allow: ReadonlySet<string>
  readonly deny: ReadonlySet<string>
  readonly tokens: ReadonlySet<string>
}

/** Who may use the relay: lists of keys, and tokens, from the options and from files that can be read again. */
export class Access {
  readonly #options: ResolvedRelayOptions
  readonly #parseId: ParseId
  #lists: Lists

  private constructor(options: ResolvedRelayOptions, parseId: ParseId, lists: Lists) {
    this.#options = options
    this.#parseId = parseId
    this.#lists = lists
  }

  /** @throws InvalidConfigError naming the list and the entry that is no id, or the file that can't be read. */
  static async load(options: ResolvedRelayOptions, parseId: ParseId): Promise<Access> {
    return new Access(options, parseId, await readLists(options, parseId))
  }

  /** Reads the files again; when that fails everything stays as it was. @throws InvalidConfigError */
  async reload(): Promise<void> {
    this.#lists = await readLists(this.#options, this.#parseId)
  }

  /** Whether a key may connect, or put its records. */
  allowsKey(key: Buffer): boolean {
    const { allow, deny } = this.#lists
    const name = key.toString('latin1')
    return !deny.has(name) && (allow.size === 0 || allow.has(name))
  }

  /** Whether a request presents one of the tokens, when there are any. */
  allowsRequest(request: IncomingMessage): boolean {
    const { tokens } = this.#lists
    if (tokens.size === 0) return true
    const token = presentedToken(request)
    // Compared by hash, so that the time taken tells nothing about a token.
    return token !== undefined && tokens.has(digest(token))
  }
}

/** The token of `Authorization: Bearer`, or else of the query, since browsers can't set headers of a WebSocket. */
function presentedToken({ headers, url = '' }: IncomingMessage): string | undefined {
  const bearer = /^bearer +(.+?) *$/i.exec(headers.authorization ?? '')
  if (bearer?.[1] !== undefined) return bearer[1]
  const query = url.indexOf('?')
  return query < 0 ? undefined : (new URLSearchParams(url.slice(query)).get('token') ?? undefined)
}

const digest = (token: string): string => createHash('sha256').update(token).digest('base64')

async function readLists(options: ResolvedRelayOptions, parseId: ParseId): Promise<Lists> {
  const ids = async (name: 'allow' | 'deny'): Promise<Set<string>> => {
    const fromFile = await linesOf(`${name}File`, options[`${name}File`])
    const keys = [...options[name].map((text) => [name, text] as const), ...fromFile]
    return new Set(keys.map(([field, text]) => keyOf(field, text, parseId)))
  }
  const tokens = [...options.tokens, ...(await linesOf('tokenFile', options.tokenFile)).map(([, text]) => text)]
  return { allow: await ids('allow'), deny: await ids('deny'), tokens: new Set(tokens.map(digest)) }
}

function keyOf(field: string, text: string, parseId: ParseId): string {
  const key = parseId(text)
  if (key === undefined) throw new InvalidConfigError(`${field}: ${JSON.stringify(text)} is no endpoint id`)
  return Buffer.from(key).toString('latin1')
}

/** The lines of a file that are not empty and no comments, each with where it stands. */
async function linesOf(field: string, file: string | undefined): Promise<(readonly [where: string, text: string])[]> {
  if (file === undefined) return []
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw createError('InvalidConfig', `${field}: ${cause.message}`, { cause })
  })
  return text.split('\n').flatMap((line, at) => {
    const content = line.replace(/#.*/, '').trim()
    return content === '' ? [] : [[`${field}, line ${at + 1}`, content] as const]
  })
}
