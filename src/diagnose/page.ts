/** A peer in a browser as a diagnosis knows it, and what that finds out. */
import type { Gathering } from './gathering.browser.js'
import type { BrowserReport, BrowserSupport, DiagnosedAddress, RelayReport } from './report.js'

/** What is diagnosed: a peer in a browser, as far as it has to be known for that. */
export interface DiagnosedPage {
  /** Whether it looks for direct paths. */
  readonly directPaths: boolean
  /** The servers that its channels are made with; `undefined` where it may make none. */
  readonly iceServers: readonly IceServerSettings[] | undefined
  readonly relays: () => readonly RelayReport[]
  /** Resolves when the home relay is connected; rejects when none is within the time. */
  readonly online: (options: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<unknown>
}

/** A server, or several with the same credentials. */
export interface IceServerSettings {
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

/** What one server has told in a gathering of its own. */
export interface AskedServer {
  readonly url: string
  readonly address: DiagnosedAddress
  readonly isTurn: boolean
  readonly gathering: Gathering
}

/** What was found out. */
export interface PageObservations {
  readonly support: BrowserSupport
  readonly localNetwork: BrowserReport['localNetwork']
  readonly asked: readonly AskedServer[]
  /** With all STUN servers that had answered; with none where none had. */
  readonly shared: Gathering
  readonly sharedServers: readonly DiagnosedAddress[]
  readonly relays: readonly RelayReport[]
  /** Whether the time was over before everything had been measured. */
  readonly isCutShort: boolean
}
