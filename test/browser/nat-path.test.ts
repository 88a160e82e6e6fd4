// time limit: 600 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { laboratoryMissing } from '../natlab/hosts.js'
import { Laboratory } from '../natlab/laboratory.js'
import type { SiteKind } from '../natlab/nat-rules.js'
import { LabRelay } from '../natlab/participants.js'
import { dialTab, pathsOfTab, receiveInTab, sendInTab, serveTab, watchPeerConnections } from './harness/channel.js'
import { missing } from './harness/engines.js'
import { LabPages } from './harness/lab-pages.js'
import { userProject } from './harness/package.js'
import { until } from './harness/relayed.js'

const FILE_BYTES = 4 << 20

/** The laboratory's relay that answers STUN where `anypath relay` does by default. */
const RELAY = 2

/** How long a pair that can't be direct is watched. */
const WATCH_MS = 8000

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

describe('pages behind NATs', { skip: laboratoryMissing() || missing('chromium') }, () => {
  for (const [dialling, accepting, expected] of PAIRS) {
    test(`${dialling} dials ${accepting}: ${expected}`, { timeout: 120_000 }, async () => {
      await using laboratory = await Laboratory.start({ sites: { a: dialling, b: accepting } })
      await using pages = new LabPages(laboratory, await userProject())
      const relay = await LabRelay.start(laboratory, RELAY)
      const [dialler, server] = await Promise.all([pages.open('ca'), pages.open('cb')])
      for (const page of [dialler, server]) await page.evaluate(watchPeerConnections, {})
      const ticket = await server.evaluate(serveTab, { relay: relay.url })
      const { kind } = await dialler.evaluate(dialTab, { relay: relay.url, ticket })
      assert.equal(kind, 'relay')
      const kinds = async () => {
        const tabs = await Promise.all([dialler, server].map((page) => page.evaluate(pathsOfTab)))
        return tabs.map(({ kinds: [first] }) => first)
      }
      await until('both have it', async () => (await kinds()).every((found) => found !== undefined))
      const isDirect = async () => (await kinds()).every((found) => found === 'webrtc')
      const directMs = await until('both are direct', isDirect, expected === 'webrtc' ? 20_000 : WATCH_MS).catch(
        () => undefined,
      )
      assert.equal(directMs !== undefined, expected === 'webrtc')
      if (directMs !== undefined)
        console.log(`# ${dialling} dials ${accepting}: direct after ${directMs.toFixed(0)} ms`)
      const before = await relay.bytesSent()
      const received = server.evaluate(receiveInTab)
      const sent = await dialler.evaluate(sendInTab, FILE_BYTES)
      assert.equal((await received).hash, sent)
      const relayed = (await relay.bytesSent()) - before
      assert.equal(relayed > FILE_BYTES, expected === 'relay', `${relayed} bytes over the relay`)
    })
  }
})
