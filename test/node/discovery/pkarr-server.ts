import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

const Z_BASE_32 = 'ybndrfg8ejkmcpqxot1uwisza345h769'

/** A relay of pkarr that checks what it is given, as a public one does: the signature, the size, and that the timestamp grows. */
export class PkarrServer {
  /** The packets, by the id in z-base-32. */
  readonly packets = new Map<string, Buffer>()
  /** Every request, as `METHOD path status`. */
  readonly log: string[] = []
  /** Answers requests in the place of the relay as long as it gives true. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false
  url = ''

  /** Listens on a free port of the loopback until the test ends. */
  static async start(t: TestContext): Promise<PkarrServer> {
    const relay = new PkarrServer()
    const server = createServer((request, response) => {
      response.on('close', () => relay.log.push(`${request.method} ${request.url} ${response.statusCode}`))
      if (!relay.intercept(request, response)) void relay.#answer(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    relay.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    return relay
  }

  /** The timestamp of the packet of an id. */
  timestamp(id: string): bigint {
    return this.packets.get(zBase32(id))?.readBigUInt64BE(64) ?? 0n
  }

  /** How many answers (TXT records) the packet of an id holds; `undefined` when there is no packet. */
  answers(id: string): number | undefined {
    return this.packets.get(zBase32(id))?.readUInt16BE(72 + 6)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = /^\/pkarr\/([a-z0-9]{52})$/.exec(request.url ?? '')?.[1]
    const reply = (status: number, body?: Buffer) => void response.writeHead(status).end(body)
    if (name === undefined) return reply(404)
    const known = this.packets.get(name)
    if (request.method === 'GET') return known ? reply(200, known) : reply(404)
    const packet = Buffer.concat(await request.toArray())
    if (packet.length < 72 || packet.length > 1072 || !isSigned(name, packet)) return reply(400)
    if (known && known.readBigUInt64BE(64) >= packet.readBigUInt64BE(64)) return reply(409)
    this.packets.set(name, packet)
    reply(204)
  }
}

/** An id of 64 hexadecimal digits in z-base-32, computed without bit fiddling to check the library's. */
export function zBase32(id: string): string {
  const bits = [...Buffer.from(id, 'hex')].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.padEnd(260, '0').match(/.{5}/g) ?? []
  return groups.map((group) => Z_BASE_32[Number.parseInt(group, 2)]).join('')
}

/** BEP 44: the signature is over `3:seqi<timestamp>e1:v<length>:<value>`. */
function isSigned(name: string, packet: Buffer): boolean {
  const value = packet.subarray(72)
  const message = Buffer.concat([Buffer.from(`3:seqi${packet.readBigUInt64BE(64)}e1:v${value.length}:`), value])
  return verify(null, message, publicKey(name), packet.subarray(0, 64))
}

function publicKey(name: string): KeyObject {
  const bits = [...name].map((letter) => Z_BASE_32.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const bytes = (bits.slice(0, 256).match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))
  const prefix = Buffer.from('302a300506032b6570032100', 'hex')
  return createPublicKey({ key: Buffer.concat([prefix, Buffer.from(bytes)]), format: 'der', type: 'spki' })
}
