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
//! | [`nat`] | routers that translate and filter, of every kind |
//! | [`site`] | hosts behind such routers |
//! | [`relay`] | relays, and what may be wrong with them |
//! | [`application`] | what a host does with its connections: writing, reading, echoing |
//! | [`transcript`] | what is compared between two runs |
//! | [`spoofer`] | datagrams of strangers |
//! | [`experiment`] | one transfer over one link, for tables |
//! | [`traversal`] | two peers behind NATs on their way to a direct path, for tables |
#![forbid(unsafe_code)]

pub mod application;
pub mod experiment;
pub mod link;
pub mod nat;
pub mod relay;
pub mod simulation;
pub mod site;
pub mod spoofer;
pub mod transcript;
pub mod traversal;

pub use application::{Application, Received};
pub use link::{Fate, Link};
pub use nat::{Kind, Nat, SiteKind};
pub use relay::{RelayMood, Wire};
pub use simulation::{HostId, Micros, Simulation, address, config};
pub use site::SiteId;
pub use spoofer::Spoofer;
pub use transcript::Transcript;
