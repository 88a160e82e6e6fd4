import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { Logger } from '../../../src/observe/index.js'
import { PeerMetrics } from '../../../src/observe/metrics.js'
import { observeTraversal } from '../../../src/observe/traversal-metrics.node.js'
import { ALPN } from './environments.js'
import { FakeEngine } from './fake-engine.js'
import { bytes, first, readAll } from './reading.js'
import { udpPair } from './real-pair.js'

interface Point {
  readonly value: unknown
  readonly attributes: Record<string, unknown>
}

function meterProvider() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const provider = new MeterProvider({ readers: [reader] })
  const points = async (name: string): Promise<Point[]> => {
    exporter.reset()
    await provider.forceFlush()
    const metrics = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
    const found = metrics.filter(({ descriptor }) => descriptor.name === name)
    return found.flatMap(({ dataPoints }) => dataPoints.map(({ value, attributes }) => ({ value, attributes })))
  }
  const value = async (name: string, attributes: Record<string, unknown> = {}): Promise<unknown> => {
    const matches = ({ attributes: has }: Point) =>
      Object.entries(attributes).every(([key, wanted]) => has[key] === wanted)
    return (await points(name)).find(matches)?.value
  }
  return { meter: provider.getMeter('anypath'), value, shutdown: () => provider.shutdown() }
}

test('real OpenTelemetry exporters receive the metrics and spans of what happened', { timeout: 60_000 }, async () => {
  const metrics = meterProvider()
  const spans = new InMemorySpanExporter()
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('anypath')
  const { dialler, acceptor, target } = await udpPair('in process', { meter: metrics.meter, tracer })
  try {
    const arriving = first(acceptor.incoming)
    const near = await dialler.connect(target, { alpn: ALPN })
    const far = await arriving
    const writer = (await near.createUnidirectionalStream()).getWriter()
    const incoming = first(far.incomingUnidirectionalStreams)
    await writer.write(bytes(100_000))
    const ended = writer.close()
    await readAll(await incoming)
    await ended

    // Both peers were given the same meter, so it sees both sides.
    assert.equal(await metrics.value('anypath.connections', { direction: 'outgoing' }), 1)
    assert.equal(await metrics.value('anypath.connections', { direction: 'incoming' }), 1)
    assert.equal(await metrics.value('anypath.handshakes', { direction: 'incoming', outcome: 'ok' }), 1)
    assert.ok(Number(await metrics.value('anypath.network.io', { direction: 'received' })) > 0)
    assert.ok(Number(await metrics.value('anypath.network.datagrams', { direction: 'sent' })) > 0)
    assert.ok(Number(await metrics.value('anypath.memory')) > 1_000_000)
    assert.equal(await metrics.value('anypath.network.dropped', { cause: 'malformed' }), 0)
    const rtt = (await metrics.value('anypath.path.rtt', { kind: 'udp' })) as { count: number; sum: number }
    assert.ok(rtt.count >= 1 && rtt.sum / rtt.count < 5, JSON.stringify(rtt))
    const dials = (await metrics.value('anypath.dial.duration', { outcome: 'ok' })) as { count: number; sum: number }
    assert.equal(dials.count, 1)
    assert.ok(dials.sum > 0 && dials.sum < 20)

    await assert.rejects(dialler.connect(target, { alpn: 'nobody/1' }))
    near.close()
    await Promise.all([near.closed, far.closed])
    assert.equal(await metrics.value('anypath.connections', { direction: 'outgoing' }), 0)
    assert.equal(await metrics.value('anypath.connections', { direction: 'incoming' }), 0)
  } finally {
    await Promise.all([dialler.close(), acceptor.close()])
  }
  const [ok, failed, ...more] = spans.getFinishedSpans()
  assert.deepEqual(more, [])
  assert.equal(ok?.name, 'anypath.connect')
  assert.equal(ok.status.code, 1)
  assert.equal(ok.kind, 2)
  assert.equal(ok.attributes['anypath.remote_id'], acceptor.id)
  assert.equal(ok.attributes['anypath.alpn'], ALPN)
  assert.equal(ok.attributes['anypath.path'], 'udp')
  assert.equal(failed?.status.code, 2)
  assert.equal(failed.attributes['error.type'], 'AlpnNotServed')
  assert.equal(failed.events[0]?.name, 'exception')
  await metrics.shutdown()
})

test('a qlog in a folder tells what happened', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-qlog-'))
  try {
    const { dialler, acceptor, target } = await udpPair('in process', { qlog: folder })
    const arriving = first(acceptor.incoming)
    const near = await dialler.connect(target, { alpn: ALPN })
    const far = await arriving
    near.close({ closeCode: 9, reason: 'done' })
    await far.closed
    await Promise.all([dialler.close(), acceptor.close()])
    await new Promise((resolve) => setTimeout(resolve, 200))
    const files = (await readdir(folder)).filter((name) => name.endsWith('.sqlog'))
    assert.equal(files.length, 2, 'one for each side')
    const text = await readFile(join(folder, files[0] ?? ''), 'utf8')
    // JSON text sequences (RFC 7464): each record begins with a record separator and ends with a line feed.
    const records = text
      .split('\u001e')
      .slice(1)
      .map((record) => {
        assert.ok(record.endsWith('\n'), record.slice(-40))
        return JSON.parse(record) as { name?: string; time?: number; file_schema?: string; qlog_version?: string }
      })
    assert.ok(
      records[0]?.file_schema !== undefined || records[0]?.qlog_version !== undefined,
      JSON.stringify(records[0]),
    )
    const names = records.flatMap(({ name }) => name ?? [])
    assert.ok(
      names.some((name) => name.endsWith('packet_sent')),
      names.join(),
    )
    assert.ok(
      names.some((name) => name.endsWith('packet_received')),
      names.join(),
    )
    const times = records.flatMap(({ time }) => time ?? [])
    assert.ok(times.length > 2 && times.every((time, i) => time >= (times[i - 1] ?? 0)))
    assert.ok(
      names.some((name) => name.endsWith('connection_closed')),
      names.join(),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('the logger gets what is worth telling, and nothing when left out', { timeout: 60_000 }, async () => {
  const lines: string[] = []
  const log = (level: string) => (message: string) => lines.push(`${level} ${message}`)
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const { dialler, acceptor, target } = await udpPair('in process', { logger, logLevel: 'error' })
  const near = await dialler.connect(target, { alpn: ALPN })
  near.close()
  await near.closed
  await Promise.all([dialler.close(), acceptor.close()])
  assert.ok(lines.includes('debug connected'), lines.join('\n'))
  assert.ok(lines.includes('debug closed'))
  assert.deepEqual(
    lines.filter((line) => line.startsWith('error')),
    [],
  )
})

test('the meter has what searches for direct paths came to, and the round trips of servers', {
  timeout: 30_000,
}, async () => {
  const metrics = meterProvider()
  const engine = new FakeEngine(new Map(), [ALPN], '11'.repeat(32))
  const counted = await engine.peerStats()
  const instruments = new PeerMetrics(metrics.meter, () => engine.peerStats(), observeTraversal)
  try {
    const nat = 'endpoint-independent'
    for (const [outcome, count] of [
      ['told', 4],
      ['peerReflexive', 3],
      ['birthday', 2],
      ['failed', 1],
    ] as const)
      assert.equal(await metrics.value('anypath.traversal.searches', { nat, outcome }), count)
    assert.equal(await metrics.value('anypath.traversal.searches', { nat: 'none', outcome: 'told' }), 0)
    assert.equal(await metrics.value('anypath.traversal.time'), counted.traversalMs / 1000)
    assert.equal(await metrics.value('anypath.traversal.probes', { scheme: 'candidates' }), counted.probesSent)
    assert.equal(await metrics.value('anypath.traversal.probes', { scheme: 'birthday' }), counted.birthdayProbesSent)
    assert.equal(await metrics.value('anypath.paths.lost', { kind: 'udp' }), counted.directPathsLost)
    assert.equal(await metrics.value('anypath.paths.opened', { kind: 'udp' }), counted.directPathsOpened)
    assert.equal(await metrics.value('anypath.server.rtt', { server: '203.0.113.1:3478' }), 0.025)
    assert.equal(await metrics.value('anypath.server.rtt', { server: '198.51.100.7:40000' }), undefined)
  } finally {
    instruments.close()
    await metrics.shutdown()
  }
})
