/** The real programs of a laboratory: peers of the built package, and the relay command. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Program } from './hosts.js'
import { type Client, type Laboratory, root, SERVERS } from './laboratory.js'

export const RELAY_PORT = 3340
export const STUN_PORT = 3478
/** What every peer asks: both addresses of `srv`, so that a mapping that depends on the destination shows. */
const STUN_SERVERS = SERVERS.map((address) => `${address}:${STUN_PORT}`)
const METRICS_PORT = 9090
/** Where stock relays serve QUIC Address Discovery. */
const QAD_PORT = 7842

/** Prints what a server on a host says of `/metrics`; Node would take half a second to start. */
const GET = `import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as server:
    server.sendall(b"GET /metrics HTTP/1.0\\r\\nHost: srv\\r\\n\\r\\n")
    while chunk := server.recv(65536):
        sys.stdout.write(chunk.decode())`

/** The file that every transition of a session in a laboratory is written to, if there is one. */
export const TRANSITIONS_FILE = process.env.ANYPATH_NATLAB_TRANSITIONS

/** A line of `peer.mjs`. */
export interface Told {
  readonly type: string
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly [field: string]: unknown
}

/** A peer on a host, whoever wrote it: it takes the commands and tells the lines that `peer.mjs` describes. */
export class Participant {
  readonly told: Told[] = []
  readonly #program: Program
  readonly #name: string
  #waiting: (() => void)[] = []
  #ended: number | string | undefined

  constructor(program: Program, name: string) {
    this.#name = name
    this.#program = program
    this.#program.onLine((line) => {
      const told = JSON.parse(line) as Told
      this.told.push(told)
      if (told.type === 'transition' && TRANSITIONS_FILE !== undefined)
        appendFileSync(TRANSITIONS_FILE, `${told.from} > ${told.to} (${told.cause})\n`)
      this.#wake()
    })
    void this.#program.ended.then((how) => {
      this.#ended = how
      this.#wake()
    })
  }

  /** Forgets what was told so far: what counts begins now. */
  begin(): void {
    this.told.length = 0
  }

  /** The id and the relay, once the peer can be reached. */
  async ready(): Promise<{ id: string; relay: string }> {
    const { id, relay } = await this.until((told) => told.type === 'ready', 30_000, 'ready')
    return { id: String(id), relay: String(relay) }
  }

  /** Ends it without a farewell. */
  async kill(): Promise<void> {
    this.#program.kill()
    await this.#program.ended
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
      return ['closed', 'failed', 'broken'].includes(told.type) ? [`${at} ${JSON.stringify(told)}`] : []
    })
    return `${this.#name}: ${lines.join('; ')}`
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }
}

/** A peer of the built package. */
export class LabPeer extends Participant {
  constructor(laboratory: Laboratory, host: Client, options: object) {
    const program = laboratory.hosts.spawn(host, [process.execPath, join(root, 'test', 'natlab', 'peer.mjs')], {
      ANYPATH_PACKAGE: pathToFileURL(join(root, 'dist', 'node.mjs')).href,
      ANYPATH_PEER: JSON.stringify({ stunServers: STUN_SERVERS, warm: true, ...options }),
    })
    super(program, host)
  }
}

/** Where the certificate is that relays show to who asks for its address, and its key; both in PEM. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** What a relay serves beside relaying. */
export interface LabRelayServices {
  /** Without one it serves no QUIC Address Discovery. */
  readonly certificate?: CertificateFiles | undefined
  /** @default true */
  readonly stun?: boolean
}

/** `anypath relay` on `srv`: the first two are at one address each and answer STUN, further ones are at the first one's. */
export class LabRelay {
  readonly url: string
  /** Where it serves QUIC Address Discovery, if it has a certificate. */
  readonly qadPort: number
  readonly #laboratory: Laboratory
  readonly #number: number
  readonly #certificate: CertificateFiles | undefined
  readonly #stun: readonly string[]
  readonly #address: string
  #program: Program

  private constructor(laboratory: Laboratory, number: number, { certificate, stun = true }: LabRelayServices) {
    const stunPort = number < SERVERS.length ? ['--stun-port', String(STUN_PORT)] : []
    this.#stun = stun ? stunPort : ['--no-stun']
    this.#laboratory = laboratory
    this.#number = number
    this.#certificate = certificate
    this.qadPort = QAD_PORT + number
    this.#address = SERVERS[number] ?? SERVERS[0]
    this.url = `http://${this.#address}:${RELAY_PORT + number}`
    this.#program = this.#spawn()
  }

  static async start(laboratory: Laboratory, number: number, services: LabRelayServices = {}): Promise<LabRelay> {
    const relay = new LabRelay(laboratory, number, services)
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
    const text = await this.#laboratory.hosts.in('srv', [
      'python3',
      '-SEc',
      GET,
      this.#address,
      String(METRICS_PORT + this.#number),
    ])
    const figure = /^anypath_relay_bytes_sent_total (\d+)$/m.exec(text)?.[1]
    if (figure === undefined) throw new Error(`no count of bytes in ${text.slice(0, 500)}`)
    return Number(figure)
  }

  #spawn(): Program {
    const { certificate, key } = this.#certificate ?? {}
    const qad =
      certificate === undefined || key === undefined
        ? []
        : ['--qad-port', String(this.qadPort), '--qad-cert-file', certificate, '--qad-key-file', key]
    return this.#laboratory.hosts.spawn('srv', [
      process.execPath,
      join(root, 'dist', 'cli', 'anypath.mjs'),
      'relay',
      ...['--host', this.#address, '--port', String(RELAY_PORT + this.#number), ...this.#stun, ...qad],
      ...['--metrics-host', this.#address, '--metrics-port', String(METRICS_PORT + this.#number), '--json'],
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
