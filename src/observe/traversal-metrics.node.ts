import type { Observe, Value } from './metrics.js'
import type { Meter } from './opentelemetry.js'

/** The instruments of what only a peer with UDP sockets does: it looks for direct paths. */
export function observeTraversal(observe: Observe, meter: Meter): void {
  const searches = { description: 'Searches for a direct path, by how they ended and the own NAT', unit: '{search}' }
  observe(meter.createObservableCounter('anypath.traversal.searches', searches), (counted) =>
    Object.entries(counted.searches).flatMap(([nat, ends]) =>
      Object.entries(ends).map(([outcome, count]): Value => [Number(count), { outcome, nat }]),
    ),
  )
  const time = { description: 'From the first round to the direct path, all together', unit: 's' }
  observe(meter.createObservableCounter('anypath.traversal.time', time), ({ traversalMs }) => [[traversalMs / 1000]])
  observe(meter.createObservableCounter('anypath.traversal.probes', { unit: '{datagram}' }), (counted) => [
    [counted.probesSent, { scheme: 'candidates' }],
    [counted.birthdayProbesSent, { scheme: 'birthday' }],
  ])
  observe(meter.createObservableCounter('anypath.paths.opened', { unit: '{path}' }), ({ directPathsOpened }) => [
    [directPathsOpened, { kind: 'udp' }],
  ])
  observe(meter.createObservableCounter('anypath.paths.lost', { unit: '{path}' }), ({ directPathsLost }) => [
    [directPathsLost, { kind: 'udp' }],
  ])
  const rtt = { description: 'Round trip to the servers that tell the own address', unit: 's' }
  observe(meter.createObservableGauge('anypath.server.rtt', rtt), ({ observations }) =>
    observations.flatMap(({ by, observer, rttMs }): Value[] =>
      by === 'server' && rttMs !== undefined ? [[rttMs / 1000, { server: `${observer.host}:${observer.port}` }]] : [],
    ),
  )
}
