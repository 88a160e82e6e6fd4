//! Peers in virtual time.
//!
//! A [`Simulation`] runs the core of every host, moves datagrams over links that delay, lose, duplicate,
//! reorder, queue and cut them, and advances its clock from one event to the next. One seed gives one
//! run: events, sizes and times repeat, and the [`Transcript`] proves it. Key material is random, so
//! ciphertext does not.
//!
//! | module | what is in it |
//! |---|---|
//! | [`simulation`] | hosts, links and the clock: where to begin reading |
//! | [`link`] | what a network does to a datagram |
//! | [`relay`] | relays, and what may be wrong with them |
//! | [`application`] | what a host does with its connections: writing, reading, echoing |
//! | [`transcript`] | what is compared between two runs |
//! | [`spoofer`] | datagrams of strangers |
//! | [`experiment`] | one transfer over one link, for tables |
#![forbid(unsafe_code)]

pub mod application;
pub mod experiment;
pub mod link;
pub mod relay;
pub mod simulation;
pub mod spoofer;
pub mod transcript;

pub use application::{Application, Received};
pub use link::{Fate, Link};
pub use relay::{RelayMood, Wire};
pub use simulation::{HostId, Micros, Simulation, address, config};
pub use spoofer::Spoofer;
pub use transcript::Transcript;
