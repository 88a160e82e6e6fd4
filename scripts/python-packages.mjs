import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheDir, lastLines, sha256 } from './cache.mjs'
import { run } from './run.mjs'

/**
 * A Python with the packages of a `requirements.txt`, in the cache under a hash of it.
 *
 * @param {string} requirements the file, with every version pinned
 * @returns {Promise<{python: string} | {missing: string}>} `missing` says why there is none
 */
export async function preparePython(requirements) {
  const hash = sha256(readFileSync(requirements, 'utf8')).slice(0, 16)
  const folder = join(cacheDir, 'tools', `python-${hash}`)
  const python = join(folder, 'bin', 'python3')
  if (existsSync(python)) return { python }
  // Scripts of a virtual environment name its folder, but nothing of those is used: it can be moved when it is whole.
  const staging = `${folder}.${process.pid}`
  mkdirSync(dirname(folder), { recursive: true })
  const steps = [
    ['python3', ['-m', 'venv', staging]],
    [
      join(staging, 'bin', 'python3'),
      ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary', ':all:', '-r', requirements],
    ],
  ]
  for (const [program, args] of steps) {
    const result = await run(program, args).catch((error) => ({ code: 1, output: String(error) }))
    if (result.code === 0) continue
    rmSync(staging, { recursive: true, force: true })
    return { missing: lastLines(result.output, 3) || `${program} failed` }
  }
  if (existsSync(folder)) rmSync(staging, { recursive: true, force: true })
  else renameSync(staging, folder)
  return { python }
}
