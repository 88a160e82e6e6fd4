import type { DiagnosedSettings } from '../api/start-engine.js'
import type { MakeError } from '../diagnose/deadline.js'
import { diagnosePage as diagnose } from '../diagnose/diagnose.browser.js'
import type { DiagnosedPage } from '../diagnose/page.js'
import type { DiagnoseOptions, Diagnosis } from '../diagnose/report.js'
import { stunOf } from './ice-servers.js'

/** What is loaded when a peer is diagnosed. */
export function diagnosePage(
  peer: Pick<DiagnosedPage, 'directPaths' | 'relays' | 'online'> & Pick<DiagnosedSettings, 'webRtc' | 'relaySettings'>,
  options: DiagnoseOptions,
  createError: MakeError,
): Promise<Diagnosis> {
  const { directPaths, webRtc, relaySettings, relays, online } = peer
  // As for channels.
  const iceServers = webRtc === false ? undefined : (webRtc?.iceServers ?? stunOf(relaySettings))
  return diagnose({ directPaths, iceServers, relays, online }, options, createError)
}
