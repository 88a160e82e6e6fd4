import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'

const ROUTE_IS_UP = 1
const ROUTE_HAS_GATEWAY = 2

/**
 * The IPv4 address of the router that the default route leads to; `undefined` where there is none, and on systems other than Linux, which
 * tell it to no program without a native part.
 */
export function defaultGateway(readRoutes = linuxRoutes): string | undefined {
  const routes = readRoutes()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .flatMap(([, destination, gateway = '', flags = '', , , metric, mask]) => {
      const isDefault = destination === '00000000' && mask === '00000000'
      const wanted = ROUTE_IS_UP | ROUTE_HAS_GATEWAY
      const isUsable = (Number.parseInt(flags, 16) & wanted) === wanted && /^[0-9A-F]{8}$/i.test(gateway)
      return isDefault && isUsable ? [{ gateway, metric: Number(metric) }] : []
    })
    .sort((one, other) => one.metric - other.metric)
  const [best] = routes
  return best && addressOf(best.gateway)
}

function linuxRoutes(): string {
  if (process.platform !== 'linux') return ''
  try {
    return readFileSync('/proc/net/route', 'utf8')
  } catch {
    return ''
  }
}

/** The kernel prints the address as a number of the host's byte order. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex')
  if (endianness() === 'LE') bytes.reverse()
  return bytes.join('.')
}
