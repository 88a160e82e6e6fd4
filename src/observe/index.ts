export type { LogFields, Logger } from './logger.js'
export type {
  Attributes,
  Counter,
  Histogram,
  InstrumentOptions,
  Meter,
  Observable,
  ObservableResult,
  Span,
  Tracer,
} from './opentelemetry.js'
export type { QlogSink, QlogWriter } from './qlog.js'
