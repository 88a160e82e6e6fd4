import type { Browser } from 'playwright-core'

/** A tab of Chromium that can be hidden and frozen: Playwright keeps its own pages visible and awake. */
export interface Tab {
  /** Runs a function in the page, whose argument and result are plain data. */
  run<A, R>(call: (argument: A) => R | Promise<R>, argument: A): Promise<R>
  /** Brings it to the front, which hides the others of its window. */
  show(): Promise<void>
  /** `frozen` stops all of its tasks, as the browser does with tabs in the background; `active` lets them go on. */
  setLifecycle(state: 'frozen' | 'active'): Promise<void>
  close(): Promise<void>
}

interface Evaluated {
  readonly result: { readonly value?: unknown }
  readonly exceptionDetails?: { readonly exception?: { readonly description?: string } }
}

/** Opens a page in the browser's own profile, which Playwright leaves alone, and waits until it is loaded. */
export async function openTab(browser: Browser, url: string): Promise<Tab> {
  const devtools = await browser.newBrowserCDPSession()
  const { targetId } = await devtools.send('Target.createTarget', { url })
  const { sessionId } = await devtools.send('Target.attachToTarget', { targetId, flatten: false })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: Error): void }>()
  let last = 0
  devtools.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result, error } = JSON.parse(message)
    const waiter = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) waiter?.resolve(result)
    else waiter?.reject(new Error(error.message))
  })
  const send = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      last += 1
      waiting.set(last, { resolve, reject })
      const message = JSON.stringify({ id: last, method, params })
      devtools.send('Target.sendMessageToTarget', { sessionId, message }).catch(reject)
    })
  const evaluate = async (expression: string): Promise<unknown> => {
    const params = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = (await send('Runtime.evaluate', params)) as Evaluated
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? 'it threw')
    return result.value
  }
  while ((await evaluate('document.readyState')) !== 'complete') await new Promise((resolve) => setTimeout(resolve, 20))
  return {
    run: <A, R>(call: (argument: A) => R | Promise<R>, argument: A) =>
      evaluate(`(${call})(${JSON.stringify(argument)})`) as Promise<R>,
    show: () => devtools.send('Target.activateTarget', { targetId }).then(() => {}),
    setLifecycle: (state) => send('Page.setWebLifecycleState', { state }).then(() => {}),
    close: () => devtools.send('Target.closeTarget', { targetId }).then(() => {}),
  }
}
