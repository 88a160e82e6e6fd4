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
//! | [`relay`] | relays, as carriers |
//! | [`pkarr`] | signed records, by which peers are found |
//! | `first_flight` | a start without pacing |
//! | [`admission`] | limits on strangers |
//! | [`tls`] | identity and handshake |
//! | [`relay_auth`] | how a client proves its key to a relay |
//! | [`signed_packet`] | address records that their key has signed |
//! | [`discovery`] | telling anonymous QUIC clients their address |
//! | [`error`] | the error table |
//! | `qlog` | what happens, packet by packet, when it is wanted |
//! | [`stats`] | figures |
//! | `stun` | telling others their address |
//! | `reflexive` | learning one's own address |
//! | `traversal` | a connection's way to a direct path |
//! | `control` | what two peers tell each other apart from applications |
//! | `web_transport` | sessions that browsers open |
//! | `birthday` | many sockets against many ports |
#![forbid(unsafe_code)]

pub mod admission;
mod backlog;
#[cfg(feature = "traversal")]
mod birthday;
#[cfg(feature = "traversal")]
mod bucket;
#[cfg(feature = "webtransport")]
mod carried;
#[cfg(not(feature = "webtransport"))]
#[path = "carried/off.rs"]
mod carried;
pub mod carrier;
#[cfg(feature = "traversal")]
mod challenged;
mod cid;
pub mod clock;
pub mod config;
mod connection;
#[cfg(feature = "traversal")]
mod control;
pub mod dial;
pub mod discovery;
pub mod error;
pub mod event;
mod few;
mod first_flight;
pub mod peer;
pub mod pkarr;
#[cfg(feature = "traversal")]
mod probes;
#[cfg(not(feature = "traversal"))]
#[path = "probes/off.rs"]
mod probes;
#[cfg(feature = "qlog")]
mod qlog;
#[cfg(not(feature = "qlog"))]
#[path = "qlog/off.rs"]
mod qlog;
#[cfg(feature = "traversal")]
mod reflexive;
#[cfg(feature = "traversal")]
pub use reflexive::inquiries::DiscoveryService;
pub mod relay;
pub mod relay_auth;
pub mod session;
pub mod signed_packet;
pub mod stats;
#[cfg(feature = "traversal")]
mod stun;
pub mod tls;
#[cfg(feature = "traversal")]
mod traversal;
#[cfg(not(feature = "traversal"))]
#[path = "traversal/off.rs"]
mod traversal;
mod watched;
#[cfg(feature = "webtransport")]
pub mod web_transport;

pub use anypath_paths::{candidate, mapping};
pub use anypath_wire as wire;
