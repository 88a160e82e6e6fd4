import type { RelaySettings } from '../config/relays.js'
import type { IceServer } from '../config/settings.js'
import type { MakeLink } from '../transport/lending/lender.js'
import { type InstalledWebRtc, WebRtcChannels } from '../transport/webrtc.js'
import { stunOf } from './ice-servers.js'

/** What is loaded when a connection could leave its relay. Without servers the relays are asked for STUN. */
export function channelMaker(
  iceServers: readonly IceServer[] | undefined,
  relays: readonly RelaySettings[],
  installed?: InstalledWebRtc,
): WebRtcChannels {
  const servers = iceServers ?? stunOf(relays)
  return new WebRtcChannels({ iceServers: servers.map((server) => ({ ...server }) as RTCIceServer) }, installed)
}

/** What is loaded when a peer in a worker wants a channel of this window's. */
export const makeLink: MakeLink = ({ iceServers, relays }, initiator, events) =>
  channelMaker(
    iceServers as readonly IceServer[] | undefined,
    relays.map((url) => ({ url })),
  ).link(initiator, events)
