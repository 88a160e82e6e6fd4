/**
 * How the command ends: one exit code for each kind of failure that a script may want to tell apart.
 *
 * The table is part of the command's interface and is printed by `anypath --help`; codes are never reused.
 */

export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  wrongKey: 4,
  refused: 5,
  badTicket: 6,
  integrity: 7,
  localIo: 8,
  protocol: 9,
  lost: 10,
  interrupted: 130,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** What each code means, for the help text and `docs/cli.md`. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.ok, 'done'],
  [ExitCode.failed, 'failed for another reason than those below'],
  [ExitCode.usage, 'wrong usage; nothing was done'],
  [ExitCode.unreachable, 'nobody answered at any address of the ticket in time'],
  [ExitCode.wrongKey, 'somebody else answered: the key is not the one in the ticket'],
  [ExitCode.refused, 'the peer refused: it does not serve this, is full, or the secret is wrong'],
  [ExitCode.badTicket, 'the ticket is malformed, truncated or of the wrong kind'],
  [ExitCode.integrity, 'a file was not what its hash says, or changed while it was sent'],
  [ExitCode.localIo, 'a local file, folder, port or key: full disk, no permission, exists, in use'],
  [ExitCode.protocol, 'the peer broke the protocol, or asked for a path outside the target folder'],
  [ExitCode.lost, 'the connection was lost, or closed by the peer, before the work was done'],
  [ExitCode.interrupted, 'interrupted by Ctrl-C'],
]

/** A failure that the user should read as one line, without a stack trace. */
export class CliError extends Error {
  override readonly name = 'CliError'
  /** The process's exit code. */
  readonly exitCode: ExitCode
  /** Stable name for scripts: an API error code, a system error code such as `ENOSPC`, or one of this command's own. */
  readonly code: string

  constructor(exitCode: ExitCode, code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
    this.code = code
  }
}

/** Wrong usage: exits with code 2 and prints the usage line of the command. */
export class UsageError extends CliError {
  constructor(message: string, options?: ErrorOptions) {
    super(ExitCode.usage, 'Usage', message, options)
  }
}

/** Ctrl-C, or a terminate signal. */
export class Interrupted extends CliError {
  constructor() {
    super(ExitCode.interrupted, 'Interrupted', 'interrupted')
  }
}

/** Whoever read what the command prints has gone, as `head` does: there is nobody to work for. */
export class ReaderGone extends CliError {
  constructor() {
    super(ExitCode.localIo, 'EPIPE', 'the reader of the output has gone')
  }
}

/** Exit codes by the name of an API error; what is not here is {@link ExitCode.failed}. */
const apiExitCodes: Readonly<Record<string, ExitCode>> = {
  Unreachable: ExitCode.unreachable,
  NoAddress: ExitCode.unreachable,
  NoRelayConfigured: ExitCode.unreachable,
  RelayUnreachable: ExitCode.unreachable,
  RelayDenied: ExitCode.refused,
  KeyInUse: ExitCode.localIo,
  WrongKey: ExitCode.wrongKey,
  AlpnNotServed: ExitCode.refused,
  Refused: ExitCode.refused,
  TooManyConnections: ExitCode.refused,
  InvalidTicket: ExitCode.badTicket,
  InvalidKey: ExitCode.localIo,
  AddressInUse: ExitCode.localIo,
  TransportFailed: ExitCode.localIo,
  HandshakeFailed: ExitCode.protocol,
  VersionMismatch: ExitCode.protocol,
  ProtocolViolation: ExitCode.protocol,
  UnsafePath: ExitCode.protocol,
  ClosedByPeer: ExitCode.lost,
  TransportClosedByPeer: ExitCode.lost,
  IdleTimeout: ExitCode.lost,
  PeerRestarted: ExitCode.lost,
  StreamReset: ExitCode.lost,
  StreamStopped: ExitCode.lost,
  Aborted: ExitCode.interrupted,
}

const systemErrorTexts: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or folder',
  ENOTDIR: 'not a folder',
  EISDIR: 'is a folder',
  EEXIST: 'exists already',
  ENAMETOOLONG: 'the name is too long for this file system',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files on this system',
  EIO: 'the disk reported an error',
  ELOOP: 'is a symbolic link',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'the address is not one of this machine',
  ECONNREFUSED: 'connection refused',
  EPIPE: 'closed by its reader',
}

const codeOf = (error: unknown): string | undefined => {
  if (typeof error !== 'object' || error === null) return undefined
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : undefined
}

/** True for an error of the operating system (`ENOSPC`, `EACCES`, …). */
export const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error &&
  /^E[A-Z0-9]+$/.test(codeOf(error) ?? '') &&
  typeof (error as NodeJS.ErrnoException).syscall === 'string'

/** One line about a system error: the reason in words, and the path where there is one. */
export const describeSystemError = (error: NodeJS.ErrnoException): string => {
  const reason = systemErrorTexts[error.code ?? ''] ?? error.message
  return error.path === undefined ? `${reason} (${error.code})` : `${error.path}: ${reason} (${error.code})`
}

/** Names the exit code, the stable code and the one-line message for whatever was thrown. */
export const toCliError = (error: unknown): CliError => {
  if (error instanceof CliError) return error
  if (isSystemError(error)) {
    return new CliError(ExitCode.localIo, error.code ?? 'EIO', describeSystemError(error), { cause: error })
  }
  const code = codeOf(error)
  if (error instanceof Error && code !== undefined) {
    return new CliError(apiExitCodes[code] ?? ExitCode.failed, code, error.message, { cause: error })
  }
  if (error instanceof Error) return new CliError(ExitCode.failed, error.name, error.message, { cause: error })
  return new CliError(ExitCode.failed, 'Unknown', String(error))
}
