import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
}

export interface SiteContent {
  /** Texts by path, such as `/index.html`. `/` is `/index.html`. */
  readonly files?: Readonly<Record<string, string>>
  /** Folders of the disk by path prefix, such as `/anypath/`. */
  readonly folders?: Readonly<Record<string, string>>
  /** Headers of every answer, such as a Content-Security-Policy. */
  readonly headers?: Readonly<Record<string, string>>
  /** Content types by file extension, where they are not the right ones. */
  readonly types?: Readonly<Record<string, string>>
  /** What is answered, with 200, where there is no such file, as servers of single-page applications do. */
  readonly fallback?: string
}

export interface Site {
  /** `http://127.0.0.1:<port>`, which browsers hold to be a secure context. */
  readonly url: string
  /** Paths that were asked for, in order. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

/** Serves pages on a free port of the loopback interface. */
export async function serveSite(content: SiteContent): Promise<Site> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://site').pathname
    requests.push(path)
    respond(content, path === '/' ? '/index.html' : path, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function respond(content: SiteContent, path: string, response: ServerResponse): Promise<void> {
  const type = content.types?.[extname(path)] ?? TYPES[extname(path)] ?? 'application/octet-stream'
  const headers = { 'content-type': type, 'cache-control': 'no-store', ...content.headers }
  const text = content.files?.[path]
  if (text !== undefined) return void response.writeHead(200, headers).end(text)
  const file = await onDisk(content, path)
  if (file !== undefined) {
    response.writeHead(200, headers)
    createReadStream(file).pipe(response)
  } else if (path === '/favicon.ico') {
    response.writeHead(204).end()
  } else if (content.fallback !== undefined) {
    response.writeHead(200, { ...headers, 'content-type': 'text/html' }).end(content.fallback)
  } else {
    response.writeHead(404, content.headers).end()
  }
}

async function onDisk(content: SiteContent, path: string): Promise<string | undefined> {
  for (const [prefix, folder] of Object.entries(content.folders ?? {})) {
    if (!path.startsWith(prefix)) continue
    const file = join(folder, normalize(`/${path.slice(prefix.length)}`))
    if ((await stat(file).catch(() => undefined))?.isFile()) return file
  }
  return undefined
}
