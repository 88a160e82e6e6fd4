import { createHash } from 'node:crypto'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { CHAT_ALPN } from '../chat/connection.js'
import { LinkError, parseLink, type RoomLink } from '../chat/link.js'
import { Rate } from '../chat/rate.js'
import { Room } from '../chat/room.js'
import { Downloads } from '../chat/terminal/downloads.js'
import { sourceOf } from '../chat/terminal/offer.js'
import { report } from '../chat/terminal/report.js'
import { type Command, type Context, orAborted, sleep } from '../context.js'
import { CliError, ExitCode, toCliError } from '../exit.js'
import { loadIdentity } from '../key.js'
import { dialingOptions } from '../options.js'
import { withPeer } from '../peer.js'
import { printable } from '../transfer/paths.js'

/** Lines of stdin are said no faster than others take them. */
const LINES_PER_SECOND = 10
const LINE_BURST = 20
const COMMAND = /^\/(\w+)(?:\s+(.*))?$/

const { timeout: _, ...options } = dialingOptions

const linkOf = (text: string): RoomLink => {
  try {
    return parseLink(text)
  } catch (error) {
    if (error instanceof LinkError) throw new CliError(ExitCode.badTicket, error.code, error.message, { cause: error })
    throw error
  }
}

const defaultName = (): string => {
  try {
    return userInfo().username
  } catch {
    // A user without an entry in the system's list.
    return ''
  }
}

/** One line of stdin: a message, or `/file PATH`, `/name NAME`, `/who`. */
const obey = async ({ output }: Context, room: Room, line: string): Promise<void> => {
  const [, word, rest = ''] = COMMAND.exec(line) ?? []
  if (word === undefined) {
    if (line.trim() !== '') room.say(line)
  } else if (word === 'file') {
    room.offer(await sourceOf(rest.trim()))
  } else if (word === 'name') {
    room.rename(rest)
  } else if (word === 'who') {
    for (const { name, state, path } of room.members) {
      const over = path === undefined ? '' : `, ${path.kind} ${path.rttMs.toFixed(1)} ms`
      output.result(`${printable(name)}: ${state}${over}`)
    }
  } else {
    output.warn(`there is no /${word}; there are /file PATH, /name NAME, /who and /quit`)
  }
}

/** Says what comes on stdin until it ends, or `/quit`; a line that fails is told, and the next one is read. */
const talk = async (context: Context, room: Room): Promise<'quit' | 'end'> => {
  const { stdin, signal, output } = context
  const rate = new Rate(LINES_PER_SECOND, LINE_BURST)
  for await (const line of createInterface({ input: stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    await sleep(rate.take(), signal)
    try {
      if (line.trim() === '/quit') return 'quit'
      await obey(context, room, line)
    } catch (error) {
      const { code, message } = toCliError(error)
      output.event('refused', { code, message })
      output.warn(message)
    }
  }
  return 'end'
}

const never = (signal: AbortSignal): Promise<never> => orAborted(new Promise<never>(() => undefined), signal)

export const chatCommand: Command = {
  spec: {
    name: 'chat',
    summary: 'join a chat room by its link',
    usage: '[options] <link>',
    description: [
      'Joins the room of a link that the chat page or "npm start" gave, and prints what is said. Lines of stdin are said; ' +
        '"/file PATH" offers a file, "/name NAME" changes the name, "/who" lists who is there, "/quit" leaves. Ctrl-C leaves too. ' +
        'At the end of stdin it stays, and goes on printing.',
      'With --json every event is a line: joined, member, message, upload, file. With --save, files that others offer are ' +
        'fetched into a folder, and never outside of it; an existing file is never replaced.',
    ],
    options: {
      name: { type: 'string', value: 'NAME', help: 'how others see you (default: your user name)' },
      save: { type: 'string', value: 'DIR', help: 'fetch what others offer into this folder' },
      'quit-at-end': { type: 'boolean', help: 'leave at the end of stdin' },
      ...options,
    },
    positionals: [1, 1],
    examples: ["anypath chat 'http://127.0.0.1:4000/#relay=…&room=…'", "anypath chat --json --save inbox '<link>'"],
  },
  run: async (context) => {
    const { values, output, signal } = context
    const link = linkOf(values.argument(0))
    const folder = values.text('save')
    // A key for once, so that one user can be in a room twice, and is not the same in two rooms.
    const identity = await loadIdentity(values.text('key'), context.env, 'fresh')
    const relays = link.relay === undefined ? [] : [link.relay]
    await withPeer(context, { alpns: [CHAT_ALPN], identity, relays }, async (peer) => {
      const newSha256 = () => createHash('sha256')
      const room = await Room.join({ peer, link, name: values.text('name') ?? defaultName(), newSha256 })
      room.on(report(output, room))
      peer.on('relay', ({ url, state, detail }) => {
        output.event('relay', { url, state, detail: detail ?? null })
        // The ticket holds the relay only while it is connected, so the announcement has to follow.
        if (state === 'connected') room.refresh()
      })
      if (folder !== undefined) {
        const downloads = new Downloads(room, output, resolve(folder), signal)
        room.on((event) => event.type === 'entry' && downloads.take(event.entry))
      }
      output.event('joined', { id: room.id, name: room.name })
      output.note(`* joined as ${room.name}; Ctrl-C leaves`)
      try {
        const how = await orAborted(talk(context, room), signal)
        if (how === 'end' && !values.flag('quit-at-end')) await never(signal)
      } finally {
        await room.leave()
        output.event('left')
      }
    })
  },
}
