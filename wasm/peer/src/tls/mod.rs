//! TLS 1.3 for QUIC between peers: identity by raw public key, post-quantum key exchange first.
//!
//! A peer's id is its Ed25519 public key, carried as a raw public key ([RFC 7250]) in both directions and
//! taken from the authenticated handshake, never from an address or a name on the wire.
//!
//! - [`identity`]: the secret key and everything derived from it
//! - [`certificate`]: what is shown to clients that are no peers
//! - `verifier`, `signer`: what rustls asks about the other side's key and about ours
//! - [`provider`], [`hybrid`]: cipher suites and key exchange groups
//! - `suite`: how packets are sealed and opened
//! - [`session`]: the `noq_proto` session over rustls, for both sides
//! - [`hello_gate`]: the server side, which reads a whole ClientHello before it chooses a configuration
//! - `recorder`: what a qlog learns of packets
//! - [`config`]: the configurations that a peer hands to its endpoint
//!
//! Nothing here reads a clock: rustls gets the time from the injected
//! [`TimeProvider`](rustls::time_provider::TimeProvider).
//!
//! [RFC 7250]: https://www.rfc-editor.org/rfc/rfc7250

pub mod certificate;
pub mod config;
pub mod hello_gate;
pub mod hybrid;
pub mod identity;
pub mod provider;
#[cfg(feature = "qlog")]
mod recorder;
#[cfg(not(feature = "qlog"))]
#[path = "recorder/off.rs"]
mod recorder;
mod refusal;
mod resumption;
mod retry_integrity;
pub mod session;
mod signer;
mod slack;
mod suite;
mod token_key;
mod verifier;
mod withheld;

pub use certificate::{Certificate, CertificateError};
pub use config::{ConfigError, TlsConfig, server_name};
pub use identity::{EndpointId, SecretKey};
pub use provider::KeyExchange;
pub(crate) use recorder::Recorder;
pub use refusal::refusal_datagram;
pub use session::{HandshakeData, HandshakeInfo};
pub use slack::Slack;
pub use verifier::WrongKey;
