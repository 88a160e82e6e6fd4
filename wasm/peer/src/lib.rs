//! The sans-IO peer: identity, TLS, QUIC, and the sessions with remote peers.
//!
//! | module | what is in it |
//! |---|---|
//! | [`peer`] | the endpoint and its connections: where to begin reading |
//! | [`config`] | how a peer is set up |
//! | [`event`] | what it tells |
//! | [`session`] | what the connections with one remote amount to |
//! | [`dial`] | several addresses, one connection |
//! | [`carrier`] | what moves datagrams |
//! | `first_flight` | a start without pacing |
//! | [`admission`] | limits on strangers |
//! | [`tls`] | identity and handshake |
//! | [`error`] | the error table |
//! | `qlog` | what happens, packet by packet, when it is wanted |
//! | [`stats`] | figures |
#![forbid(unsafe_code)]

pub mod admission;
mod backlog;
pub mod carrier;
mod cid;
pub mod clock;
pub mod config;
mod connection;
pub mod dial;
pub mod error;
pub mod event;
mod first_flight;
pub mod peer;
#[cfg(feature = "qlog")]
mod qlog;
#[cfg(not(feature = "qlog"))]
#[path = "qlog/off.rs"]
mod qlog;
pub mod session;
pub mod stats;
pub mod tls;

pub use anypath_wire as wire;
