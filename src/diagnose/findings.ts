import type { DiagnosisFinding, RelayReport } from './report.js'

/** What is wrong with the relays. */
export function relayFindings(relays: readonly RelayReport[]): DiagnosisFinding[] {
  if (relays.length === 0)
    return [{ code: 'no-relay', message: 'there is no relay: peers behind NATs can not agree on when to begin' }]
  return relays
    .filter(({ connected }) => !connected)
    .map(({ url, detail }) => ({
      code: 'relay-unreachable',
      message: `the relay ${url} is not connected${detail === undefined ? '' : `: ${detail}`}`,
    }))
}

/** @param isShort whether the time was over before everything had been measured. */
export function timeFindings(isShort: boolean): DiagnosisFinding[] {
  return isShort
    ? [{ code: 'cut-short', message: 'the time was over before everything had been found out: allow more' }]
    : []
}
