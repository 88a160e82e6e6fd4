import { runPair } from './pair.mjs'

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {string} server module in bench/peers that serves
 * @property {string} client module in bench/peers that dials
 * @property {object} [options] for both roles, over the suite's
 * @property {string} [suite] the roles to run, when they are not the suite's
 * @property {string} [missing] why it can't run here
 * @property {boolean} [apart] reported without a ratio: it is not under the same rules
 * @property {string[]} [flags] of node
 */

/**
 * Runs contenders in turn, A B C A B C …, so that the machine's ups and downs meet all of them alike.
 *
 * @param {string} suite
 * @param {Contender[]} all the first one is what the others are compared with
 * @param {{rounds: number, options: object, only?: string[], profile?: string, progress: (text: string) => void}} how
 *   `only`: parts of the names of those that run beside the first one
 * @returns {Promise<{name: string, runs: object[], error?: string, apart: boolean}[]>} one row each, the runs in order
 */
export async function contest(suite, all, { rounds, options, only, profile, progress }) {
  const contenders = all.filter(({ name }, at) => at === 0 || (only?.some((part) => name.includes(part)) ?? true))
  const rows = contenders.map(({ name, missing, apart }) => ({ name, runs: [], error: missing, apart: apart ?? false }))
  for (let round = 0; round < rounds; round++) {
    for (const [at, contender] of contenders.entries()) {
      const row = rows[at]
      if (row.error !== undefined) continue
      progress(`${suite}: round ${round + 1} of ${rounds}: ${contender.name}`)
      try {
        const pair = { suite, flags: [], ...contender, options: { ...options, ...contender.options } }
        row.runs.push(await runPair({ ...pair, profile: profile && `${profile}/${suite}-${at}` }))
      } catch (error) {
        row.error = error.message
      }
    }
  }
  return rows
}

/** The middle value, or the mean of the two in the middle; undefined of nothing. */
export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * How many times `figure` of the first row is that of another one: the median over rounds, since the two runs of a round are
 * close in time.
 */
export function ratio(first, other, figure) {
  const rounds = Math.min(first.runs.length, other.runs.length)
  return median(Array.from({ length: rounds }, (_, round) => figure(first.runs[round]) / figure(other.runs[round])))
}
