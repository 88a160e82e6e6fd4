/**
 * The parts of `@opentelemetry/api`'s `Meter` and `Tracer` that are used here, so that its objects fit without a dependency on it.
 */

export type Attributes = Record<string, string | number | boolean>

export interface InstrumentOptions {
  description?: string
  unit?: string
}

export interface Counter {
  add(value: number, attributes?: Attributes): void
}

export interface Histogram {
  record(value: number, attributes?: Attributes): void
}

export interface ObservableResult {
  observe(value: number, attributes?: Attributes): void
}

export interface Observable {
  addCallback(callback: (result: ObservableResult) => void | Promise<void>): void
  removeCallback(callback: (result: ObservableResult) => void | Promise<void>): void
}

/** An OpenTelemetry meter, for example `metrics.getMeter('anypath')`. */
export interface Meter {
  createCounter(name: string, options?: InstrumentOptions): Counter
  createHistogram(name: string, options?: InstrumentOptions): Histogram
  createUpDownCounter(name: string, options?: InstrumentOptions): Counter
  createObservableGauge(name: string, options?: InstrumentOptions): Observable
  createObservableCounter(name: string, options?: InstrumentOptions): Observable
}

/** The numbers of `SpanStatusCode`. */
export const SpanStatus = { OK: 1, ERROR: 2 } as const

/** The numbers of `SpanKind`. */
export const SpanKind = { SERVER: 1, CLIENT: 2 } as const

export interface Span {
  setAttribute(key: string, value: string | number | boolean): unknown
  addEvent(name: string, attributes?: Attributes): unknown
  setStatus(status: { code: number; message?: string }): unknown
  recordException(exception: Error): void
  end(): void
}

/** An OpenTelemetry tracer, for example `trace.getTracer('anypath')`. */
export interface Tracer {
  startSpan(name: string, options?: { kind?: number; attributes?: Attributes }): Span
}
