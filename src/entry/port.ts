import type { EnginePort } from '../api/index.js'
import type { PortModule } from '../api/platform.js'
import { attachEngine } from '../api/port/attach.js'
import { Borrower } from '../transport/lending/borrower.js'
import { Lender } from '../transport/lending/lender.js'

const makesChannels = () => typeof RTCPeerConnection !== 'undefined'

const here = (port: EnginePort, lends: boolean) =>
  new Lender(port, lends, async () => (await import('./web-rtc.js')).makeLink)

/** What is loaded when a peer and its application are in different threads. */
export const portModule: PortModule = {
  async attach(port, errors, lends) {
    let lender: Lender | undefined
    const engine = await attachEngine(port, errors, () => lender?.stop())
    if (typeof document !== 'undefined') lender = here(port, lends && makesChannels())
    return engine
  },
  lend: (port) => (makesChannels() ? here(port, true) : undefined),
  borrower: (servers, events) => new Borrower(servers, events as ConstructorParameters<typeof Borrower>[1]),
}
