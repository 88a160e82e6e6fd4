//! The boundary: one class, of which only bytes, numbers and integer ids cross.
//!
//! `docs/boundary.md` describes every call and record. What is decided about a peer is decided in
//! `anypath-peer`; this crate only translates.

mod config;
mod core;
mod decode;
mod encode;
mod log;
mod panic;
#[cfg(feature = "node")]
mod relay;
mod relays;
#[cfg(feature = "node")]
mod web_transport;

pub use crate::core::Core;
#[doc(hidden)]
pub use decode::read_any;
pub use panic::panic_message;
#[cfg(feature = "node")]
pub use relay::{
    relay_claimed_key, relay_parse_id, relay_verify_client_auth, relay_verify_key_material,
    relay_verify_signed_packet,
};
