/**
 * What `anypath send` has to find again after a kill, so that its ticket stays true: the UDP port and the secret, per key and
 * set of paths.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../exit.js'
import { stateFolder, writePrivateFile } from '../folders.js'
import { secretBytes } from './ticket.js'

export interface SendState {
  readonly port: number
  readonly secret: Uint8Array
}

/** The state file of one key and set of paths; their order does not matter. */
export const sendStateFile = async (env: NodeJS.ProcessEnv, id: string, paths: readonly string[]): Promise<string> => {
  const real = await Promise.all(paths.map((path) => realpath(path)))
  const name = createHash('sha256')
    .update(JSON.stringify([id, ...real.sort()]))
    .digest('hex')
    .slice(0, 32)
  return join(stateFolder(env), 'send', `${name}.json`)
}

/** The state of an earlier send; `undefined` when there is none, or it can't be understood. */
export const readSendState = async (file: string): Promise<SendState | undefined> => {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isSystemError(error) && error.code === 'ENOENT') return ''
    throw error
  })
  try {
    const { version, port, secret } = JSON.parse(text)
    const bytes = Uint8Array.from(Buffer.from(String(secret), 'hex'))
    const valid = version === 1 && Number.isInteger(port) && port > 0 && port <= 65_535 && bytes.length === secretBytes
    return valid ? { port, secret: bytes } : undefined
  } catch {
    return undefined
  }
}

/** Keeps the state, readable by its owner only. */
export const writeSendState = async (file: string, { port, secret }: SendState): Promise<void> => {
  const text = JSON.stringify({ version: 1, port, secret: Buffer.from(secret).toString('hex') })
  await writePrivateFile(file, `${text}\n`, { replace: true })
}

export const newSecret = (): Uint8Array => randomBytes(secretBytes)
