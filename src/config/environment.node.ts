import { InvalidConfigError } from '../errors/index.js'

/**
 * Whether something that a peer does by itself is on: as the setting says, else as the environment does, else it is.
 *
 * @throws InvalidConfigError when the variable is something else than `on` or `off`.
 */
export function isOn(setting: boolean | undefined, variable: string): boolean {
  const value = process.env[variable] || 'on'
  if (value !== 'on' && value !== 'off') throw new InvalidConfigError(`${variable}: must be on or off, not "${value}"`)
  return setting ?? value === 'on'
}
