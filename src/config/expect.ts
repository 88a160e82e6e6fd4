import { InvalidConfigError } from '../errors/index.js'

/** The error that names a field, what it has to be, and what it is. */
export function wrong(field: string, expected: string, value: unknown): InvalidConfigError {
  return new InvalidConfigError(`${field}: must be ${expected}, not ${shown(value)}`)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function oneOf<T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === value)
  if (found === undefined) throw wrong(field, `one of ${allowed.join(', ')}`, value)
  return found
}

export function integer(field: string, value: unknown, min: number, max: number): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw wrong(field, `a whole number from ${min} to ${max}`, value)
  }
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}

/**
 * Takes it that nothing is left of an object of settings.
 *
 * @throws InvalidConfigError when something is.
 */
export function nothingElse(field: string, rest: object): void {
  for (const name of Object.keys(rest)) throw new InvalidConfigError(`${field}.${name}: there is no such setting`)
}
