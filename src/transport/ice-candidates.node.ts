import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { AdmitSignals } from './webrtc.js'

/** Candidates of one attempt that are taken: a machine has few networks. */
const MAX_CANDIDATES = 32

const LOOPBACK = [blockOf('127.0.0.0', 8), blockOf('::1', 128)]

/** Where no host is: everybody, nobody, and what is for something else (RFC 6890). */
const NOBODY = [blockOf('0.0.0.0', 8), blockOf('224.0.0.0', 3), blockOf('::', 128), blockOf('ff00::', 8)]

/** Ranges that are not routed everywhere: an address of one leads to the remote only where this machine has one of the same. */
const SCOPES = [
  blockOf('10.0.0.0', 8),
  blockOf('172.16.0.0', 12),
  blockOf('192.168.0.0', 16),
  blockOf('100.64.0.0', 10),
  blockOf('169.254.0.0', 16),
  blockOf('fc00::', 7),
  blockOf('fe80::', 10),
]

/**
 * Gives what passes a remote's signals on to an implementation that would do what they say: look up names, open TCP connections, send to any
 * address. Candidates pass for UDP at addresses where the remote can be, 32 in an attempt, and only apart from descriptions.
 *
 * @param host the one address of this machine that is used, if there is but one. Remotes can be on this machine if it is a loopback address.
 */
export function admittedCandidates(host: string | undefined): AdmitSignals {
  const isLocal = host !== undefined && isIn(LOOPBACK, host)
  return () => {
    let left = MAX_CANDIDATES
    return (signal) => {
      if (signal.type !== 'candidate') return { ...signal, sdp: withoutCandidates(signal.sdp) }
      // The end of candidates.
      if (signal.candidate === '') return signal
      const candidate = --left >= 0 ? admitted(signal.candidate, isLocal) : undefined
      return candidate === undefined ? undefined : { ...signal, candidate }
    }
  }
}

/** A candidate for UDP (RFC 8839 section 5.1): foundation, component, priority, address, port and type. What implementations make of other forms differs. */
const CANDIDATE =
  /^(?:candidate:)?([\w+/]{1,32}) (\d{1,3}) udp (\d{1,10}) ([0-9a-f.:]{2,45}) (\d{1,5}) typ (host|srflx|prflx|relay)(?: .*)?$/i

/** The same candidate with nothing in it but that, where it is for UDP and at an address where the remote can be. */
function admitted(candidate: string, isLocal: boolean): string | undefined {
  const [, foundation, component, priority, address = '', port, type] = CANDIDATE.exec(candidate) ?? []
  if (isIP(address) === 0 || !mayProbe(address, isLocal)) return undefined
  const related = type === 'host' ? '' : ` raddr ${isIP(address) === 6 ? '::' : '0.0.0.0'} rport 0`
  return `candidate:${foundation} ${component} udp ${priority} ${address} ${port} typ ${type}${related}`
}

function mayProbe(address: string, isLocal: boolean): boolean {
  if (isIn(LOOPBACK, address)) return isLocal
  if (isIn(NOBODY, address)) return false
  const scope = SCOPES.find((block) => isIn([block], address))
  if (scope === undefined) return true
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address: own }) => isIn([scope], own)))
}

/** Each candidate is told by itself as well. */
function withoutCandidates(sdp: string): string {
  return sdp.replace(/^a=(remote-)?candidates?:[^\r\n]*[\r\n]*/gim, '')
}

function blockOf(network: string, prefix: number): BlockList {
  const block = new BlockList()
  block.addSubnet(network, prefix, familyOf(network))
  return block
}

function isIn(blocks: readonly BlockList[], address: string): boolean {
  return blocks.some((block) => block.check(address, familyOf(address)))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}
