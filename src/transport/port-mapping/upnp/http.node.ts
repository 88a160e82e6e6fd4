import { request } from 'node:http'
import { NoMapping } from '../protocol.js'

/** A router's description and its answers have a few kilobytes. */
const MAX_BODY_BYTES = 65_536
const MAX_HEADER_BYTES = 8192

export interface HttpQuestion {
  readonly url: URL
  /** The address of this machine that it leaves from. */
  readonly localHost: string
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/**
 * One exchange with a router, which is not trusted: nothing is followed, and what comes is limited.
 *
 * @throws NoMapping when there is no whole answer.
 * @throws the signal's reason when it fires; whoever calls limits the time by it.
 */
export function exchangeHttp(question: HttpQuestion, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const { url, localHost, method, headers = {}, body = '' } = question
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(signal.aborted ? signal.reason : new NoMapping(reason))
    const outgoing = request(
      {
        host: url.hostname,
        port: url.port === '' ? 80 : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method,
        localAddress: localHost,
        family: 4,
        agent: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        headers: { ...headers, connection: 'close', 'content-length': Buffer.byteLength(body) },
        signal,
      },
      (incoming) => {
        const pieces: Buffer[] = []
        let bytes = 0
        incoming.on('data', (piece: Buffer) => {
          bytes += piece.length
          if (bytes > MAX_BODY_BYTES) outgoing.destroy(new Error('the router says too much'))
          else pieces.push(piece)
        })
        incoming.on('error', (error) => fail(error.message))
        incoming.on('end', () => {
          if (incoming.complete)
            resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(pieces).toString('utf8') })
          else fail('the router breaks off')
        })
        incoming.on('close', () => fail('the router breaks off'))
      },
    )
    outgoing.on('error', (error) => fail(error.message))
    outgoing.end(body)
  })
}
