import { createError } from '../../errors/index.js'
import type { PortMapping } from '../transport.js'
import { PortMapper, type PortMapperOptions } from './port-mapper.node.js'

const VARIABLE = 'ANYPATH_PORT_MAPPING'

/**
 * A port mapper, unless port mapping is turned off: by the setting, or where there is none by the environment (`ANYPATH_PORT_MAPPING=off`).
 *
 * @throws AnypathError `InvalidConfig` when the variable is something else than `on` or `off`.
 */
export function portMapping(setting: boolean | undefined, options: PortMapperOptions): PortMapping | undefined {
  return (setting ?? isOn(process.env[VARIABLE])) ? new PortMapper(options) : undefined
}

function isOn(value = 'on'): boolean {
  if (!['on', 'off', ''].includes(value))
    throw createError('InvalidConfig', `${VARIABLE}: must be on or off, not "${value}"`)
  return value !== 'off'
}
