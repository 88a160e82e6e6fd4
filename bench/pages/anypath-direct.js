// A page's side of the suite of direct paths, with anypath: it dials a ticket, without a relay.
import { Peer } from '/anypath/browser.mjs'
import { offerTwoWay } from '/two-way.js'

offerTwoWay(async ({ ticket }) => {
  const connection = await (await Peer.create()).connect(ticket, { alpn: 'bench/1' })
  const [{ kind }] = connection.paths
  if (kind !== 'webtransport') throw new Error(`the path is ${kind}`)
  return connection
})
