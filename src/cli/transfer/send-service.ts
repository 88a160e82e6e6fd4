/** Serves every receiver that connects while `anypath send` runs. */
import type { Connection, Peer } from '../../entry/node.js'
import type { Context } from '../context.js'
import { CliError, ExitCode, toCliError } from '../exit.js'
import { formatBytes, plural } from '../format.js'
import { tellConnected, watchClosed, watchStats } from '../peer.js'
import { pingAlpn, servePing } from '../ping/echo.js'
import { Progress } from '../progress.js'
import { type Manifest, scanManifest } from './manifest.js'
import { CloseCode, ProtocolError } from './protocol.js'
import { SecretGuard, sameSecret } from './secret.js'
import { type ByteStream, serveTransfer, WrongSecret } from './sender.js'

const streamTimeoutMs = 10_000
const farewellMs = 5_000

const acceptStream = async (connection: Connection): Promise<ByteStream> => {
  const streams = connection.incomingBidirectionalStreams.getReader()
  const timer = setTimeout(() => void streams.cancel().catch(() => undefined), streamTimeoutMs)
  try {
    const { done, value } = await streams.read()
    if (done) throw new ProtocolError('the receiver opened no stream in time')
    return value
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when the other side has closed, or after a time. */
const farewell = async (connection: Connection): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, farewellMs)
  })
  await Promise.race([
    connection.closed.then(
      () => undefined,
      () => undefined,
    ),
    late,
  ])
  clearTimeout(timer)
}

const closeCodeFor = (error: unknown): number => {
  if (error instanceof WrongSecret) return CloseCode.wrongSecret
  if (error instanceof ProtocolError) return CloseCode.protocol
  return CloseCode.localError
}

export class SendService {
  readonly #context: Context
  readonly #peer: Peer
  readonly #secret: Uint8Array
  readonly #guard = new SecretGuard()
  readonly #progress: Progress
  #sessions = 0

  constructor(context: Context, peer: Peer, secret: Uint8Array) {
    this.#context = context
    this.#peer = peer
    this.#secret = secret
    this.#progress = new Progress(context.output, 'sending')
  }

  /** Serves until the peer is closed; with `once` until the first receiver has everything. */
  async run({ once }: { readonly once: boolean }): Promise<void> {
    let finished: (() => void) | undefined
    const first = new Promise<void>((resolve) => {
      finished = resolve
    })
    const serveAll = async (): Promise<void> => {
      for await (const connection of this.#peer.incoming) {
        void this.#serve(connection).then((complete) => {
          if (complete && once) finished?.()
        })
      }
      throw new CliError(ExitCode.failed, 'PeerClosed', 'the peer was closed')
    }
    await Promise.race([serveAll(), first])
  }

  stop(): void {
    this.#progress.stop()
  }

  /** Serves one connection; true when its receiver has everything. Never rejects. */
  async #serve(connection: Connection): Promise<boolean> {
    watchClosed(connection)
    if (connection.alpn === pingAlpn) {
      await servePing(connection)
      return false
    }
    const host = connection.paths[0]?.host ?? connection.remoteId
    const waitMs = this.#guard.waitMs(host)
    if (waitMs > 0) {
      const reason = `too many wrong secrets from this address; wait ${Math.ceil(waitMs / 1000)} s`
      connection.close({ closeCode: CloseCode.wrongSecret, reason })
      return false
    }
    try {
      await this.#transfer(connection, host)
      return true
    } catch (error) {
      this.#ended(connection, error, host)
      return false
    }
  }

  async #transfer(connection: Connection, host: string): Promise<void> {
    const { output, signal, values } = this.#context
    const { remoteId } = connection
    const stream = await acceptStream(connection)
    const tellStats = watchStats(this.#context, connection)
    const session = this.#begin()
    const startedAt = performance.now()
    try {
      await serveTransfer(stream, {
        signal,
        checkSecret: (shown) => sameSecret(shown, this.#secret),
        manifest: () => {
          this.#guard.right(host)
          tellConnected(this.#context, connection)
          return scanManifest(values.positionals, signal)
        },
        ...session.callbacks,
        onFile: ({ entry, outcome, offset }) => {
          if (outcome === 'same') session.skip(entry.size)
          output.event('file', { remoteId, path: entry.path, size: entry.size, outcome, offset })
        },
      })
      const { files, sentBytes } = session
      const elapsedMs = Math.round(performance.now() - startedAt)
      await farewell(connection)
      session.end()
      output.event('sent', { remoteId, files, sentBytes, elapsedMs })
      output.note(`${remoteId.slice(0, 10)}… has everything: ${plural(files, 'file')}, ${formatBytes(sentBytes)} sent`)
      await tellStats()
      connection.close()
    } finally {
      session.end()
    }
  }

  #ended(connection: Connection, error: unknown, host: string): void {
    const { output, signal } = this.#context
    const { remoteId } = connection
    if (error instanceof WrongSecret) this.#guard.wrong(host)
    if (!signal.aborted) {
      const { code, exitCode, message } = toCliError(error)
      const wrong = error instanceof WrongSecret
      output.event('failed', { remoteId, code: wrong ? 'WrongSecret' : code, message })
      if (wrong) output.warn(`${remoteId} at ${host} showed a wrong secret`)
      else if (exitCode === ExitCode.lost)
        output.note(`${remoteId.slice(0, 10)}… went away; it can resume while this runs`)
      else output.warn(`${remoteId}: ${message}`)
    }
    const reason = error instanceof WrongSecret || error instanceof ProtocolError ? error.message : 'the sender failed'
    connection.close(
      signal.aborted ? { closeCode: CloseCode.stopped, reason: 'stopped' } : { closeCode: closeCodeFor(error), reason },
    )
  }

  /** One receiver's share of the progress bar; what it showed is taken back at the end, as others may go on. */
  #begin(): ProgressSession {
    this.#sessions += 1
    this.#progress.start()
    return new ProgressSession(this.#progress, () => {
      this.#sessions -= 1
      if (this.#sessions === 0) this.#progress.stop()
    })
  }
}

class ProgressSession {
  readonly #progress: Progress
  readonly #onEnd: () => void
  #totalBytes = 0
  #doneBytes = 0
  #ended = false
  files = 0
  sentBytes = 0

  constructor(progress: Progress, onEnd: () => void) {
    this.#progress = progress
    this.#onEnd = onEnd
  }

  /** What the sending session reports to. */
  readonly callbacks = {
    onManifest: ({ totalBytes, files }: Manifest): void => {
      this.files = files
      this.#totalBytes = totalBytes
      this.#progress.totalBytes += totalBytes
    },
    onStart: ({ offset }: { readonly offset: number }): void => this.skip(offset),
    onBytes: (bytes: number): void => {
      this.sentBytes += bytes
      this.#doneBytes += bytes
      this.#progress.moved(bytes)
    },
  }

  /** Bytes that need not be sent. */
  skip(bytes: number): void {
    this.#doneBytes += bytes
    this.#progress.skipped(bytes)
  }

  /** Idempotent. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#onEnd()
    this.#progress.totalBytes -= this.#totalBytes
    this.#progress.skipped(-this.#doneBytes)
  }
}
