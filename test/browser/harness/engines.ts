import { existsSync } from 'node:fs'
import { type Browser, chromium, firefox } from 'playwright-core'

/** The browsers that every test of this folder runs in. */
export const ENGINES = ['chromium', 'firefox'] as const
export type EngineName = (typeof ENGINES)[number]

/** What a browser that is installed with the system is called there. */
const INSTALLED: Readonly<Record<EngineName, readonly string[]>> = {
  chromium: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  firefox: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
}
/** No look at the network of its own: tests must mean the same on every machine. */
const CHROMIUM_FLAGS = [
  '--headless=new',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

interface Found {
  readonly path: string
  /** Whether it is the system's, or the one that Playwright downloads. */
  readonly installed: boolean
}

/** Why tests in that browser can't run on this machine, or false. */
export function missing(engine: EngineName): string | false {
  if (find(engine) !== undefined) return false
  return `no ${engine}: install it (Debian: ${engine === 'firefox' ? 'firefox-esr' : engine}) or run npx playwright-core install ${engine}`
}

/** Starts a browser; whoever starts it closes it. */
export function launch(engine: EngineName): Promise<Browser> {
  const found = find(engine)
  if (found === undefined) throw new Error(missing(engine) || '')
  const executablePath = found.path
  if (engine === 'chromium') return chromium.launch({ executablePath, args: CHROMIUM_FLAGS })
  // The system's Firefox is driven by WebDriver BiDi; Playwright's own is patched for its protocol.
  return firefox.launch({ executablePath, ...(found.installed && { channel: 'moz-firefox' }) })
}

/** Starts Chromium by a script that gets its path and arguments, such as one that gives it another network. */
export function launchChromiumBy(script: (path: string) => string): Promise<Browser> {
  const found = find('chromium')
  if (found === undefined) throw new Error(missing('chromium') || '')
  return chromium.launch({ executablePath: script(found.path), args: CHROMIUM_FLAGS })
}

/** What Playwright switches off, so that tabs in the background run as the one in front does. */
const UNTHROTTLED = [
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
]

/**
 * Starts a browser whose hidden tabs have timers that run once a minute. Chromium does that to every user after five minutes, and here after ten
 * seconds; Firefox slows a tab with a WebSocket to one a second, and here to one a minute at once.
 */
export function launchThrottling(engine: EngineName): Promise<Browser> {
  const found = find(engine)
  if (found === undefined) throw new Error(missing(engine) || '')
  const executablePath = found.path
  if (engine === 'chromium') {
    const soon = '--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/10'
    return chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, soon], ignoreDefaultArgs: UNTHROTTLED })
  }
  const firefoxUserPrefs = {
    'dom.min_background_timeout_value': 60_000,
    'dom.min_background_timeout_value_without_budget_throttling': 60_000,
    // Only a page can open a tab beside another one.
    'dom.disable_open_during_load': false,
  }
  return firefox.launch({ executablePath, firefoxUserPrefs, ...(found.installed && { channel: 'moz-firefox' }) })
}

function find(engine: EngineName): Found | undefined {
  const installed = INSTALLED[engine].find((path) => existsSync(path))
  if (installed !== undefined) return { path: installed, installed: true }
  const path = (engine === 'chromium' ? chromium : firefox).executablePath()
  return path !== '' && existsSync(path) ? { path, installed: false } : undefined
}
