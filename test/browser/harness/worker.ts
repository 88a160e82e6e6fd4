import type * as Anypath from '../../../src/index.js'
import type { UserProject } from './package.js'
import { packagePages } from './pages.js'
import type { SiteContent } from './site.js'

/** What pages have as a global. */
declare let anypath: typeof Anypath

/** A worker of either kind: its peer has the options that the worker is named by, and whoever gives it a port attaches to that. */
const WORKER = `
import { Peer } from '/anypath/browser.mjs'
const peer = Peer.create(JSON.parse(name))
globalThis.onconnect = globalThis.onmessage = async ({ ports: [port] }) => (await peer).serve(port)
`

/** Pages that may have their peers in workers. */
export function workerPages(user: UserProject, content: SiteContent = {}): SiteContent {
  return packagePages(user, { ...content, files: { '/worker.js': WORKER, ...content.files } })
}

/** Runs in a page: from now on `Peer.create` gives a peer in a worker of its own, or one in a SharedWorker for all pages that ask for it alike. */
export function peersInWorker({ shared, lends = true }: { shared: boolean; lends?: boolean }): void {
  const { Peer, ...rest } = anypath
  const create = async (options: object) => {
    const settings = { type: 'module', name: JSON.stringify(options) } as const
    if (shared) return Peer.attach(new SharedWorker('/worker.js', settings).port, { lendWebRtc: lends })
    const worker = new Worker('/worker.js', settings)
    const { port1, port2 } = new MessageChannel()
    worker.postMessage('', [port2])
    return Peer.attach(port1, { lendWebRtc: lends })
  }
  Object.assign(globalThis, { anypath: { ...rest, Peer: { create } } })
}

/** Runs in a page: the id of its peer. */
export function ownId(): string {
  return (globalThis as unknown as { tab: { peer: Anypath.Peer } }).tab.peer.id
}
