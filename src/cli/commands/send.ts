import type { Peer, Ticket } from '../../entry/node.js'
import { parseBind } from '../args.js'
import { type Command, type Context, orAborted } from '../context.js'
import { CliError, ExitCode, toCliError } from '../exit.js'
import { formatBytes, plural } from '../format.js'
import { type Identity, loadIdentity } from '../key.js'
import { listeningOptions } from '../options.js'
import { withPeer } from '../peer.js'
import { pingAlpn } from '../ping/echo.js'
import { type Manifest, scanManifest } from '../transfer/manifest.js'
import { transferAlpn } from '../transfer/protocol.js'
import { SendService } from '../transfer/send-service.js'
import { newSecret, readSendState, type SendState, sendStateFile, writeSendState } from '../transfer/send-state.js'
import { formatTransferTicket } from '../transfer/ticket.js'

interface Kept {
  readonly file: string
  readonly state: SendState | undefined
  readonly secret: Uint8Array
}

/** The port and secret of the same send before, unless a new ticket is wanted. */
const keptState = async ({ values, env }: Context, { id }: Identity): Promise<Kept> => {
  const file = await sendStateFile(env, id, values.positionals)
  const state = values.flag('new-ticket') ? undefined : await readSendState(file)
  return { file, state, secret: state?.secret ?? newSecret() }
}

const boundPort = ({ addresses }: Ticket): number | undefined =>
  addresses.flatMap((address) => (address.kind === 'ip' ? [address.port] : []))[0]

const tellManifest = ({ output }: Context, { files, folders, totalBytes, skipped }: Manifest): void => {
  output.event('offering', { files, folders, totalBytes, skipped })
  const inFolders = folders === 0 ? '' : ` in ${plural(folders, 'folder')}`
  output.note(`Offering ${plural(files, 'file')}${inFolders}, ${formatBytes(totalBytes)}.`)
  for (const { path, reason } of skipped.slice(0, 5)) output.warn(`${path} is ${reason}, and is not sent`)
  if (skipped.length > 5) output.warn(`and ${skipped.length - 5} more that are not sent`)
}

const offer = async (context: Context, peer: Peer, { file, state, secret }: Kept): Promise<void> => {
  const { values, output, signal } = context
  const endpoint = await peer.ticket()
  const port = boundPort(endpoint)
  if (port !== undefined && (state === undefined || state.port !== port)) await writeSendState(file, { port, secret })
  const ticket = formatTransferTicket({ secret, endpoint: endpoint.toString() })
  output.event('ticket', { ticket, id: peer.id, port: port ?? null, kept: state !== undefined })
  output.note('Whoever has this ticket can receive the files while this command runs. To receive them:')
  output.result(`anypath receive ${ticket}`)
  const once = values.flag('once')
  output.note(once ? 'Waiting for one receiver.' : 'Serving until Ctrl-C. Started again, it has the same ticket.')
  const service = new SendService(context, peer, secret)
  try {
    await orAborted(service.run({ once }), signal)
  } finally {
    service.stop()
  }
}

const portTaken = (error: unknown, port: number): CliError =>
  new CliError(
    ExitCode.localIo,
    'AddressInUse',
    `UDP port ${port}, which the ticket of this send names, is in use: perhaps by another "anypath send" of the same files; ` +
      'stop that one, or use --new-ticket',
    { cause: error },
  )

export const sendCommand: Command = {
  spec: {
    name: 'send',
    summary: 'offer files and folders to whoever has the ticket',
    usage: '[options] <file or folder…>',
    description: [
      'Prints a ticket and serves the files to every "anypath receive" that shows it, until Ctrl-C. The ticket holds a secret; ' +
        'nothing, not even a name, is told to those who do not have it.',
      'The same files sent again with the same key have the same ticket: the port and the secret are kept in ' +
        '$XDG_STATE_HOME/anypath (~/.local/state/anypath). So a receiver goes on where it was when the sender is started again.',
      'Symbolic links inside of folders are not followed and not sent. A file that changes while it is being sent fails for ' +
        'the receiver, with a message that says so.',
    ],
    options: {
      once: { type: 'boolean', help: 'end after the first receiver that has everything' },
      'new-ticket': { type: 'boolean', help: 'make the ticket of before worthless, and another one' },
      ...listeningOptions,
    },
    positionals: [1, 10_000],
    examples: ['anypath send holiday.mp4', 'anypath send --once photos notes.txt'],
  },
  run: async (context) => {
    const { values, env, signal } = context
    tellManifest(context, await scanManifest(values.positionals, signal))
    const identity = await loadIdentity(values.text('key'), env)
    const kept = await keptState(context, identity)
    const chosen = values.text('bind') === undefined ? undefined : parseBind(values.text('bind') ?? '').port
    const port = chosen ?? kept.state?.port
    const needs = { alpns: [transferAlpn, pingAlpn], identity, ...(port === undefined ? {} : { port }) }
    try {
      await withPeer(context, needs, (peer) => offer(context, peer, kept))
    } catch (error) {
      if (toCliError(error).code === 'AddressInUse' && chosen === undefined && port !== undefined)
        throw portTaken(error, port)
      throw error
    }
  },
}
