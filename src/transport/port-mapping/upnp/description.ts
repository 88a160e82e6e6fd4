import { find, findAll, parseXml, type XmlElement } from './xml.js'

/** The services that forward ports, the best first (WANIPConnection:2 has what the others lack). */
const SERVICE_TYPES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const

/** Where a device takes orders to forward ports. */
export interface ConnectionService {
  readonly type: (typeof SERVICE_TYPES)[number]
  readonly controlUrl: URL
}

/** What was wrong with a description. */
export type UnusableDescription = 'malformed' | 'foreign-location'

/**
 * Whether it is an HTTP URL of exactly that host: whoever answers must not have this peer call anybody else.
 *
 * @param host an IPv4 address.
 */
export function isOfHost(url: URL, host: string): boolean {
  return url.protocol === 'http:' && url.hostname === host && url.username === '' && url.password === ''
}

/**
 * The best service in a device's description (UPnP Device Architecture 2.0 section 2.3).
 *
 * @param location where the description came from; only services of the same host are taken.
 */
export function readDescription(text: string, location: URL): ConnectionService | UnusableDescription {
  const root = parseXml(text)
  if (root === undefined) return 'malformed'
  const services = findAll(root, 'service')
  const base = textOf(root, 'URLBase') || location.href
  for (const type of SERVICE_TYPES) {
    const service = services.find((candidate) => textOf(candidate, 'serviceType') === type)
    const path = service && textOf(service, 'controlURL')
    if (path === undefined || path === '') continue
    if (!URL.canParse(path, base)) return 'malformed'
    const controlUrl = new URL(path, base)
    return isOfHost(controlUrl, location.hostname) ? { type, controlUrl } : 'foreign-location'
  }
  return 'malformed'
}

function textOf(element: XmlElement, name: string): string {
  return find(element, name)?.text ?? ''
}
