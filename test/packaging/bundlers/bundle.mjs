// Bundles an application as its author would, with nothing configured.
//
//   node bundle.mjs esbuild|vite|webpack APP OUT     builds APP/index.html and APP/main.js into OUT
//   node bundle.mjs vite-dev APP                     serves APP with Vite's development server; prints where, ends with its stdin

import { copyFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const [bundler, app, out] = process.argv.slice(2).map((word, i) => (i === 0 ? word : resolve(word)))

const bundlers = {
  async esbuild() {
    const { build } = await import('esbuild')
    const entryPoints = ['main.js', 'worker.js'].map((name) => join(app, name))
    await build({ entryPoints, bundle: true, format: 'esm', outdir: out, logLevel: 'warning' })
    copyFileSync(join(app, 'index.html'), join(out, 'index.html'))
    // esbuild copies no file that is named by a URL.
    const core = createRequire(join(app, 'main.js')).resolve('anypath/core.wasm')
    copyFileSync(core, join(out, 'anypath_core.wasm'))
  },

  async vite() {
    const { build } = await import('vite')
    await build({ root: app, configFile: false, logLevel: 'warn', build: { outDir: out, emptyOutDir: true } })
  },

  async webpack() {
    const { default: webpack } = await import('webpack')
    const compiler = webpack({ mode: 'production', context: app, entry: './main.js', output: { path: out } })
    const stats = await new Promise((resolve, reject) => {
      compiler.run((error, result) => (error ? reject(error) : resolve(result)))
    })
    await new Promise((resolve) => compiler.close(resolve))
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true })
    for (const { message } of [...errors, ...warnings]) console.error(message)
    if (errors.length > 0) process.exit(1)
    copyFileSync(join(app, 'index.html'), join(out, 'index.html'))
  },

  async 'vite-dev'() {
    const { createServer } = await import('vite')
    const server = await createServer({
      root: app,
      configFile: false,
      logLevel: 'warn',
      server: { host: '127.0.0.1', port: 0 },
    })
    await server.listen()
    console.log(server.resolvedUrls.local[0])
    process.stdin.resume().on('end', () => server.close().then(() => process.exit(0)))
  },
}

await bundlers[bundler]()
