//! A peer that does not look for direct paths asks nobody for its address.

use super::Peer;
use crate::carrier::Route;
use crate::clock::Instant;
use crate::event::{ConnectionKey, Event};

impl Peer {
    /// It has no socket that STUN could have come by.
    pub(super) fn receive_stun(&mut self, _: Route, _: &[u8]) {
        self.stats.malformed_dropped += 1;
    }

    #[inline]
    pub(super) fn hear_observed(&mut self, _: ConnectionKey, _: &Event) {}

    #[inline]
    pub(super) fn reflect_anew(&mut self) {}

    #[inline]
    pub(super) fn reflect(&mut self) {}

    #[inline]
    pub(super) fn reflexive_due(&self) -> Option<Instant> {
        None
    }
}
