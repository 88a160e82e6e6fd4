/** Options that several commands share. */
import type { OptionSpecs } from './args.js'

export const commonOptions: OptionSpecs = {
  json: { type: 'boolean', help: 'print one JSON object per line instead of text' },
  quiet: { type: 'boolean', short: 'q', help: 'print only results, warnings and errors' },
  verbose: { type: 'boolean', short: 'v', help: 'print log records, as --log-level info' },
  'log-level': { type: 'string', value: 'LEVEL', help: 'print log records: error, warn, info, debug or trace' },
  'no-color': { type: 'boolean', help: 'no colours; the environment variable NO_COLOR does the same' },
  help: { type: 'boolean', short: 'h', help: 'print this text' },
}

const keyOption: OptionSpecs = {
  key: { type: 'string', value: 'FILE', help: 'secret key file; made when it does not exist' },
}

const networkOptions: OptionSpecs = {
  relay: {
    type: 'string',
    multiple: true,
    value: 'URL',
    help: 'be reached at, and reach others over, this relay; may be repeated (default: ANYPATH_RELAYS, or the configuration file)',
  },
  'no-lan': {
    type: 'boolean',
    help: 'do not look for peers on the local network, nor tell it the id and addresses of one that listens; the environment variable ANYPATH_LAN=off does the same',
  },
  lan: { type: 'boolean', help: 'use the local network whatever ANYPATH_LAN says, and say when that does not work' },
  stun: {
    type: 'string',
    multiple: true,
    value: 'HOST:PORT',
    help: 'ask a STUN server for the public address, so that peers behind NATs find a direct path; may be repeated; "none" asks nobody (default: ANYPATH_STUN, the configuration file, or the relays)',
  },
  'no-port-mapping': {
    type: 'boolean',
    help: 'do not ask the router to forward a port; the environment variable ANYPATH_PORT_MAPPING=off does the same',
  },
  qlog: { type: 'string', value: 'DIR', help: "write each connection's qlog into a folder" },
  stats: { type: 'boolean', help: 'print counters of the connection at the end' },
  'idle-timeout': { type: 'string', value: 'TIME', help: 'give a silent connection up after this time (default 30s)' },
}

/** For commands that wait for others. */
export const listeningOptions: OptionSpecs = {
  bind: {
    type: 'string',
    value: 'ADDRESS',
    help: 'UDP address to listen on: HOST, HOST:PORT or :PORT (default: all interfaces, a free port)',
  },
  ...keyOption,
  ...networkOptions,
}

/** For commands that dial. */
export const dialingOptions: OptionSpecs = {
  bind: {
    type: 'string',
    value: 'ADDRESS',
    help: 'local UDP address: HOST, HOST:PORT or :PORT (default: any, a free port)',
  },
  key: {
    type: 'string',
    value: 'FILE',
    help: 'secret key file; made when it does not exist (default: a key for once)',
  },
  timeout: { type: 'string', value: 'TIME', help: 'give up dialling after this time (default 10s)' },
  ...networkOptions,
}

/** As dumbpipe has it. */
export const pipeOptions: OptionSpecs = {
  'custom-alpn': {
    type: 'string',
    value: 'ALPN',
    help: 'another protocol, "utf8:" and text or hexadecimal; then no handshake is sent or expected',
  },
}
