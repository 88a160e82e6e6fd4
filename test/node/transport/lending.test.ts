import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Borrower } from '../../../src/transport/lending/borrower.js'
import { Lender, type MakeLink } from '../../../src/transport/lending/lender.js'
import { type LendingPort, lendingMessage, type WindowMessage } from '../../../src/transport/lending/messages.js'
import type { LinkEvents, MessageLink } from '../../../src/transport/packet-channel.js'
import type { ChannelMaker, ChannelSignal } from '../../../src/transport/transport.js'

const QUEUE_BYTES = 512 * 1024
const UNSEEN_BYTES = 1024 * 1024
const SERVERS = { iceServers: undefined, relays: ['https://relay.example/'] }
const PLACE = { host: '192.0.2.9', port: 9 }
const OFFER: ChannelSignal = { type: 'offer', sdp: 'v=0' }

/** What stands for a browser's data channel: takes a message when it is told to. */
class Link implements MessageLink {
  readonly place = PLACE
  readonly signals: ChannelSignal[] = []
  readonly written: Uint8Array[] = []
  readonly untaken: (() => void)[] = []
  isClosed = false

  constructor(readonly events: LinkEvents) {}

  signal(signal: ChannelSignal): void {
    this.signals.push(signal)
  }

  write(message: Uint8Array<ArrayBuffer>, taken: () => void): void {
    this.written.push(message)
    this.untaken.push(taken)
  }

  close(): void {
    this.isClosed = true
  }
}

const open: { close(): void }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

function channel(): { window: MessagePort & LendingPort; worker: MessagePort & LendingPort } {
  const { port1, port2 } = new MessageChannel()
  open.push(port1, port2)
  return { window: port1 as MessagePort & LendingPort, worker: port2 as MessagePort & LendingPort }
}

/** A borrower, to which windows can be added. */
function borrower() {
  const makers: (ChannelMaker | undefined)[] = []
  const borrowed = new Borrower(SERVERS, { changed: (maker) => makers.push(maker), gone() {} })
  const negotiate = borrowed.negotiate.bind(borrowed)
  // An open channel looks whether it is stuck, again and again.
  borrowed.negotiate = (...args) => {
    const channel = negotiate(...args)
    open.unshift(channel)
    return channel
  }
  const listen = (port: MessagePort & LendingPort) => {
    port.addEventListener('message', ({ data }) => {
      const message = lendingMessage<WindowMessage>(data)
      if (message !== undefined) borrowed.take(port, message)
    })
    port.start()
  }
  const lends = (make?: MakeLink) => {
    const links: Link[] = []
    const { window, worker } = channel()
    listen(worker)
    const makes: MakeLink = (servers, initiator, events) => {
      assert.deepEqual([servers, initiator], [SERVERS, true])
      links.push(new Link(events))
      return links.at(-1) as Link
    }
    return { lender: new Lender(window, true, async () => make ?? makes), links, window }
  }
  return { borrowed, makers, listen, lends }
}

/** What a channel has told. */
function told() {
  const events: string[] = []
  const packets: number[] = []
  const add = (name: string) => () => void events.push(name)
  return {
    events,
    packets,
    listener: {
      signal: ({ type }: ChannelSignal) => void events.push(type),
      opened: add('opened'),
      interrupted: add('interrupted'),
      packet: (data: Uint8Array) => void packets.push(data.length),
      writable: () => {},
      pause: async () => {},
      dropped: add('dropped'),
      malformed: add('malformed'),
      closed: add('closed'),
    },
  }
}

const settled = () => sleep(100)

/** A channel that is open, by a window that lends. */
async function opened() {
  const all = borrower()
  const { lender, links, window } = all.lends()
  await settled()
  const seen = told()
  const lent = all.borrowed.negotiate(true, seen.listener)
  lent.signal(OFFER)
  await settled()
  const link = links[0] as Link
  link.events.signal(OFFER)
  link.events.through(true)
  await settled()
  return { ...all, lender, links, window, ...seen, lent, link }
}

describe('a channel that a window lends', () => {
  test('is negotiated and carries packets both ways, and both sides know when it is closed', async () => {
    const { lent, link, events, packets, makers, borrowed } = await opened()
    assert.deepEqual(makers, [borrowed])
    assert.deepEqual([link.signals, events, lent.place], [[OFFER], ['offer', 'opened'], PLACE])
    lent.send(new Uint8Array(2400), 1200)
    await settled()
    assert.deepEqual(
      link.written.map(({ length }) => length),
      [2404],
    )
    link.events.message(link.written[0])
    await settled()
    assert.deepEqual(packets, [1200, 1200])
    lent.close()
    await sleep(600)
    assert.ok(link.isClosed)
  })

  test('has one queue, wherever its bytes are: what is beyond it is dropped and counted', async () => {
    const { lent, link, events } = await opened()
    const packet = new Uint8Array(1200)
    for (let sent = 0; sent < QUEUE_BYTES * 2; sent += packet.length) lent.send(packet, 0)
    await settled()
    const dropped = events.filter((event) => event === 'dropped').length
    assert.ok(dropped > QUEUE_BYTES / 1300 && dropped < (QUEUE_BYTES * 2) / 1200, String(dropped))
    assert.ok(lent.writableBytes < 1200)
    const inWindow = link.written.reduce((sum, { length }) => sum + length, 0)
    assert.ok(inWindow <= 4 * 16 * 1024, `${inWindow} bytes wait in the window`)
    let taken = 0
    for (let next = link.untaken.shift(); next; next = link.untaken.shift()) {
      next()
      taken += 1
      await sleep(1)
    }
    await settled()
    assert.ok(taken >= QUEUE_BYTES / (17 * 1024), String(taken))
    assert.equal(lent.writableBytes, QUEUE_BYTES)
  })

  test('gives the worker no more than it looks at: what is beyond that is dropped and counted', async () => {
    const { link, events, packets } = await opened()
    const message = () => new Uint8Array(64 * 1202).map((_, i) => (i % 1202 === 0 ? 4 : i % 1202 === 1 ? 176 : 0))
    const messages = Math.floor(UNSEEN_BYTES / message().length)
    for (let i = 0; i < messages + 5; i += 1) link.events.message(message())
    await settled()
    assert.equal(packets.length, messages * 64)
    link.events.message(message())
    await settled()
    assert.equal(packets.length, (messages + 1) * 64)
    assert.equal(events.filter((event) => event === 'dropped').length, 5)
  })

  test('is closed with its window, and the next one is made by another window, or by none', async () => {
    const { borrowed, lends, lender, links, events, makers } = await opened()
    const other = lends()
    await settled()
    // The latest is asked first.
    borrowed.negotiate(true, told().listener)
    await settled()
    assert.deepEqual([links.length, other.links.length], [1, 1])
    lender.stop()
    await settled()
    assert.equal(events.at(-1), 'closed')
    assert.equal(makers.at(-1), borrowed)
    other.lender.stop()
    await settled()
    assert.equal(makers.at(-1), undefined)
    const nobody = told()
    borrowed.negotiate(true, nobody.listener)
    await settled()
    assert.deepEqual(nobody.events, ['closed'])
  })

  test('comes to nothing at a window that never answers, and the next one is asked of another', async () => {
    const { borrowed, lends, listen } = borrower()
    const { links } = lends()
    await settled()
    const { window, worker } = channel()
    listen(worker)
    window.postMessage({ anypathWindow: { type: 'here', lends: true } })
    await settled()
    const first = told()
    borrowed.negotiate(true, first.listener)
    await sleep(2500)
    assert.deepEqual(first.events, [])
    await sleep(600)
    assert.deepEqual(first.events, ['closed'])
    borrowed.negotiate(true, told().listener)
    await settled()
    assert.equal(links.length, 1)
  })

  test('is closed when its code can not be loaded', async () => {
    const { borrowed, listen } = borrower()
    const { window, worker } = channel()
    listen(worker)
    new Lender(window, true, () => Promise.reject(new TypeError('no such file')))
    await settled()
    const { events, listener } = told()
    borrowed.negotiate(true, listener)
    await settled()
    assert.deepEqual(events, ['closed'])
  })
})

const GARBAGE: unknown[] = [
  undefined,
  'here',
  { anypathWindow: null },
  { anypathWindow: { type: 'here', lock: 'somebody-elses' } },
  { anypathWindow: { type: 'message', channel: 1, data: 'text' } },
  { anypathWindow: { type: 'message', channel: 1, data: new ArrayBuffer(3), lost: -1 } },
  { anypathWindow: { type: 'signal', channel: 1, signal: { type: 'renegotiate' } } },
  { anypathWindow: { type: 'signal', channel: 1 } },
  { anypathWindow: { type: 'through', channel: 1 } },
  { anypathWindow: { type: 'constructor', channel: 1 } },
  { anypathWindow: { type: 'taken', channel: 9 } },
  { anypathWindow: { type: 'seen', channel: 1, bytes: 'all' } },
  { anypathWindow: { type: 'negotiate', channel: '1' } },
]

test('what a window says that makes no sense is counted, and harms no channel', async () => {
  const { window, events, packets, link, lent } = await opened()
  for (const message of GARBAGE.filter((message) => !JSON.stringify(message)?.includes('here')))
    window.postMessage(message)
  await settled()
  assert.deepEqual(events, ['offer', 'opened', ...Array(4).fill('malformed'), 'interrupted', 'malformed', 'malformed'])
  link.events.through(true)
  await settled()
  lent.send(new Uint8Array(500), 0)
  link.events.message(Uint8Array.of(0, 1, 7))
  await settled()
  assert.deepEqual([packets, link.written.length], [[1], 1])
})

test('what a worker says that makes no sense is left alone, and what is more than a queue closes its channel', async () => {
  const { window, worker } = channel()
  const links: Link[] = []
  new Lender(window, true, async () => (_servers, _initiator, events) => {
    links.push(new Link(events))
    return links.at(-1) as Link
  })
  const replies: unknown[] = []
  worker.addEventListener('message', (({ data }: MessageEvent) => replies.push(data.anypathWindow)) as never)
  worker.start()
  for (const message of GARBAGE) worker.postMessage(message)
  worker.postMessage({ anypathWindow: { type: 'negotiate', channel: 1, iceServers: 7, relays: 'none' } })
  await settled()
  for (const message of GARBAGE) worker.postMessage(message)
  await settled()
  assert.deepEqual(links[0]?.signals, [])
  assert.deepEqual(
    links[0]?.written.map(({ length }) => length),
    [3],
  )
  worker.postMessage({ anypathWindow: { type: 'message', channel: 1, data: new ArrayBuffer(QUEUE_BYTES) } })
  await settled()
  assert.equal(links[0]?.isClosed, true)
  assert.deepEqual(replies.at(-1), { type: 'closed', channel: 1 })
})

test('a window makes no more channels than a page may have', async () => {
  const { window, worker } = channel()
  new Lender(window, true, async () => (_servers, _initiator, events) => new Link(events))
  const closed: unknown[] = []
  worker.addEventListener('message', (({ data }: MessageEvent) => {
    if (data.anypathWindow.type === 'closed') closed.push(data.anypathWindow.channel)
  }) as never)
  worker.start()
  for (let i = 1; i <= 130; i += 1) worker.postMessage({ anypathWindow: { type: 'negotiate', channel: i } })
  await settled()
  assert.deepEqual(closed, [129, 130])
})
