//! Candidates, pairs, NAT observations and the choice of paths.
//!
//! Two peers that reach each other over UDP need none of it, so nothing is here yet; the crate keeps the place
//! between `peer` and `wire` that the architecture gives it.
#![forbid(unsafe_code)]
