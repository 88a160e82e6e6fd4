//! Bytes to types and back, for everything that anypath reads from or writes to a wire.
//!
//! No state, no clock, no randomness, no I/O: each parser takes a slice and returns a value or a
//! typed error, and no parser allocates more than the input that it was given justifies.
//!
//! | module | what it reads and writes |
//! |---|---|
//! | [`id`] | endpoint ids: hex, base32, z-base-32, TLS server names |
//! | [`ticket`] | iroh endpoint tickets |
//! | [`transfer`] | tickets of `anypath send` |
//! | [`pkarr`] | signed packets, by which peers publish where they are |
//! | [`info`] | what a peer publishes about itself, as TXT records |
//! | [`dns`] | DNS messages with TXT answers |
//! | [`relay`] | the messages between a client and a relay |
//! | [`client_hello`] | the TLS ClientHello, read before rustls is chosen |
//! | [`frame`] | the frames of a decrypted QUIC packet |
//! | [`varint`] | QUIC's variable-length integers |
//! | [`quic`] | which protocol a datagram on the shared socket belongs to |
//! | [`http3`] | HTTP/3 for WebTransport: frames, fields, settings, capsules |
//! | [`control`] | the frames of a control connection |
//! | [`probe`] | probes of the birthday scheme |
//! | [`stun`] | STUN's Binding requests and answers |
//! | [`address`] | socket addresses as bytes, IPv4-mapped forms, virtual addresses |
//! | [`record`] | the records that cross the WebAssembly boundary |
//! | [`reader`] | bounds-checked little-endian primitives |
#![forbid(unsafe_code)]

pub mod address;
pub mod base32;
pub mod client_hello;
pub mod control;
pub mod dns;
pub mod frame;
pub mod http3;
pub mod id;
pub mod info;
pub mod pkarr;
mod postcard;
pub mod probe;
pub mod quic;
pub mod reader;
pub mod record;
pub mod relay;
pub mod stun;
pub mod ticket;
pub mod transfer;
pub mod varint;

pub use base32::Base32Error;
pub use id::{EndpointId, IdError};
pub use ticket::{Ticket, TicketAddress, TicketError};
pub use transfer::{TransferError, TransferTicket};
