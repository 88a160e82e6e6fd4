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

pub use crate::core::Core;
pub use panic::panic_message;
