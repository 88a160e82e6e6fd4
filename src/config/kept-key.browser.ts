import { type AnypathError, createError } from '../errors/index.js'
import type { PersistSettings } from './settings.js'

const DATABASE = 'anypath'
const STORE = 'keys'
/** A page that is reloaded still holds its lock for a moment after the new one has begun. */
const LOCK_WAIT_MS = 500

/** A secret key that no other tab, worker or peer of this origin uses until it is released. */
interface HeldKey {
  readonly secretKey: Uint8Array
  release(): void
}

/**
 * Takes the key of that name from this origin's IndexedDB, after making it when there is none, under a Web Lock that ends with `release`
 * or with the tab.
 *
 * @throws AnypathError `KeyInUse` when it is in use and `whenInUse` is `fail`; `StorageUnavailable` where storage or locks are blocked, full
 *   or missing; `InvalidKey` when something else lies in its place.
 */
export async function holdKey(
  { name, whenInUse }: Required<PersistSettings>,
  randomBytes: (length: number) => Uint8Array,
): Promise<HeldKey> {
  const release = await lock(`anypath key ${name}`)
  if (release === undefined) {
    if (whenInUse === 'fresh-key') return { secretKey: randomBytes(32), release() {} }
    throw createError('KeyInUse', `the key '${name}' is in use in another tab or by another peer of this page`)
  }
  try {
    return { secretKey: await storedKey(name, randomBytes(32)), release }
  } catch (thrown) {
    release()
    throw thrown
  }
}

/** Gives what releases the lock, or undefined when somebody else keeps it. */
function lock(name: string): Promise<(() => void) | undefined> {
  const { locks } = globalThis.navigator ?? {}
  if (locks === undefined) throw createError('StorageUnavailable', 'persist: there are no Web Locks here: use https')
  return new Promise((resolve, reject) => {
    const holding = locks.request(
      name,
      { signal: AbortSignal.timeout(LOCK_WAIT_MS) },
      () => new Promise<void>((release) => resolve(release)),
    )
    holding.catch((thrown: unknown) => {
      if (thrown instanceof Error && thrown.name === 'TimeoutError') resolve(undefined)
      else reject(unavailable(thrown))
    })
  })
}

async function storedKey(name: string, fresh: Uint8Array): Promise<Uint8Array> {
  const database = await opened()
  let found: unknown
  try {
    found = await getOrPut(database, name, fresh)
  } catch (thrown) {
    throw unavailable(thrown)
  } finally {
    database.close()
  }
  if (found instanceof Uint8Array && found.length === 32) return found
  // What it is must not be shown: it may be most of a key.
  throw createError('InvalidKey', `what is kept as the key '${name}' is no key`)
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    try {
      const request = indexedDB.open(DATABASE, 1)
      request.onupgradeneeded = () => request.result.createObjectStore(STORE)
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(unavailable(request.error))
    } catch (thrown) {
      // Where it is blocked, the call itself throws, or there is no `indexedDB`.
      reject(unavailable(thrown))
    }
  })
}

/** Resolves when the key is on disk: a peer that was reached by it once must not lose it. */
function getOrPut(database: IDBDatabase, name: string, fresh: Uint8Array): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, 'readwrite', { durability: 'strict' })
    const store = transaction.objectStore(STORE)
    const request = store.get(name)
    let key: unknown = fresh
    request.onsuccess = () => {
      if (request.result === undefined) store.put(fresh, name)
      else key = request.result
    }
    transaction.oncomplete = () => resolve(key)
    transaction.onabort = () => reject(transaction.error)
  })
}

function unavailable(cause: unknown): AnypathError {
  const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
  return createError('StorageUnavailable', `persist: this page can't keep a key (${text})`, { cause })
}
