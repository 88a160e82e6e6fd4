/** Sends in one turn of the event loop are this many at most, so that the loop goes on. */
const BURST = 32

/**
 * Calls `send` for the warm-up and `seconds`: `perSecond` times a second, or in bursts as fast as the event loop turns when that is 0.
 *
 * @param {{seconds: number, perSecond: number}} options
 * @param {() => boolean | void} send returns true while nothing more is taken
 * @returns {Promise<number>} how often it was called a second
 */
export async function pace({ seconds, warmUp = 0, perSecond }, send) {
  const from = performance.now()
  const end = from + (warmUp + seconds) * 1000
  let sent = 0
  for (let now = from; now < end; now = performance.now()) {
    const due = perSecond === 0 ? sent + BURST : Math.ceil(((now - from) / 1000) * perSecond)
    const until = Math.min(due, sent + BURST)
    while (sent < until) {
      sent += 1
      if (send() === true) break
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  const elapsed = (performance.now() - from) / 1000
  // Lets what is queued leave before the caller hangs up.
  await new Promise((resolve) => setTimeout(resolve, 300))
  return sent / elapsed
}
