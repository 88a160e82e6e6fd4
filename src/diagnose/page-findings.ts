import { relayFindings, timeFindings } from './findings.js'
import type { DiagnosedPage, PageObservations } from './page.js'
import type { Diagnosis, DiagnosisFinding, NatReport } from './report.js'

/** What did not work in a browser or could not be found out, and why. */
export function pageFindings(
  peer: DiagnosedPage,
  found: PageObservations,
  { udp, nats }: { readonly udp: Diagnosis['udp']; readonly nats: readonly NatReport[] },
): DiagnosisFinding[] {
  return [
    ...browserFindings(peer, found),
    ...serverFindings(peer, found, udp),
    ...natFindings(nats),
    ...timeFindings(found.isCutShort),
    ...relayFindings(found.relays),
  ]
}

function browserFindings({ directPaths, iceServers }: DiagnosedPage, found: PageObservations): DiagnosisFinding[] {
  const { support, localNetwork } = found
  const findings: DiagnosisFinding[] = []
  const tell = (code: DiagnosisFinding['code'], message: string) => findings.push({ code, message })
  if (!directPaths) tell('direct-paths-off', 'directPaths is false: relayed connections stay relayed')
  else if (iceServers === undefined)
    tell('direct-paths-off', 'webRtc is false: relayed connections with other pages stay relayed')
  if (!support.secureContext)
    tell(
      'insecure-context',
      'this page is no secure context (https:, or this machine itself): much of the browser is shut',
    )
  if (!support.webRtc)
    tell(
      'no-webrtc',
      'there is no RTCPeerConnection here, as in every worker: connections with other pages stay relayed',
    )
  if (!support.webTransport || !support.certificateHashes)
    tell(
      'no-webtransport',
      'this browser opens no WebTransport sessions by a certificate’s hash: Node peers are reached over relays',
    )
  if (localNetwork.local === 'denied' || localNetwork.loopback === 'denied') {
    const what = localNetwork.local === 'denied' ? 'the local network' : 'this machine'
    tell('local-network-denied', `this page may not reach ${what}: peers and relays there can stay out of reach`)
  }
  return findings
}

function serverFindings(
  { directPaths, iceServers }: DiagnosedPage,
  { support, asked, shared, isCutShort, relays }: PageObservations,
  udp: Diagnosis['udp'],
): DiagnosisFinding[] {
  if (!directPaths || iceServers === undefined || !support.webRtc) return []
  const findings: DiagnosisFinding[] = []
  const tell = (code: DiagnosisFinding['code'], message: string) => findings.push({ code, message })
  const stun = asked.filter(({ isTurn }) => !isTurn)
  if (shared.candidates.length === 0) {
    const said = shared.errors.length === 0 ? '' : `: ${shared.errors.join('; ')}`
    tell('no-candidates', `the browser finds no address, by a policy or an extension, or for want of a network${said}`)
  } else if (shared.candidates.some(({ type, host }) => type === 'host' && host === undefined))
    tell('addresses-hidden', 'the browser hides this machine’s addresses from pages behind names of mDNS')
  if (stun.length === 0)
    tell('no-stun-server', 'no STUN server is named, and there is no relay to ask: what a NAT does can not be known')
  if (udp === 'blocked')
    tell('udp-blocked', 'no STUN server answers over UDP, and a relay does over TCP: UDP is blocked')
  else if (udp === 'unknown' && stun.length > 0 && !isCutShort && !relays.some(({ connected }) => connected))
    tell('network-down', 'neither a STUN server nor a relay answers')
  for (const { url, isTurn, gathering } of asked) {
    const wanted = isTurn ? 'relay' : 'srflx'
    if (gathering.candidates.some(({ type }) => type === wanted)) continue
    const said = gathering.errors.length === 0 ? '' : `: ${gathering.errors.join('; ')}`
    if (isTurn) tell('turn-silent', `the TURN server ${url} gives no address${said}`)
    else tell('stun-silent', `the STUN server ${url} does not answer${said}`)
  }
  return findings
}

function natFindings(nats: readonly NatReport[]): DiagnosisFinding[] {
  return nats.flatMap(({ mapping }): DiagnosisFinding[] => [
    ...(mapping === 'unknown'
      ? [
          {
            code: 'one-stun-address',
            message: 'only one server’s address answered: how the NAT maps takes two',
          } as const,
        ]
      : []),
    ...(mapping === 'unknown' || mapping === 'endpoint-independent'
      ? [{ code: 'filtering-unknown', message: 'a browser can not find out whom the NAT lets in' } as const]
      : []),
  ])
}
