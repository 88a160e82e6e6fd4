//! What peers do to each other, in virtual time. Each test is one sentence about it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connecting;
mod datagrams;
mod determinism;
mod streams;
mod support;
