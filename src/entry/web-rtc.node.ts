import type { Platform } from '../api/platform.js'
import { systemClock } from '../driver/clock.js'
import type { Engine } from '../driver/engine.js'
import { BuiltInWebRtc, type BuiltInWebRtcParts, refuseServers } from '../transport/built-in-webrtc.node.js'
import { installedWebRtc } from '../transport/installed-webrtc.node.js'
import type { TransportAddress } from '../transport/transport.js'
import { compileWebRtc } from '../transport/webrtc-module.node.js'
import { stunOf } from './ice-servers.js'

/** How a Node peer makes channels: by a package that is installed, or else by the module that comes with this one. */
export const nodeChannels: NonNullable<Platform['channels']> = (settings, options, peer) => {
  const { webRtc, relays, udp } = settings
  if (webRtc === undefined) return undefined
  const { iceServers, implementation } = webRtc
  const { clock, logger } = options
  const servers = iceServers ?? options.stunServers?.map((server) => ({ urls: `stun:${server.replace(/^stun:/, '')}` }))
  const host = udp.host === undefined || /^[0.:]+$/.test(udp.host) ? undefined : udp.host
  const hasSocket = options.transports?.some(sharesSocket) ?? true
  const installed =
    implementation === 'built-in'
      ? undefined
      : installedWebRtc(host, servers ?? stunOf(relays), whyInstalled(implementation, hasSocket))
  if (installed !== undefined) return async () => (await import('./web-rtc.js')).channelMaker([], relays, installed)
  refuseServers(iceServers ?? [], hasSocket)
  const log = (message: string) => logger?.warn(message, { target: 'anypath::webrtc' })
  const make = async () => {
    const socket = peer().transports.find(sharesSocket)
    if (socket === undefined) throw new Error('there is no socket to share')
    const reflexive = () => reflexiveOf(peer().engine)
    return new BuiltInWebRtc({
      module: await compileWebRtc(),
      socket,
      host,
      reflexive,
      clock: clock ?? systemClock(),
      log,
    })
  }
  let made: Promise<BuiltInWebRtc> | undefined
  return () => {
    made ??= make()
    made.catch((thrown) => log(`the WebRTC module can't be loaded: ${thrown.message}`))
    return made
  }
}

/** Where else than at its own addresses the main socket is reached: at its NAT, as servers see it, and at a router that forwards. */
async function reflexiveOf(engine: Engine | undefined): Promise<TransportAddress[]> {
  const { observations = [] } = (await engine?.peerStats()) ?? {}
  const addresses = (await engine?.localAddresses()) ?? []
  const seen = observations.filter(({ by }) => by === 'server').map(({ mapped }) => mapped)
  return [...seen, ...addresses.filter(({ mapped }) => mapped)]
}

/** Why nothing but an installed package will do. */
function whyInstalled(implementation: 'installed' | undefined, hasSocket: boolean): string | undefined {
  if (implementation === 'installed') return 'the installed implementation'
  return hasSocket ? undefined : 'without a UDP socket it'
}

function sharesSocket(transport: { share?: unknown }): transport is BuiltInWebRtcParts['socket'] {
  return transport.share !== undefined
}
