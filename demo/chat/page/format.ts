/** Sizes and times as people read them. */

const UNITS = ['B', 'KB', 'MB', 'GB'] as const

export const formatBytes = (bytes: number): string => {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

export const formatTime = (at: number): string => clock.format(at)

/** Bytes per second. */
export const formatRate = (bytes: number): string => (bytes < 0.5 ? 'idle' : `${formatBytes(bytes)}/s`)

const clockWithSeconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export const formatClock = (at: number): string => clockWithSeconds.format(at)

export const formatRtt = (ms: number): string => (ms <= 0 ? '…' : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`)

/** Up to two letters that stand for a name. */
export const initials = (name: string): string => {
  const words = name.split(/\s+/).filter((word) => word !== '')
  const letters = words.slice(0, 2).map((word) => [...word][0] ?? '')
  return letters.join('').toLocaleUpperCase()
}

/** `Ana`, `Ana and Ben`, `Ana, Ben and 2 others`. */
export const listNames = (names: readonly string[]): string => {
  if (names.length <= 1) return names[0] ?? ''
  if (names.length === 2) return names.join(' and ')
  const others = names.length - 2
  return `${names.slice(0, 2).join(', ')} and ${others === 1 ? 'one other' : `${others} others`}`
}
