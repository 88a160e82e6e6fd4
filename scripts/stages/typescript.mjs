import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildTests } from '../build-tests.mjs'
import { peersEnv, prepareIrohPeer, preparePeers } from '../interop-peers.mjs'
import { endLeftovers, endMarked } from '../leftovers.mjs'
import { inOwnNetwork } from '../own-network.mjs'
import { installLocked, packForUsers } from '../pack.mjs'
import { preparePython } from '../python-packages.mjs'
import { run } from '../run.mjs'

/** Folders whose tests start many processes or change the machine's network: one file at a time. */
const SERIAL = /^test\/(netns|cli)\/|\.serial\.test\.ts$/
const NATLAB = /^test\/natlab\//
/** The files of other stages that need stock peers. */
const STOCK_NATLAB = 'test/natlab/iroh.test.ts'
const STOCK_BROWSER = 'test/browser/stock.test.ts'
const INTEROP = /^test\/interop\//
const PACKAGING = /^test\/packaging\//
const BROWSER = /^test\/browser\//
/** A file that mostly waits may say so by such a line: it takes no other file's turn. */
const BESIDE = /^\/\/ beside others: /m
/** One whose times count may say so by such a line: it is over before any other begins. */
const ALONE = /^\/\/ alone: /m
/** A file may say by such a line that its tests need a network of their own: a loopback, and an address that nobody else has. */
const OWN_NETWORK = /^\/\/ network: /m
/** A file may ask for more by a line such as `// time limit: 900 s`. */
const DEFAULT_LIMIT_SECONDS = 300

export const typescriptStage = {
  name: 'typescript',
  title: 'TypeScript tests that run side by side',
  minutes: [3, 3],
  run: (context) =>
    runFiles(context, (file) => ![SERIAL, NATLAB, INTEROP, PACKAGING, BROWSER].some((kind) => kind.test(file))),
}

export const serialStage = {
  name: 'serial',
  title: 'TypeScript tests that need the machine to themselves: commands, network namespaces',
  minutes: [4, 4],
  run: (context) =>
    runFiles(
      { ...context, concurrency: 1 },
      (file) => SERIAL.test(file) && ![NATLAB, PACKAGING, BROWSER].some((kind) => kind.test(file)),
    ),
}

export const natlabStage = {
  name: 'natlab',
  title: 'peers behind real NATs, in network namespaces',
  minutes: [12, 16],
  async run(context) {
    const env = isWanted(context, STOCK_NATLAB) ? peersEnv(await prepareIrohPeer()) : {}
    await runFiles({ ...context, concurrency: 2 }, (file) => NATLAB.test(file), { env: () => env })
  },
}

export const interopStage = {
  name: 'interop',
  title: 'against stock iroh, its relay and DNS server, dumbpipe and aioquic, which are built once and cached',
  minutes: [2, 11],
  async run(context) {
    const env = { ...peersEnv(await preparePeers()), ...(await aioquicEnv(context.root)) }
    await runFiles({ ...context, concurrency: 1 }, (file) => INTEROP.test(file) && !SERIAL.test(file), {
      env: () => env,
    })
  },
}

export const packagingStage = {
  name: 'packaging',
  title: 'the packed tarball, installed and used as a user would',
  minutes: [1, 1],
  run: (context) => runFiles({ ...context, concurrency: 1 }, (file) => PACKAGING.test(file)),
}

export const browserStage = {
  name: 'browser',
  title: 'the packed tarball in Chromium, Firefox and WebKit, and built by bundlers',
  minutes: [9, 10],
  async run(context) {
    const stockPeers = isWanted(context, STOCK_BROWSER) ? peersEnv(await preparePeers()) : {}
    const project = await packForUsers(context.root)
    // Tests in a network of their own reach no registry.
    await installLocked(join(context.root, 'test', 'packaging', 'webrtc'))
    // Whatever these tests start inherits a mark, so that what a file leaves behind is found.
    const marks = new Map()
    const markOf = (source) => {
      if (!marks.has(source)) marks.set(source, randomUUID())
      return marks.get(source)
    }
    // A runner that is itself told to end has no time to wait.
    const sweep = () => {
      for (const id of marks.values()) endMarked(`ANYPATH_BROWSER_RUN=${id}`)
    }
    process.once('exit', sweep)
    const hooks = {
      env: (source) => ({
        ...stockPeers,
        ANYPATH_BROWSER_RUN: markOf(source),
        ANYPATH_USER_PROJECT: project.folder,
      }),
      after: (source) => endLeftovers(`ANYPATH_BROWSER_RUN=${markOf(source)}`, source, context.report),
    }
    try {
      await runFiles({ ...context, concurrency: 1 }, (file) => BROWSER.test(file), hooks)
    } finally {
      process.off('exit', sweep)
      project.remove()
    }
  },
}

const isWanted = ({ filter }, source) => filter.every((part) => source.includes(part))

/** What tests find aioquic by, or why there is none. */
async function aioquicEnv(root) {
  const found = await preparePython(join(root, 'test', 'interop', 'aioquic', 'requirements.txt'))
  if ('python' in found) return { ANYPATH_AIOQUIC_PYTHON: found.python }
  return { ANYPATH_AIOQUIC_MISSING: `no aioquic: ${found.missing}` }
}

/**
 * Runs the chosen test files, each in a process of its own with a time limit.
 *
 * @param {{root: string, concurrency: number, filter: string[], report: import('../report.mjs').Report}} context
 * @param {(file: string) => boolean} belongs told the path of the source, from the checkout's root
 * @param {{env?: (source: string) => Record<string, string>, after?: (source: string) => Promise<void>}} [hooks]
 *   what a file's tests find in their environment, and what to do after each file
 */
async function runFiles(context, belongs, hooks = {}) {
  const { root, report } = context
  if (!existsSync(join(root, 'dist', 'meta.json'))) await run(process.execPath, ['esbuild.config.mjs'], { echo: true })
  const files = (await buildTests(root))
    .map((built) => ({ built, source: relative(join(root, '.test-build'), built).replace(/\.js$/, '.ts') }))
    .filter(({ source }) => belongs(source) && isWanted(context, source))
  if (files.length === 0) return console.log('no test files')
  const worker = async (queue) => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      await runFile(root, report, file, hooks.env?.(file.source))
      await hooks.after?.(file.source)
    }
  }
  const says = (mark) => (file) => mark.test(readFileSync(join(root, file.source), 'utf8'))
  const [isBeside, isAlone] = [says(BESIDE), says(ALONE)]
  await worker(files.filter(isAlone))
  const rest = files.filter((file) => !isAlone(file))
  const queue = rest.filter((file) => !isBeside(file))
  await Promise.all([
    worker(rest.filter(isBeside)),
    ...Array.from({ length: context.concurrency }, () => worker(queue)),
  ])
}

async function runFile(root, report, { built, source }, testEnv = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'anypath-test-'))
  const countsFile = join(folder, 'counts.jsonl')
  const script = (name) => pathToFileURL(join(root, 'scripts', name)).href
  const args = [
    '--enable-source-maps',
    '--expose-gc',
    `--import=${script('fail-on-rejection.mjs')}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${script('report-counts.mjs')}`,
    `--test-reporter-destination=${countsFile}`,
    built,
  ]
  const text = readFileSync(join(root, source), 'utf8')
  const limit = text.match(/^\/\/ time limit: (\d+) s$/m)?.[1] ?? DEFAULT_LIMIT_SECONDS
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const options = { cwd: root, env: { ...env, ...testEnv, ANYPATH_ROOT: root }, timeoutMs: Number(limit) * 1000 }
  const [program, ...rest] = OWN_NETWORK.test(text)
    ? inOwnNetwork([process.execPath, ...args])
    : [process.execPath, ...args]
  const result = await run(program, rest, options)
  console.log(`\n--- ${source} (${result.seconds.toFixed(1)} s)\n${result.output.trimEnd()}`)
  countFile(report, source, existsSync(countsFile) ? readFileSync(countsFile, 'utf8') : '', result, limit)
  rmSync(folder, { recursive: true, force: true })
}

function countFile(report, source, counts, result, limit) {
  const rows = counts.split('\n').flatMap(parseRow)
  for (const { outcome, name, reason } of rows) {
    if (outcome === 'passed') report.pass()
    else if (outcome === 'failed') report.fail(`${source}: ${name}`)
    else report.skip(`${source}: ${name}`, reason ?? 'no reason given')
  }
  if (result.timedOut) report.fail(`${source}: did not end within ${limit} s`)
  else if (result.code !== 0 && !rows.some(({ outcome }) => outcome === 'failed')) {
    report.fail(`${source}: ended with exit code ${result.code}`)
  } else if (rows.length === 0) report.fail(`${source}: has no tests`)
}

/** A process that was killed may leave half a line. */
function parseRow(line) {
  try {
    return [JSON.parse(line)]
  } catch {
    return []
  }
}
