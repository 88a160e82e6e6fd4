/** The real programs of a laboratory: peers of the built package, and the relay command. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Program } from './hosts.js'
import { type HostName, type Laboratory, root, SERVERS } from './laboratory.js'

const RELAY_PORT = 3340
const STUN_PORT = 3478
/** What every peer asks: both addresses of `srv`, so that a mapping that depends on the destination shows. */
const STUN_SERVERS = SERVERS.map((address) => `${address}:${STUN_PORT}`)
const METRICS_PORT = 9090

/** A line of `peer.mjs`. */
export interface Told {
  readonly type: string
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly [field: string]: unknown
}

export class LabPeer {
  readonly told: Told[] = []
  readonly #program: Program
  readonly #name: string
  #waiting: (() => void)[] = []
  #ended: number | string | undefined

  constructor(laboratory: Laboratory, host: HostName, options: object) {
    this.#name = host
    this.#program = laboratory.hosts.spawn(host, [process.execPath, join(root, 'test', 'natlab', 'peer.mjs')], {
      ANYPATH_PACKAGE: pathToFileURL(join(root, 'dist', 'node.mjs')).href,
      ANYPATH_PEER: JSON.stringify({ stunServers: STUN_SERVERS, ...options }),
    })
    this.#program.onLine((line) => {
      this.told.push(JSON.parse(line) as Told)
      this.#wake()
    })
    void this.#program.ended.then((how) => {
      this.#ended = how
      this.#wake()
    })
  }

  /** The id and the relay, once the peer can be reached. */
  async ready(): Promise<{ id: string; relay: string }> {
    const { id, relay } = await this.until((told) => told.type === 'ready', 30_000, 'ready')
    return { id: String(id), relay: String(relay) }
  }

  do(command: string, fields: object = {}): void {
    this.#program.write(JSON.stringify({ do: command, ...fields }))
  }

  /** Gives a command, and waits for what it tells at its end. */
  async ask(command: string, answer: string, fields: object, withinMs: number): Promise<Told> {
    const from = this.told.length
    this.do(command, fields)
    return this.until((told) => told.type === answer, withinMs, answer, from)
  }

  /**
   * The first line that is so, from that one on.
   *
   * @throws Error when it does not come in time, a command fails, or the peer ends.
   */
  async until(isIt: (told: Told) => boolean, withinMs: number, what: string, from = 0): Promise<Told> {
    const deadline = performance.now() + withinMs
    for (let at = from; ; ) {
      for (; at < this.told.length; at++) {
        const told = this.told[at] as Told
        if (isIt(told)) return told
        if (told.type === 'failed') throw new Error(`${this.#name}: ${JSON.stringify(told)}`)
      }
      const left = deadline - performance.now()
      if (this.#ended !== undefined) throw new Error(`${this.#name} ended: ${this.#ended} ${this.#program.stderr}`)
      if (left <= 0) throw new Error(`${this.#name}: not ${what} within ${withinMs} ms; ${this.summary()}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** The state that its connection is in. */
  get state(): string {
    const last = this.told.findLast(({ type, state }) => type === 'state' || state !== undefined)
    return String((last?.type === 'state' ? last.to : last?.state) ?? '')
  }

  /** Its states and paths, in a line. */
  summary(): string {
    const begin = this.told[0]?.atMs ?? 0
    const lines = this.told.flatMap((told) => {
      const at = `${((told.atMs - begin) / 1000).toFixed(2)}s`
      if (told.type === 'state') return [`${at} ${told.from}>${told.to} (${told.cause})`]
      if (told.type === 'path')
        return [`${at} ${told.change} ${told.pathId} ${told.relay ?? `${told.host}:${told.port}`}`]
      if (told.type === 'connected' || told.type === 'accepted') return [`${at} ${told.type} ${told.state}`]
      return ['closed', 'failed'].includes(told.type) ? [`${at} ${JSON.stringify(told)}`] : []
    })
    return `${this.#name}: ${lines.join('; ')}`
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }
}

/** `anypath relay` on one of the two addresses of `srv`, with STUN. */
export class LabRelay {
  readonly url: string
  readonly #laboratory: Laboratory
  readonly #address: string
  #program: Program

  private constructor(laboratory: Laboratory, address: string) {
    this.#laboratory = laboratory
    this.#address = address
    this.url = `http://${address}:${RELAY_PORT}`
    this.#program = this.#spawn()
  }

  static async start(laboratory: Laboratory, which: 0 | 1): Promise<LabRelay> {
    const relay = new LabRelay(laboratory, SERVERS[which])
    await relay.#listening()
    return relay
  }

  /** Ends it without a farewell. */
  async kill(): Promise<void> {
    this.#program.kill()
    await this.#program.ended
  }

  async restart(): Promise<void> {
    this.#program = this.#spawn()
    await this.#listening()
  }

  /** Bytes of peers' packets that it has passed on. */
  async bytesSent(): Promise<number> {
    const source = `process.stdout.write(await (await fetch('http://${this.#address}:${METRICS_PORT}/metrics')).text())`
    const text = await this.#laboratory.hosts.in('srv', [process.execPath, '--input-type=module', '-e', source])
    const figure = /^anypath_relay_bytes_sent_total (\d+)$/m.exec(text)?.[1]
    if (figure === undefined) throw new Error(`no count of bytes in ${text.slice(0, 500)}`)
    return Number(figure)
  }

  #spawn(): Program {
    const address = this.#address
    return this.#laboratory.hosts.spawn('srv', [
      process.execPath,
      join(root, 'dist', 'cli', 'anypath.mjs'),
      'relay',
      ...['--host', address, '--port', String(RELAY_PORT), '--stun-port', String(STUN_PORT)],
      ...['--metrics-host', address, '--metrics-port', String(METRICS_PORT), '--json'],
    ])
  }

  async #listening(): Promise<void> {
    const program = this.#program
    await Promise.race([
      new Promise<void>((resolve) => program.onLine(() => resolve())),
      program.ended.then((how) => Promise.reject(new Error(`the relay ended: ${how} ${program.stderr}`))),
    ])
  }
}
