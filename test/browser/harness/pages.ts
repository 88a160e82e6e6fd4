import { build } from 'esbuild'
import type * as Anypath from '../../../src/index.js'
import { html } from './in-browsers.js'
import type { UserProject } from './package.js'
import type { SiteContent } from './site.js'

/** What the pages of `packagePages` have as a global, whichever way they load it. */
declare const anypath: typeof Anypath

/** Policy that a page of module scripts needs; a relay's origin comes beside `'self'` in `connect-src`. */
export const STRICT_POLICY = `${withImages("script-src 'self' 'wasm-unsafe-eval'")}; connect-src 'self'`

/** Nothing is allowed but what is given, and the icon that Firefox looks for. */
export function withImages(directives: string): string {
  return `default-src 'none'; img-src 'self'; ${directives}`
}

/** A page that loads the package from `/anypath/` by a module script of its own; its exports are the global `anypath`. */
export function packagePages(user: UserProject, content: SiteContent = {}): SiteContent {
  const files = {
    '/index.html': html('<script type="module" src="/page.js"></script>'),
    '/page.js': "import * as anypath from '/anypath/browser.mjs'\nglobalThis.anypath = anypath\n",
  }
  return {
    ...content,
    files: { ...files, ...content.files },
    folders: { '/anypath/': user.dist, ...content.folders },
  }
}

/** The memory transport as a module script, for two peers in one page. */
export async function memoryTransport(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents:
        "export { MemoryHub } from './src/transport/memory.ts'; export { systemClock } from './src/driver/clock.ts'",
      resolveDir: process.env.ANYPATH_ROOT ?? process.cwd(),
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
  })
  return outputFiles[0]?.text ?? ''
}

export interface Created {
  readonly id: string
  readonly dial: string
  readonly closed: string
}

/** Runs in a page: makes a peer, dials without a relay, and closes it. */
export async function createAndDial(): Promise<Created> {
  const peer = await anypath.Peer.create({ alpns: ['test/1'] })
  const dial = await peer.connect('ab'.repeat(32), { alpn: 'test/1' }).catch((error) => error.code)
  await peer.close()
  const closed = await peer.ticket().catch((error) => error.code)
  return { id: peer.id, dial, closed }
}

/** Runs in a page: why no peer can be made with these options. */
export async function failure(options?: Anypath.PeerOptions): Promise<{ code: string; message: string }> {
  const thrown = await anypath.Peer.create(options).then(
    () => ({ code: 'none', message: 'it was made' }),
    (error) => error,
  )
  return { code: thrown.code, message: thrown.message }
}
