import { type ChildProcess, spawn } from 'node:child_process'

/** The program that the functions here start. */
export const SCREEN_PROGRAM = '/usr/bin/Xvfb'

/** A screen that nobody sees: headless browsers hide no tab, and WebKit has no headless mode. */
export interface Screen {
  /** The environment of what is to be shown on it. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

/** Starts a screen of its own; whoever starts it closes it. */
export async function startScreen(): Promise<Screen> {
  // It takes a free display and says which.
  const child = spawn(SCREEN_PROGRAM, ['-displayfd', '1', '-screen', '0', '1024x768x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const display = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()))
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`${SCREEN_PROGRAM} ended`)))
  })
  return { env: { DISPLAY: `:${display}` }, close: () => ended(child) }
}

/** Ends a process and waits for that. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill()
  })
}
