//! The module's exports. Bytes go in through one buffer and come out through another; everything else is a number.
#![expect(
    unsafe_code,
    reason = "names of exports, and two pointers to buffers that the host reads and writes"
)]

use std::cell::RefCell;
use std::time::Instant;

use crate::agent::Bases;
use crate::agents::{Agents, Signal};
use crate::records::take_address;

thread_local! {
    static MODULE: RefCell<Module> = RefCell::default();
}

#[derive(Default)]
struct Module {
    agents: Agents,
    input: Vec<u8>,
    output: Vec<u8>,
}

fn with<T>(call: impl FnOnce(&mut Agents, &[u8]) -> T) -> T {
    MODULE.with_borrow_mut(|Module { agents, input, .. }| call(agents, input))
}

#[cfg(target_family = "wasm")]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// To be called first, and once (WASI's reactors).
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: nothing of the C library has run before.
    unsafe { __wasm_call_ctors() }
}

/// Where the host is to put so many bytes that the next call takes.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_input(len: usize) -> *mut u8 {
    MODULE.with_borrow_mut(|module| {
        module.input.clear();
        module.input.resize(len, 0);
        module.input.as_mut_ptr()
    })
}

/// Where the records are that the last [`webrtc_poll`] has given.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_output() -> *const u8 {
    MODULE.with_borrow(|module| module.output.as_ptr())
}

/// Makes an agent. The input has the addresses that the socket is bound to, at most one for each family. 0 where there are no random bytes.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_open(initiator: u32) -> u32 {
    with(|agents, mut input| {
        let mut bases = Bases::default();
        while let Some((address, rest)) = take_address(input) {
            input = rest;
            *(if address.is_ipv4() {
                &mut bases.v4
            } else {
                &mut bases.v6
            }) = Some(address);
        }
        agents
            .open(initiator != 0, bases, Instant::now())
            .unwrap_or(0)
    })
}

/// Ends an agent.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_close(agent: u32) {
    with(|agents, _| agents.close(agent));
}

/// Takes an offer (kind 0), an answer (1) or a candidate (2) of the remote's from the input; 0 where it is none.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_signal(agent: u32, kind: u32) -> u32 {
    with(|agents, input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return 0;
        };
        let signal = match kind {
            0 => Signal::Offer(text),
            1 => Signal::Answer(text),
            2 => Signal::Candidate(text),
            _ => return 0,
        };
        agents.signal(agent, signal, Instant::now()).is_ok().into()
    })
}

/// Takes a datagram from the input, behind the address that it came from; 0 where it is for none of the agents.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_receive() -> u32 {
    with(|agents, input| match take_address(input) {
        Some((source, data)) => agents.receive(source, data, Instant::now()).into(),
        None => 0,
    })
}

/// Sends the input as a message; 0 where the channel does not take it now.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_send(agent: u32) -> u32 {
    with(|agents, input| agents.send(agent, input, Instant::now()).into())
}

/// Does what is due. Gives the bytes of records that are at [`webrtc_output`] until the next call.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_poll() -> usize {
    MODULE.with_borrow_mut(|module| {
        module.output = module.agents.poll(Instant::now());
        module.output.len()
    })
}

/// In how many milliseconds [`webrtc_poll`] is to be called at the latest; negative while there is no agent.
#[unsafe(no_mangle)]
pub extern "C" fn webrtc_wait() -> f64 {
    with(|agents, _| {
        agents
            .wait(Instant::now())
            .map_or(-1.0, |wait| wait.as_secs_f64() * 1000.0)
    })
}
