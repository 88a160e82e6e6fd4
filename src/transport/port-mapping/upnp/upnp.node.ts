import type { MappingClock } from '../gateway.node.js'
import { type Lease, LIFETIME_SECONDS, type MappingProtocol, NoMapping } from '../protocol.js'
import { type ConnectionService, isOfHost, readDescription } from './description.js'
import { exchangeHttp, type HttpQuestion } from './http.node.js'
import { type FoundDevice, type SearchOptions, searchGateways } from './search.node.js'
import { encodeAction, readAnswer, type SoapAnswer, type SoapArguments, type UpnpRefusal } from './soap.js'

/** How long one exchange may take in all, however slowly the router speaks. */
const EXCHANGE_MS = 3000
/** How many external ports are tried where the first is taken. */
const MAX_PORTS = 4
/** RFC 6335 section 6: nobody has them for good. */
const FIRST_DYNAMIC_PORT = 49_152

/** Refusals with a meaning (WANIPConnection:2 section 2.5). */
const INVALID_ACTION = 401
const NO_SUCH_ENTRY = 714
const CONFLICTS: readonly number[] = [718, 729]
const ONLY_PERMANENT = 725

export interface UpnpOptions extends Omit<SearchOptions, 'localHost'> {
  readonly localHosts: readonly string[]
  readonly internalPort: number
  readonly clock: MappingClock
  readonly randomBytes: (length: number) => Uint8Array
}

interface Router {
  readonly localHost: string
  readonly service: ConnectionService
}

/** Port mapping by an Internet Gateway Device of UPnP, version 1 or 2. */
export class Upnp implements MappingProtocol {
  readonly name = 'upnp'
  readonly #options: UpnpOptions
  #router: Router | undefined
  #external: Lease['external'] | undefined

  constructor(options: UpnpOptions) {
    this.#options = options
  }

  async map(suggestedPort: number, signal: AbortSignal): Promise<Lease> {
    const router = this.#router ?? (await this.#find(signal))
    const host = await this.#externalHost(router, signal)
    const port = await this.#add(router, suggestedPort, signal)
    this.#router = router
    this.#external = { host, port }
    return { external: this.#external, lifetimeSeconds: LIFETIME_SECONDS }
  }

  async check(signal: AbortSignal): Promise<boolean> {
    const { router, external } = this.#mapped()
    if ((await this.#externalHost(router, signal)) !== external.host) return false
    const answer = await this.#act(router, 'GetSpecificPortMappingEntry', this.#entry(external.port), signal)
    if ('refusal' in answer) return answer.refusal.code === NO_SUCH_ENTRY ? false : refuse(answer.refusal)
    const { values } = answer
    return (
      values.get('NewInternalClient') === router.localHost &&
      values.get('NewInternalPort') === String(this.#options.internalPort)
    )
  }

  async unmap(signal: AbortSignal): Promise<void> {
    const { router, external } = this.#mapped()
    const answer = await this.#act(router, 'DeletePortMapping', this.#entry(external.port), signal)
    if ('refusal' in answer) refuse(answer.refusal)
  }

  #mapped(): { readonly router: Router; readonly external: Lease['external'] } {
    if (this.#router === undefined || this.#external === undefined) throw new NoMapping('nothing was forwarded')
    return { router: this.#router, external: this.#external }
  }

  /** What leads to a router, from the first address of this machine where one answers. */
  async #find(signal: AbortSignal): Promise<Router> {
    const reasons: string[] = []
    for (const localHost of this.#options.localHosts) {
      for (const device of await searchGateways({ ...this.#options, localHost }, signal)) {
        try {
          return { localHost, service: await this.#describe(localHost, device, signal) }
        } catch (thrown) {
          if (!(thrown instanceof NoMapping)) throw thrown
          reasons.push(thrown.message)
        }
      }
    }
    signal.throwIfAborted()
    throw new NoMapping(reasons.join(', ') || 'no router answers')
  }

  async #describe(localHost: string, { host, location }: FoundDevice, signal: AbortSignal): Promise<ConnectionService> {
    const { dropped } = this.#options
    const url = URL.canParse(location) ? new URL(location) : undefined
    if (url === undefined || !isOfHost(url, host)) {
      dropped('foreign-location')
      throw new NoMapping('the router’s description is at another host')
    }
    const { status, body } = await this.#exchange({ url, localHost, method: 'GET' }, signal)
    if (status !== 200) throw new NoMapping(`the router’s description is not there (${status})`)
    const service = readDescription(body, url)
    if (typeof service !== 'string') return service
    dropped(service)
    throw new NoMapping('the router’s description has no service that forwards ports')
  }

  async #externalHost(router: Router, signal: AbortSignal): Promise<string> {
    const answer = await this.#act(router, 'GetExternalIPAddress', [], signal)
    if ('refusal' in answer) refuse(answer.refusal)
    const host = answer.values.get('NewExternalIPAddress') ?? ''
    if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(host)) throw new NoMapping('the router has no external address')
    return host
  }

  /** The external port that is forwarded: the suggested one, or where that is taken another one. */
  async #add(router: Router, suggestedPort: number, signal: AbortSignal): Promise<number> {
    if (router.service.type.endsWith('WANIPConnection:2')) {
      const answer = await this.#act(router, 'AddAnyPortMapping', this.#wanted(router, suggestedPort), signal)
      const port = 'values' in answer ? Number(answer.values.get('NewReservedPort')) : 0
      if (Number.isInteger(port) && port > 0 && port <= 0xffff) return port
      if ('refusal' in answer && answer.refusal.code !== INVALID_ACTION) refuse(answer.refusal)
    }
    let refusal: UpnpRefusal = { code: 0, description: '' }
    for (let tries = 0, port = suggestedPort; tries < MAX_PORTS; tries++, port = this.#dynamicPort()) {
      const answer = await this.#act(router, 'AddPortMapping', this.#wanted(router, port), signal)
      if ('values' in answer) return port
      refusal = answer.refusal
      if (!CONFLICTS.includes(refusal.code)) break
    }
    return refuse(refusal)
  }

  #wanted({ localHost }: Router, externalPort: number): SoapArguments {
    return [
      ...this.#entry(externalPort),
      ['NewInternalPort', this.#options.internalPort],
      ['NewInternalClient', localHost],
      ['NewEnabled', 1],
      ['NewPortMappingDescription', 'anypath'],
      ['NewLeaseDuration', LIFETIME_SECONDS],
    ]
  }

  #entry(externalPort: number): SoapArguments {
    return [
      ['NewRemoteHost', ''],
      ['NewExternalPort', externalPort],
      ['NewProtocol', 'UDP'],
    ]
  }

  #dynamicPort(): number {
    const [high = 0, low = 0] = this.#options.randomBytes(2)
    return FIRST_DYNAMIC_PORT + (((high << 8) | low) % (0x1_0000 - FIRST_DYNAMIC_PORT))
  }

  async #act(
    { localHost, service }: Router,
    action: string,
    args: SoapArguments,
    signal: AbortSignal,
  ): Promise<SoapAnswer> {
    const { type, controlUrl: url } = service
    const { body } = await this.#exchange(
      { url, localHost, method: 'POST', ...encodeAction(type, action, args) },
      signal,
    )
    const answer = readAnswer(body, action)
    if (answer !== undefined) return answer
    this.#options.dropped('malformed')
    throw new NoMapping('the router’s answer is malformed')
  }

  async #exchange(question: HttpQuestion, signal: AbortSignal): Promise<{ status: number; body: string }> {
    const { clock, sent } = this.#options
    const limit = new AbortController()
    const end = () => limit.abort(signal.reason)
    const timer = clock.setTimeout(() => limit.abort(new NoMapping('the router is too slow')), EXCHANGE_MS)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    try {
      sent()
      return await exchangeHttp(question, limit.signal)
    } finally {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', end)
    }
  }
}

function refuse({ code, description }: UpnpRefusal): never {
  if (code === ONLY_PERMANENT) throw new NoMapping('the router forwards for good only')
  throw new NoMapping(`refused with ${code}${description === '' ? '' : ` (${description})`}`)
}
