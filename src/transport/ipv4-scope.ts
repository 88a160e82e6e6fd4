/** Where IPv4 addresses lead (RFC 6890). */

/** Whether a NAT may be in front of the address: RFC 1918, and RFC 6598 behind a carrier's. */
export function isPrivateIpv4(host: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(host)
}

/** Whether the whole Internet may reach the address. */
export function isPublicIpv4(host: string): boolean {
  return !isPrivateIpv4(host) && !/^(0|127|22[4-9]|2[3-5]\d)\.|^169\.254\.|^192\.0\.0\./.test(host)
}
