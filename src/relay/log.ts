/** What a record carries besides its message. */
export type RelayLogFields = Readonly<Record<string, string | number | boolean>>

/** Where a relay's log records go; `console`, and the loggers of peers, fit. */
export interface RelayLogger {
  debug(message: string, fields?: RelayLogFields): void
  info(message: string, fields?: RelayLogFields): void
  warn(message: string, fields?: RelayLogFields): void
  error(message: string, fields?: RelayLogFields): void
}

const nothing = (): void => undefined

export const silent: RelayLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** The first five bytes of a key in hexadecimal: enough to tell endpoints apart. */
export const shortId = (key: Uint8Array): string => Buffer.from(key.subarray(0, 5)).toString('hex')
