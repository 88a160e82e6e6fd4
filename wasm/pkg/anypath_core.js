export function createGlue() {

/**
 * A peer, its buffers and its log.
 */
class Core {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        CoreFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_core_free(ptr, 0);
    }
    /**
     * Gives a connection the further targets in the input buffer; false when they can't be read.
     * @param {number} now
     * @param {number} connection
     * @param {number} len
     * @returns {boolean}
     */
    add_addresses(now, connection, len) {
        const ret = wasm.core_add_addresses(this.__wbg_ptr, now, connection, len);
        return ret !== 0;
    }
    /**
     * Answers an `INCOMING` record.
     * @param {number} now
     * @param {number} incoming
     * @param {number} decision
     * @returns {boolean}
     */
    admit(now, incoming, decision) {
        const ret = wasm.core_admit(this.__wbg_ptr, now, incoming, decision);
        return ret !== 0;
    }
    /**
     * Closes a connection with the reason in the input buffer.
     * @param {number} now
     * @param {number} connection
     * @param {number} code
     * @param {number} len
     */
    close(now, connection, code, len) {
        wasm.core_close(this.__wbg_ptr, now, connection, code, len);
    }
    /**
     * Dials; 0 is an error.
     * @param {number} now
     * @param {number} len
     * @returns {number}
     */
    connect(now, len) {
        const ret = wasm.core_connect(this.__wbg_ptr, now, len);
        return ret >>> 0;
    }
    /**
     * Writes a connection's figures to the output buffer.
     * @param {number} connection
     * @returns {number}
     */
    connection_stats(connection) {
        const ret = wasm.core_connection_stats(this.__wbg_ptr, connection);
        return ret >>> 0;
    }
    /**
     * Writes the output records and returns their length.
     * @param {number} now
     * @param {number} max_bytes
     * @returns {number}
     */
    drain(now, max_bytes) {
        const ret = wasm.core_drain(this.__wbg_ptr, now, max_bytes);
        return ret >>> 0;
    }
    /**
     * Writes the public key to the output buffer.
     */
    endpoint_id() {
        wasm.core_endpoint_id(this.__wbg_ptr);
    }
    /**
     * Ends a stream.
     * @param {number} connection
     * @param {number} stream
     * @returns {number}
     */
    finish(connection, stream) {
        const ret = wasm.core_finish(this.__wbg_ptr, connection, stream);
        return ret;
    }
    /**
     * Writes the text of the ticket in the input buffer.
     * @param {number} len
     * @returns {number}
     */
    format_ticket(len) {
        const ret = wasm.core_format_ticket(this.__wbg_ptr, len);
        return ret >>> 0;
    }
    /**
     * Reads the input records.
     * @param {number} now
     * @param {number} len
     */
    ingest(now, len) {
        wasm.core_ingest(this.__wbg_ptr, now, len);
    }
    /**
     * Where the input buffer starts, which holds at least `len` bytes.
     * @param {number} len
     * @returns {number}
     */
    input(len) {
        const ret = wasm.core_input(this.__wbg_ptr, len);
        return ret >>> 0;
    }
    /**
     * Starts a key update.
     * @param {number} connection
     */
    key_update(connection) {
        wasm.core_key_update(this.__wbg_ptr, connection);
    }
    /**
     * The application's code of the last reset or stop.
     * @returns {number}
     */
    last_detail() {
        const ret = wasm.core_last_detail(this.__wbg_ptr);
        return ret;
    }
    /**
     * The code of the last failed call.
     * @returns {number}
     */
    last_error() {
        const ret = wasm.core_last_error(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * The length of its message, which is in the output buffer.
     * @returns {number}
     */
    last_error_length() {
        const ret = wasm.core_last_error_length(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * The largest datagram now.
     * @param {number} connection
     * @returns {number}
     */
    max_datagram_bytes(connection) {
        const ret = wasm.core_max_datagram_bytes(this.__wbg_ptr, connection);
        return ret;
    }
    /**
     * Tries every path again.
     * @param {number} now
     */
    network_changed(now) {
        wasm.core_network_changed(this.__wbg_ptr, now);
    }
    /**
     * A peer with this configuration.
     * @param {Uint8Array | number[]} config
     */
    constructor(config) {
        const ptr0 = passArray8ToWasm0(config, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        const ret = wasm.core_new(ptr0, len0);
        if (ret[2]) {
            throw takeFromExternrefTable0(ret[1]);
        }
        this.__wbg_ptr = ret[0];
        CoreFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * When to drain next at the latest.
     * @returns {number}
     */
    next_wake() {
        const ret = wasm.core_next_wake(this.__wbg_ptr);
        return ret;
    }
    /**
     * Opens a stream: its id, -1 when there may be no more now, -2 when the connection is over.
     * @param {number} connection
     * @param {boolean} bidirectional
     * @returns {number}
     */
    open_stream(connection, bidirectional) {
        const ret = wasm.core_open_stream(this.__wbg_ptr, connection, bidirectional);
        return ret;
    }
    /**
     * Where the output buffer starts.
     * @returns {number}
     */
    output() {
        const ret = wasm.core_output(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Takes the text in the input buffer apart.
     * @param {number} len
     * @returns {number}
     */
    parse_ticket(len) {
        const ret = wasm.core_parse_ticket(this.__wbg_ptr, len);
        return ret >>> 0;
    }
    /**
     * Writes the peer's figures to the output buffer.
     * @returns {number}
     */
    peer_stats() {
        const ret = wasm.core_peer_stats(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Probes a connection's paths.
     * @param {number} connection
     */
    ping(connection) {
        wasm.core_ping(this.__wbg_ptr, connection);
    }
    /**
     * Reads into the output buffer and returns how much there is.
     * @param {number} connection
     * @param {number} stream
     * @param {number} max
     * @returns {number}
     */
    read(connection, stream, max) {
        const ret = wasm.core_read(this.__wbg_ptr, connection, stream, max);
        return ret;
    }
    /**
     * Checks the packet in the input buffer and takes it apart.
     * @param {number} len
     * @returns {number}
     */
    read_record(len) {
        const ret = wasm.core_read_record(this.__wbg_ptr, len);
        return ret >>> 0;
    }
    /**
     * The WebSocket to a relay is closed, with the reason in the input buffer.
     * @param {number} now
     * @param {number} relay
     * @param {number} len
     */
    relay_closed(now, relay, len) {
        wasm.core_relay_closed(this.__wbg_ptr, now, relay, len);
    }
    /**
     * The WebSocket to a relay is open.
     * @param {number} now
     * @param {number} relay
     * @param {number} protocol
     */
    relay_opened(now, relay, protocol) {
        wasm.core_relay_opened(this.__wbg_ptr, now, relay, protocol);
    }
    /**
     * Takes a carrier away.
     * @param {number} now
     * @param {number} id
     */
    remove_carrier(now, id) {
        wasm.core_remove_carrier(this.__wbg_ptr, now, id);
    }
    /**
     * Abandons a stream's sending side.
     * @param {number} connection
     * @param {number} stream
     * @param {number} code
     * @returns {number}
     */
    reset(connection, stream, code) {
        const ret = wasm.core_reset(this.__wbg_ptr, connection, stream, code);
        return ret;
    }
    /**
     * Time may have passed unnoticed.
     * @param {number} now
     */
    resumed(now) {
        wasm.core_resumed(this.__wbg_ptr, now);
    }
    /**
     * Queues the datagram in the input buffer.
     * @param {number} connection
     * @param {number} len
     * @returns {number}
     */
    send_datagram(connection, len) {
        const ret = wasm.core_send_datagram(this.__wbg_ptr, connection, len);
        return ret;
    }
    /**
     * Adds or changes a carrier; false for an unknown kind.
     * @param {number} now
     * @param {number} id
     * @param {number} kind
     * @param {number} max_packet_bytes
     * @returns {boolean}
     */
    set_carrier(now, id, kind, max_packet_bytes) {
        const ret = wasm.core_set_carrier(this.__wbg_ptr, now, id, kind, max_packet_bytes);
        return ret !== 0;
    }
    /**
     * Takes this machine's addresses from the input buffer; false when they can't be read.
     * @param {number} now
     * @param {number} len
     * @returns {boolean}
     */
    set_local_addresses(now, len) {
        const ret = wasm.core_set_local_addresses(this.__wbg_ptr, now, len);
        return ret !== 0;
    }
    /**
     * Orders a stream among the others.
     * @param {number} connection
     * @param {number} stream
     * @param {number} priority
     * @returns {number}
     */
    set_priority(connection, stream, priority) {
        const ret = wasm.core_set_priority(this.__wbg_ptr, connection, stream, priority);
        return ret;
    }
    /**
     * Chooses the home among the relays in the input buffer; false when they can't be read.
     * @param {number} now
     * @param {number} len
     * @returns {boolean}
     */
    set_relays(now, len) {
        const ret = wasm.core_set_relays(this.__wbg_ptr, now, len);
        return ret !== 0;
    }
    /**
     * Tells whether timers run on time.
     * @param {number} now
     * @param {boolean} visible
     */
    set_visible(now, visible) {
        wasm.core_set_visible(this.__wbg_ptr, now, visible);
    }
    /**
     * Closes everything with the reason in the input buffer.
     * @param {number} now
     * @param {number} code
     * @param {number} len
     */
    shutdown(now, code, len) {
        wasm.core_shutdown(this.__wbg_ptr, now, code, len);
    }
    /**
     * Signs the record in the input buffer and writes the packet to the output buffer.
     * @param {number} timestamp
     * @param {number} len
     * @returns {number}
     */
    sign_record(timestamp, len) {
        const ret = wasm.core_sign_record(this.__wbg_ptr, timestamp, len);
        return ret >>> 0;
    }
    /**
     * Refuses the rest of a stream.
     * @param {number} connection
     * @param {number} stream
     * @param {number} code
     * @returns {number}
     */
    stop(connection, stream, code) {
        const ret = wasm.core_stop(this.__wbg_ptr, connection, stream, code);
        return ret;
    }
    /**
     * Writes from the input buffer and returns how much was taken.
     * @param {number} connection
     * @param {number} stream
     * @param {number} len
     * @returns {number}
     */
    write(connection, stream, len) {
        const ret = wasm.core_write(this.__wbg_ptr, connection, stream, len);
        return ret;
    }
}
if (Symbol.dispose) Core.prototype[Symbol.dispose] = Core.prototype.free;

/**
 * What the panic said that has poisoned this instance; empty when there was none.
 * @returns {string}
 */
function panic_message() {
    let deferred1_0;
    let deferred1_1;
    try {
        const ret = wasm.panic_message();
        deferred1_0 = ret[0];
        deferred1_1 = ret[1];
        return getStringFromWasm0(ret[0], ret[1]);
    } finally {
        wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
    }
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg_Error_208446807d0d1e30: function(arg0, arg1) {
            const ret = Error(getStringFromWasm0(arg0, arg1));
            return ret;
        },
        __wbg___wbindgen_is_function_741ff2bb612836f5: function(arg0) {
            const ret = typeof(arg0) === 'function';
            return ret;
        },
        __wbg___wbindgen_is_object_8b968c3ab8e96595: function(arg0) {
            const val = arg0;
            const ret = typeof(val) === 'object' && val !== null;
            return ret;
        },
        __wbg___wbindgen_is_string_fc456fee5d3317de: function(arg0) {
            const ret = typeof(arg0) === 'string';
            return ret;
        },
        __wbg___wbindgen_is_undefined_be5b34249ff1fc15: function(arg0) {
            const ret = arg0 === undefined;
            return ret;
        },
        __wbg___wbindgen_throw_4c88d8bf264fd984: function(arg0, arg1) {
            throw new Error(getStringFromWasm0(arg0, arg1));
        },
        __wbg_call_a410eb4b59ed5965: function() { return handleError(function (arg0, arg1, arg2) {
            const ret = arg0.call(arg1, arg2);
            return ret;
        }, arguments); },
        __wbg_crypto_23f565a907d30078: function(arg0) {
            const ret = arg0.crypto;
            return ret;
        },
        __wbg_getRandomValues_8b6f1f663e6f188d: function() { return handleError(function (arg0, arg1) {
            globalThis.crypto.getRandomValues(getArrayU8FromWasm0(arg0, arg1));
        }, arguments); },
        __wbg_getRandomValues_d2908e0b99612b91: function() { return handleError(function (arg0, arg1) {
            arg0.getRandomValues(arg1);
        }, arguments); },
        __wbg_length_186163212ffe79c3: function(arg0) {
            const ret = arg0.length;
            return ret;
        },
        __wbg_msCrypto_d5f06fad6bf1409b: function(arg0) {
            const ret = arg0.msCrypto;
            return ret;
        },
        __wbg_new_with_length_01b143a7e5dd5a3e: function(arg0) {
            const ret = new Uint8Array(arg0 >>> 0);
            return ret;
        },
        __wbg_node_86166ff8ce1f2002: function(arg0) {
            const ret = arg0.node;
            return ret;
        },
        __wbg_now_463ac581d2fc7ea3: function() {
            const ret = Date.now();
            return ret;
        },
        __wbg_now_e7c6795a7f81e10f: function(arg0) {
            const ret = arg0.now();
            return ret;
        },
        __wbg_performance_7e4e4494fdc9d07a: function(arg0) {
            const ret = arg0.performance;
            return ret;
        },
        __wbg_process_91f425a63f58e399: function(arg0) {
            const ret = arg0.process;
            return ret;
        },
        __wbg_prototypesetcall_13162965d1fe7aa3: function(arg0, arg1, arg2) {
            Uint8Array.prototype.set.call(getArrayU8FromWasm0(arg0, arg1), arg2);
        },
        __wbg_randomFillSync_34b023059e3363de: function() { return handleError(function (arg0, arg1) {
            arg0.randomFillSync(arg1);
        }, arguments); },
        __wbg_require_9a7d8cc2e1d275c0: function() { return handleError(function () {
            const ret = module.require;
            return ret;
        }, arguments); },
        __wbg_static_accessor_GLOBAL_THIS_003ee833af9699fc: function() {
            const ret = typeof globalThis === 'undefined' ? undefined : globalThis;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_static_accessor_GLOBAL_e4293fb22cbe77da: function() {
            const ret = typeof global === 'undefined' ? undefined : global;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_static_accessor_SELF_53bb20457401453d: function() {
            const ret = typeof self === 'undefined' ? undefined : self;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_static_accessor_WINDOW_b5e0810bfecb7feb: function() {
            const ret = typeof window === 'undefined' ? undefined : window;
            return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
        },
        __wbg_subarray_58f388a9247ac0bb: function(arg0, arg1, arg2) {
            const ret = arg0.subarray(arg1 >>> 0, arg2 >>> 0);
            return ret;
        },
        __wbg_versions_6e128a981b0df859: function(arg0) {
            const ret = arg0.versions;
            return ret;
        },
        __wbindgen_generic_0000000000000001: function(arg0, arg1) {
            // Cast intrinsic for `Ref(Slice(U8)) -> NamedExternref("Uint8Array")`.
            const ret = getArrayU8FromWasm0(arg0, arg1);
            return ret;
        },
        __wbindgen_generic_0000000000000002: function(arg0, arg1) {
            // Cast intrinsic for `Ref(String) -> Externref`.
            const ret = getStringFromWasm0(arg0, arg1);
            return ret;
        },
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            table.set(0, undefined);
            table.set(1024, undefined);
            table.set(1025, null);
            table.set(1026, true);
            table.set(1027, false);
        },
    };
    return {
        __proto__: null,
        "./anypath_core_bg.js": import0,
    };
}

const CoreFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_core_free(ptr, 1));

function addToExternrefTable0(obj) {
    const idx = wasm.__externref_table_alloc();
    wasm.__wbindgen_externrefs.set(idx, obj);
    return idx;
}

function getArrayU8FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len);
}

function getStringFromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

function handleError(f, args) {
    try {
        return f.apply(this, args);
    } catch (e) {
        const idx = addToExternrefTable0(e);
        wasm.__wbindgen_exn_store(idx);
    }
}

function isLikeNone(x) {
    return x === undefined || x === null;
}

function passArray8ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 1, 1) >>> 0;
    getUint8ArrayMemory0().set(arg, ptr / 1);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function takeFromExternrefTable0(idx) {
    const value = wasm.__wbindgen_externrefs.get(idx);
    wasm.__externref_table_dealloc(idx);
    return value;
}

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(bytes) {
    numBytesDecoded += bytes.length;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
        cachedTextDecoder.decode();
        numBytesDecoded = bytes.length;
    }
    return cachedTextDecoder.decode(bytes);
}

let WASM_VECTOR_LEN = 0;

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedUint8ArrayMemory0 = null;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

let __wbg_init_promise;
async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;
    if (__wbg_init_promise === undefined) {
        __wbg_init_promise = __wbg_init_once(module_or_path);
        __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
    }
    return __wbg_init_promise;
}

async function __wbg_init_once(module_or_path) {

    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }

    if (module_or_path === undefined) {
        throw new TypeError('the core needs its bytes or its module');
    }
    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}



return { initSync, Core, panic_message };
}
