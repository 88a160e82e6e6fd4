import { createError } from './create.js'
import { AnypathError } from './error.js'

/** An error as plain data that can be structured-cloned: what crosses a `MessagePort`. */
export interface SerializedError {
  readonly number: number
  readonly message: string
  readonly stack?: string
  readonly streamErrorCode: number | null
  readonly closeCode: number | null
  readonly reason: string
  readonly cause?: string
}

/** Turns anything that was thrown into plain data. Foreign errors become an `InternalError` with their text. */
export function serializeError(thrown: unknown): SerializedError {
  const error = toAnypathError(thrown)
  return {
    number: error.number,
    message: error.message,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    streamErrorCode: error.streamErrorCode,
    closeCode: error.closeCode,
    reason: error.reason,
    ...(error.cause === undefined ? {} : { cause: textOf(error.cause) }),
  }
}

/** Rebuilds the error, an instance of its own class again; `cause` is the original cause's text. */
export function deserializeError(data: SerializedError): AnypathError {
  const { number, message, stack, cause, ...rest } = data
  const error = createError(number, message, cause === undefined ? rest : { ...rest, cause })
  if (stack !== undefined) error.stack = stack
  return error
}

/** Gives back an `AnypathError` as it is, and wraps everything else in an `InternalError` with it as `cause`. */
export function toAnypathError(thrown: unknown): AnypathError {
  return thrown instanceof AnypathError ? thrown : createError('InternalError', textOf(thrown), { cause: thrown })
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
