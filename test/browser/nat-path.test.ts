// time limit: 600 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import type * as Anypath from '../../src/index.js'
import { laboratoryMissing } from '../natlab/hosts.js'
import { Laboratory, type LaboratoryOptions, SERVERS } from '../natlab/laboratory.js'
import type { NatKind, SiteKind } from '../natlab/nat-rules.js'
import { LabRelay, STUN_PORT } from '../natlab/participants.js'
import {
  channelStats,
  dialTab,
  pathsOfTab,
  receiveInTab,
  sendInTab,
  serveTab,
  watchPeerConnections,
} from './harness/channel.js'
import { missing } from './harness/engines.js'
import { LabPages } from './harness/lab-pages.js'
import { userProject } from './harness/package.js'
import { until } from './harness/relayed.js'

const FILE_BYTES = 4 << 20
const LONG_FILE_BYTES = 16 << 20

/** The laboratory's relay that answers STUN where `anypath relay` does by default. */
const RELAY = 2

/** How long a pair that can't be direct is watched. */
const WATCH_MS = 6000

/** Behind which NATs a page dials another one, and how they meet in the end. */
const PAIRS: readonly (readonly [SiteKind, SiteKind, 'webrtc' | 'relay'])[] = [
  ['none', 'none', 'webrtc'],
  ['linux', 'linux', 'webrtc'],
  ['portrestricted', 'portrestricted', 'webrtc'],
  ['symmetric', 'fullcone', 'webrtc'],
  ['none', 'symmetric', 'webrtc'],
  ['symmetric', 'symmetric', 'relay'],
  ['udpblock', 'portrestricted', 'relay'],
]

/** What happens to the network of the page that has dialled. */
const CHANGES: readonly (readonly [
  string,
  (laboratory: Laboratory) => Promise<unknown>,
  { readonly cellular?: NatKind },
])[] = [
  ['its NAT reboots', (laboratory) => laboratory.reboot('ra'), {}],
  ['from Wi-Fi to cellular', (laboratory) => laboratory.handover('cell'), { cellular: 'portrestricted' }],
]

/** What a page's diagnosis says of a kind, and what becomes of it with a port-restricted NAT, as among PAIRS. */
const CLAIMS = [
  ['linux', 'cone', 'endpoint-independent', 'direct'],
  ['symmetric', 'symmetric', 'dependent', 'relayed'],
] as const

declare const anypath: typeof Anypath

/** Runs in a page. */
async function diagnoseInPage({
  relay,
  servers,
}: {
  relay: string
  servers: readonly string[]
}): Promise<Anypath.Diagnosis> {
  const peer = await anypath.Peer.create({ relays: [relay], webRtc: { iceServers: [{ urls: servers }] } })
  try {
    return await peer.diagnose()
  } finally {
    await peer.close()
  }
}

interface Meeting extends AsyncDisposable {
  readonly laboratory: Laboratory
  readonly relay: LabRelay
  readonly dialler: Page
  readonly server: Page
}

/** A page has dialled another one over the relay. */
async function meet(options: LaboratoryOptions): Promise<Meeting> {
  const laboratory = await Laboratory.start(options)
  const pages = new LabPages(laboratory, await userProject())
  const close = async () => {
    await pages[Symbol.asyncDispose]()
    await laboratory.end()
  }
  try {
    const relay = await LabRelay.start(laboratory, RELAY)
    const [dialler, server] = await Promise.all([pages.open('ca'), pages.open('cb')])
    for (const page of [dialler, server]) await page.evaluate(watchPeerConnections, {})
    const ticket = await server.evaluate(serveTab, { relay: relay.url })
    const { kind } = await dialler.evaluate(dialTab, { relay: relay.url, ticket })
    assert.equal(kind, 'relay')
    return { laboratory, relay, dialler, server, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

const bothUse =
  ({ dialler, server }: Meeting, kind: string) =>
  async () => {
    const tabs = await Promise.all([dialler, server].map((page) => page.evaluate(pathsOfTab)))
    return tabs.every(({ kinds: [used] }) => used === kind)
  }

async function transfer({ dialler, server }: Meeting, bytes: number): Promise<void> {
  const received = server.evaluate(receiveInTab)
  const sent = await dialler.evaluate(sendInTab, bytes)
  assert.equal((await received).hash, sent)
}
describe('pages behind NATs', { skip: laboratoryMissing() || missing('chromium'), concurrency: 2 }, () => {
  for (const [dialling, accepting, expected] of PAIRS) {
    test(`${dialling} dials ${accepting}: ${expected}`, { timeout: 120_000 }, async () => {
      await using meeting = await meet({ sites: { a: dialling, b: accepting } })
      const direct = until('both are direct', bothUse(meeting, 'webrtc'), expected === 'webrtc' ? 30_000 : WATCH_MS)
      const directMs = await direct.catch(() => undefined)
      assert.equal(directMs !== undefined, expected === 'webrtc')
      if (directMs !== undefined)
        console.log(`# ${dialling} dials ${accepting}: direct after ${directMs.toFixed(0)} ms`)
      const before = await meeting.relay.bytesSent()
      await transfer(meeting, FILE_BYTES)
      const relayed = (await meeting.relay.bytesSent()) - before
      assert.equal(relayed > FILE_BYTES, expected === 'relay', `${relayed} bytes over the relay`)
    })
  }

  for (const [kind, named, mapping, withPortRestricted] of CLAIMS) {
    test(`behind ${kind} a page's diagnosis says ${named}`, { timeout: 120_000 }, async () => {
      await using laboratory = await Laboratory.start({ sites: { a: kind, b: 'none' } })
      await using pages = new LabPages(laboratory, await userProject())
      const relays = await Promise.all([0, 1].map((number) => LabRelay.start(laboratory, number)))
      const page = await pages.open('ca')
      const asked = { relay: relays[0]?.url ?? '', servers: SERVERS.map((server) => `stun:${server}:${STUN_PORT}`) }
      const { udp, ipv4, stunServers, remotes } = await page.evaluate(diagnoseInPage, asked)
      assert.deepEqual([udp, ipv4?.kind, ipv4?.mapping, ipv4?.addresses.length], ['works', named, mapping, 1])
      for (const { rttMs } of stunServers) assert.ok(Number(rttMs) >= 50, `${rttMs} ms over links of 25 ms each way`)
      assert.equal(remotes.find(({ remote }) => remote === 'port-restricted')?.outcome, withPortRestricted)
    })
  }

  for (const [name, change, options] of CHANGES) {
    test(`${name} in mid-transfer`, { timeout: 180_000 }, async () => {
      await using meeting = await meet({ sites: { a: 'portrestricted', b: 'none' }, ...options })
      const { laboratory, server } = meeting
      if (options.cellular !== undefined) await laboratory.handover('both')
      await until('both are direct', bothUse(meeting, 'webrtc'))
      let isDone = false
      const begin = performance.now()
      const done = transfer(meeting, LONG_FILE_BYTES).finally(() => {
        isDone = true
      })
      done.catch(() => {})
      const arrived = async () => (await server.evaluate(channelStats)).bytesReceived
      await until('a quarter has arrived', async () => (await arrived()) > LONG_FILE_BYTES / 4)
      await change(laboratory)
      assert.ok(!isDone, 'the file had gone already')
      await done
      console.log(`# ${name}: the file took ${(performance.now() - begin).toFixed(0)} ms`)
      await until('both are direct again', bothUse(meeting, 'webrtc'))
    })
  }
})
