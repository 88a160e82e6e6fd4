/** What happens in a room, as lines for a person and as JSON lines for a program. */
import { formatBytes } from '../../format.js'
import type { Output } from '../../output.js'
import { printable } from '../../transfer/paths.js'
import type { Room, RoomEvent } from '../room.js'
import type { Entry } from '../timeline.js'

const presenceTexts: Readonly<Record<string, string>> = {
  connected: 'is here',
  reconnecting: 'was lost; reconnecting',
  left: 'left',
  lost: 'can not be reached any more',
}

const round = (ms: number): number => Number(ms.toFixed(2))

/** One line of a conversation: every line of a text is printed with its control characters escaped. */
const lineOf = ({ name, body }: Entry): string => {
  const author = printable(name)
  if (body.type === 'file') return `<${author}> offers ${printable(body.name)}, ${formatBytes(body.sizeBytes)}`
  const lines = body.text.split('\n').flatMap((line) => chunksOf(line, 200))
  return lines.map((line, i) => (i === 0 ? `<${author}> ${printable(line)}` : `    ${printable(line)}`)).join('\n')
}

/** `printable` cuts what is longer than a terminal line should be. */
const chunksOf = (text: string, length: number): string[] =>
  Array.from({ length: Math.max(1, Math.ceil(text.length / length)) }, (_, i) =>
    text.slice(i * length, (i + 1) * length),
  )

/** Tells the events of a room as they come. */
export const report = (output: Output, room: Room): ((event: RoomEvent) => void) => {
  let failure: string | undefined
  return (event) => {
    switch (event.type) {
      case 'presence': {
        const { id, name, state, path } = event.member
        const shown = path && { kind: path.kind, rttMs: round(path.rttMs) }
        output.event('member', { id, name, state, was: event.was ?? null, path: shown ?? null })
        const text = event.was === 'silent' && state === 'connected' ? undefined : presenceTexts[state]
        if (text !== undefined) output.note(`* ${printable(name)} ${text}${path === undefined ? '' : `, ${path.kind}`}`)
        return
      }
      case 'entry': {
        const { key, author, name, at, direct, body } = event.entry
        const own = author === room.id
        output.event('message', { key, author, name, at, direct, own, ...body })
        if (!own) output.result(lineOf(event.entry))
        return
      }
      case 'upload': {
        const { to, state, sentBytes, totalBytes } = event.upload
        if (state === 'sending') return
        output.event('upload', { to, state, sentBytes, totalBytes })
        output.note(`* a file ${state === 'done' ? 'was fetched' : 'was not fetched to its end'}`)
        return
      }
      case 'rendezvous':
        // Told when it changes, not every few seconds.
        if (event.failure === failure) return
        failure = event.failure
        output.event('rendezvous', { failure: failure ?? null })
        output.note(failure === undefined ? '* looking for others' : `* ${printable(failure)}; trying again`)
        return
    }
  }
}
