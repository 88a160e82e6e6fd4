import type { IceServer } from '../config/settings.js'
import { WebRtcChannels } from '../transport/webrtc.js'

/** What a page loads when a connection could leave its relay. */
export function channelMaker(iceServers: readonly IceServer[]): WebRtcChannels {
  return new WebRtcChannels({ iceServers: iceServers.map((server) => ({ ...server }) as RTCIceServer) })
}
