/** Messages of SSDP, by which devices are found (UPnP Device Architecture 2.0 section 1.3). */

export const SSDP_PORT = 1900
export const SSDP_GROUP = '239.255.255.250'

const GATEWAY = 'urn:schemas-upnp-org:device:InternetGatewayDevice'
/** No device has more to say. */
const MAX_BYTES = 2048

/** Asks for gateways of both versions; a device of the second answers to the first as well, or should. */
export function encodeSearches(): Uint8Array[] {
  return [1, 2].map((version) =>
    new TextEncoder().encode(
      [
        'M-SEARCH * HTTP/1.1',
        `HOST: ${SSDP_GROUP}:${SSDP_PORT}`,
        'MAN: "ssdp:discover"',
        'MX: 1',
        `ST: ${GATEWAY}:${version}`,
        '',
        '',
      ].join('\r\n'),
    ),
  )
}

/** Where a device that answers says that its description is; `undefined` when it is no gateway's answer. */
export function readLocation(packet: Uint8Array): string | undefined {
  if (packet.length > MAX_BYTES) return undefined
  const [status = '', ...lines] = new TextDecoder('latin1').decode(packet).split('\r\n')
  if (!/^HTTP\/1\.[01] 200\b/.test(status)) return undefined
  const fields = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  return fields.get('st')?.startsWith(`${GATEWAY}:`) ? fields.get('location') : undefined
}
