import { Peer } from 'anypath'

/** What a peer of this bundle can do: it has an id, and nowhere to go without a relay; and what is loaded when it is wanted is found. */
export async function report() {
  const peer = await Peer.create({ alpns: ['test/1'] })
  const dial = await peer.connect('ab'.repeat(32), { alpn: 'test/1' }).catch((error) => error.code)
  const { browser } = await peer.diagnose()
  await peer.close()
  const closed = await peer.ticket().catch((error) => error.code)
  return { id: peer.id, dial, closed, runsIn: browser.runsIn }
}
