import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress, formatBytes, formatClock, formatDuration, plural } from '../../../src/cli/format.js'
import { Output, type OutputOptions, type Sink, wantsColor } from '../../../src/cli/output.js'
import { Progress, RateMeter, renderBar } from '../../../src/cli/progress.js'

class Recorder implements Sink {
  text = ''
  constructor(
    readonly isTTY = false,
    readonly columns = 80,
  ) {}
  write(text: string): void {
    this.text += text
  }
}

const outputTo = (more: Partial<OutputOptions> = {}) => {
  const [stdout, stderr] = [new Recorder(), new Recorder(more.stderr?.isTTY)]
  const output = new Output({
    stdout,
    stderr,
    json: false,
    jsonTo: 'stdout',
    quiet: false,
    verbose: false,
    color: false,
    ...more,
  })
  return { output, stdout, stderr: (more.stderr as Recorder | undefined) ?? stderr }
}

test('sizes, rates and times are written for people', () => {
  assert.deepEqual([0, 999, 1000, 1_500_000, 99_949_999, 123_456_789, 999_999].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 KB',
    '1.5 MB',
    '99.9 MB',
    '123 MB',
    '1.0 MB',
  ])
  assert.deepEqual([0, 6.2, 754, 3723, Number.POSITIVE_INFINITY].map(formatClock), [
    '0:00',
    '0:07',
    '12:34',
    '1:02:03',
    '-:--',
  ])
  assert.deepEqual([250, 1200, 5000, 30_000, 300_000].map(formatDuration), ['250 ms', '1.2 s', '5 s', '30 s', '5 min'])
  assert.equal(formatAddress({ host: '::1', port: 1 }), '[::1]:1')
  assert.equal(`${plural(1, 'file')} ${plural(2, 'file')}`, '1 file 2 files')
})

test('text goes to people on stderr and results to stdout', () => {
  const { output, stdout, stderr } = outputTo()
  output.result('result')
  output.note('note')
  output.warn('careful')
  output.event('unseen', {})
  assert.equal(stdout.text, 'result\n')
  assert.equal(stderr.text, 'note\nwarning: careful\n')
})

test('in JSON mode stdout has one object per line and no text', () => {
  const { output, stdout, stderr } = outputTo({ json: true })
  output.result('result')
  output.note('note')
  output.event('done', { bytes: 5 })
  assert.equal(stdout.text, '{"event":"done","bytes":5}\n')
  assert.equal(stderr.text, '')
})

test('where JSON lines go to stderr it has no text', () => {
  const { output, stdout, stderr } = outputTo({ json: true, jsonTo: 'stderr' })
  output.event('error', { code: 'Usage' })
  output.error('wrong')
  output.usage('Usage: …')
  output.note('note')
  output.warn('careful')
  output.log('debug it')
  assert.equal(stdout.text, '')
  assert.deepEqual(
    stderr.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { event: 'error', code: 'Usage' },
      { event: 'warning', message: 'careful' },
      { event: 'log', message: 'debug it' },
    ],
  )
})

test('colours are for terminals, and not when NO_COLOR is set', () => {
  assert.equal(wantsColor({ write: () => 0, isTTY: true }, {}, false), true)
  assert.equal(wantsColor({ write: () => 0, isTTY: true }, { NO_COLOR: '1' }, false), false)
  assert.equal(wantsColor({ write: () => 0, isTTY: true }, { TERM: 'dumb' }, false), false)
  assert.equal(wantsColor({ write: () => 0, isTTY: true }, {}, true), false)
  assert.equal(wantsColor({ write: () => 0 }, {}, false), false)
})

test('the rate is that of the last five seconds', () => {
  const meter = new RateMeter()
  for (let second = 0; second <= 20; second++) meter.sample(second * 1000, second < 10 ? 0 : (second - 10) * 1000)
  assert.equal(meter.bytesPerSecond, 1000)
  assert.equal(new RateMeter().bytesPerSecond, 0)
})

test('the bar shows share, sizes, rate and time left, and fits the terminal', () => {
  const state = { doneBytes: 50_000_000, totalBytes: 100_000_000, movedBytes: 0, bytesPerSecond: 10_000_000 }
  const bar = renderBar('receiving', state, 80)
  assert.equal(bar, 'receiving [###########----------]  50%  50.0 MB of 100 MB  10.0 MB/s  0:05 left')
  for (const columns of [10, 40, 60, 80, 200]) assert.ok(renderBar('receiving', state, columns).length < columns)
  assert.match(renderBar('x', { ...state, totalBytes: 0, doneBytes: 0 }, 80), /100%/)
})

test('a bar is drawn on a terminal and erased before other lines; a pipe gets nothing', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const draw = (isTTY: boolean) => {
    const { output, stderr } = outputTo({ stderr: new Recorder(isTTY) })
    const progress = new Progress(output, 'receiving', () => 0)
    progress.totalBytes = 10
    progress.start()
    progress.moved(5)
    t.mock.timers.tick(100)
    output.note('line')
    progress.stop()
    return stderr.text
  }
  const drawn = draw(true)
  assert.match(drawn, /receiving.* 50%/)
  assert.ok(drawn.includes('\r\u001b[2Kline\n'))
  assert.equal(draw(false), 'line\n')
})

test('in JSON mode progress is told by events, the last state included', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { output, stdout } = outputTo({ json: true })
  const progress = new Progress(output, 'receiving', () => 0)
  progress.totalBytes = 10
  progress.start()
  progress.skipped(4)
  t.mock.timers.tick(250)
  progress.moved(6)
  progress.stop()
  const lines = stdout.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map(({ doneBytes, movedBytes }) => [doneBytes, movedBytes]),
    [
      [4, 0],
      [10, 6],
    ],
  )
})
