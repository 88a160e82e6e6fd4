//! Which path carries data, and what becomes of the others.
//!
//! A direct path comes before a relayed one, which is kept as a backup. Where the remote's NAT has given it another address, so that the remote is heard and does not hear, a path leads there.

use std::net::SocketAddr;
use std::time::Duration;

use anypath_paths::candidate::may_probe;
use anypath_wire::address::to_mapped;
use noq_proto::{FourTuple, PathId, PathStatus};

use super::Peer;
use super::carrying::{qualities_of, use_best};
use super::lifecycle::change_network;
use super::relaying::routes_of;
use super::rerouting::NOT_NEEDED;
use super::transmit::is_ready;
use crate::carrier::{CarrierTable, Route};
use crate::connection::{Connection, Phase};
use crate::event::{ConnectionKey, Event, Found, PathChange};
use crate::relay::table::Relays;
use crate::watched::Heard;

/// How long the paths of a round are all kept, so that the best of them is known.
pub(super) const SETTLING: Duration = Duration::from_secs(3);

/// How long a path to an address that the remote has left is kept.
const DETOUR: Duration = Duration::from_secs(1);

/// How often a client that knows a relay and has no path over it looks for one.
const BACKUP_INTERVAL: Duration = Duration::from_secs(2);

/// How often a connection without a relay as a backup looks for one.
const TIDY_INTERVAL: Duration = Duration::from_secs(10);

/// How often a client follows its server to another address, at most.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

impl Peer {
    /// Chooses the path that carries data; the others are kept as backups.
    pub(super) fn choose_path(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let mut qualities = qualities_of(connection, &self.carriers);
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        // One that is about to be closed is not chosen.
        qualities.retain(|path| Some(path.id) != traversal.former);
        let before = connection.selected;
        let Some(selected) = use_best(&mut connection.quic, &qualities, before) else {
            return;
        };
        connection.selected = Some(selected);
        let direct = qualities.iter().any(|path| !path.relayed);
        let took = direct.then(|| traversal.succeed(now)).flatten();
        let changes = direct && before != Some(selected);
        if changes && connection.quic.side().is_client() && traversal.former.is_none() {
            traversal.next_tidy = Some(now + SETTLING);
        }
        if before != Some(selected) {
            self.tell_selected(key, selected);
        }
        if let Some(took) = took {
            self.stats.traversals_succeeded += 1;
            self.stats.traversal_ms += took.as_millis() as u64;
            self.note_success(key);
        }
    }

    /// Counts by which way a search has come to the path in use, and behind which NAT, and tells it.
    fn note_success(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let Some(traversal) = &connection.traversal else {
            return;
        };
        let place = connection
            .selected
            .and_then(|path| connection.quic.network_path(path).ok());
        let remote = place.map(|place| place.remote());
        let told = connection.quic.get_remote_nat_traversal_addresses();
        let searches = &mut self.stats.searches[self.reflexive.observations.nat(&self.local)];
        let found = match remote {
            Some(remote) if traversal.hits.contains(&remote) => Found::Collision,
            // QUIC keeps what the remote told as it was told, and where paths lead in the form of IPv6.
            Some(remote) if told.is_ok_and(|told| told.iter().any(|at| same(*at, remote))) => {
                Found::Told
            }
            _ => Found::PeerReflexive,
        };
        match found {
            Found::Collision => searches.birthday += 1,
            Found::Told => searches.told += 1,
            _ => searches.peer_reflexive += 1,
        }
        let route = remote.and_then(|remote| self.carriers.outward(remote));
        self.tell_search(key, found == Found::Collision, found, route);
    }

    /// Closes what is not needed when the best path is known, and opens a relayed path as a backup.
    pub(super) fn tidy_paths(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        // What the paths that were lost had to show they have shown by now.
        self.found_again(key);
        self.end_taking_place(key);
        self.close_unproven(key);
        self.choose_path(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let qualities = qualities_of(connection, &self.carriers);
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        traversal.next_tidy = Some(now + TIDY_INTERVAL);
        let selected = connection.selected;
        if connection.search.is_none() {
            for path in &qualities {
                if !path.relayed && Some(path.id) != selected {
                    let _ = connection.quic.close_path(now, path.id, NOT_NEEDED);
                }
            }
        }
        if !has_backup(connection, &self.carriers, &self.relays) {
            self.open_backup(key);
        }
        self.tidy_soon(key);
        self.queue(key);
    }

    /// A client without a relay as a backup looks for one more often, where it knows one.
    pub(super) fn tidy_soon(&mut self, key: ConnectionKey) {
        let soon = self.clock.now() + BACKUP_INTERVAL;
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let knows = connection.known.iter().any(Route::is_relayed);
        if knows
            && connection.is_client()
            && !has_backup(connection, &self.carriers, &self.relays)
            && let Some(traversal) = &mut connection.traversal
            && let Some(at) = traversal.next_tidy
        {
            traversal.next_tidy = Some(at.min(soon));
        }
    }

    /// A server's client comes from another address. Until QUIC has validated that, it sends over whatever else is validated: the relay, with
    /// which the client's connection has broken as likely as not, and what is lost there is long missed. Without such a path it waits for the
    /// one round trip that the validation takes. Another port alone means that the mapping is a new one, and not the network.
    pub(super) fn doubt_relays(&mut self, key: ConnectionKey, event: &Event) {
        let now = self.clock.now();
        let Event::Path {
            change: PathChange::Migrated,
            route,
            ..
        } = event
        else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let before = connection.left.map(|left| to_mapped(left).ip().to_owned());
        let after = route.address.socket().map(|at| at.ip().to_owned());
        if connection.is_client() || after.is_none() || before == after {
            return;
        }
        for path in connection.path_ids().collect::<Vec<_>>() {
            let place = connection.quic.network_path(path).ok();
            let over = place.and_then(|place| self.carriers.outward(place.remote()));
            if over.is_some_and(|route| route.is_relayed()) {
                let _ = connection.quic.close_path(now, path, NOT_NEEDED);
            }
        }
    }

    fn open_backup(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let known = connection.known.iter().copied();
        let relayed = known
            .filter(|route| route.is_relayed() && is_ready(route, &self.relays, &self.carriers));
        let Some(route) = relayed.into_iter().find(|r| self.carriers.is_possible(r)) else {
            return;
        };
        let Some(address) = self.carriers.inward(route) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&key) {
            let place = FourTuple::from_remote(address);
            let backup = PathStatus::Backup;
            // The remote may know no multipath, or have given no ids for another path yet.
            let _ = connection.quic.open_path_ensure(place, backup, now);
        }
    }

    /// What has arrived over the path in use, when a datagram comes from where no path of the connection leads.
    pub(super) fn frames_before(
        &mut self,
        key: ConnectionKey,
        source: SocketAddr,
    ) -> Option<Heard> {
        let now = self.clock.now();
        let connection = self.connections.get_mut(&key)?;
        if connection.usual == Some(source)
            || connection.phase != Phase::Established
            || !connection.is_client()
        {
            return None;
        }
        let traversal = connection.traversal.as_ref()?;
        let selected = connection.selected?;
        if traversal.next_follow.is_some_and(|at| at > now)
            || connection.leads_to(source)
            || self.carriers.is_virtual(&to_mapped(source))
        {
            return None;
        }
        let place = connection.quic.network_path(selected).ok()?;
        let relayed = self.carriers.is_virtual(&to_mapped(place.remote()));
        let stats = connection.quic.path_stats(selected).filter(|_| !relayed)?;
        Some(Heard::of(&stats.frame_rx))
    }

    /// The server is heard on the path in use, and from another address: its NAT has lost the mapping that the path
    /// leads to. Whatever is sent there is lost, so a path to the new one takes its place.
    pub(super) fn follow_server(&mut self, key: ConnectionKey, source: SocketAddr, before: Heard) {
        let now = self.clock.now();
        let allowed = may_probe(&to_mapped(source), &self.local).is_ok();
        let Some(connection) = self.connections.get_mut(&key).filter(|_| allowed) else {
            return;
        };
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        let Some(selected) = connection.selected else {
            return;
        };
        let after = connection.quic.path_stats(selected);
        let heard =
            after.is_some_and(|after| Heard::of(&after.frame_rx).is_more_than_probes(before));
        if !heard {
            return;
        }
        traversal.next_follow = Some(now + FOLLOW_INTERVAL);
        let place = FourTuple::from_remote(source);
        if let Ok((path, _)) = connection
            .quic
            .open_path_ensure(place, PathStatus::Available, now)
        {
            traversal.successor = Some((selected, path));
        }
    }

    /// A path is established: the one in whose place it was opened is closed soon. If that were done at once, QUIC would send what was lost on it
    /// anew only after three probe timeouts, which the loss has made long; so what it asks for an answer goes to the new address, and
    /// the answer tells what was lost.
    pub(super) fn succeed_path(&mut self, key: ConnectionKey, established: PathId) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let place = connection.quic.network_path(established).ok();
        let route = place.and_then(|place| self.carriers.outward(place.remote()));
        self.stats.direct_paths_opened += u64::from(route.is_some_and(|route| !route.is_relayed()));
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        let successor = &mut traversal.successor;
        let Some((former, _)) = successor.take_if(|(_, path)| *path == established) else {
            return;
        };
        self.stats.direct_paths_lost += 1;
        self.take_place(key, former, established);
    }

    /// What QUIC sends on a path that is lost goes where another one leads, for a while. The path is not chosen any more.
    pub(super) fn take_place(&mut self, key: ConnectionKey, former: PathId, established: PathId) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(traversal) = &mut connection.traversal else {
            let _ = connection.quic.close_path(now, former, NOT_NEEDED);
            return;
        };
        traversal.former = Some(former);
        traversal.next_tidy = Some(now + DETOUR);
        // QUIC prefers the first of those that are available, and what comes over that alone makes the remote doubt the new one.
        let _ = connection.quic.set_path_status(former, PathStatus::Backup);
        let places = [former, established].map(|path| connection.quic.network_path(path));
        if let [Ok(old), Ok(new)] = places {
            connection.detour = Some((old.remote(), new.remote()));
        }
        change_network(connection, now);
    }

    /// What was sent on a lost path has had its time to arrive elsewhere.
    pub(super) fn end_taking_place(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.detour = None;
            if let Some(traversal) = &mut connection.traversal {
                traversal.former = None;
            }
        }
    }
}

/// Whether there is a path over a relay that works.
fn has_backup(connection: &Connection, carriers: &CarrierTable, relays: &Relays) -> bool {
    routes_of(connection, carriers)
        .any(|route| route.is_relayed() && is_ready(&route, relays, carriers))
}

/// Whether two addresses are one, in whichever form an IPv4 address is.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    to_mapped(one) == to_mapped(other)
}
