//! The handshake between two in-memory QUIC endpoints, between one of ours and a stock one, and with what
//! a network does to the two datagrams of a post-quantum ClientHello.

mod crafted;
mod early_data;
mod handshakes;
mod lossy_hello;
mod net;
mod refusals;
mod sizes;
mod stock;
