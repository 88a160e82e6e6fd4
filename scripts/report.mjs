/** What may be skipped in continuous integration, by the start of its name: services that can be out of reach. */
const MAY_SKIP_ON_CI = [
  'npm audit',
  'cargo deny wasm/Cargo.toml: advisories',
  'cargo deny wasm/webrtc/Cargo.toml: advisories',
]

/** Collects what every stage of the test run passed, failed and skipped. */
export class Report {
  passed = 0
  failures = []
  skips = []

  /** @param {number} [count] */
  pass(count = 1) {
    this.passed += count
  }

  /** Counts one failure and prints it, with the last lines of its output. */
  fail(name, detail = '') {
    this.failures.push(name)
    console.log(`FAILED: ${name}${detail ? `\n${indent(detail)}` : ''}`)
  }

  /** Counts one skip and prints why. */
  skip(name, why) {
    this.skips.push({ name, why })
    console.log(`skipped: ${name}: ${why}`)
  }

  /** Counts one check by a program's exit code. */
  byExit(name, result, lines = 80) {
    if (result.code === 0) {
      this.pass()
      console.log(`ok: ${name} (${result.seconds.toFixed(0)} s)`)
      return true
    }
    const detail = result.output.trimEnd().split('\n').slice(-lines).join('\n')
    this.fail(result.timedOut ? `${name} (timed out)` : name, detail)
    return false
  }

  /**
   * Prints the last lines of the run.
   *
   * @param {boolean} ci whether a skip that is not expected is an error
   * @returns {number} the exit code
   */
  finish(ci) {
    if (this.failures.length > 0) console.log(`\nfailed:\n${indent(this.failures.join('\n'))}`)
    if (this.skips.length > 0) {
      console.log(`\nskipped:\n${indent(this.skips.map(({ name, why }) => `${name}: ${why}`).join('\n'))}`)
    }
    const refused = ci ? this.skips.filter(({ name }) => !MAY_SKIP_ON_CI.some((start) => name.startsWith(start))) : []
    if (refused.length > 0) console.log(`\n${refused.length} of these must not be skipped in continuous integration`)
    console.log(`\n${this.passed} passed, ${this.failures.length} failed, ${this.skips.length} skipped`)
    return this.failures.length > 0 || refused.length > 0 ? 1 : 0
  }
}

function indent(text) {
  return text.replace(/^/gm, '  ')
}
