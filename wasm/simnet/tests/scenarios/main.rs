//! What peers do to each other, in virtual time. Each test is one sentence about it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod birthday;
mod changes;
mod closing;
mod connecting;
mod datagrams;
mod determinism;
mod flow_control;
mod limits;
mod paths;
mod reflexive;
mod relays;
mod resumption;
mod searches;
mod sites;
mod strangers;
mod streams;
mod support;
mod table;
mod transitions;
mod traversal;
