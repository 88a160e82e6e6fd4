//! Candidates, NAT observations and the choice of paths: what can be decided without a clock and without I/O.
#![forbid(unsafe_code)]

pub mod birthday;
pub mod candidate;
pub mod mapping;
pub mod prediction;
pub mod selection;
