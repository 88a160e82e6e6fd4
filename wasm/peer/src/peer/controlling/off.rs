//! A core without further sockets has nothing to agree on with its remotes.

use super::Peer;
use crate::admission::{Admission, Request};
use crate::carrier::Route;
use crate::clock::Instant;
use crate::connection::Phase;
use crate::error::CloseReason;
use crate::event::ConnectionKey;

impl Peer {
    #[inline]
    pub(super) fn spare(&self, _: Request, _: usize, admission: Admission) -> Admission {
        admission
    }

    #[inline]
    pub(super) fn is_too_many(&self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn is_control(&self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn counted_connections(&self) -> usize {
        self.connections.len()
    }

    #[inline]
    pub(super) fn adopt_control(&mut self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn begin_control(&mut self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn hear_control(&mut self, _: ConnectionKey, _: &crate::event::Event) {}

    #[inline]
    pub(super) fn end_control(&mut self, _: ConnectionKey, _: Phase, _: &CloseReason) -> bool {
        false
    }

    #[inline]
    pub(super) fn part_from(&mut self, _: &[u8; 32]) {}

    #[inline]
    pub(super) fn socket_opened(&mut self, _: u32, _: usize) -> bool {
        false
    }

    #[inline]
    pub(super) fn socket_failed(&mut self, _: u32) {}

    #[inline]
    pub(super) fn is_foreign(&mut self, _: &Route) -> bool {
        false
    }

    #[inline]
    pub(super) fn receive_probe(&mut self, _: Route, _: &[u8]) {
        self.stats.malformed_dropped += 1;
    }

    #[inline]
    pub(super) fn attempt_settled(&mut self, _: ConnectionKey) {}

    #[inline]
    pub(super) fn collide_anew(&mut self) {}

    #[inline]
    pub(super) fn collide_due(&self) -> Option<Instant> {
        None
    }
}
