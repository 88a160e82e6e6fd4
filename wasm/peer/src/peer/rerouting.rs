//! Looking for another way when a connection has lost its own.
//!
//! A connection has lost its way when its remote is silent, has left its relay, or when the relay does not
//! come back at the first try. Then both sides connect to all relays that they are configured with, since the
//! remote may be at any of them; and the dialling side, which alone may open paths in QUIC, tries every relay and
//! address that it knows of. The first path that proves itself stays, and the others are closed.

use std::net::SocketAddr;
use std::time::Duration;

use noq_proto::{FourTuple, PathId, PathStatus, VarInt};

use super::Peer;
use super::lifecycle::change_network;
use super::relaying::routes_of;
use super::transmit::is_ready;
use crate::carrier::Route;
use crate::clock::Instant;
use crate::connection::{Connection, Phase};
use crate::dial::{Target, is_first_flight};
use crate::event::{ConnectionKey, Event, PathChange};
use crate::few::Few;
use crate::session::{Cause, State};

/// How often the driver is asked to look the remote up again.
const DISCOVER_INTERVAL: Duration = Duration::from_secs(10);

/// How long a new path may take to prove itself before its place is given to another one.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// How long a path that leads elsewhere is waited for before it leads somewhere else.
const TURN: Duration = Duration::from_millis(1500);

/// How long the lost paths have to answer when another one works. An outage ends for all of them, and what is under way on a path is
/// sent again only long after that is closed: three times what QUIC takes for its round trip, which an outage makes long.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// How many routes are kept for a connection.
const MAX_KNOWN: usize = 32;

/// Why paths are closed; QUIC gives the code no meaning.
pub(super) const NOT_NEEDED: VarInt = VarInt::from_u32(0);

/// A connection's search for another way.
#[derive(Debug)]
pub(crate) struct Search {
    next_discover: Instant,
    /// The paths that were there when it began.
    lost: Vec<PathId>,
    /// Those of them over which something has come since.
    again: Vec<PathId>,
    /// One that was opened and works, and until when the lost ones are waited for.
    found: Option<(PathId, Instant)>,
    /// Those that were opened for it, and when.
    opened: Few<PathId, Instant>,
    /// How often a lost path was led elsewhere, and when that may be again.
    turns: usize,
    next_turn: Instant,
}

impl Peer {
    /// Gives a connection further targets. One that is being dialled is dialled there, too; a living one goes
    /// there when it has lost its way. An unknown or finished connection is left alone.
    pub fn add_addresses(&mut self, key: ConnectionKey, targets: &[Target]) {
        let now = self.clock.now();
        let targets = self.usable(targets);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        if let Some(dial) = &mut connection.dial {
            dial.add(&targets, now);
            self.queue(key);
            return;
        }
        // The newest are tried first.
        let old = std::mem::take(&mut connection.known);
        for route in targets.iter().map(|target| target.route).chain(old) {
            if connection.known.len() < MAX_KNOWN && !connection.known.contains(&route) {
                connection.known.push(route);
            }
        }
        match connection.search.is_some() {
            true => self.search_on(key),
            false => self.widen(key),
        }
    }

    /// The connection has lost its way.
    pub(super) fn lose_way(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let control = self.is_control(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        if connection.phase != Phase::Established || control {
            return;
        }
        if !connection.is_client() {
            self.relays.search(now);
            return;
        }
        if connection.search.is_none() {
            connection.search = Some(Search {
                next_discover: now,
                lost: connection.live_paths().collect(),
                again: Vec::new(),
                found: None,
                opened: Few::default(),
                turns: 0,
                next_turn: now,
            });
            let old: Vec<_> = routes_of(connection, &self.carriers).collect();
            for route in old.into_iter().filter(Route::is_relayed) {
                if !connection.known.contains(&route) {
                    connection.known.push(route);
                }
            }
        }
        self.search_on(key);
    }

    /// Goes on with a search.
    pub(super) fn search_on(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        self.relays.search(now);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let (Some(search), Some(remote)) = (&mut connection.search, connection.remote) else {
            return;
        };
        // The one that was found may have died before anything was heard over it.
        if let Some((_, until)) = search.found {
            if until + PROOF_LIMIT > now {
                return;
            }
            search.found = None;
        }
        if search.next_discover <= now {
            search.next_discover = now + DISCOVER_INTERVAL;
            self.events.push_back(Event::Discover(key));
        }
        search.opened.retain(|path, opened| {
            let keep = *opened + PROOF_LIMIT > now;
            if !keep {
                // The last path can't be closed, and need not be.
                let _ = connection.quic.close_path(now, *path, NOT_NEEDED);
            }
            keep
        });
        let configured = self.relays.configured().iter();
        let configured = configured.map(|relay| Route::relay(*relay, remote));
        let routes: Vec<_> = connection.known.iter().copied().chain(configured).collect();
        let mut refused = Vec::new();
        for route in routes {
            if !self.carriers.is_possible(&route) {
                continue;
            }
            if !is_ready(&route, &self.relays, &self.carriers) {
                if route.is_relayed() {
                    self.relays.want(route.carrier, now);
                }
            } else if !self.open_path(key, route) {
                refused.push(route);
            }
        }
        self.lead_elsewhere(key, &refused);
        self.queue(key);
    }

    /// Opens a path, unless there is one; false when QUIC can't.
    fn open_path(&mut self, key: ConnectionKey, route: Route) -> bool {
        let now = self.clock.now();
        let (Some(address), Some(connection)) =
            (self.carriers.inward(route), self.connections.get_mut(&key))
        else {
            return true;
        };
        let place = FourTuple::from_remote(address);
        let available = PathStatus::Available;
        match connection.quic.open_path_ensure(place, available, now) {
            Ok((_, true)) => true,
            Ok((path, false)) => {
                if let Some(search) = &mut connection.search {
                    search.opened.insert(path, now);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Where no path can be opened, since the remote knows none or has given no connection ids for it yet, the lost
    /// one leads to the routes in turn.
    fn lead_elsewhere(&mut self, key: ConnectionKey, routes: &[Route]) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(search) = &mut connection.search else {
            return;
        };
        if routes.is_empty() || search.opened.len() > 0 || search.next_turn > now {
            return;
        }
        let Some(path) = search.lost.first().copied() else {
            return;
        };
        let Ok(place) = connection.quic.network_path(path) else {
            return;
        };
        let route = routes[search.turns % routes.len()];
        search.turns += 1;
        search.next_turn = now + TURN;
        if !self.lead_to(place.remote(), route) {
            return;
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            let event = connection.path_event(path, PathChange::Migrated, route);
            change_network(connection, now);
            self.events.push_back(event);
        }
    }

    /// A client whose relay has died in mid-handshake goes on over another one. QUIC has no migration before the handshake
    /// is over ([RFC 9000 § 9]) and drops what comes from elsewhere, so the address leads to where the client
    /// is now: both relays have seen the proof of its id. Gives that address.
    ///
    /// First packets are left alone: a client sends them to everywhere at once, and settles by an answer. A client with another
    /// connection over the new relay is not followed, since one address can't serve both.
    ///
    /// [RFC 9000 § 9]: https://www.rfc-editor.org/rfc/rfc9000#section-9
    pub(super) fn follow_client(
        &mut self,
        key: ConnectionKey,
        route: Route,
        datagram: &[u8],
    ) -> Option<SocketAddr> {
        let connection = self.connections.get(&key)?;
        if connection.phase != Phase::Handshaking
            || !route.is_relayed()
            || is_first_flight(datagram)
        {
            return None;
        }
        let source = connection.source?;
        let former = self.carriers.outward(source)?;
        let moved = former.address == route.address && former.carrier != route.carrier;
        (moved && self.lead_to(source, route)).then_some(source)
    }

    /// Lets an address lead to another route, unless something else knows that route by an address of its own.
    fn lead_to(&mut self, address: SocketAddr, route: Route) -> bool {
        let known = self.carriers.known(&route);
        if known.is_some_and(|known| self.addresses_in_use().contains(&known)) {
            return false;
        }
        self.carriers.lead_to(address, route)
    }

    /// A path has been established or closed, or leads elsewhere.
    pub(super) fn paths_changed(&mut self, key: ConnectionKey, established: Option<PathId>) {
        if self.is_control(key) {
            return;
        }
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let living: Vec<_> = connection.path_ids().collect();
        if let Some(path) = established
            && let Some(search) = &mut connection.search
            && search.found.is_none()
            && search.opened.contains_key(&path)
        {
            search.found = Some((path, now + LAST_CHANCE));
            let mut closed = Vec::new();
            for lost in search.lost.iter().filter(|lost| living.contains(lost)) {
                let place = connection.quic.network_path(*lost);
                let route = place.ok().and_then(|at| self.carriers.outward(at.remote()));
                // Without its relay a path has no chance.
                match route.is_some_and(|route| is_ready(&route, &self.relays, &self.carriers)) {
                    true => {
                        let backup = PathStatus::Backup;
                        let _ = connection.quic.set_path_status(*lost, backup);
                    }
                    false => closed.push(*lost),
                }
            }
            if let [lost] = closed[..]
                && connection.selected == Some(lost)
            {
                self.take_place(key, lost, path);
            } else {
                for lost in closed {
                    let _ = connection.quic.close_path(now, lost, NOT_NEEDED);
                }
            }
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.usual = None;
        }
        if let Some(path) = established {
            self.succeed_path(key, path);
        }
        self.choose_path(key);
        if established.is_none() {
            self.widen_soon(key);
            self.tidy_soon(key);
        }
        self.path_lost(key);
        self.attempt_settled(key);
        let state = self.connected_state(key);
        let current = self.session_state(key);
        let connected = matches!(current, Some(State::Direct | State::Relayed))
            || (current, state) == (Some(State::Traversing), State::Direct);
        if connected {
            self.step_session(key, state, Cause::PathChange);
        }
    }

    /// A datagram of the connection came over this route.
    pub(super) fn note_route(&mut self, key: ConnectionKey, route: Route) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let former = connection.former();
        let Some(search) = &mut connection.search else {
            return;
        };
        for path in &search.lost {
            let place = connection.quic.network_path(*path);
            let there = |remote| self.carriers.outward(remote) == Some(route);
            // QUIC lets the remote move a path to where another one has been led in its place.
            if former != Some(*path)
                && !search.again.contains(path)
                && place.is_ok_and(|place| there(place.remote()))
            {
                search.again.push(*path);
            }
        }
    }

    /// The remote was heard: if that was over an old path, nothing else is needed, and if no old one is heard any more, none of them.
    pub(super) fn found_again(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        if let Some(connection) = self.connections.get_mut(&key)
            && let Some(search) = &connection.search
        {
            let found = search.found.filter(|(_, until)| *until <= now);
            let working: Vec<_> = match found {
                _ if !search.again.is_empty() => search.again.clone(),
                Some((path, _)) => vec![path],
                None => return,
            };
            end_search(connection, &working, now);
            self.end_taking_place(key);
        }
    }

    /// The state of a session of which a connection works: direct as soon as one of its connections is.
    pub(super) fn connected_state(&self, key: ConnectionKey) -> State {
        let keys = self.session_keys(key);
        let connections = keys.iter().filter_map(|key| self.connections.get(key));
        let working = connections.filter(|connection| connection.phase == Phase::Established);
        let mut routes = working
            .flat_map(|connection| routes_of(connection, &self.carriers))
            .peekable();
        match routes.peek().is_some() && routes.all(|route| route.is_relayed()) {
            true => State::Relayed,
            false => State::Direct,
        }
    }

    /// The connections of the session that a connection belongs to.
    pub(super) fn session_keys(&self, key: ConnectionKey) -> Vec<ConnectionKey> {
        let remote = self.connections.get(&key).and_then(|c| c.remote);
        let session = remote.and_then(|remote| self.sessions.get(remote.as_bytes()));
        session.map_or_else(|| vec![key], |s| s.connections.iter().copied().collect())
    }
}

/// Ends a search: what was lost or opened for it is closed, but for the paths that work.
fn end_search(connection: &mut Connection, working: &[PathId], now: Instant) {
    let Some(search) = connection.search.take() else {
        return;
    };
    let mut unneeded: Vec<_> = search.opened.keys().copied().collect();
    if !search.lost.iter().any(|path| working.contains(path)) {
        unneeded.extend(search.lost);
    }
    for path in unneeded {
        if !working.contains(&path) {
            let _ = connection.quic.close_path(now, path, NOT_NEEDED);
        }
    }
}
