/** The Ed25519 secret key that makes this machine's id. */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeBase32 } from './base32.js'
import { CliError, ExitCode, isSystemError } from './exit.js'
import { configFolder, writePrivateFile } from './folders.js'

const keyBytes = 32

export interface Identity {
  readonly secretKey: Uint8Array
  /** 64 lower-case hexadecimal digits. */
  readonly id: string
  /** The file that the key came from; `undefined` when it came from the environment or is fresh. */
  readonly file?: string
  /** Whether the file was made just now. */
  readonly created: boolean
}

/** Reads a secret key of 64 hexadecimal digits or 52 base32 characters; `undefined` when it is neither. */
export const parseSecretKey = (text: string): Uint8Array | undefined => {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Uint8Array.from(Buffer.from(trimmed, 'hex'))
  if (!/^[a-z2-7]{52}$/i.test(trimmed)) return undefined
  try {
    return decodeBase32(trimmed)
  } catch {
    return undefined
  }
}

// The fixed part of an Ed25519 private key in PKCS #8 (RFC 8410 section 7).
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The public key that belongs to a secret key, as text. */
export const idOf = (secretKey: Uint8Array): string => {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, secretKey]), format: 'der', type: 'pkcs8' })
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-keyBytes).toString('hex')
}

const invalidKey = (message: string): CliError => new CliError(ExitCode.localIo, 'InvalidKey', message)

const readKeyFile = async (path: string): Promise<Uint8Array | undefined> => {
  let file: Awaited<ReturnType<typeof open>>
  try {
    // A FIFO would wait for somebody to write.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    const found = await file.stat()
    if (!found.isFile()) throw invalidKey(`${path} is not a regular file`)
    const { mode } = found
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0')
      throw invalidKey(`${path} can be used by others (mode ${shown}); run: chmod 600 '${path}'`)
    }
    const { bytesRead, buffer } = await file.read(Buffer.alloc(256), 0, 256, 0)
    const key = parseSecretKey(buffer.subarray(0, bytesRead).toString('latin1'))
    if (key === undefined)
      throw invalidKey(`${path} is not a secret key: 64 hexadecimal digits or 52 base32 characters`)
    return key
  } finally {
    await file.close()
  }
}

const identity = (secretKey: Uint8Array, created: boolean, file?: string): Identity => ({
  secretKey,
  id: idOf(secretKey),
  created,
  ...(file === undefined ? {} : { file }),
})

/** A key that nobody has seen, kept nowhere. */
export const freshIdentity = (): Identity => identity(randomBytes(keyBytes), true)

/**
 * The key to use: of `--key`, of `ANYPATH_SECRET_KEY`, or of the file in the configuration folder, in this order. A file
 * that does not exist is made, readable by its owner only.
 *
 * @param fallback what to do when neither is given: `stored` uses the configuration folder, `fresh` makes a key for once.
 * @throws {CliError} with exit code 8 when the key is malformed, or its file can be used by others.
 */
export const loadIdentity = async (
  keyFile: string | undefined,
  env: NodeJS.ProcessEnv,
  fallback: 'stored' | 'fresh' = 'stored',
): Promise<Identity> => {
  const fromEnv = env.ANYPATH_SECRET_KEY
  if (keyFile === undefined && fromEnv !== undefined && fromEnv !== '') {
    const key = parseSecretKey(fromEnv)
    // Without the value: it may be a key with a typing error.
    if (key === undefined) throw invalidKey('ANYPATH_SECRET_KEY is not 64 hexadecimal digits or 52 base32 characters')
    return identity(key, false)
  }
  if (keyFile === undefined && fallback === 'fresh') return freshIdentity()
  const path = keyFile ?? join(configFolder(env), 'secret.key')
  const existing = await readKeyFile(path)
  if (existing !== undefined) return identity(existing, false, path)
  const made = await writePrivateFile(path, `${randomBytes(keyBytes).toString('hex')}\n`, { replace: false })
  // Where another process was faster, its key counts.
  const key = await readKeyFile(path)
  if (key === undefined) throw invalidKey(`${path} disappeared while it was read`)
  return identity(key, made, path)
}
