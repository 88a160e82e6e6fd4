//! A core without UDP, as browsers have it, looks for no direct paths: it would have nowhere to send a probe from.

use std::net::{SocketAddr, SocketAddrV6};

use noq_proto::PathId;

use super::Peer;
use super::carrying::{qualities_of, use_best};
use super::rerouting::NOT_NEEDED;
use crate::carrier::CarrierTable;
use crate::clock::Instant;
use crate::connection::Connection;
use crate::event::{ConnectionKey, Event, Outbox};
use crate::watched::Heard;

impl Peer {
    /// Changes nothing: there is no socket that has addresses.
    pub fn set_local_addresses(&mut self, _addresses: &[SocketAddrV6]) {}

    pub(super) fn begin_traversal(&mut self, key: ConnectionKey) {
        self.choose_path(key);
    }

    pub(super) fn remote_candidates_changed(&mut self, _key: ConnectionKey) {}

    pub(super) fn tend(&mut self, _key: ConnectionKey) {}

    pub(super) fn tend_due(_connection: &Connection) -> Option<Instant> {
        None
    }

    /// Chooses the path that carries data; the others are kept as backups.
    pub(super) fn choose_path(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let qualities = qualities_of(connection, &self.carriers);
        let before = connection.selected;
        let selected = use_best(&mut connection.quic, &qualities, before);
        connection.selected = selected;
        // The first path is told of by its establishment.
        if before.is_some()
            && before != selected
            && let Some(selected) = selected
        {
            self.tell_selected(key, selected);
        }
    }

    pub(super) fn frames_before(&mut self, _: ConnectionKey, _: SocketAddr) -> Option<Heard> {
        None
    }

    pub(super) fn follow_server(&mut self, _: ConnectionKey, _: SocketAddr, _: Heard) {}

    pub(super) fn succeed_path(&mut self, _key: ConnectionKey, _established: PathId) {}

    pub(super) fn take_place(&mut self, key: ConnectionKey, former: PathId, _established: PathId) {
        let now = self.clock.now();
        if let Some(connection) = self.connections.get_mut(&key) {
            let _ = connection.quic.close_path(now, former, NOT_NEEDED);
        }
    }

    pub(super) fn end_taking_place(&mut self, _key: ConnectionKey) {}

    pub(super) fn end_idle_search(&mut self, _key: ConnectionKey) {}

    pub(super) fn doubt_relays(&mut self, _key: ConnectionKey, _event: &Event) {}

    pub(super) fn tidy_soon(&mut self, _key: ConnectionKey) {}

    pub(super) fn path_lost(&mut self, _key: ConnectionKey) {}

    pub(super) fn hasten_probes(&mut self, _key: ConnectionKey) {}

    pub(super) fn note_challenged(&mut self, _key: ConnectionKey) {}

    pub(super) fn is_probe(_: &Connection, _: &CarrierTable, _: SocketAddr) -> bool {
        false
    }

    pub(super) fn take_probe(&mut self, _key: ConnectionKey, _to: SocketAddr, _datagram: &[u8]) {}

    pub(super) fn send_probes(&mut self, _outbox: &mut impl Outbox) {}
}
