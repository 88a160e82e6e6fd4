import { InvalidConfigError } from '../errors/index.js'
import { isRecord, oneOf, wrong } from './expect.js'

/** The methods that each injected part has to have; the documentation of its interface says what they do. */
const METHODS = {
  logger: ['debug', 'info', 'warn', 'error'],
  meter: [
    'createCounter',
    'createHistogram',
    'createUpDownCounter',
    'createObservableGauge',
    'createObservableCounter',
  ],
  tracer: ['startSpan'],
  clock: ['now', 'epochMs', 'setTimeout', 'clearTimeout', 'setImmediate'],
} as const

const CODE = 'the code of a core: compiled, as bytes, as a response, or where to fetch it'
const CODE_TAGS = new Set(['WebAssembly.Module', 'ArrayBuffer', 'Uint8Array', 'URL', 'Response'])
const TRANSPORT_METHODS = ['start', 'localAddresses', 'send', 'close']
const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const
const HOOKS = ['address', 'connection', 'session']

/**
 * Checks the injected parts of a peer's options: a part without a method would else fail where nobody expects it, in the middle of a
 * connection. What is left out is not looked at.
 *
 * @throws InvalidConfigError naming the field, what it has to be, and what it is.
 */
export function checkInjected(options: unknown): void {
  if (!isRecord(options)) throw wrong('options', 'an object', options)
  for (const [field, names] of Object.entries(METHODS)) {
    if (options[field] !== undefined) methods(field, options[field], names)
  }
  const { core, transports, discovery, accept, qlog, logLevel, randomBytes } = options
  if (core !== undefined) program(core)
  if (transports !== undefined) each('transports', transports, transport)
  if (discovery !== undefined) each('discovery', discovery, lookup)
  if (accept !== undefined) hooks(accept)
  if (qlog !== undefined && typeof qlog !== 'function' && (typeof qlog !== 'string' || qlog === '')) {
    throw wrong('qlog', 'a function or the name of a folder', qlog)
  }
  if (logLevel !== undefined) oneOf('logLevel', logLevel, LOG_LEVELS)
  if (randomBytes !== undefined) callable('randomBytes', randomBytes)
}

function program(value: unknown): void {
  if (!isRecord(value)) throw wrong('core', CODE, value)
  if ('createGlue' in value) {
    callable('core.createGlue', value.createGlue)
    if (value.wasm === undefined) throw wrong('core.wasm', `${CODE}, or a function that finds it`, undefined)
    return
  }
  // By their tags, so that what another realm has compiled or fetched is known too.
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1)
  if (!CODE_TAGS.has(tag) && typeof value.then !== 'function') throw wrong('core', CODE, value)
}

function transport(field: string, value: unknown): void {
  methods(field, value, TRANSPORT_METHODS)
  const { kind } = value as { kind?: unknown }
  if (typeof kind !== 'string') throw wrong(`${field}.kind`, 'a text', kind)
}

function lookup(field: string, value: unknown): void {
  methods(field, value, ['lookup'])
  const { name } = value as { name?: unknown }
  if (typeof name !== 'string') throw wrong(`${field}.name`, 'a text', name)
}

function hooks(value: unknown): void {
  if (!isRecord(value)) throw wrong('accept', 'an object', value)
  for (const [name, hook] of Object.entries(value)) {
    if (!HOOKS.includes(name)) throw new InvalidConfigError(`accept.${name}: there is no such hook`)
    if (hook !== undefined) callable(`accept.${name}`, hook)
  }
}

function each(field: string, value: unknown, check: (field: string, value: unknown) => void): void {
  if (!Array.isArray(value)) throw wrong(field, 'an array', value)
  // Not `forEach`, which skips holes.
  for (let i = 0; i < value.length; i++) check(`${field}[${i}]`, value[i])
}

/** Instances of classes have their methods on the prototype, and some loggers are functions. */
function methods(field: string, value: unknown, names: readonly string[]): void {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    throw wrong(field, `an object with the methods ${names.join(', ')}`, value)
  }
  for (const name of names) callable(`${field}.${name}`, (value as Record<string, unknown>)[name])
}

function callable(field: string, value: unknown): void {
  if (typeof value !== 'function') throw wrong(field, 'a function', value)
}
