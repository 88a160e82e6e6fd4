#!/usr/bin/env node
/** The `anypath` command: finds the command, runs it, and turns its end into an exit code. */
import { readFileSync } from 'node:fs'
import { parseCommand } from './args.js'
import { commands } from './commands/index.js'
import type { Command } from './context.js'
import { type CliError, ExitCode, Interrupted, ReaderGone, toCliError, UsageError } from './exit.js'
import { commandHelp, generalHelp, usageLine } from './help.js'
import { commonOptions } from './options.js'
import { Output, wantsColor } from './output.js'

const { stdin, stdout, stderr, env, argv } = process

const outputFor = (command: Command | undefined, args: readonly string[]): Output => {
  // Looked at before parsing, so that a usage error has the right form too.
  const given = (name: string): boolean => args.slice(0, [...args, '--'].indexOf('--')).includes(name)
  return new Output({
    stdout,
    stderr,
    json: given('--json'),
    jsonTo: command?.stdoutIsData === true ? 'stderr' : 'stdout',
    quiet: given('--quiet') || given('-q'),
    verbose: given('--verbose') || given('-v'),
    color: wantsColor(stderr, env, given('--no-color')),
  })
}

const version = (): string => {
  const { version: text } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String(text)
}

/** Everything has to be written before the process ends; a pipe may still be taking it. */
const exit = (code: ExitCode): void => {
  process.exitCode = code
  stdin.destroy()
  stdout.write('', () => stderr.write('', () => process.exit(code)))
  // A reader that never takes it must not keep the process.
  setTimeout(() => process.exit(code), 1_000).unref()
}

const stackOf = ({ cause, stack }: CliError): string => String(cause instanceof Error ? cause.stack : stack)

const tellFailure = (output: Output, error: CliError, spec?: Command['spec']): ExitCode => {
  const { exitCode, code, message } = error
  output.event('error', { code, exitCode, message })
  if (exitCode === ExitCode.interrupted) output.note(message)
  else output.error(message)
  if (error instanceof UsageError) {
    output.usage(spec === undefined ? 'Usage: anypath <command> [options]' : usageLine(spec))
    output.usage(`Try "anypath ${spec === undefined ? '' : `${spec.name} `}--help".`)
  }
  // An error that has no exit code of its own is one of the program: say where it is.
  if (exitCode === ExitCode.failed && output.verbose) output.log(stackOf(error))
  return exitCode
}

/** The first Ctrl-C closes what is open, the second ends the process at once. An output without a reader is like a Ctrl-C. */
const interruptible = (output: Output, stdoutIsData = false): AbortSignal => {
  const controller = new AbortController()
  if (!stdoutIsData) {
    stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'EPIPE') controller.abort(new ReaderGone())
    })
  }
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(ExitCode.interrupted)
    output.note('closing; Ctrl-C again ends at once')
    controller.abort(new Interrupted())
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal)
  return controller.signal
}

const runCommand = async (command: Command, args: readonly string[], output: Output): Promise<ExitCode> => {
  const { spec } = command
  try {
    const values = parseCommand(spec, { ...spec.options, ...commonOptions }, args)
    if (values.flag('help')) {
      stdout.write(`${commandHelp(spec)}\n`)
      return ExitCode.ok
    }
    const signal =
      command.handlesSignals === true ? new AbortController().signal : interruptible(output, command.stdoutIsData)
    await command.run({ values, output, env, stdin, stdout, signal })
    return ExitCode.ok
  } catch (error) {
    return tellFailure(output, toCliError(error), spec)
  }
}

const main = async ([first, ...rest]: readonly string[]): Promise<ExitCode> => {
  const asked = first === 'help' && rest[0] !== undefined ? rest[0] : first
  const command = commands.find(({ spec }) => spec.name === asked)
  const output = outputFor(command, rest)
  const guard = (error: unknown): void => exit(tellFailure(output, toCliError(error), command?.spec))
  process.on('unhandledRejection', guard)
  process.on('uncaughtException', guard)
  for (const stream of [stdout, stderr]) stream.on('error', () => undefined)
  if (command !== undefined) return runCommand(command, first === 'help' ? ['--help'] : rest, output)
  if (first === '--version' || first === '-V') {
    stdout.write(`${version()}\n`)
    return ExitCode.ok
  }
  if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    stdout.write(`${generalHelp(commands.map(({ spec }) => spec))}\n`)
    return ExitCode.ok
  }
  const message = first === undefined ? 'a command is missing' : `there is no command "${asked}"`
  return tellFailure(output, toCliError(new UsageError(message)))
}

main(argv.slice(2)).then(exit, (error: unknown) => exit(tellFailure(outputFor(undefined, []), toCliError(error))))
