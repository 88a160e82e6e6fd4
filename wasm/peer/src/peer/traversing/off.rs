//! A core without UDP, as browsers have it, looks for no direct paths: it would have nowhere to send a probe from.

use std::net::{SocketAddr, SocketAddrV6};

use noq_proto::{FrameStats, PathId};

use super::Peer;
use crate::carrier::CarrierTable;
use crate::clock::Instant;
use crate::connection::Connection;
use crate::event::{ConnectionKey, Outbox};

impl Peer {
    /// Changes nothing: there is no socket that has addresses.
    pub fn set_local_addresses(&mut self, _addresses: &[SocketAddrV6]) {}

    pub(super) fn begin_traversal(&mut self, _key: ConnectionKey) {}

    pub(super) fn remote_candidates_changed(&mut self, _key: ConnectionKey) {}

    pub(super) fn tend(&mut self, _key: ConnectionKey) {}

    pub(super) fn tend_due(_connection: &Connection) -> Option<Instant> {
        None
    }

    pub(super) fn choose_path(&mut self, _key: ConnectionKey) {}

    pub(super) fn frames_before(&mut self, _: ConnectionKey, _: SocketAddr) -> Option<FrameStats> {
        None
    }

    pub(super) fn follow_server(&mut self, _: ConnectionKey, _: SocketAddr, _: FrameStats) {}

    pub(super) fn succeed_path(&mut self, _key: ConnectionKey, _established: PathId) {}

    pub(super) fn path_lost(&mut self, _key: ConnectionKey) {}

    pub(super) fn watch_paths(&mut self, _key: ConnectionKey) {}

    pub(super) fn is_probe(_: &Connection, _: &CarrierTable, _: SocketAddr) -> bool {
        false
    }

    pub(super) fn take_probe(&mut self, _key: ConnectionKey, _to: SocketAddr, _datagram: &[u8]) {}

    pub(super) fn send_probes(&mut self, _outbox: &mut impl Outbox) {}
}
