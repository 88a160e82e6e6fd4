import { createRequire } from 'node:module'
import { InvalidConfigError } from '../errors/index.js'
import type { InstalledWebRtc, WebRtcClasses } from './webrtc.js'

/** What a peer tells of itself to find an implementation. */
export interface WebRtcNeeds {
  /** The one address of this machine that may be used, if there is but one. */
  readonly host?: string | undefined
  /** Whether the application asked for WebRTC: then it has to be there. */
  readonly required: boolean
  /** Told why an installed package can't be used. */
  readonly warn: (message: string) => void
}

interface Implementation {
  readonly name: string
  /** What is loaded. */
  readonly module: string
  /** Whether it can be kept to one address. */
  readonly bindsTo?: (host: string) => object
  readonly classes: (module: WebRtcClasses) => WebRtcClasses
}

/** Who negotiates, without what is deprecated. */
type Negotiating = new (
  configuration?: object,
) => {
  createOffer(): Promise<RTCSessionDescriptionInit>
  createAnswer(): Promise<RTCSessionDescriptionInit>
}

/** The faster one first. */
const IMPLEMENTATIONS: readonly Implementation[] = [
  {
    name: 'node-datachannel',
    module: 'node-datachannel/polyfill',
    bindsTo: (host) => ({ bindAddress: host }),
    classes: withPlainDescriptions,
  },
  { name: '@roamhq/wrtc', module: '@roamhq/wrtc', classes: (module) => module },
]

/**
 * Finds an implementation of WebRTC that is installed beside this package: `node-datachannel`, or else `@roamhq/wrtc`. Nothing of it is loaded
 * before the returned function is called, which rejects when none can be.
 *
 * @throws InvalidConfigError naming what is to be installed, when it is required and not there.
 */
export function installedWebRtc({ host, required, warn }: WebRtcNeeds): (() => Promise<InstalledWebRtc>) | undefined {
  const require = createRequire(import.meta.url)
  const isInstalled = ({ module }: Implementation) => {
    try {
      return require.resolve(module) !== ''
    } catch {
      return false
    }
  }
  const usable = IMPLEMENTATIONS.filter(({ bindsTo }) => host === undefined || bindsTo !== undefined).filter(
    isInstalled,
  )
  if (usable.length > 0) return once(() => loadFirst(usable, require, host, warn))
  if (!required) return undefined
  const names = host === undefined ? 'node-datachannel or @roamhq/wrtc' : `node-datachannel (for udp.host ${host})`
  throw new InvalidConfigError(`webRtc: in Node it takes the package ${names}, which is not installed`)
}

async function loadFirst(
  usable: readonly Implementation[],
  require: NodeJS.Require,
  host: string | undefined,
  warn: (message: string) => void,
): Promise<InstalledWebRtc> {
  for (const { name, module, bindsTo, classes } of usable) {
    try {
      const configuration = host === undefined ? {} : (bindsTo?.(host) ?? {})
      return { classes: classes(require(module)), configuration }
    } catch (thrown) {
      // Its native part is not there, or is one for another machine.
      warn(`${name} is installed and can't be loaded: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    }
  }
  throw new InvalidConfigError('webRtc: no installed implementation can be loaded')
}

/** Descriptions of node-datachannel's have their members in a prototype, where simple-peer's copy leaves them. */
function withPlainDescriptions(module: WebRtcClasses): WebRtcClasses {
  class PlainPeerConnection extends (module.RTCPeerConnection as unknown as Negotiating) {
    override async createOffer(): Promise<RTCSessionDescriptionInit> {
      return plain(await super.createOffer())
    }

    override async createAnswer(): Promise<RTCSessionDescriptionInit> {
      return plain(await super.createAnswer())
    }
  }
  return { ...module, RTCPeerConnection: PlainPeerConnection as unknown as typeof RTCPeerConnection }
}

function plain({ type, sdp }: RTCSessionDescriptionInit): RTCSessionDescriptionInit {
  return { type, ...(sdp !== undefined && { sdp }) }
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined
  return () => {
    loaded ??= load()
    return loaded
  }
}
