import type { PortBorrower } from '../platform.js'
import type { EnginePort } from '../port/messages.js'

/** Listens at a port for a window that lends its data channels; what that takes is loaded when there is one. */
export type Borrow = (port: EnginePort) => void

export function borrowing(load: () => Promise<PortBorrower>): Borrow {
  let borrower: Promise<PortBorrower> | undefined
  return (port) => {
    port.addEventListener('message', ({ data }) => {
      const message = (data as { anypathWindow?: object } | null | undefined)?.anypathWindow
      if (typeof message !== 'object' || message === null) return
      borrower ??= load()
      // Without the code there are no channels.
      borrower.then((loaded) => loaded.take(port, message)).catch(() => {})
    })
    port.addEventListener('close', () => void borrower?.then((loaded) => loaded.closed(port)).catch(() => {}))
    port.start?.()
  }
}
