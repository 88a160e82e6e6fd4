//! A peer that does not look for direct paths asks no address-discovery service.

use super::Peer;
use crate::event::{ConnectionKey, Event};

impl Peer {
    #[inline]
    pub(super) fn is_inquiry(&self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn inquire_connected(&mut self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn hear_service(&mut self, _: ConnectionKey, _: &Event) {}

    #[inline]
    pub(super) fn inquiry_over(&mut self, _: ConnectionKey) -> bool {
        false
    }

    #[inline]
    pub(super) fn inquiry_forgotten(&mut self, _: ConnectionKey) {}
}
