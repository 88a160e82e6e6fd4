import type { Engine } from '../../driver/engine.js'
import { encodeFrame, FrameReader, type SignalFrame } from './signal.js'

/** The largest piece that is read at once. */
const READ_BYTES = 16 * 1024

/** Frames that a remote may send within `WINDOW_MS`: an attempt has two descriptions and a candidate for each network of a machine. */
const MAX_FRAMES = 200
const WINDOW_MS = 10_000

/** Frames that may wait to be written: whoever takes none is not worth more. */
const MAX_UNSENT = 200

/** What a remote is told whose signalling connection is over. */
export const SIGNALLING_CODES = { done: 0, refused: 1, malformed: 2 } as const

export interface SignallingEvents {
  /** Told one after the other. */
  frame(frame: SignalFrame): Promise<void>
}

/** A signalling connection with a remote, on whose one stream both sides tell each other frames. */
export class Signalling {
  readonly connectionId: number
  /** Whether this side dialled it. */
  readonly dialled: boolean
  readonly #engine: Engine
  readonly #events: SignallingEvents
  readonly #now: () => number
  #stream: number | undefined
  #unsent: SignalFrame[] = []
  #isWriting = false
  #window = { begin: 0, frames: 0 }
  #over = false

  constructor(engine: Engine, connectionId: number, dialled: boolean, now: () => number, events: SignallingEvents) {
    this.#engine = engine
    this.connectionId = connectionId
    this.dialled = dialled
    this.#now = now
    this.#events = events
  }

  /** Opens the stream, if this side dialled. */
  async begin(): Promise<void> {
    if (!this.dialled) return
    try {
      this.take(await this.#engine.openStream(this.connectionId, true))
    } catch {
      // The connection is over, which its events tell.
    }
  }

  /** The stream is there. The remote may open but one. */
  take(stream: number): void {
    if (this.#over) return
    if (this.#stream !== undefined) return this.#fault()
    this.#stream = stream
    void this.#read(stream)
    void this.#write()
  }

  send(frame: SignalFrame): void {
    if (this.#over) return
    if (this.#unsent.length >= MAX_UNSENT) return this.close(SIGNALLING_CODES.done)
    this.#unsent.push(frame)
    void this.#write()
  }

  /** Closes the connection. Idempotent. */
  close(code: number): void {
    if (this.#over) return
    this.#over = true
    this.#engine.closeConnection(this.connectionId, code, '')
  }

  /** The connection is over. */
  ended(): void {
    this.#over = true
  }

  #fault(): void {
    this.close(SIGNALLING_CODES.malformed)
  }

  async #read(stream: number): Promise<void> {
    const reader = new FrameReader()
    try {
      for (;;) {
        const bytes = await this.#engine.read(this.connectionId, stream, READ_BYTES)
        if (bytes === null || this.#over) return this.close(SIGNALLING_CODES.done)
        for (const frame of reader.push(bytes)) {
          if (!this.#mayHear()) return this.#fault()
          await this.#events.frame(frame)
        }
      }
    } catch {
      // What came was no frame, or the connection is over.
      this.#fault()
    }
  }

  async #write(): Promise<void> {
    if (this.#isWriting || this.#stream === undefined) return
    this.#isWriting = true
    try {
      for (let frame = this.#unsent.shift(); frame; frame = this.#unsent.shift())
        await this.#engine.write(this.connectionId, this.#stream, encodeFrame(frame))
    } catch {
      this.close(SIGNALLING_CODES.done)
    } finally {
      this.#isWriting = false
    }
  }

  #mayHear(): boolean {
    const now = this.#now()
    if (now - this.#window.begin >= WINDOW_MS) this.#window = { begin: now, frames: 0 }
    return ++this.#window.frames <= MAX_FRAMES
  }
}
