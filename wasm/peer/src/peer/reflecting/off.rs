//! A peer that does not look for direct paths asks nobody for its address.

use super::Peer;
use crate::carrier::Route;
use crate::clock::Instant;
use crate::event::{ConnectionKey, Event};

#[inline]
pub(super) fn where_answered(route: Route, _: &[u8]) -> Route {
    route
}

impl Peer {
    pub(super) fn receive_stun(&mut self, route: Route, datagram: &[u8]) {
        self.answer_stun(route, datagram);
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
