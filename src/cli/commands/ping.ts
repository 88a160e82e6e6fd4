import { type Command, orAborted, sleep } from '../context.js'
import { CliError, ExitCode } from '../exit.js'
import { formatAddress } from '../format.js'
import { dialingOptions } from '../options.js'
import { dialTicket, watchStats, withPeer } from '../peer.js'
import { Pinger, pingAlpn } from '../ping/echo.js'

const defaultCount = 4

/** Minimum, average, maximum and mean deviation of round-trip times, in milliseconds. */
export const summarize = (
  times: readonly number[],
): { min: number; avg: number; max: number; mdev: number } | undefined => {
  if (times.length === 0) return undefined
  const avg = times.reduce((sum, time) => sum + time, 0) / times.length
  const mdev = Math.sqrt(times.reduce((sum, time) => sum + (time - avg) ** 2, 0) / times.length)
  return { min: Math.min(...times), avg, max: Math.max(...times), mdev }
}

const round = (ms: number): number => Number(ms.toFixed(3))

export const pingCommand: Command = {
  spec: {
    name: 'ping',
    summary: 'measure round-trip times to a peer, and show the path taken',
    usage: '[options] <ticket>',
    description: [
      'Dials the peer of a ticket of "anypath listen", "listen-tcp" or "send", sends it datagrams that it sends back, and ' +
        'prints how long each took. Nothing that the peer offers is touched, and no secret is needed.',
      'The time includes both programs. Peers that are not anypath refuse, with exit code 5.',
    ],
    options: {
      count: {
        type: 'string',
        short: 'c',
        value: 'N',
        help: `how many pings; 0 goes on until Ctrl-C (default ${defaultCount})`,
      },
      interval: { type: 'string', short: 'i', value: 'TIME', help: 'time from one ping to the next (default 1s)' },
      wait: { type: 'string', short: 'W', value: 'TIME', help: 'a ping is lost after this time (default 2s)' },
      ...dialingOptions,
    },
    positionals: [1, 1],
    examples: ['anypath ping endpoint…', 'anypath ping -c 20 -i 200ms endpoint…'],
  },
  run: async (context) => {
    const { values, output, signal } = context
    const count = values.number('count', [0, 1_000_000]) ?? defaultCount
    const intervalMs = values.durationMs('interval') ?? 1_000
    const waitMs = values.durationMs('wait') ?? 2_000
    await withPeer(context, {}, async (peer) => {
      const connection = await dialTicket(context, peer, values.argument(0), pingAlpn)
      const tellStats = watchStats(context, connection)
      const pinger = new Pinger(connection)
      const times: number[] = []
      let sent = 0
      const pingAll = async (): Promise<void> => {
        while (count === 0 || sent < count) {
          if (sent > 0) await sleep(intervalMs, signal)
          const sequence = ++sent
          const rttMs = await orAborted(pinger.ping(waitMs), signal)
          if (rttMs !== undefined) times.push(rttMs)
          const [path] = connection.paths
          const over = path === undefined ? 'no path' : `${path.kind} ${formatAddress(path)}`
          const shown = path === undefined ? null : { kind: path.kind, host: path.host, port: path.port }
          output.event('ping', { sequence, rttMs: rttMs === undefined ? null : round(rttMs), path: shown })
          output.result(rttMs === undefined ? `${sequence}: lost` : `${sequence}: ${rttMs.toFixed(3)} ms over ${over}`)
        }
      }
      const ended = pinger.ended.then(() => {
        throw new CliError(ExitCode.lost, 'ClosedByPeer', 'the other side closed the connection')
      })
      try {
        await Promise.race([pingAll(), ended])
      } finally {
        const summary = summarize(times)
        const lost = sent - times.length
        const lossPercent = sent === 0 ? 0 : Math.round((100 * lost) / sent)
        const { min, avg, max, mdev } = summary ?? { min: 0, avg: 0, max: 0, mdev: 0 }
        const ms = summary && { minMs: round(min), avgMs: round(avg), maxMs: round(max), mdevMs: round(mdev) }
        output.event('summary', { sent, received: times.length, lossPercent, ...ms })
        output.result(`${sent} sent, ${times.length} received, ${lossPercent}% lost`)
        if (summary) output.result(`min/avg/max/mdev = ${[min, avg, max, mdev].map((t) => t.toFixed(3)).join('/')} ms`)
        await tellStats()
      }
      if (times.length === 0) throw new CliError(ExitCode.unreachable, 'Unreachable', 'no ping was answered')
    })
  },
}
