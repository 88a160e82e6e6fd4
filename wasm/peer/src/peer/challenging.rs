//! Paths whose challenge was lost, and remotes that need no punching.
//!
//! QUIC repeats the PATH_CHALLENGE of a new path after a probe timeout, and a path without a round-trip time yet has one of a second, then of two
//! ([RFC 9002 § 6.2.2]). In a search the round trip is known well enough: over the relay it is hardly shorter. So a path that has not proven
//! itself a little after that is opened once more, which sends another challenge.
//!
//! Whoever is behind a NAT tells the private address of its interface as well, so a remote that has told of public addresses alone hardly has a NAT. Its
//! client opens paths there without a round of probes, as RFC 9000 does with a preferred address. A firewall may be in
//! the way: then the round follows.
//!
//! QUIC has few paths at once, and one that is given up before the remote has seen it keeps its place as long as the connection lives. So few are.
//!
//! [RFC 9002 § 6.2.2]: https://www.rfc-editor.org/rfc/rfc9002#section-6.2.2

use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use anypath_paths::candidate::{is_global, is_ipv4, may_probe};
use anypath_wire::address::to_mapped;
use noq_proto::{FourTuple, PathId, PathStatus};

use super::Peer;
use super::carrying::qualities_of;
use super::rerouting::NOT_NEEDED;
use crate::carrier::CarrierTable;
use crate::connection::Connection;
use crate::event::ConnectionKey;
use crate::session::{Cause, State};
use crate::traversal::Traversal;

/// How long an answer may take beyond the round trip over the relay.
const MARGIN: Duration = Duration::from_millis(50);

/// The longest that an answer is waited for: soon after, QUIC repeats the challenge itself.
const LONGEST: Duration = Duration::from_millis(900);

impl Peer {
    /// Takes note of paths that QUIC has begun to open in a search, which only a client does.
    pub(super) fn note_challenged(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(traversal) = connection.traversal.as_ref() else {
            return;
        };
        if !connection.is_client() || !(traversal.is_searching() || traversal.has_unproven()) {
            return;
        }
        // Those that were opened for a connection without a way are of no search for a direct path.
        let repeats = traversal.is_searching() && connection.search.is_none();
        let due = now + patience(connection, &self.carriers);
        let established: Vec<PathId> = connection.path_ids().collect();
        let listed = connection.quic.paths();
        // Those over relays and sessions neither: what is not there yet takes longer.
        let mut unproven = listed.clone();
        unproven.retain(|id| {
            let place = connection.quic.network_path(*id);
            let real = |place: FourTuple| !self.carriers.is_virtual(&to_mapped(place.remote()));
            !established.contains(id) && place.is_ok_and(real)
        });
        if let Some(traversal) = &mut connection.traversal {
            let challenged = &mut traversal.challenged;
            challenged.note(&listed, &unproven, repeats.then_some(due));
        }
    }

    /// Opens paths once more that have not proven themselves in time.
    pub(super) fn repeat_challenges(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        self.note_challenged(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        let challenged = &mut traversal.challenged;
        for id in challenged.take_overdue(now) {
            let Ok(place) = connection.quic.network_path(id) else {
                continue;
            };
            // One beside which there is no room for another is waited for as QUIC does.
            let status = PathStatus::Backup;
            if challenged.room() > 0 && connection.quic.open_path(place, status, now).is_ok() {
                let _ = connection.quic.close_path(now, id, NOT_NEEDED);
                challenged.give_up(id);
            }
        }
    }

    /// Opens paths to a remote that is at public addresses, once in a search; whether it did. If none proves itself the round of probes follows.
    pub(super) fn dial_public(&mut self, key: ConnectionKey) -> bool {
        let now = self.clock.now();
        let Some(connection) = self.connections.get(&key) else {
            return false;
        };
        let may = |t: &Traversal| t.may_dial(now) && t.challenged.room() > 0;
        if connection.search.is_some() || !connection.traversal.as_deref().is_some_and(may) {
            return false;
        }
        let hosts = public_addresses(connection, &self.local);
        if hosts.is_empty() {
            return false;
        }
        self.close_unproven(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return false;
        };
        // A challenge may be lost, and is repeated once.
        let patience = 2 * patience(connection, &self.carriers);
        let Some(traversal) = &mut connection.traversal else {
            return false;
        };
        let quic = &mut connection.quic;
        let mut open = |host: &SocketAddr| {
            let place = FourTuple::from_remote(*host);
            quic.open_path_ensure(place, PathStatus::Backup, now)
                .is_ok()
        };
        let hosts = hosts.iter().take(traversal.challenged.room());
        if hosts.filter(|host| open(host)).count() == 0 {
            return false;
        }
        traversal.dial(patience, now);
        self.step_session(key, State::Traversing, Cause::Candidates);
        self.queue(key);
        true
    }

    /// Ends what [`Peer::dial_public`] began: an address that a path leads to gets no probes.
    pub(super) fn end_dial(&mut self, key: ConnectionKey) {
        let connection = self.connections.get_mut(&key);
        let traversal = connection.and_then(|connection| connection.traversal.as_mut());
        if traversal.is_some_and(|traversal| traversal.end_dial()) {
            self.close_unproven(key);
        }
    }

    /// Closes the paths of a search that have not proven themselves: QUIC would send challenges there for as long as the connection lives.
    pub(super) fn close_unproven(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        self.note_challenged(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        for path in traversal.challenged.unproven() {
            if connection.quic.close_path(now, path, NOT_NEEDED).is_ok() {
                traversal.challenged.give_up(path);
                // What leads nowhere is not where QUIC sends usually.
                connection.usual = None;
            }
        }
    }
}

/// How long a new path may take to prove itself: the round trip over the relay, as it is now, when there may be a queue.
fn patience(connection: &Connection, carriers: &CarrierTable) -> Duration {
    let paths = qualities_of(connection, carriers).into_iter();
    let relayed = paths.filter(|path| path.relayed).map(|path| path.rtt);
    (relayed.max().unwrap_or_default() + MARGIN).min(LONGEST)
}

/// Where the remote is reached without a NAT: an address for each family that this peer has as well; none where the remote may be behind one.
fn public_addresses(connection: &Connection, own: &[SocketAddrV6]) -> Vec<SocketAddr> {
    let told = connection.quic.get_remote_nat_traversal_addresses();
    let told = told.unwrap_or_default().into_iter().map(to_mapped);
    let told: Vec<_> = told.collect();
    if !told.iter().all(is_global) {
        return Vec::new();
    }
    let mut hosts = told.iter().filter(|host| may_probe(host, own).is_ok());
    let first = hosts.next();
    let other = first.and_then(|first| hosts.find(|host| is_ipv4(host) != is_ipv4(first)));
    let hosts = first.into_iter().chain(other);
    hosts.map(|host| SocketAddr::V6(*host)).collect()
}
