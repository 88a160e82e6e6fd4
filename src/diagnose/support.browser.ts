import type { AccessState, BrowserReport, BrowserSupport } from './report.js'

/** A function of one vector instruction. */
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]

/** What this browser has. Opens nothing, stores nothing, and asks the user nothing. */
export async function support(): Promise<BrowserSupport> {
  return {
    secureContext: globalThis.isSecureContext,
    webAssemblySimd: typeof WebAssembly !== 'undefined' && WebAssembly.validate(Uint8Array.from(SIMD)),
    webRtc: typeof RTCPeerConnection !== 'undefined',
    webTransport: typeof WebTransport !== 'undefined',
    certificateHashes: readsCertificateHashes(),
    byteStreams: hasByteStreams(),
    worker: typeof Worker !== 'undefined',
    sharedWorker: typeof SharedWorker !== 'undefined',
    webLocks: globalThis.navigator?.locks !== undefined,
    indexedDb: await givesIndexedDb(),
  }
}

/** Whether this origin may reach the local network, and this machine. The first names are those of today, the last one that of Chromium before. */
export async function localNetwork(): Promise<BrowserReport['localNetwork']> {
  const [local, loopback] = await Promise.all([
    accessState('local-network', 'local-network-access'),
    accessState('loopback-network', 'local-network-access'),
  ])
  return { local, loopback }
}

async function accessState(...names: readonly string[]): Promise<AccessState> {
  for (const name of names) {
    try {
      return (await navigator.permissions.query({ name: name as PermissionName })).state
    } catch {
      // A browser refuses names that it does not know.
    }
  }
  return 'unknown'
}

/** Members of a dictionary are read before anything is done: whether this one is read is known without opening a session. */
function readsCertificateHashes(): boolean {
  if (typeof WebTransport === 'undefined') return false
  let isRead = false
  const options = {
    get serverCertificateHashes(): never {
      isRead = true
      throw new Error('no session is wanted')
    },
  }
  try {
    const session = new WebTransport('https://localhost:1/', options)
    for (const promise of [session.ready, session.closed]) promise.catch(() => {})
    session.close()
  } catch {
    // As it should be.
  }
  return isRead
}

function hasByteStreams(): boolean {
  try {
    return new ReadableStream({ type: 'bytes' }) !== undefined
  } catch {
    return false
  }
}

async function givesIndexedDb(): Promise<boolean> {
  try {
    await indexedDB.databases()
    return true
  } catch {
    // Blocked, or missing.
    return false
  }
}
