import { Peer as PlatformPeer } from '../api/peer.js'
import type { Platform } from '../api/platform.js'
import { AdmittingEngine } from '../api/web-transport/admission.js'
import { IncomingSessions } from '../api/web-transport/sessions.js'
import { isOn } from '../config/environment.node.js'
import { resolveUdp } from '../config/udp.js'
import { nodeCore } from '../core/load.node.js'
import { diagnose } from '../diagnose/diagnose.node.js'
import { lazyLanDiscovery } from '../discovery/lan/lazy-lan.node.js'
import { qlogFolder } from '../observe/qlog-folder.node.js'
import { observeTraversal } from '../observe/traversal-metrics.node.js'
import { PortMapper } from '../transport/port-mapping/port-mapper.node.js'
import { NodeRelays, relayServices } from '../transport/relay.node.js'
import { stunServers } from '../transport/stun-servers.node.js'
import { UdpTransport } from '../transport/udp.node.js'
import { WebSocketSessions } from '../transport/web-socket-session.node.js'
import { addressesOf, listenForSessions } from './listening.js'
import { portModule } from './port.js'
import { nodeChannels } from './web-rtc.node.js'

export * from '../index.js'

/** A peer in Node: UDP, and the core that is built for Node. */
export class Peer extends PlatformPeer {
  static override readonly platform: Platform = {
    core: (given) => nodeCore(given === undefined ? undefined : () => given),
    check: ({ udp }) => resolveUdp(udp),
    transports: (udp) => [new UdpTransport(udp)],
    port: async () => portModule,
    relayDialer: (relays) => new NodeRelays(relays),
    webTransportDialer: () => new WebSocketSessions(),
    qlogFolder,
    instruments: observeTraversal,
    stunServers: (value) => stunServers(value),
    relayServices,
    diagnose,
    portMapping: (setting, parts) => (isOn(setting, 'ANYPATH_PORT_MAPPING') ? new PortMapper(parts) : undefined),
    lan: (setting, announce) => (isOn(setting, 'ANYPATH_LAN') ? lazyLanDiscovery(announce) : undefined),
    channels: nodeChannels,
    webTransport: {
      admitting: (engine, policy, logger) => new AdmittingEngine(engine, policy, logger),
      sessions: (context) => new IncomingSessions(context),
      listening: listenForSessions,
      addressesOf,
    },
  }
}
