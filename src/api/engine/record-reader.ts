import type { ReadRecord } from '../../discovery/record.js'
import type { RecordKeeper } from '../../driver/record-keeper.js'
import { idFromText } from '../identity.js'

/** Reads signed records with the peer's core. */
export function recordReader(records: RecordKeeper): ReadRecord {
  return async (remoteId, packet) => {
    const { endpoint, userData, timestampMicros } = await records.readRecord(idFromText(remoteId), packet)
    return { addresses: endpoint.addresses, userData, timestampMicros }
  }
}
