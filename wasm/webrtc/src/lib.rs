//! WebRTC data channels without a socket: ICE, DTLS and SCTP by str0m, for the UDP socket that a Node peer has already.
//!
//! An [`Agent`](agent::Agent) negotiates one data channel with one remote. [`Agents`](agents::Agents) tells whose a datagram is, and gathers
//! what all of them have to say as records. [`boundary`] is what the WebAssembly module exports; nothing else knows of memory.
//!
//! Time is the host's: `std::time::Instant` asks it through WASI, and it is asked once for each call.

pub mod agent;
pub mod agents;
pub mod boundary;
pub mod certificate;
pub mod crypto;
pub mod records;
