/** The help text, made from the commands' declarations. */
import type { CommandSpec, OptionSpecs } from './args.js'
import { exitCodeMeanings } from './exit.js'
import { commonOptions } from './options.js'

const width = 80

/** Breaks a text into lines of at most 80 columns, each behind an indent. */
const wrap = (text: string, indent: string): string => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line].map((one) => indent + one).join('\n')
}

const table = (rows: readonly (readonly [string, string])[]): string => {
  const column = Math.max(...rows.map(([left]) => left.length)) + 4
  const indent = ' '.repeat(column)
  return rows.map(([left, right]) => `  ${left}`.padEnd(column) + wrap(right, indent).trimStart()).join('\n')
}

const optionRows = (options: OptionSpecs): (readonly [string, string])[] =>
  Object.entries(options).map(([name, { short, value, help }]) => [
    `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
    help,
  ])

/** `Usage: anypath send [options] <file or folder…>`. */
export const usageLine = ({ name, usage }: CommandSpec): string => `Usage: anypath ${name} ${usage}`

/** What `anypath <command> --help` prints. */
export const commandHelp = (spec: CommandSpec): string =>
  [
    usageLine(spec),
    ...spec.description.map((paragraph) => wrap(paragraph, '')),
    `Options:\n${table(optionRows({ ...spec.options, ...commonOptions }))}`,
    `Examples:\n${spec.examples.map((example) => `  ${example}`).join('\n')}`,
  ].join('\n\n')

/** What `anypath --help` prints. */
export const generalHelp = (specs: readonly CommandSpec[]): string =>
  [
    'Usage: anypath <command> [options]',
    wrap('Dial a public key, get one end-to-end encrypted QUIC connection, over whichever path works.', ''),
    `Commands:\n${table(specs.map(({ name, summary }) => [name, summary]))}`,
    `Options:\n${table([
      ['-h, --help', 'print this text; "anypath <command> --help" explains a command'],
      ['-V, --version', 'print the version'],
    ])}`,
    `Exit codes:\n${table(exitCodeMeanings.map(([code, meaning]) => [String(code).padStart(3), meaning]))}`,
    `Environment:\n${table([
      ['ANYPATH_SECRET_KEY', 'secret key, hexadecimal or base32; --key goes first'],
      ['ANYPATH_RELAYS', 'relays, divided by commas; --relay goes first'],
      ['ANYPATH_STUN', 'STUN servers, divided by commas; --stun goes first'],
      ['XDG_CONFIG_HOME', 'folder of anypath/secret.key and anypath/config.json (default ~/.config)'],
      ['XDG_STATE_HOME', 'folder of what "anypath send" keeps (default ~/.local/state)'],
      ['NO_COLOR', 'no colours'],
    ])}`,
  ].join('\n\n')
