/**
 * The shape of wasm-bindgen's glue for one core, as `docs/boundary.md` describes it. The generated types are checked against
 * this where the glue is imported.
 */
export interface CoreGlue {
  /** Instantiates the module, once per glue; the result has the instance's memory. */
  readonly initSync: (options: { module: WebAssembly.Module }) => { readonly memory: WebAssembly.Memory }
  readonly Core: new (config: Uint8Array) => RawCore
  /** What the panic hook kept; empty when nothing panicked. */
  readonly panic_message: () => string
}

/** The exported class: bytes, numbers and integer ids only. Connection, incoming and carrier ids are u32; stream ids are f64. */
export interface RawCore {
  free(): void
  input(length: number): number
  output(): number
  ingest(now: number, length: number): void
  drain(now: number, maxBytes: number): number
  next_wake(): number
  set_carrier(now: number, id: number, kind: number, maxPacketBytes: number): void
  remove_carrier(now: number, id: number): void
  connect(now: number, length: number): number
  admit(now: number, incoming: number, decision: number): boolean
  open_stream(connection: number, bidirectional: boolean): number
  write(connection: number, stream: number, length: number): number
  read(connection: number, stream: number, max: number): number
  finish(connection: number, stream: number): number
  reset(connection: number, stream: number, code: number): number
  stop(connection: number, stream: number, code: number): number
  set_priority(connection: number, stream: number, priority: number): number
  send_datagram(connection: number, length: number): number
  max_datagram_bytes(connection: number): number
  close(now: number, connection: number, code: number, length: number): void
  shutdown(now: number, code: number, length: number): void
  connection_stats(connection: number): number
  peer_stats(): number
  ping(connection: number): void
  key_update(connection: number): void
  network_changed(now: number): void
  set_relays(now: number, length: number): void
  set_local_addresses(now: number, length: number): void
  set_stun_servers?(now: number, length: number): void
  set_mapped_addresses?(now: number, length: number): void
  set_discovery_services?(now: number, length: number): boolean
  answer_session?(now: number, session: number, status: number): boolean
  web_transport_certificates?(now: number): number
  relay_opened(now: number, relay: number, protocol: number): void
  relay_closed(now: number, relay: number, length: number): void
  set_visible(now: number, visible: boolean): void
  resumed(now: number): void
  add_addresses(now: number, connection: number, length: number): void
  parse_ticket(length: number): number
  format_ticket(length: number): number
  sign_record(timestamp: number, length: number): number
  read_record(length: number): number
  endpoint_id(): void
  last_error(): number
  last_error_length(): number
  last_detail(): number
}
