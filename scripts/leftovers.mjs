import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a process may take to end after the tests that started it. */
const GRACE_MS = 5000

/**
 * Ends what a test file left running, and counts it as a failure: a browser that outlives its test is a defect of the test.
 *
 * @param {string} mark `NAME=value` in the environment of everything that the tests started
 * @param {string} source the test file
 * @param {import('./report.mjs').Report} report
 */
export async function endLeftovers(mark, source, report) {
  const deadline = performance.now() + GRACE_MS
  while (marked(mark).length > 0 && performance.now() < deadline) await sleep(100)
  const left = endMarked(mark)
  if (left.length > 0) report.fail(`${source}: left processes running`, left.map(({ command }) => command).join('\n'))
}

/**
 * Ends at once what has that mark in its environment.
 *
 * @returns {{pid: number, command: string}[]} what was ended
 */
export function endMarked(mark) {
  const left = marked(mark)
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself just now.
    }
  }
  return left
}

/** Processes of this machine with that mark; where there is no /proc, none are found. */
function marked(mark) {
  const entry = Buffer.from(`${mark}\0`)
  return processes().flatMap((pid) => {
    try {
      if (pid === process.pid || !readFileSync(`/proc/${pid}/environ`).includes(entry)) return []
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 200)
      // A process that has ended and was not waited for has no command line.
      return command === '' ? [] : [{ pid, command }]
    } catch {
      return []
    }
  })
}

function processes() {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}
