/** One line about how things stand, when there is something to say. It says what is, not what one would like. */
import type { MemberView } from '../../../src/cli/chat/member.js'
import { setText } from './dom.js'
import { listNames } from './format.js'

export interface Situation {
  /** How the relay is: `connected` is the good one. `undefined` where there is no relay. */
  readonly relay: string | undefined
  /** Why the page's server could not be asked for members. */
  readonly rendezvous: string | undefined
  readonly members: readonly MemberView[]
}

export const statusOf = ({ relay, rendezvous, members }: Situation): string => {
  const away = members.filter(({ state }) => state === 'reconnecting' || state === 'silent').map(({ name }) => name)
  if (relay === 'connecting' || relay === 'authenticating') return 'Connecting to the relay…'
  if (relay !== undefined && relay !== 'connected') {
    return 'The relay can’t be reached. Trying again; messages wait until then.'
  }
  if (away.length > 0) return `Reconnecting with ${listNames(away)}…`
  if (rendezvous !== undefined) {
    return `New people can’t find this room just now (${rendezvous}). Those who are here stay connected.`
  }
  return ''
}

export const showStatus = (line: HTMLElement, situation: Situation): void => {
  const text = statusOf(situation)
  setText(line, text)
  line.classList.toggle('shown', text !== '')
}
