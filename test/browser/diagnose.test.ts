// time limit: 300 s
// network: a namespace, where browsers find an address that is not the loopback's

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { after } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import type * as Anypath from '../../src/index.js'
import { channelStats, watchPeerConnections } from './harness/channel.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { startRelay } from './harness/relayed.js'

declare const anypath: typeof Anypath

/** In a network of the test's own nothing else has them. */
const STUN_PORT = 3343
const SILENT_PORT = 3344

const user = await userProject()
const [address = '127.0.0.1'] = Object.values(networkInterfaces()).flatMap((all) =>
  (all ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
)
const relay = await startRelay(user, STUN_PORT, { host: address, stunPort: STUN_PORT })
after(() => relay.close())
const silent = createSocket('udp4')
silent.bind(SILENT_PORT, address)
after(() => silent.close())

interface Asked {
  readonly options?: Anypath.PeerOptions
  readonly diagnose?: Anypath.DiagnoseOptions
}

/** Runs in a page: what a peer with these options finds out, once its relay is connected. */
async function diagnoseInPage({ options = {}, diagnose = {} }: Asked): Promise<Anypath.Diagnosis> {
  const peer = await anypath.Peer.create(options)
  try {
    return await peer.diagnose(diagnose)
  } finally {
    await peer.close()
  }
}

const codes = ({ findings }: Anypath.Diagnosis): string[] => findings.map(({ code }) => code).sort()
const outcomes = ({ remotes }: Anypath.Diagnosis): string[] => [...new Set(remotes.map(({ outcome }) => outcome))]
const relayed = { relays: [relay.url] }

testInBrowsers(
  'a page finds what its browser has, its addresses, its relay and who becomes direct',
  async (browser) => {
    const site = await browser.serve(packagePages(user))
    const page = await browser.open(site.url)
    await page.evaluate(watchPeerConnections, {})
    assert.ok(!site.requests.includes('/anypath/anypath_diagnose.mjs'))
    const diagnosis = await page.evaluate(diagnoseInPage, { options: relayed })
    assert.ok(site.requests.includes('/anypath/anypath_diagnose.mjs'), 'it is loaded when it is wanted')
    const { browser: found, udp, ipv4, stunServers, relays, elapsedMs } = diagnosis
    assert.equal(found?.runsIn, 'page')
    assert.deepEqual([...new Set(Object.values(found?.support ?? {}))], [true])
    assert.deepEqual(found?.localNetwork, { local: 'prompt', loopback: 'prompt' })
    assert.equal(udp, 'works')
    assert.deepEqual(
      [ipv4?.addresses, ipv4?.ports, ipv4?.mapping, ipv4?.filtering],
      [[address], 'preserved', 'unknown', 'unknown'],
    )
    const [{ mapped, rttMs, ...server } = {}] = stunServers as Partial<Anypath.StunServerReport>[]
    assert.deepEqual([server, mapped?.host], [{ host: address, port: STUN_PORT }, address])
    assert.ok(Number(rttMs) > 0 && Number(rttMs) < elapsedMs, `${rttMs} ms of ${elapsedMs}`)
    assert.deepEqual(
      relays.map(({ connected, home, rttMs }) => [connected, home, Number(rttMs) > 0]),
      [[true, true, true]],
    )
    const candidates = found?.candidates ?? []
    const hidden = candidates.find(({ type, protocol }) => type === 'host' && protocol === 'udp')
    assert.ok(hidden !== undefined && hidden.host === undefined && hidden.port > 0)
    assert.equal(candidates.find(({ type }) => type === 'srflx')?.host, address)
    assert.equal(found?.webTransport, 'direct')
    assert.equal(diagnosis.remotes.find(({ remote }) => remote === 'open')?.outcome, 'direct')
    assert.deepEqual(codes(diagnosis), ['addresses-hidden', 'filtering-unknown', 'one-stun-address'])
    assert.equal((await page.evaluate(channelStats)).open, 0, 'no peer connection is left')
    console.log(`# ${browser.engine}: ${elapsedMs.toFixed(0)} ms, STUN ${rttMs?.toFixed(0)} ms`)
  },
)

/** Has the user say no, or yes, once for all; Playwright itself has only the yes. */
async function answerForUser(page: Page, profile: BrowserContext, setting: 'granted' | 'denied'): Promise<void> {
  const { origin } = new URL(page.url())
  const names = ['local-network', 'loopback-network']
  if (profile.browser()?.browserType().name() === 'firefox') return profile.grantPermissions(names, { origin })
  const session = await profile.newCDPSession(page)
  const { browserContextId } = (await session.send('Target.getTargetInfo')).targetInfo
  for (const name of names)
    await session.send('Browser.setPermission', {
      permission: { name },
      setting,
      origin,
      ...(browserContextId !== undefined && { browserContextId }),
    })
}

testInBrowsers('whether the local network may be reached is told', async ({ engine, serve, open, profile }) => {
  const context = await profile()
  const page = await open((await serve(packagePages(user))).url, context)
  // Firefox lets no driver say no.
  for (const setting of engine === 'firefox' ? (['granted'] as const) : (['granted', 'denied'] as const)) {
    await answerForUser(page, context, setting)
    const diagnosis = await page.evaluate(diagnoseInPage, { options: relayed })
    assert.deepEqual(diagnosis.browser?.localNetwork, { local: setting, loopback: setting })
    assert.equal(codes(diagnosis).includes('local-network-denied'), setting === 'denied')
  }
})

testInBrowsers('without a relay and with nobody to ask it says what can not be known', async ({ serve, open }) => {
  const page = await open((await serve(packagePages(user))).url)
  const alone = await page.evaluate(diagnoseInPage, {})
  assert.deepEqual([alone.udp, alone.browser?.webTransport, outcomes(alone)], ['unknown', 'unknown', ['unreachable']])
  assert.deepEqual(codes(alone), ['addresses-hidden', 'no-relay', 'no-stun-server'])
  const off = await page.evaluate(diagnoseInPage, { options: { ...relayed, directPaths: false } })
  assert.deepEqual([codes(off), off.browser?.candidates, outcomes(off)], [['direct-paths-off'], [], ['relayed']])
})

testInBrowsers('a server that never answers costs bounded time, and is named', async ({ serve, open }) => {
  const page = await open((await serve(packagePages(user))).url)
  await page.evaluate(watchPeerConnections, {})
  const url = `stun:${address}:${SILENT_PORT}`
  const options = { ...relayed, webRtc: { iceServers: [{ urls: [url] }] } }
  const [blocked, short] = await Promise.all([
    page.evaluate(diagnoseInPage, { options }),
    page.evaluate(diagnoseInPage, { options, diagnose: { timeoutMs: 1000 } }),
  ])
  assert.deepEqual([blocked.udp, outcomes(blocked), blocked.browser?.webTransport], ['blocked', ['relayed'], 'relayed'])
  assert.deepEqual(codes(blocked), ['addresses-hidden', 'stun-silent', 'udp-blocked'])
  assert.ok(blocked.findings.some(({ message }) => message.includes(url)))
  assert.equal(short.udp, 'unknown')
  assert.ok(
    codes(short).includes('cut-short') && short.elapsedMs >= 900 && short.elapsedMs < 4000,
    `${short.elapsedMs} ms`,
  )
  assert.equal((await page.evaluate(channelStats)).open, 0, 'no peer connection is left')
})

testInBrowsers('what it refuses it refuses by type, and a signal ends it', async (browser) => {
  browser.expectError(/anypath_diagnose|404|module/i)
  const page = await browser.open((await browser.serve(packagePages(user))).url)
  const refusals = await page.evaluate(
    async (options) => {
      const { Peer, AbortedError, InvalidArgumentError, InvalidConfigError, PeerClosedError } = anypath
      const errorOf = (work: Promise<unknown>) =>
        work.then(
          () => undefined,
          (error) => error,
        )
      const peer = await Peer.create(options)
      const reason = new Error('enough')
      const controller = new AbortController()
      const running = peer.diagnose({ signal: controller.signal })
      setTimeout(() => controller.abort(reason), 200)
      const aborted = await errorOf(running)
      const checks = {
        aborted: aborted instanceof AbortedError && aborted.cause === reason,
        timeout: (await errorOf(peer.diagnose({ timeoutMs: 999 }))) instanceof InvalidArgumentError,
        lifetime: (await errorOf(peer.diagnose({ lifetimeMs: 1000 }))) instanceof InvalidArgumentError,
        port: false,
        closed: false,
      }
      const { port1, port2 } = new MessageChannel()
      peer.serve(port1)
      const attached = await Peer.attach(port2)
      const refused = await errorOf(attached.diagnose())
      checks.port = refused instanceof InvalidConfigError && /other side of a port/.test(refused.message)
      await peer.close()
      checks.closed = (await errorOf(peer.diagnose())) instanceof PeerClosedError
      return checks
    },
    { ...relayed, webRtc: { iceServers: [{ urls: `stun:${address}:${SILENT_PORT}` }] } },
  )
  assert.deepEqual(refusals, { aborted: true, timeout: true, lifetime: true, port: true, closed: true })

  const lone = await browser.open((await browser.serve(packagePages(user, withoutDiagnosis))).url)
  const missing = await lone.evaluate(async () => {
    const peer = await anypath.Peer.create()
    const error = await peer.diagnose().catch((thrown) => thrown)
    await peer.close()
    return [error instanceof anypath.TransportFailedError, error.message]
  })
  assert.deepEqual(missing, [true, 'anypath_diagnose.mjs can not be loaded'])
})

/** A site whose author has not copied all of `dist`. */
const withoutDiagnosis = {
  files: { '/anypath/anypath_diagnose.mjs': 'throw new Error("it is not here")' },
}

testInBrowsers('in a worker it says that there is no WebRTC', async ({ serve, open }) => {
  const worker = `
    import { Peer } from '/anypath/browser.mjs'
    const peer = await Peer.create({ relays: ['${relay.url}'] })
    postMessage(await peer.diagnose())
    await peer.close()
  `
  const page = await open((await serve(packagePages(user, { files: { '/worker.js': worker } }))).url)
  const diagnosis = await page.evaluate(
    () =>
      new Promise<Anypath.Diagnosis>((resolve, reject) => {
        const worker = new Worker('/worker.js', { type: 'module' })
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = ({ message }) => reject(new Error(message))
      }),
  )
  const { browser: found, relays } = diagnosis
  assert.deepEqual([found?.runsIn, found?.support.webRtc, found?.support.webTransport], ['worker', false, true])
  assert.deepEqual([relays[0]?.connected, codes(diagnosis), outcomes(diagnosis)], [true, ['no-webrtc'], ['relayed']])
})
