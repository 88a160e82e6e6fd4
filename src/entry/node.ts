import { Peer as PlatformPeer } from '../api/peer.js'
import type { Platform } from '../api/platform.js'
import { AdmittingEngine } from '../api/web-transport/admission.js'
import { IncomingSessions } from '../api/web-transport/sessions.js'
import { isOn } from '../config/environment.node.js'
import { nodeCore } from '../core/load.node.js'
import { webTransportAddress } from '../core/web-transport-address.js'
import { diagnose } from '../diagnose/diagnose.node.js'
import { lazyLanDiscovery } from '../discovery/lan/lazy-lan.node.js'
import { qlogFolder } from '../observe/qlog-folder.node.js'
import { observeTraversal } from '../observe/traversal-metrics.node.js'
import { installedWebRtc } from '../transport/installed-webrtc.node.js'
import { PortMapper } from '../transport/port-mapping/port-mapper.node.js'
import { NodeRelays, relayServices } from '../transport/relay.node.js'
import { stunServers } from '../transport/stun-servers.node.js'
import { UdpTransport } from '../transport/udp.node.js'

export * from '../index.js'

/** A peer in Node: UDP, and the core that is built for Node. */
export class Peer extends PlatformPeer {
  static override readonly platform: Platform = {
    core: (given) => nodeCore(given === undefined ? undefined : () => given),
    transports: (udp) => [new UdpTransport(udp)],
    relayDialer: (relays) => new NodeRelays(relays),
    qlogFolder,
    instruments: observeTraversal,
    stunServers: (value) => stunServers(value),
    relayServices,
    diagnose,
    portMapping: (setting, parts) => (isOn(setting, 'ANYPATH_PORT_MAPPING') ? new PortMapper(parts) : undefined),
    lan: (setting, announce) => (isOn(setting, 'ANYPATH_LAN') ? lazyLanDiscovery(announce) : undefined),
    channels: ({ webRtc, relays, udp: { host } }, { transports, logger }) => {
      if (webRtc === undefined && (transports !== undefined || !isOn(undefined, 'ANYPATH_WEBRTC'))) return undefined
      const one = host === '::' || host === '0.0.0.0' ? undefined : host
      const warn = (message: string) => logger?.warn(message, { target: 'anypath::webrtc' })
      const load = installedWebRtc({ host: one, required: webRtc !== undefined, warn })
      return load && (async () => (await import('./web-rtc.js')).channelMaker(webRtc?.iceServers, relays, await load()))
    },
    webTransport: {
      admitting: (engine, policy, logger) => new AdmittingEngine(engine, policy, logger),
      sessions: (context) => new IncomingSessions(context),
      address: webTransportAddress,
    },
  }
}
