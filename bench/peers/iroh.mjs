import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const ALPN = 'bench/1'

export const roles = {
  throughput: { server: listenBulk, client: sendBulk },
  'throughput-iroh': { server: listenBulk },
  'throughput-from-iroh': { server: listenBulk },
  'throughput-serve-iroh': { client: sendBulk },
  requests: { server: listenEcho },
}

/** Starts the optimised stock peer; its reports are one JSON object a line. */
function start({ options }, args) {
  const child = spawn(options.irohPeer, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  process.once('exit', () => child.kill())
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]()
}

async function report(lines, event) {
  for (let { done, value } = await lines.next(); !done; { done, value } = await lines.next()) {
    const record = JSON.parse(value)
    if (record.event === 'error') throw new Error(record.message)
    if (record.event === event) return record
  }
  throw new Error(`the stock peer ended before it was '${event}'`)
}

function listenBulk(context) {
  return listen(context, ['listen', '--alpn', ALPN, '--bulk', '--connections', '1'])
}

function listenEcho(context) {
  return listen(context, ['listen', '--alpn', ALPN, '--connections', '1'])
}

async function listen(context, args) {
  const lines = start(context, args)
  const { ticket } = await report(lines, 'listening')
  context.link.send(ticket)
  await report(lines, 'connection')
  return {}
}

async function sendBulk(context) {
  const ticket = await context.link.receive()
  const lines = start(context, ['bulk', '--alpn', ALPN, '--ticket', ticket, '--bytes', String(context.options.bytes)])
  const { mb_per_s: mbPerSecond, mtu: mtuBytes, bytes, seconds } = await report(lines, 'measured')
  return { mbPerSecond, mtuBytes, bytes, seconds }
}
