//! The sans-IO peer: identity, TLS, and the QUIC endpoint and its connections.
#![forbid(unsafe_code)]

pub mod tls;
