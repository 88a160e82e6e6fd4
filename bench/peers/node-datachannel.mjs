import { createRequire } from 'node:module'
import { Arrivals, pumpFor, runTasks } from '../harness/flow.mjs'
import { pace } from '../harness/pace.mjs'

const MESSAGE_BYTES = 64 * 1024
const BUFFERED_BYTES = 1 << 20
const BODY = Buffer.alloc(100, 0x5a)

export const roles = {
  throughput: { server: receiveMessages, client: sendMessages },
  requests: { server: answerMessages, client: sendRequests },
  datagrams: { server: countDatagrams, client: sendDatagrams },
}

/** A peer connection; offers, answers and candidates go through the parent process. */
function connect({ link }, role) {
  const { PeerConnection } = createRequire(import.meta.url)('node-datachannel')
  const peer = new PeerConnection(role, { iceServers: [], bindAddress: '127.0.0.1', maxMessageSize: 1 << 18 })
  peer.onLocalDescription((sdp, type) => link.send({ sdp, type }))
  peer.onLocalCandidate((candidate, mid) => link.send({ candidate, mid }))
  return peer
}

/** Takes what the other side signals until it says that all is done. */
async function signal({ link }, peer) {
  for (let message = await link.receive(); message !== 'done'; message = await link.receive()) {
    if (message.sdp) peer.setRemoteDescription(message.sdp, message.type)
    else peer.addRemoteCandidate(message.candidate, message.mid)
  }
}

async function accept(context) {
  const peer = connect(context, 'server')
  const done = signal(context, peer)
  const channel = await new Promise((resolve) => peer.onDataChannel(resolve))
  return { channel, done, peer }
}

async function dial(context, settings = {}) {
  const peer = connect(context, 'client')
  const channel = peer.createDataChannel('bench', settings)
  signal(context, peer).catch(() => {})
  await new Promise((resolve) => channel.onOpen(resolve))
  return { channel, peer }
}

async function receiveMessages(context) {
  const { channel, done, peer } = await accept(context)
  const arrivals = new Arrivals(context)
  channel.onMessage((data) => arrivals.add(data.length))
  await done
  peer.close()
  return arrivals.figures
}

async function sendMessages(context) {
  const { channel, peer } = await dial(context)
  const message = Buffer.alloc(MESSAGE_BYTES, 0x5a)
  let go = () => {}
  channel.setBufferedAmountLowThreshold(BUFFERED_BYTES / 2)
  channel.onBufferedAmountLow(() => go())
  await pumpFor(context, () => {
    channel.sendMessageBinary(message)
    if (channel.bufferedAmount() < BUFFERED_BYTES) return undefined
    return new Promise((resolve) => {
      go = resolve
    })
  })
  while (channel.bufferedAmount() > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setTimeout(resolve, 300))
  context.link.send('done')
  peer.close()
  return {}
}

async function answerMessages(context) {
  const { channel, done, peer } = await accept(context)
  context.begin()
  channel.onMessage((data) => channel.sendMessageBinary(data))
  await done
  peer.close()
  return {}
}

async function sendRequests(context) {
  const { channel, peer } = await dial(context)
  const waiting = []
  channel.onMessage(() => waiting.shift()())
  const exchange = () =>
    new Promise((resolve) => {
      waiting.push(resolve)
      channel.sendMessageBinary(BODY)
    })
  const { requests, concurrency } = context.options
  await runTasks(Math.min(200, requests), concurrency, exchange)
  context.begin()
  const figures = await runTasks(requests, concurrency, exchange)
  context.link.send('done')
  peer.close()
  return figures
}

async function countDatagrams(context) {
  const { channel, done, peer } = await accept(context)
  const arrivals = new Arrivals(context)
  channel.onMessage((data) => arrivals.add(data.length))
  await done
  peer.close()
  return arrivals.figures
}

async function sendDatagrams(context) {
  const { channel, peer } = await dial(context, { unordered: true, maxRetransmits: 0 })
  const body = Buffer.alloc(context.options.datagramBytes)
  context.begin()
  const sent = await pace(context.options, () => {
    channel.sendMessageBinary(body)
    // Flat out means as fast as the channel takes them; it would queue without end.
    return channel.bufferedAmount() > BUFFERED_BYTES
  })
  while (channel.bufferedAmount() > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setTimeout(resolve, 300))
  context.link.send('done')
  peer.close()
  return { sent }
}
