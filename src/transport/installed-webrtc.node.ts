import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { InvalidConfigError } from '../errors/index.js'
import { admittedCandidates } from './ice-candidates.node.js'
import type { InstalledWebRtc, WebRtcClasses } from './webrtc.js'

interface Implementation {
  readonly name: string
  /** What is loaded. */
  readonly module: string
  /** Whether it can be kept to one address. */
  readonly bindsTo?: (host: string) => object
  readonly classes: (module: WebRtcClasses) => WebRtcClasses
  /** The servers as it takes them. */
  readonly servers: (servers: readonly Server[]) => readonly Server[]
}

/** A STUN or TURN server, or several with the same credentials. */
interface Server {
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

/** Who negotiates, without what is deprecated. */
type Negotiating = new (
  configuration?: object,
) => {
  createDataChannel(label: string, options?: RTCDataChannelInit): RTCDataChannel
  createOffer(): Promise<RTCSessionDescriptionInit>
  createAnswer(): Promise<RTCSessionDescriptionInit>
  close(): void
}

/** The faster one first. */
const IMPLEMENTATIONS: readonly Implementation[] = [
  {
    name: 'node-datachannel',
    module: 'node-datachannel/polyfill',
    bindsTo: (host) => ({ bindAddress: host }),
    classes: ofNodeDatachannel,
    servers: (servers) => servers.map(escaped),
  },
  { name: '@roamhq/wrtc', module: '@roamhq/wrtc', classes: closing, servers: (servers) => servers },
]

/**
 * Loads an implementation of WebRTC that is installed beside this package: `node-datachannel`, or else `@roamhq/wrtc`.
 *
 * @param host the one address of this machine that may be used, if there is but one.
 * @param iceServers the STUN and TURN servers that it is to take.
 * @param otherwise says, where none is installed, why there has to be one; `undefined` where there need not be.
 * @returns `undefined` where none is installed, and none has to be.
 * @throws InvalidConfigError saying what is to be installed, why what is installed can't be loaded, or that it does not take the servers.
 */
export function installedWebRtc(
  host: string | undefined,
  iceServers: readonly Server[],
  otherwise: string | undefined,
): InstalledWebRtc | undefined {
  if (host !== undefined && isIP(host) === 0)
    throw new InvalidConfigError(`webRtc: takes an IP address as udp.host, not ${host}`)
  const problems: string[] = []
  for (const { name, module, bindsTo, classes: wrap, servers } of IMPLEMENTATIONS) {
    if (host !== undefined && bindsTo === undefined) continue
    const found = load(module, (why) => problems.push(`${name} can't be loaded: ${why}`))
    if (found === undefined) continue
    const classes = wrap(found)
    const configuration = { ...(host !== undefined && bindsTo?.(host)), iceServers: copied(servers(iceServers)) }
    try {
      new classes.RTCPeerConnection(configuration).close()
    } catch (thrown) {
      throw new InvalidConfigError(`webRtc: ${name} does not take the iceServers: ${messageOf(thrown)}`)
    }
    return { classes, configuration, admit: admittedCandidates(host) }
  }
  if (problems.length === 0 && otherwise === undefined) return undefined
  const names = host === undefined ? 'node-datachannel or @roamhq/wrtc' : `node-datachannel (for udp.host ${host})`
  const why = problems.length > 0 ? problems.join('; ') : 'which is not installed'
  throw new InvalidConfigError(`webRtc: ${otherwise ?? 'in Node it'} takes the package ${names}, ${why}`)
}

/** The module, or `undefined` where it is not installed; one that is and can't be loaded has no native part, or one for another machine. */
function load(module: string, broken: (why: string) => void): WebRtcClasses | undefined {
  const require = createRequire(import.meta.url)
  try {
    require.resolve(module)
  } catch {
    return undefined
  }
  try {
    return require(module)
  } catch (thrown) {
    broken(messageOf(thrown))
    return undefined
  }
}

/** A connection whose channel can't be made is closed: nobody else knows of it, and it would keep the process alive. */
function closing(module: WebRtcClasses): WebRtcClasses {
  class ClosingPeerConnection extends (module.RTCPeerConnection as unknown as Negotiating) {
    override createDataChannel(label: string, options?: RTCDataChannelInit): RTCDataChannel {
      try {
        return super.createDataChannel(label, options)
      } catch (thrown) {
        this.close()
        throw thrown
      }
    }
  }
  return { ...module, RTCPeerConnection: ClosingPeerConnection as unknown as typeof RTCPeerConnection }
}

/**
 * Descriptions of node-datachannel's have their members in a prototype, where simple-peer's copy leaves them. And its promise of an answer
 * rejects when a remote's description has a certain name for its medium, also where nobody has asked for an answer.
 */
function ofNodeDatachannel(module: WebRtcClasses): WebRtcClasses {
  const classes = closing(module)
  class PlainPeerConnection extends (classes.RTCPeerConnection as unknown as Negotiating) {
    constructor(configuration?: object) {
      super(configuration)
      super.createAnswer().catch(() => {})
    }

    override async createOffer(): Promise<RTCSessionDescriptionInit> {
      return plain(await super.createOffer())
    }

    override async createAnswer(): Promise<RTCSessionDescriptionInit> {
      return plain(await super.createAnswer())
    }
  }
  return { ...classes, RTCPeerConnection: PlainPeerConnection as unknown as typeof RTCPeerConnection }
}

function plain({ type, sdp }: RTCSessionDescriptionInit): RTCSessionDescriptionInit {
  return { type, ...(sdp !== undefined && { sdp }) }
}

/** They may be written to. */
function copied(servers: readonly Server[]): RTCIceServer[] {
  return servers.map(({ urls, ...rest }) => ({ ...rest, urls: typeof urls === 'string' ? urls : [...urls] }))
}

/** node-datachannel makes a URL of a server and its credentials. */
function escaped({ username, credential, ...server }: Server): Server {
  return {
    ...server,
    ...(username !== undefined && { username: encodeURIComponent(username) }),
    ...(credential !== undefined && { credential: encodeURIComponent(credential) }),
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
