import type { createError as CreateError } from '../errors/index.js'
import type { DiagnoseOptions } from './report.js'

/** Makes the errors of the code that calls: what is loaded later has classes of its own. */
export type MakeError = typeof CreateError

const DEFAULT_TIMEOUT_MS = 8000

/**
 * Runs a diagnosis with a signal that fires when its time is over, or with the caller's.
 *
 * @throws InvalidArgumentError for a time out of range; AbortedError when the caller's signal fires.
 */
export async function withDeadline<Result>(
  { signal, timeoutMs = DEFAULT_TIMEOUT_MS, lifetimeMs = 0 }: DiagnoseOptions,
  createError: MakeError,
  run: (signal: AbortSignal, timeoutMs: number, lifetimeMs: number) => Promise<Result>,
): Promise<Result & { readonly elapsedMs: number }> {
  if (!(timeoutMs >= 1000 && timeoutMs <= 60_000))
    throw createError('InvalidArgument', `timeoutMs: must be from 1000 to 60000, not ${String(timeoutMs)}`)
  if (!(lifetimeMs === 0 || (lifetimeMs >= 1000 && lifetimeMs <= 600_000)))
    throw createError('InvalidArgument', `lifetimeMs: must be 0, or from 1000 to 600000, not ${String(lifetimeMs)}`)
  const begin = performance.now()
  const controller = new AbortController()
  const end = (): void => controller.abort(signal?.reason)
  const timer = setTimeout(end, timeoutMs + lifetimeMs)
  if (signal?.aborted) end()
  signal?.addEventListener('abort', end, { once: true })
  try {
    const found = await run(controller.signal, timeoutMs, lifetimeMs)
    if (signal?.aborted) throw createError('Aborted', 'the diagnosis was aborted', { cause: signal.reason })
    return { ...found, elapsedMs: performance.now() - begin }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
  }
}
