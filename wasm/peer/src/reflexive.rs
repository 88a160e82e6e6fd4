//! How this peer learns where the outside sees its main socket.

pub(crate) mod client;
pub(crate) mod inquiries;

use std::net::SocketAddrV6;
use std::time::Duration;

use anypath_paths::mapping::Observations;

use crate::clock::Instant;
use client::StunClient;
use inquiries::Inquiries;

/// How often servers are asked while there are connections: NATs may forget a UDP mapping after 30 seconds.
pub(crate) const REFRESH_INTERVAL: Duration = Duration::from_secs(25);

/// What a peer knows of its own addresses, and how it asks.
pub(crate) struct Reflexive {
    pub(crate) client: StunClient,
    pub(crate) inquiries: Inquiries,
    pub(crate) observations: Observations,
    /// When servers were asked last; `None`: they are to be asked now.
    pub(crate) asked: Option<Instant>,
    /// The addresses, and the predicted ones, that were told last.
    pub(crate) told: (Vec<SocketAddrV6>, Vec<SocketAddrV6>),
}

impl Reflexive {
    /// Nothing is known; `seed` is a secret.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            client: StunClient::new(seed),
            inquiries: Inquiries::default(),
            observations: Observations::default(),
            asked: None,
            told: (Vec::new(), Vec::new()),
        }
    }

    /// When servers are to be asked again; `None`: never. What is known is kept fresh only where it is `needed`.
    pub(crate) fn refresh_due(&self, now: Instant, needed: bool) -> Option<Instant> {
        if !self.client.has_servers() {
            return None;
        }
        match self.asked {
            None => Some(now),
            Some(asked) => needed.then(|| asked + REFRESH_INTERVAL),
        }
    }
}
