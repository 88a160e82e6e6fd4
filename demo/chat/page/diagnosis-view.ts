/** Why messages go over the relay: what the peer finds out about this browser and its network, in words. */
import type { Diagnosis, RemoteVerdict } from 'anypath'
import { byId, el, setText } from './dom.js'
import { formatRtt } from './format.js'

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const REMOTE_TEXT: Readonly<Record<RemoteVerdict['remote'], string>> = {
  open: 'an open network',
  'address-restricted': 'a NAT that filters by address',
  'port-restricted': 'a usual home router',
  'symmetric-sequential': 'a symmetric NAT, in sequence',
  symmetric: 'a symmetric NAT',
  'udp-blocked': 'a network without UDP',
}

const OUTCOME_TEXT: Readonly<Record<RemoteVerdict['outcome'], string>> = {
  direct: 'direct',
  predicted: 'direct, by prediction',
  'many-ports': 'direct, by luck',
  relayed: 'over the relay',
  unreachable: 'not reachable',
  unknown: 'can’t be told',
}

const ACCESS_TEXT = {
  granted: 'allowed',
  denied: 'denied',
  prompt: 'the browser asks when it is wanted',
  unknown: 'this browser does not tell',
} as const

/** The sentence that answers the question. */
export function verdictOf({ udp, ipv4, ipv6, browser, relays }: Diagnosis): string {
  const nat = ipv4 ?? ipv6
  if (browser?.support.webRtc === false) return 'This browser has no WebRTC, so everything goes over the relay.'
  if (udp === 'blocked') return 'This network lets no UDP out, so everything goes over the relay.'
  if (udp === 'unknown')
    return relays.some(({ connected }) => connected)
      ? 'The relay answers, but nobody could be asked over UDP. Direct paths may work on this network, and can’t be foretold.'
      : 'Neither the relay nor a server answers. Is there a network?'
  if (nat?.kind === 'symmetric')
    return 'Your router shows every destination another port (a symmetric NAT). You are direct only with people in open networks, and relayed with most others.'
  if (nat?.mapping === 'endpoint-independent')
    return 'Your network is fine for direct paths. Whoever is relayed with you is behind a stricter router or a firewall.'
  return 'UDP gets out, so direct paths work with most people. With one server to ask, no more can be told about your router.'
}

/** Opens a dialog, asks, and shows what was found. */
export async function showDiagnosis(diagnose: (signal: AbortSignal) => Promise<Diagnosis>): Promise<void> {
  const dialog = byId<HTMLDialogElement>('diagnosis')
  const content = byId('diagnosis-content')
  const verdict = byId('diagnosis-verdict')
  if (dialog.open) return
  const over = new AbortController()
  dialog.addEventListener('close', () => over.abort(), { once: true })
  content.replaceChildren()
  setText(verdict, 'Asking the browser, the relay and its servers…')
  dialog.showModal()
  try {
    const diagnosis = await diagnose(over.signal)
    setText(verdict, verdictOf(diagnosis))
    content.replaceChildren(...sections(diagnosis))
  } catch (error) {
    if (!over.signal.aborted) setText(verdict, `That could not be found out: ${messageOf(error)}.`)
  }
}

function sections(diagnosis: Diagnosis): HTMLElement[] {
  const { remotes, findings } = diagnosis
  const outcomes = remotes.map(({ remote, outcome }) => [REMOTE_TEXT[remote], OUTCOME_TEXT[outcome], outcome] as const)
  // What every browser does to every page is no news.
  const notes = findings
    .filter(({ code }) => code !== 'addresses-hidden')
    .map(({ message }) => el('li', {}, `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`))
  return [
    section('What was found', facts(found(diagnosis))),
    section('With people behind', facts(outcomes, 'facts outcomes')),
    ...(notes.length === 0 ? [] : [section('Notes', el('ul', { class: 'diagnosis-notes' }, ...notes))]),
  ]
}

const section = (title: string, content: HTMLElement): HTMLElement =>
  el('section', { class: 'diagnosis-section' }, el('h3', {}, title), content)

const facts = (rows: readonly (readonly [string, string, string?])[], name = 'facts'): HTMLElement =>
  el(
    'dl',
    { class: name },
    ...rows.flatMap(([term, value, outcome]) => [el('dt', {}, term), el('dd', { 'data-outcome': outcome }, value)]),
  )

function found({ udp, ipv4, ipv6, relays, stunServers, browser }: Diagnosis): [string, string][] {
  const nat = ipv4 ?? ipv6
  const rows: [string, string][] = [['UDP', udp === 'unknown' ? 'not known' : udp]]
  if (nat !== undefined)
    rows.push(['Router', nat.kind === 'unknown' ? 'not known' : nat.kind], ['Seen as', nat.addresses.join(', ')])
  for (const { url, connected, rttMs } of relays)
    rows.push(['Relay', `${new URL(url).host}, ${connected ? rtt(rttMs) : 'not connected'}`])
  for (const { host, port, mapped, rttMs } of stunServers)
    rows.push(['STUN', `${host}:${port}, ${mapped === undefined ? 'no answer' : rtt(rttMs)}`])
  if (browser !== undefined) rows.push(['Local network', ACCESS_TEXT[browser.localNetwork.local]])
  return rows
}

const rtt = (ms: number | undefined): string => (ms === undefined ? 'answers' : formatRtt(ms))
