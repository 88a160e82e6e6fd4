/* tslint:disable */
/* eslint-disable */

/**
 * A peer, its buffers and its log.
 */
export class Core {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Gives a connection the further targets in the input buffer; false when they can't be read.
     */
    add_addresses(now: number, connection: number, len: number): boolean;
    /**
     * Answers an `INCOMING` record.
     */
    admit(now: number, incoming: number, decision: number): boolean;
    /**
     * Answers a `SESSION_REQUESTED` record with an HTTP status; false when the question is no longer open.
     */
    answer_session(now: number, session: number, status: number): boolean;
    /**
     * Closes a connection with the reason in the input buffer.
     */
    close(now: number, connection: number, code: number, len: number): void;
    /**
     * Dials; 0 is an error.
     */
    connect(now: number, len: number): number;
    /**
     * Writes a connection's figures to the output buffer.
     */
    connection_stats(connection: number): number;
    /**
     * Writes the output records and returns their length.
     */
    drain(now: number, max_bytes: number): number;
    /**
     * Writes the public key to the output buffer.
     */
    endpoint_id(): void;
    /**
     * Ends a stream.
     */
    finish(connection: number, stream: number): number;
    /**
     * Writes the text of the ticket in the input buffer.
     */
    format_ticket(len: number): number;
    /**
     * Reads the input records.
     */
    ingest(now: number, len: number): void;
    /**
     * Where the input buffer starts, which holds at least `len` bytes.
     */
    input(len: number): number;
    /**
     * Starts a key update.
     */
    key_update(connection: number): void;
    /**
     * The application's code of the last reset or stop.
     */
    last_detail(): number;
    /**
     * The code of the last failed call.
     */
    last_error(): number;
    /**
     * The length of its message, which is in the output buffer.
     */
    last_error_length(): number;
    /**
     * The largest datagram now.
     */
    max_datagram_bytes(connection: number): number;
    /**
     * Tries every path again.
     */
    network_changed(now: number): void;
    /**
     * A peer with this configuration.
     */
    constructor(config: Uint8Array | number[]);
    /**
     * When to drain next at the latest.
     */
    next_wake(): number;
    /**
     * Opens a stream: its id, -1 when there may be no more now, -2 when the connection is over.
     */
    open_stream(connection: number, bidirectional: boolean): number;
    /**
     * Where the output buffer starts.
     */
    output(): number;
    /**
     * Takes the text in the input buffer apart.
     */
    parse_ticket(len: number): number;
    /**
     * Writes the peer's figures to the output buffer.
     */
    peer_stats(): number;
    /**
     * Probes a connection's paths.
     */
    ping(connection: number): void;
    /**
     * Reads into the output buffer and returns how much there is.
     */
    read(connection: number, stream: number, max: number): number;
    /**
     * Checks the packet in the input buffer and takes it apart.
     */
    read_record(len: number): number;
    /**
     * The WebSocket to a relay is closed, with the reason in the input buffer.
     */
    relay_closed(now: number, relay: number, len: number): void;
    /**
     * The WebSocket to a relay is open.
     */
    relay_opened(now: number, relay: number, protocol: number): void;
    /**
     * Takes a carrier away.
     */
    remove_carrier(now: number, id: number): void;
    /**
     * Abandons a stream's sending side.
     */
    reset(connection: number, stream: number, code: number): number;
    /**
     * Time may have passed unnoticed.
     */
    resumed(now: number): void;
    /**
     * Queues the datagram in the input buffer.
     */
    send_datagram(connection: number, len: number): number;
    /**
     * Adds or changes a carrier; false for an unknown kind.
     */
    set_carrier(now: number, id: number, kind: number, max_packet_bytes: number): boolean;
    /**
     * Asks the address-discovery services in the input buffer from now on; false when they can't be read or used.
     */
    set_discovery_services(now: number, len: number): boolean;
    /**
     * Takes this machine's addresses from the input buffer; false when they can't be read.
     */
    set_local_addresses(now: number, len: number): boolean;
    /**
     * Takes the addresses that routers forward here from the input buffer; false when they can't be read.
     */
    set_mapped_addresses(now: number, len: number): boolean;
    /**
     * Orders a stream among the others.
     */
    set_priority(connection: number, stream: number, priority: number): number;
    /**
     * Chooses the home among the relays in the input buffer; false when they can't be read.
     */
    set_relays(now: number, len: number): boolean;
    /**
     * Asks the STUN servers in the input buffer from now on; false when they can't be read.
     */
    set_stun_servers(now: number, len: number): boolean;
    /**
     * Tells whether timers run on time.
     */
    set_visible(now: number, visible: boolean): void;
    /**
     * Closes everything with the reason in the input buffer.
     */
    shutdown(now: number, code: number, len: number): void;
    /**
     * Signs the record in the input buffer and writes the packet to the output buffer.
     */
    sign_record(timestamp: number, len: number): number;
    /**
     * Refuses the rest of a stream.
     */
    stop(connection: number, stream: number, code: number): number;
    /**
     * Writes what browsers know this peer by to the output buffer: nothing when there is no listener.
     */
    web_transport_certificates(now: number): number;
    /**
     * Writes from the input buffer and returns how much was taken.
     */
    write(connection: number, stream: number, len: number): number;
}

/**
 * What the panic said that has poisoned this instance; empty when there was none.
 */
export function panic_message(): string;

/**
 * The key that a keying material authentication claims, as verified as the claim is: not at all.
 */
export function relay_claimed_key(authentication: Uint8Array | number[]): Uint8Array;

/**
 * The key that a text names: hexadecimal or base32, or z-base-32 when that is asked for; empty for none.
 */
export function relay_parse_id(text: string, z_base_32: boolean): Uint8Array;

/**
 * Verifies a `ClientAuth` message against the 16-byte challenge that it has to answer.
 */
export function relay_verify_client_auth(challenge: Uint8Array | number[], message: Uint8Array | number[]): Uint8Array;

/**
 * Verifies a keying material authentication against 32 bytes of exported material.
 */
export function relay_verify_key_material(authentication: Uint8Array | number[], material: Uint8Array | number[]): Uint8Array;

/**
 * The time of a signed packet in microseconds since 1970; -1 malformed, -2 signature invalid.
 */
export function relay_verify_signed_packet(id: Uint8Array | number[], payload: Uint8Array | number[]): number;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_core_free: (a: number, b: number) => void;
    readonly core_add_addresses: (a: number, b: number, c: number, d: number) => number;
    readonly core_admit: (a: number, b: number, c: number, d: number) => number;
    readonly core_answer_session: (a: number, b: number, c: number, d: number) => number;
    readonly core_close: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly core_connect: (a: number, b: number, c: number) => number;
    readonly core_connection_stats: (a: number, b: number) => number;
    readonly core_drain: (a: number, b: number, c: number) => number;
    readonly core_endpoint_id: (a: number) => void;
    readonly core_finish: (a: number, b: number, c: number) => number;
    readonly core_format_ticket: (a: number, b: number) => number;
    readonly core_ingest: (a: number, b: number, c: number) => void;
    readonly core_input: (a: number, b: number) => number;
    readonly core_key_update: (a: number, b: number) => void;
    readonly core_last_detail: (a: number) => number;
    readonly core_last_error: (a: number) => number;
    readonly core_last_error_length: (a: number) => number;
    readonly core_max_datagram_bytes: (a: number, b: number) => number;
    readonly core_network_changed: (a: number, b: number) => void;
    readonly core_new: (a: number, b: number) => [number, number, number];
    readonly core_next_wake: (a: number) => number;
    readonly core_open_stream: (a: number, b: number, c: number) => number;
    readonly core_output: (a: number) => number;
    readonly core_parse_ticket: (a: number, b: number) => number;
    readonly core_peer_stats: (a: number) => number;
    readonly core_ping: (a: number, b: number) => void;
    readonly core_read: (a: number, b: number, c: number, d: number) => number;
    readonly core_read_record: (a: number, b: number) => number;
    readonly core_relay_closed: (a: number, b: number, c: number, d: number) => void;
    readonly core_relay_opened: (a: number, b: number, c: number, d: number) => void;
    readonly core_remove_carrier: (a: number, b: number, c: number) => void;
    readonly core_reset: (a: number, b: number, c: number, d: number) => number;
    readonly core_resumed: (a: number, b: number) => void;
    readonly core_send_datagram: (a: number, b: number, c: number) => number;
    readonly core_set_carrier: (a: number, b: number, c: number, d: number, e: number) => number;
    readonly core_set_discovery_services: (a: number, b: number, c: number) => number;
    readonly core_set_local_addresses: (a: number, b: number, c: number) => number;
    readonly core_set_mapped_addresses: (a: number, b: number, c: number) => number;
    readonly core_set_priority: (a: number, b: number, c: number, d: number) => number;
    readonly core_set_relays: (a: number, b: number, c: number) => number;
    readonly core_set_stun_servers: (a: number, b: number, c: number) => number;
    readonly core_set_visible: (a: number, b: number, c: number) => void;
    readonly core_shutdown: (a: number, b: number, c: number, d: number) => void;
    readonly core_sign_record: (a: number, b: number, c: number) => number;
    readonly core_stop: (a: number, b: number, c: number, d: number) => number;
    readonly core_web_transport_certificates: (a: number, b: number) => number;
    readonly core_write: (a: number, b: number, c: number, d: number) => number;
    readonly panic_message: () => [number, number];
    readonly relay_claimed_key: (a: number, b: number) => [number, number];
    readonly relay_parse_id: (a: number, b: number, c: number) => [number, number];
    readonly relay_verify_client_auth: (a: number, b: number, c: number, d: number) => [number, number];
    readonly relay_verify_key_material: (a: number, b: number, c: number, d: number) => [number, number];
    readonly relay_verify_signed_packet: (a: number, b: number, c: number, d: number) => number;
    readonly ring_core_0_17_14__bn_mul_mont: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly __wbindgen_exn_store: (a: number) => void;
    readonly __externref_table_alloc: () => number;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __externref_table_dealloc: (a: number) => void;
    readonly __wbindgen_realloc: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;

/** The only export that exists at run time: glue with an instance of its own. */
export function createGlue(): { readonly initSync: typeof initSync; readonly Core: typeof Core; readonly panic_message: typeof panic_message; readonly relay_claimed_key: typeof relay_claimed_key; readonly relay_parse_id: typeof relay_parse_id; readonly relay_verify_client_auth: typeof relay_verify_client_auth; readonly relay_verify_key_material: typeof relay_verify_key_material; readonly relay_verify_signed_packet: typeof relay_verify_signed_packet };
