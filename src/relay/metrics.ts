/** A relay's counters, and their Prometheus text. */

interface Description {
  readonly type: 'counter' | 'gauge'
  readonly help: string
}

const DESCRIPTIONS = {
  clients: { type: 'gauge', help: 'Clients that are connected.' },
  inactiveClients: { type: 'gauge', help: 'Of these, connections that a newer one of the same key has replaced.' },
  handshakes: { type: 'gauge', help: 'WebSockets that have not proven their key yet.' },
  connections: { type: 'gauge', help: 'TCP connections that are open.' },
  queuedBytes: { type: 'gauge', help: 'Bytes that wait for slow clients.' },
  records: { type: 'gauge', help: 'Signed address records that are kept.' },
  discoveryClients: { type: 'gauge', help: 'Clients of QUIC Address Discovery.' },
  draining: { type: 'gauge', help: '1 while clients are told to move.' },
  accepted: { type: 'counter', help: 'Clients that have proven their key and were let in.' },
  disconnected: { type: 'counter', help: 'Clients that have gone.' },
  refusedKey: { type: 'counter', help: 'Handshakes that did not prove their key.' },
  refusedAccess: { type: 'counter', help: 'Clients refused by a list or for want of a token.' },
  refusedLimit: { type: 'counter', help: 'Connections refused because of a limit.' },
  handshakeTimeouts: { type: 'counter', help: 'Handshakes that took too long.' },
  pingTimeouts: { type: 'counter', help: 'Clients that did not answer a ping.' },
  protocolErrors: { type: 'counter', help: 'Clients closed for a message that the protocol does not have.' },
  rateLimited: { type: 'counter', help: 'Times that reading from a client was put off.' },
  messagesReceived: { type: 'counter', help: 'Datagram messages received.' },
  messagesSent: { type: 'counter', help: 'Datagram messages passed on.' },
  bytesReceived: { type: 'counter', help: 'Bytes of datagram messages received.' },
  bytesSent: { type: 'counter', help: 'Bytes of datagram messages passed on.' },
  droppedUnknown: { type: 'counter', help: 'Datagram messages for endpoints that are not connected.' },
  droppedQueue: { type: 'counter', help: 'Messages dropped because the receiver reads too slowly.' },
  droppedAge: { type: 'counter', help: 'Bytes dropped because they waited too long.' },
  pingsReceived: { type: 'counter', help: 'Pings received from clients.' },
  pingsSent: { type: 'counter', help: 'Pings sent to clients.' },
  endpointsGone: { type: 'counter', help: 'Notices that an endpoint has gone.' },
  httpRequests: { type: 'counter', help: 'HTTP requests answered.' },
  stunAnswered: { type: 'counter', help: 'STUN requests answered.' },
  stunLimited: { type: 'counter', help: 'STUN requests beyond the limits.' },
  discoveries: { type: 'counter', help: 'Clients that have learned their address by QUIC Address Discovery.' },
  recordsPut: { type: 'counter', help: 'Signed address records taken.' },
  recordsRefused: { type: 'counter', help: 'Signed address records refused.' },
  recordsServed: { type: 'counter', help: 'Signed address records given out.' },
} as const satisfies Record<string, Description>

export type RelayMetricName = keyof typeof DESCRIPTIONS

/** Every figure of a relay by its name; counters begin at its start. */
export type RelayMetrics = Readonly<Record<RelayMetricName, number>>

export type MutableMetrics = Record<RelayMetricName, number>

export function createMetrics(): MutableMetrics {
  return Object.fromEntries(Object.keys(DESCRIPTIONS).map((name) => [name, 0])) as MutableMetrics
}

/** The text format that Prometheus scrapes, version 0.0.4. */
export function prometheusText(metrics: RelayMetrics): string {
  const lines = Object.entries(DESCRIPTIONS).flatMap(([key, { type, help }]) => {
    const name = metricName(key, type)
    return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${metrics[key as RelayMetricName]}`]
  })
  return `${lines.join('\n')}\n`
}

function metricName(key: string, type: Description['type']): string {
  const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return `anypath_relay_${snake}${type === 'counter' ? '_total' : ''}`
}
