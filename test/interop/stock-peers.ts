import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** Where the stock programs are that `scripts/interop-peers.mjs` built. */
export interface StockPeers {
  readonly irohPeer: string
  readonly dumbpipe: string
  readonly irohRelay: string
  readonly irohDnsServer: string
}

/** The stock programs, or undefined where they can't be built: give `skipStock` to such tests as their `skip`. */
export const stockPeers: StockPeers | undefined = process.env.ANYPATH_INTEROP_PEERS
  ? JSON.parse(process.env.ANYPATH_INTEROP_PEERS)
  : undefined

/** Why interop tests are skipped, or false. */
export const skipStock: string | false = stockPeers ? false : 'no stock peers: they need a Rust toolchain to be built'

/** One line of an `iroh-peer`'s report; `event` says which of the other fields there are. */
export interface PeerReport {
  readonly event: 'listening' | 'connection' | 'closed' | 'refused' | 'checked' | 'measured' | 'discovered' | 'error'
  readonly message?: string
  readonly id?: string
  readonly ticket?: string
  readonly port?: number
  readonly addrs?: string[]
  readonly remote_id?: string
  readonly alpn?: string
  readonly bytes?: number
  readonly bi_streams?: number
  readonly uni_streams?: number
  readonly datagrams?: number
  readonly datagrams_sent?: number
  readonly datagrams_echoed?: number
  readonly bi_blake3?: string
  readonly uni_blake3?: string
  readonly mb_per_s?: number
  readonly seconds?: number
  readonly global_v4?: string | null
  readonly global_v6?: string | null
}

/** A running `iroh-peer`. */
export class IrohPeer implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, null>
  readonly #reports: PeerReport[] = []
  readonly #waiting = new Set<() => void>()
  #ended = false

  /**
   * Starts `iroh-peer` with these arguments, such as `listen --alpn echo/1`.
   *
   * @param namespace the network namespace that it is in; otherwise that of this process.
   */
  constructor(args: string[], namespace?: string) {
    if (!stockPeers) throw new Error('no stock peers')
    const command = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]
    const [program = '', ...rest] = [...command, stockPeers.irohPeer, ...args]
    this.#child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.#child.stdout })
    lines.on('line', (line) => this.#reports.push(JSON.parse(line)) && this.#wake())
    lines.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  /**
   * Waits for the next report of a kind; each report is returned once.
   *
   * @throws Error when the program reports an error or ends without it.
   */
  async report(event: PeerReport['event']): Promise<PeerReport> {
    for (;;) {
      const index = this.#reports.findIndex((report) => report.event === event)
      const [found] = index >= 0 ? this.#reports.splice(index, 1) : []
      if (found) return found
      const failure = this.#reports.find((report) => report.event === 'error')
      if (failure) throw new Error(`iroh-peer: ${failure.message}`)
      if (this.#ended) throw new Error(`iroh-peer ended without reporting "${event}"`)
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  /** Waits for the program to end by itself and returns its exit code. */
  async exitCode(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  /** Ends the program. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exitCode()
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/**
 * A stock peer dials another one over loopback or, with such arguments, over nothing but a relay, and every byte comes back.
 *
 * @param args what both get, such as `--relay URL`
 */
export async function talk(args: string[], bytes: number): Promise<void> {
  const both = ['--alpn', 'anypath-test/1', ...args]
  await using listener = new IrohPeer(['listen', ...both, '--connections', '1'])
  const { ticket = '', id, addrs = [] } = await listener.report('listening')
  assert.equal(
    addrs.length > 0,
    !args.includes('--relay'),
    'with a relay there is no other address, and without one there is',
  )
  await using dialler = new IrohPeer(['dial', ...both, '--ticket', ticket, '--bytes', String(bytes)])
  const checked = await dialler.report('checked')
  assert.equal(checked.remote_id, id)
  assert.equal(checked.datagrams_echoed, 10)
  assert.equal(await dialler.exitCode(), 0)
  const closed = await listener.report('closed')
  assert.equal(closed.bi_streams, 1)
  assert.equal(closed.uni_streams, 1)
  assert.equal(await listener.exitCode(), 0)
}
