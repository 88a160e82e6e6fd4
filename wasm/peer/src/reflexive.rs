//! How this peer learns where the outside sees its main socket.

pub(crate) mod client;
#[expect(clippy::iter_over_hash_type, reason = "all are counted, in any order")]
pub(crate) mod flows;
pub(crate) mod inquiries;

use std::net::SocketAddrV6;
use std::time::Duration;

use anypath_paths::mapping::{Observation, Observations, Observer};

use crate::carrier::MAIN_CARRIER;
use crate::clock::Instant;
use client::StunClient;
use flows::Flows;
use inquiries::Inquiries;

/// How often servers are asked while there are connections: NATs may forget a UDP mapping after 30 seconds.
pub(crate) const REFRESH_INTERVAL: Duration = Duration::from_secs(25);

/// What a peer knows of its own addresses, and how it asks.
pub(crate) struct Reflexive {
    pub(crate) client: StunClient,
    pub(crate) inquiries: Inquiries,
    pub(crate) observations: Observations,
    pub(crate) flows: Flows,
    /// How many mappings predicted addresses leave out, as of the last time that addresses were told: each change makes rounds begin.
    made: u16,
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
            flows: Flows::default(),
            made: 0,
            asked: None,
            told: (Vec::new(), Vec::new()),
        }
    }

    /// Takes a server's word for where it sees the main socket.
    pub(crate) fn hear(&mut self, observation: Observation) {
        let server = observation.server;
        let mut known = self.observations.heard().iter();
        let before = known.find(|o| o.observer == Observer::Server && o.server == server);
        let before = before.map(|before| before.mapped);
        let flow = (MAIN_CARRIER, server);
        let mapped = observation.mapped;
        self.observations.add(observation);
        match before {
            Some(before) if before == mapped => return self.flows.kept(flow),
            Some(_) => self.flows.moved(flow),
            None => {}
        }
        self.count_made();
    }

    /// Where a NAT with a sequence of ports puts the next mappings of a peer with these addresses.
    pub(crate) fn predicted(&self, local: &[SocketAddrV6]) -> Vec<SocketAddrV6> {
        self.observations.predicted(local, self.made)
    }

    /// From now on addresses are predicted from what has been sent by now.
    pub(crate) fn count_made(&mut self) {
        let latest = self.observations.latest_of_server();
        self.made = latest.map_or(0, |server| self.flows.made_since((MAIN_CARRIER, server)));
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
