import type { Engine, EngineEvent } from '../../driver/engine.js'
import { InternalError, serializeError } from '../../errors/index.js'
import { CLOSED_LOCALLY } from '../close.js'
import { CALLS, CASTS, type EnginePort, messageOf, post, type Request } from './messages.js'

/** An engine that is served to a port. */
export interface EngineServer {
  /** Passes one of the engine's events on. */
  handle(event: EngineEvent): void
  /** The other side is gone: its connections are closed. Idempotent. */
  detach(): void
  /** Tells the other side that the engine is gone and how its connections were closed, and closes the port. */
  close(closeCode: number, reason: string): void
}

/** Told of what the other side does. */
export interface EngineServerObserver {
  /** The other side has dialled. */
  dialled(connectionId: number): void
  /** Whether others use the engine as well: who closes it then closes its own connections only. */
  isShared(): boolean
  /** The other side went away; its connections were closed. */
  detached(): void
  /** The other side closed the engine. */
  closed(): void
}

/** Serves an engine to a port. Nothing is sent before the other side attaches. */
export function serveEngine(engine: Engine, port: EnginePort, observer: EngineServerObserver): EngineServer {
  const connections = new Set<number>()
  const sessions = new Set<number>()
  const held: EngineEvent[] = []
  let state: 'waiting' | 'attached' | 'over' = 'waiting'

  const detach = (code = 0, reason = 'the application went away') => {
    if (state === 'over') return
    state = 'over'
    for (const connection of [...connections, ...sessions]) engine.closeConnection(connection, code, reason)
    observer.detached()
  }
  const handle = (event: EngineEvent) => {
    if (state === 'waiting') held.push(event)
    if (state !== 'attached') return
    const { type } = event
    if ('connectionId' in event) track(connections, event)
    if (type === 'web-transport') track(sessions, event.event)
    const told = type === 'web-transport' ? event.event : event
    post(port, { type: 'event', event }, told.type === 'datagram' ? [told.bytes.buffer] : [])
  }
  const dialled = (connectionId: number) => {
    // Nobody is left to use what was dialled last.
    if (state === 'over') return engine.closeConnection(connectionId, 0, 'the application went away')
    connections.add(connectionId)
    observer.dialled(connectionId)
  }
  const receive = (request: Request) => {
    if (state === 'over') return
    if (request.type === 'attach') {
      if (state === 'attached') return
      state = 'attached'
      post(port, { type: 'attached', endpointId: engine.endpointId })
      for (const event of held.splice(0)) handle(event)
    } else if (request.type === 'call' && request.method === 'close' && observer.isShared()) {
      const [code, reason] = request.args as [number, string]
      detach(code, reason)
      post(port, { type: 'result', call: request.call, value: undefined })
    } else if (request.type === 'call') {
      void answer(engine, port, request, () => state === 'over', dialled).then((method) => {
        if (method === 'close') observer.closed()
      })
    } else if (request.type === 'cast') {
      cast(engine, request)
    } else if (request.type === 'detach') {
      detach(0, request.reason)
    }
  }
  port.addEventListener('message', ({ data }) => {
    const request = messageOf<Request>(data)
    if (request !== undefined) receive(request)
  })
  port.addEventListener('close', () => detach())
  port.start?.()
  return {
    handle,
    detach: () => detach(),
    close: (closeCode, reason) => {
      // What the engine had still to tell of them would come too late.
      for (const connectionId of connections) {
        handle({ type: 'closed', connectionId, code: CLOSED_LOCALLY, by: 'local', wireCode: closeCode, reason })
      }
      if (state !== 'over') post(port, { type: 'detached' })
      state = 'over'
      port.close?.()
    },
  }
}

function track(connections: Set<number>, event: { readonly type: string; readonly connectionId: number }): void {
  if (event.type === 'closed' || event.type === 'drained') connections.delete(event.connectionId)
  else connections.add(event.connectionId)
}

async function answer(
  engine: Engine,
  port: EnginePort,
  { call, method, args }: Request & { type: 'call' },
  over: () => boolean,
  dialled: (connectionId: number) => void,
): Promise<string> {
  try {
    // What the other side sends is not trusted to be one of these names.
    if (!CALLS.includes(method)) throw new InternalError(`an engine has no call ${String(method)}`)
    const target = engine[method] as (...given: unknown[]) => Promise<unknown>
    const value = await target.apply(engine, [...args])
    if (method === 'connect') dialled(value as number)
    if (!over())
      post(port, { type: 'result', call, value }, value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : [])
  } catch (thrown) {
    if (!over()) post(port, { type: 'failure', call, error: serializeError(thrown) })
  }
  return method
}

function cast(engine: Engine, { method, args }: Request & { type: 'cast' }): void {
  if (!CASTS.includes(method)) return
  const target = engine[method] as (...given: unknown[]) => void
  target.apply(engine, [...args])
}
