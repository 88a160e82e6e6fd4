import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const WORKER = fileURLToPath(new URL('worker.mjs', import.meta.url))

/**
 * Runs the two roles of one measurement, each in a process of its own, and returns the figures of both.
 *
 * @param {{server: string, client: string, suite: string, options: object, timeoutMs?: number, profile?: string, flags?: string[]}} pair
 *   `server` and `client` name modules in bench/peers; `profile` is a folder for V8's CPU profiles of both.
 * @returns {Promise<{server: Record<string, any>, client: Record<string, any>}>}
 * @throws {Error} with the first failure of either, or when the time is over
 */
export async function runPair(pair) {
  const ended = []
  const children = {}
  try {
    return await new Promise((resolve, reject) => {
      const figures = {}
      const limit = pair.timeoutMs ?? 120_000
      const timer = setTimeout(() => reject(new Error(`not finished after ${limit / 1000} s`)), limit)
      for (const role of ['server', 'client']) {
        const other = role === 'server' ? 'client' : 'server'
        const child = start(pair, role)
        children[role] = child
        ended.push(new Promise((done) => child.once('exit', done)))
        child.on('message', (message) => {
          if ('link' in message) children[other].send(message)
          if ('failed' in message) reject(new Error(`${role}: ${message.failed}`))
          if ('done' in message) figures[role] = message.done
          if (figures.server && figures.client) {
            clearTimeout(timer)
            resolve(figures)
          }
        })
        child.once('exit', (code, signal) => {
          clearTimeout(timer)
          reject(new Error(`the ${role} ended early (${signal ?? code})${child.said === '' ? '' : `: ${child.said}`}`))
        })
      }
    })
  } finally {
    await end(Object.values(children), ended)
  }
}

function start({ server, client, suite, options, profile, flags = [] }, role) {
  const module = role === 'server' ? server : client
  const execArgv = [...flags, ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}/${role}`] : [])]
  const child = fork(WORKER, [JSON.stringify({ module, suite, role, options })], {
    execArgv,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  child.said = ''
  const keep = (text) => {
    child.said = (child.said + text).slice(-500).trim()
  }
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  return child
}

/** Lets the workers leave by themselves, so that profiles are written, and ends those that do not. */
async function end(children, ended) {
  for (const child of children) if (child.connected) child.send({ exit: true })
  const timer = setTimeout(() => {
    for (const child of children) child.kill('SIGKILL')
  }, 5000)
  await Promise.all(ended)
  clearTimeout(timer)
}
