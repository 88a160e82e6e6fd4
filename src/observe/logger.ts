/** What a record carries besides its message; values are kept flat so that any logger can print them. */
export type LogFields = Readonly<Record<string, string | number | boolean>>

/** Where log records go. `console`, pino and winston's child loggers fit, or are a line away from it. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}
