import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

/**
 * Runs a program to its end and collects what it printed.
 *
 * The program gets a process group of its own, so that a time limit ends its children too.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number, echo?: boolean, logFile?: string}} [options]
 *   `echo` passes the output through as it comes; `logFile` sends it to a file instead of collecting it.
 * @returns {Promise<{code: number, output: string, stdout: string, timedOut: boolean, seconds: number}>} `code` is 127 when the program can't be started.
 */
export function run(program, args, options = {}) {
  const started = performance.now()
  return new Promise((resolve) => {
    const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'w')
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', log ?? 'pipe', log ?? 'pipe'],
      detached: true,
    })
    running.add(child)
    let output = ''
    let stdout = ''
    let timedOut = false
    const collect = (chunk, isStdout) => {
      output += chunk
      if (isStdout) stdout += chunk
      if (options.echo) process.stdout.write(chunk)
    }
    child.stdout?.setEncoding('utf8').on('data', (chunk) => collect(chunk, true))
    child.stderr?.setEncoding('utf8').on('data', (chunk) => collect(chunk, false))
    const timer = options.timeoutMs
      ? setTimeout(() => {
          timedOut = true
          endGroup(child)
        }, options.timeoutMs)
      : undefined
    const finish = (code) => {
      clearTimeout(timer)
      running.delete(child)
      if (log !== undefined) closeSync(log)
      resolve({ code, output, stdout, timedOut, seconds: (performance.now() - started) / 1000 })
    }
    child.once('error', (error) => {
      output += error.message
      finish(127)
    })
    // A grandchild that outlives the program keeps the pipes open, so 'close' alone may never come.
    child.once('exit', (code, signal) => {
      const grace = setTimeout(() => finish(code ?? (signal ? 128 : 1)), 2000)
      child.once('close', () => {
        clearTimeout(grace)
        finish(code ?? (signal ? 128 : 1))
      })
    })
  })
}

/** The trimmed standard output of a quick command, or undefined when it fails. */
export function capture(program, args, env = process.env) {
  const result = spawnSync(program, args, { encoding: 'utf8', env })
  return result.status === 0 ? result.stdout.trim() : undefined
}

const running = new Set()

function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    for (const child of running) endGroup(child)
    process.exit(130)
  })
}
