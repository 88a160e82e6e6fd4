import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MODULES = fileURLToPath(new URL('../node_modules/', import.meta.url))
const HTTP3 = '@fails-components/webtransport-transport-http3-quiche'

/** Why a package of bench/package.json can't run here; undefined when it can. */
export function missingPackage(name) {
  if (!existsSync(`${MODULES}${name}/package.json`)) return `${name} is not installed: npm run bench installs it`
  if (name === 'node-datachannel' && !hasFiles(`${MODULES}@node-datachannel`)) return 'its native part is not installed'
  return undefined
}

/** WebTransport over HTTP/3 needs an add-on whose binary is fetched or built when it is installed. */
export function missingHttp3() {
  if (!existsSync(`${MODULES}${HTTP3}/package.json`)) return `${HTTP3} is not installed`
  const built = existsSync(`${MODULES}${HTTP3}/build/Release/webtransport.node`)
  return built ? undefined : 'its native part could be neither fetched nor built on this machine'
}

function hasFiles(folder) {
  return existsSync(folder) && readdirSync(folder).length > 0
}
