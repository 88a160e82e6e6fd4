/** The built command as a process of its own, with a home folder that is thrown away. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

const program = join(process.env.ANYPATH_ROOT ?? process.cwd(), 'dist', 'cli', 'anypath.mjs')

/** A JSON line; what is in it is up to the test. */
// biome-ignore lint/suspicious/noExplicitAny: each test knows the fields that it looks at
export type Fields = Record<string, any>

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Written to stdin, which is ended then; `open` keeps it open. @default '' */
  readonly input?: Uint8Array | string | 'open'
  /** Started as `[...prefix, node, anypath, ...args]`. */
  readonly prefix?: readonly string[]
}

/** A running command. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  readonly #stdout: Buffer[] = []
  stderr = ''
  #changed: (() => void)[] = []

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout.push(chunk)
      this.#notify()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
      this.#notify()
    })
    child.stdin?.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal })
        this.#notify()
      })
    })
  }

  get stdoutBytes(): Buffer {
    return Buffer.concat(this.#stdout)
  }

  get stdout(): string {
    return this.stdoutBytes.toString()
  }

  /** The JSON lines so far, wherever they are printed. */
  get events(): Fields[] {
    return `${this.stdout}\n${this.stderr}`.split('\n').flatMap((line) => {
      if (!line.startsWith('{"event"') || !line.endsWith('}')) return []
      return [JSON.parse(line)]
    })
  }

  event(name: string): Fields | undefined {
    return this.events.find(({ event }) => event === name)
  }

  #notify(): void {
    for (const wake of this.#changed.splice(0)) wake()
  }

  /** Waits until `look` finds something; fails when the command ends before, or after 60 s. */
  async until<T>(look: () => T | undefined | null | false, what: string): Promise<T> {
    const deadline = Date.now() + 60_000
    for (;;) {
      const found = look()
      if (found) return found
      const over = this.child.exitCode !== null || this.child.signalCode !== null
      if (over || Date.now() > deadline)
        assert.fail(`never saw ${what}; stdout: ${this.stdout}\nstderr: ${this.stderr}`)
      await new Promise<void>((resolve) => {
        this.#changed.push(resolve)
        setTimeout(resolve, 200)
      })
    }
  }

  /** Waits for a JSON line. */
  untilEvent(name: string, where: (fields: Fields) => boolean = () => true): Promise<Fields> {
    return this.until(() => this.events.find((fields) => fields.event === name && where(fields)), `the event ${name}`)
  }

  /** Waits for the end, and for this exit code. */
  async exits(code: number): Promise<this> {
    const ended = await this.ended
    assert.deepEqual(ended, { code, signal: null }, `stdout: ${this.stdout.slice(0, 2000)}\nstderr: ${this.stderr}`)
    return this
  }

  async kill(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal)
    return this.ended
  }
}

/** A folder for one test file, removed at its end; commands that still run are killed. */
export class Workbench {
  readonly root: string
  readonly #running = new Set<Running>()

  private constructor(root: string) {
    this.root = root
  }

  static async open(): Promise<Workbench> {
    const bench = new Workbench(await mkdtemp(join(tmpdir(), 'anypath-cli-')))
    after(async () => {
      for (const { child } of bench.#running) child.kill('SIGKILL')
      await rm(bench.root, { recursive: true, force: true })
    })
    return bench
  }

  path(...names: string[]): string {
    return join(this.root, ...names)
  }

  start(args: readonly string[], { env, cwd, input = '', prefix = [] }: RunOptions = {}): Running {
    const [file, ...rest] = [...prefix, process.execPath, program, ...args] as [string, ...string[]]
    const home = { HOME: this.root, XDG_CONFIG_HOME: '', XDG_STATE_HOME: '', NO_COLOR: '1', ANYPATH_SECRET_KEY: '' }
    const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...outer } = process.env
    const child = spawn(file, rest, { cwd: cwd ?? this.root, env: { ...outer, ...home, ...env } })
    const running = new Running(child)
    this.#running.add(running)
    void running.ended.then(() => this.#running.delete(running))
    if (input !== 'open') child.stdin?.end(input)
    return running
  }

  /** Runs to the end, and expects this exit code. */
  run(code: number, args: readonly string[], options?: RunOptions): Promise<Running> {
    return this.start(args, options).exits(code)
  }
}

export const loopback = ['--bind', '127.0.0.1'] as const
