/** What the command says: results and JSON lines on stdout, everything for people on stderr. */

/** A place that text is written to. */
export interface Sink {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export type JsonFields = Readonly<Record<string, unknown>>

export interface OutputOptions {
  readonly stdout: Sink
  readonly stderr: Sink
  /** One JSON object per line instead of text results. */
  readonly json: boolean
  /** Where JSON lines go; stderr where stdout carries data. */
  readonly jsonTo: 'stdout' | 'stderr'
  /** Only results, warnings and errors. */
  readonly quiet: boolean
  /** Also where in the program an unexpected error came from. */
  readonly verbose: boolean
  readonly color: boolean
}

const colors = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1, dim: 2 } as const

export type Color = keyof typeof colors

export class Output {
  readonly json: boolean
  readonly verbose: boolean
  readonly #options: OutputOptions
  /** Erases a progress bar before a line is written below it. */
  #clear: (() => void) | undefined

  constructor(options: OutputOptions) {
    this.#options = options
    this.json = options.json
    this.verbose = options.verbose
  }

  /** The terminal for progress bars; `undefined` in a pipe, and where nobody wants one. */
  get terminal(): Sink | undefined {
    const { stderr, quiet, json } = this.#options
    return stderr.isTTY === true && !quiet && !json ? stderr : undefined
  }

  paint(color: Color, text: string): string {
    return this.#options.color ? `\u001b[${colors[color]}m${text}\u001b[0m` : text
  }

  /** What the user asked for: stdout, unless it is told as JSON. */
  result(text: string): void {
    if (!this.json) this.#line(this.#options.stdout, text)
  }

  /** What goes on: stderr. */
  note(text: string): void {
    if (!this.#options.quiet && !this.json) this.#line(this.#options.stderr, text)
  }

  /** Something to know although the work goes on: stderr, always. */
  warn(text: string): void {
    if (this.#stderrIsJson) return this.event('warning', { message: text })
    this.#line(this.#options.stderr, `${this.paint('yellow', 'warning:')} ${text}`)
  }

  /** Why the command failed: stderr, always; where that has JSON lines, the event `error` has said it. */
  error(text: string): void {
    if (this.#stderrIsJson) return
    this.#line(this.#options.stderr, `${this.paint('red', 'error:')} ${text}`)
  }

  /** How the command is used, after an error: stderr, for people only. */
  usage(text: string): void {
    if (!this.#stderrIsJson) this.#line(this.#options.stderr, text)
  }

  /** A log record: stderr. */
  log(text: string): void {
    if (this.#stderrIsJson) return this.event('log', { message: text })
    this.#line(this.#options.stderr, this.paint('dim', text))
  }

  /** One JSON line, in JSON mode. */
  event(event: string, fields: JsonFields = {}): void {
    if (!this.json) return
    const { stdout, stderr, jsonTo } = this.#options
    this.#line(jsonTo === 'stdout' ? stdout : stderr, JSON.stringify({ event, ...fields }))
  }

  /** Says how to erase what is drawn on the terminal; `undefined` when nothing is. */
  drawn(clear: (() => void) | undefined): void {
    this.#clear = clear
  }

  /** Where stdout carries data, JSON lines have stderr to themselves. */
  get #stderrIsJson(): boolean {
    return this.json && this.#options.jsonTo === 'stderr'
  }

  #line(sink: Sink, text: string): void {
    this.#clear?.()
    this.#clear = undefined
    sink.write(`${text}\n`)
  }
}

/** Colours only on a terminal, and never when `NO_COLOR` is set (https://no-color.org). */
export const wantsColor = (sink: Sink, env: NodeJS.ProcessEnv, off: boolean): boolean =>
  !off && sink.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
