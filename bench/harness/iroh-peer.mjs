import { prepareIrohPeer } from '../../scripts/interop-peers.mjs'

/**
 * The optimised stock iroh peer, from the cache or built now.
 *
 * @param {string[]} suites only some of them need it
 * @param {{build: boolean}} how without `build` it is only looked for
 * @returns {Promise<{path?: string, missing?: string}>} `missing` says why it is not there
 */
export async function findIrohPeer(suites, { build }) {
  if (!suites.some((name) => ['throughput', 'requests', 'natlab'].includes(name))) return { missing: 'not needed' }
  if (!build) return { missing: 'not built for a small run' }
  try {
    const { irohPeer, missing } = await prepareIrohPeer({ release: true })
    return missing === undefined ? { path: irohPeer } : { missing }
  } catch (error) {
    return { missing: error.message }
  }
}
