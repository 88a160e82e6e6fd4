import type { AddressObservation, DiagnoseOptions, Diagnosis } from '../diagnose/report.js'
import type { Engine, ObservedAddress, RelayInfo } from '../driver/engine.js'
import { InvalidConfigError } from '../errors/index.js'
import type { Platform } from './platform.js'
import type { PeerRelays } from './relays.js'
import type { DiagnosedSettings } from './start-engine.js'

/** Diagnoses the peer that has these relays. */
export type Diagnose = (relays: PeerRelays, options: DiagnoseOptions) => Promise<Diagnosis>

/** @param settings those that the engine was started with; `undefined` where they are on the other side of a port. */
export function diagnosing(engine: Engine, platform: Platform | undefined, settings?: DiagnosedSettings): Diagnose {
  return async (relays, options) => {
    const find = platform?.diagnose
    const local = async () =>
      (await engine.localAddresses())
        .filter(({ transport, mapped }) => transport === 'udp' && !mapped)
        .map(({ host, port }) => ({ host, port }))
    if (settings === undefined || find === undefined)
      throw new InvalidConfigError('a peer on the other side of a port is diagnosed there, where it was created')
    const online = (wait: { readonly signal: AbortSignal; readonly timeoutMs: number }) => relays.online(wait)
    const observations = async () => (await engine.peerStats()).observations.flatMap(addressObservation)
    return find({ ...settings, local, relays: () => relays.all().map(relayReport), observations, online }, options)
  }
}

/** Remotes may say what they like. */
function addressObservation({ by, observer, mapped, rttMs }: ObservedAddress): AddressObservation[] {
  return by === 'server' ? [{ ...observer, mapped, ...(rttMs === undefined ? {} : { rttMs }) }] : []
}

function relayReport({ url, state, home, latencyMs, detail }: RelayInfo): Diagnosis['relays'][number] {
  return {
    url,
    connected: state === 'connected',
    home,
    ...(latencyMs === undefined ? {} : { rttMs: latencyMs }),
    ...(detail === undefined ? {} : { detail }),
  }
}
