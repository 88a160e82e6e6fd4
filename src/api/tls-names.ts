/** IANA "TLS Supported Groups" that this library can negotiate. */
const GROUPS: ReadonlyMap<number, string> = new Map([
  [0x11ec, 'X25519MLKEM768'],
  [0x001d, 'X25519'],
])

/** IANA "TLS Cipher Suites" of TLS 1.3. */
const CIPHERS: ReadonlyMap<number, string> = new Map([
  [0x1301, 'TLS_AES_128_GCM_SHA256'],
  [0x1302, 'TLS_AES_256_GCM_SHA384'],
  [0x1303, 'TLS_CHACHA20_POLY1305_SHA256'],
])

/** What the TLS handshake negotiated (RFC 8446), by the names of the IANA registries. */
export interface TlsInfo {
  /** `X25519MLKEM768` between anypath peers, `X25519` with others; empty before the handshake is done. */
  readonly group: string
  /** `TLS_CHACHA20_POLY1305_SHA256` between anypath peers; empty before the handshake is done. */
  readonly cipher: string
  /** Whether an earlier connection with this remote was resumed (RFC 8446 section 2.2). */
  readonly resumed: boolean
}

export function tlsInfo(group: number, cipher: number, resumed: boolean): TlsInfo {
  return { group: nameOf(GROUPS, group), cipher: nameOf(CIPHERS, cipher), resumed }
}

function nameOf(names: ReadonlyMap<number, string>, value: number): string {
  return value === 0 ? '' : (names.get(value) ?? `0x${value.toString(16).padStart(4, '0')}`)
}
