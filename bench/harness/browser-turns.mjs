import { BROWSERS, launchBrowser } from './browsers.mjs'

/**
 * Runs contenders in turn in each browser. A contender that is missing, or fails once, is not run again and has an error.
 *
 * @param {{rounds: number, progress: (text: string) => void}} options
 * @param {readonly {name: string, missing?: string}[]} contenders
 * @param {(browser: import('playwright-core').Browser, contender: object) => Promise<object>} measure
 * @returns {Promise<Record<string, {name: string, runs: object[], error?: string}[]>>} a row for each contender, by the browser's name
 */
export async function inTurn({ rounds, progress }, contenders, measure) {
  const rows = {}
  for (const name of BROWSERS) {
    rows[name] = contenders.map((contender) => ({ name: contender.name, runs: [], error: contender.missing }))
    const browser = await launch(name, rows[name])
    for (let round = 0; browser !== undefined && round < rounds; round++) {
      for (const [at, contender] of contenders.entries()) {
        const row = rows[name][at]
        if (row.error !== undefined) continue
        progress(`${name}: round ${round + 1} of ${rounds}: ${contender.name}`)
        try {
          row.runs.push(await measure(browser, contender))
        } catch (error) {
          row.error = error.message
        }
      }
    }
    await browser?.close()
  }
  return rows
}

async function launch(name, rows) {
  try {
    return await launchBrowser(name)
  } catch (error) {
    for (const row of rows) row.error = error.message.split('\n')[0]
    return undefined
  }
}
