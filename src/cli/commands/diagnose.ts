import type {
  AddressObservation,
  Diagnosis,
  MappingLifetime,
  NatReport,
  RelayReport,
  RemoteVerdict,
  StunServerReport,
} from '../../index.js'
import { type Command, orAborted } from '../context.js'
import { CliError, ExitCode } from '../exit.js'
import { formatAddress } from '../format.js'
import { dialingOptions } from '../options.js'
import { withPeer } from '../peer.js'
import { printable } from '../transfer/paths.js'

const defaultTimeoutMs = 8_000

const { bind, key, relay, stun } = dialingOptions

const remoteNames: Readonly<Record<RemoteVerdict['remote'], string>> = {
  open: 'at a public address',
  'address-restricted': 'behind an address-restricted NAT',
  'port-restricted': 'behind a port-restricted NAT',
  'symmetric-sequential': 'behind a symmetric NAT, ports in sequence',
  symmetric: 'behind a symmetric NAT, random ports',
  'udp-blocked': 'where UDP is blocked',
}

const outcomes: Readonly<Record<RemoteVerdict['outcome'], string>> = {
  direct: 'direct',
  predicted: 'direct, as long as ports are foretold rightly',
  'many-ports': 'relayed, unless a mapping is found by many probes',
  relayed: 'relayed',
  unreachable: 'not at all without a relay',
  unknown: 'unknown',
}

const udpTexts: Readonly<Record<Diagnosis['udp'], string>> = { works: 'works', blocked: 'blocked', unknown: 'unknown' }

const ms = (value: number | undefined): string => (value === undefined ? '' : `, ${value.toFixed(0)} ms`)

const row = (name: string, text: string): string => `${name.padEnd(18)}${text}`

const spaced = (term: string): string => term.replace('address-and-port', 'address- and port')

const lifetimeText = ({ atLeastMs, belowMs }: MappingLifetime): string => {
  const seconds = (time: number): string => (time / 1000).toFixed(time < 10_000 ? 1 : 0)
  return belowMs === undefined
    ? `for ${seconds(atLeastMs)} s at least`
    : `for ${seconds(atLeastMs)} to ${seconds(belowMs)} s`
}

const natRows = (family: string, nat: NatReport): string[] => {
  const yes = (flag: boolean | undefined): string => (flag === undefined ? 'unknown' : flag ? 'yes' : 'no')
  const ports = nat.stride === undefined ? nat.ports : `${nat.ports}, ${nat.stride} apart`
  return [
    row(`NAT (${family})`, nat.kind),
    row('  addresses', nat.addresses.join(', ')),
    row('  mapping', spaced(nat.mapping)),
    row('  filtering', spaced(nat.filtering)),
    row('  ports', ports),
    row('  hairpin', yes(nat.hairpin)),
    ...(nat.lifetime ? [row('  mappings live', lifetimeText(nat.lifetime))] : []),
    ...(nat.movedByStrangers === true ? [row('  early packets', 'from outside move a mapping')] : []),
  ]
}

const relayRow = ({ url, connected, home, rttMs }: RelayReport): string =>
  row('Relay', `${printable(url)}${home ? ' (home)' : ''}: ${connected ? `connected${ms(rttMs)}` : 'not connected'}`)

const stunRow = ({ mapped, rttMs, ...server }: StunServerReport): string =>
  row(
    'STUN',
    `${formatAddress(server)}: ${mapped === undefined ? 'no answer' : `sees ${formatAddress(mapped)}${ms(rttMs)}`}`,
  )

const discoveryRow = ({ host, mapped, rttMs }: AddressObservation): string =>
  row('Address discovery', `${printable(host)} sees ${formatAddress(mapped)}${ms(rttMs)}`)

const lines = (diagnosis: Diagnosis): string[] => {
  const { local, udp, ipv4, ipv6, relays, stunServers, addressDiscovery, remotes, findings } = diagnosis
  return [
    row('UDP', udpTexts[udp]),
    ...local.map((address) => row('Local', formatAddress(address))),
    ...relays.map(relayRow),
    ...stunServers.map(stunRow),
    ...addressDiscovery.map(discoveryRow),
    ...(ipv4 ? natRows('IPv4', ipv4) : []),
    ...(ipv6 ? natRows('IPv6', ipv6) : []),
    'Connections with peers',
    ...remotes.map(({ remote, outcome }) => `  ${remoteNames[remote].padEnd(44)}${outcomes[outcome]}`),
    ...findings.map(({ message }) => row('Note', printable(message))),
  ]
}

export const diagnoseCommand: Command = {
  spec: {
    name: 'diagnose',
    summary: 'find out what stands between this machine and direct paths',
    usage: '[options]',
    description: [
      'Tells how the NAT before this machine behaves (RFC 4787), whether UDP leads out, which relays and STUN servers answer, with which peers ' +
        'connections will be direct, and why something did not work. It dials nobody, and takes a few seconds.',
      'Nobody is asked who is not named, the relays aside: give two STUN servers at different addresses, or one that has a second address ' +
        '(RFC 5780), which is what it takes to know how a NAT filters.',
      'Exit code 3 when neither a STUN server nor a relay answered.',
    ],
    options: {
      ...(relay && { relay }),
      timeout: { type: 'string', value: 'TIME', help: 'tell what is known after this time, 1s to 60s (default 8s)' },
      lifetime: {
        type: 'string',
        value: 'TIME',
        help: 'watch for this time, 1s to 600s, how long the NAT keeps silent mappings',
      },
      ...(stun && { stun }),
      ...(bind && { bind }),
      ...(key && { key }),
    },
    positionals: [0, 0],
    examples: [
      'anypath diagnose --relay https://relay.example.org --stun stun.example.org',
      'anypath diagnose --stun 192.0.2.1:3478 --json',
    ],
  },
  run: async (context) => {
    const { values, output, signal } = context
    const timeoutMs = values.durationMs('timeout') ?? defaultTimeoutMs
    const lifetimeMs = values.durationMs('lifetime') ?? 0
    await withPeer(context, {}, async (peer) => {
      output.note('asking…')
      const diagnosis = await orAborted(peer.diagnose({ timeoutMs, lifetimeMs, signal }), signal)
      output.event('diagnosis', { ...diagnosis })
      for (const line of lines(diagnosis)) output.result(line)
      if (diagnosis.findings.some(({ code }) => code === 'network-down'))
        throw new CliError(ExitCode.unreachable, 'Unreachable', 'neither a STUN server nor a relay answers')
    })
  },
}
