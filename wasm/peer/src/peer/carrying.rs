//! Further paths of a living connection: over carriers that are opened while it lives, and over its relay as a backup.
//!
//! Only a connection's client opens paths in QUIC. It knows the routes from its dial and from what it was told since.

use std::time::Duration;

use anypath_paths::selection::{PathQuality, select};
use noq_proto::{ClosePathError, FourTuple, PathError, PathId, PathStatus};

use super::Peer;
use super::relaying::routes_of;
use super::rerouting::NOT_NEEDED;
use super::transmit::is_ready;
use crate::carrier::{CarrierKind, CarrierTable, Route};
use crate::connection::{Connection, Phase};
use crate::event::{ConnectionKey, PathChange};

/// When a path is tried again that could not be opened: the remote has given no connection ids for it yet. Each time takes twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// How often: 20 ms and the 9 times that follow make ten seconds.
const MOST_TRIES: u32 = 9;

/// How long a route is left alone over which a path was closed.
const AFTER_LOSS: Duration = Duration::from_secs(1);

impl Peer {
    /// A carrier that may come and go is open: dials begin over it, and connections that know it take it up.
    pub(super) fn carrier_opened(&mut self, id: u32) {
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            match self.connections.get_mut(&key) {
                Some(connection) if connection.search.is_some() => self.search_on(key),
                Some(connection) if connection.known.iter().any(|r| r.carrier == id) => {
                    connection.narrow = 0;
                    self.widen(key);
                }
                _ => {}
            }
            self.queue(key);
        }
    }

    /// A carrier is closed: the paths over it are, and what had no other one looks for another way.
    pub(super) fn carrier_lost(&mut self, id: u32) {
        let now = self.clock.now();
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            let Some(connection) = self.connections.get_mut(&key) else {
                continue;
            };
            if connection.phase != Phase::Established {
                continue;
            }
            let over = paths_over(connection, &self.carriers, id);
            if over.is_empty() {
                continue;
            }
            let mut cut = false;
            for path in over {
                let closed = connection.quic.close_path(now, path, NOT_NEEDED);
                // The last path can't be closed; one that is being left already is no loss.
                cut |= closed.is_err_and(|error| !matches!(error, ClosePathError::ClosedPath));
            }
            let remote = connection.remote;
            if cut {
                let session = remote.and_then(|remote| self.sessions.get_mut(remote.as_bytes()));
                if let Some(session) = session {
                    session.miss(now);
                }
                self.lose_way(key);
            }
            self.queue(key);
        }
    }

    /// Opens the paths that a client knows of, and that are not there: over sessions, and over a relay as a backup. Where traversal looks
    /// for paths, the backup is its concern.
    pub(super) fn widen(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        if connection.phase != Phase::Established
            || !connection.is_client()
            || connection.search.is_some()
        {
            return;
        }
        let there: Vec<Route> = routes_of(connection, &self.carriers).collect();
        let has_relay = there.iter().any(Route::is_relayed) || connection.traversal.is_some();
        let lacks = |route: &&Route| match self.carriers.kind(route.carrier) {
            Some(CarrierKind::WebTransport) => !there.contains(route),
            Some(CarrierKind::Relay) => !has_relay,
            _ => false,
        };
        let lacking = connection.known.iter().filter(lacks);
        let ready = lacking.filter(|route| is_ready(route, &self.relays, &self.carriers));
        let mut failed = false;
        for route in ready.copied().collect::<Vec<_>>() {
            let status = match route.is_relayed() {
                true => PathStatus::Backup,
                false => PathStatus::Available,
            };
            let address = self.carriers.inward(route);
            if let (Some(address), Some(connection)) = (address, self.connections.get_mut(&key)) {
                let place = FourTuple::from_remote(address);
                let opened = connection.quic.open_path_ensure(place, status, now);
                failed |=
                    matches!(opened, Err(error) if error != PathError::MultipathNotNegotiated);
            }
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            let again = failed && connection.narrow < MOST_TRIES;
            connection.next_widening = again.then(|| now + FIRST_WAIT * (1 << connection.narrow));
            connection.narrow = match failed {
                true => connection.narrow + 1,
                false => 0,
            };
        }
        self.queue(key);
    }

    /// A path is gone. If what it led over is still there, another one is opened after a while: the remote had a reason to close it.
    pub(super) fn widen_soon(&mut self, key: ConnectionKey) {
        let soon = self.clock.now() + AFTER_LOSS;
        if let Some(connection) = self.connections.get_mut(&key) {
            let over_session = |route: &Route| {
                self.carriers.kind(route.carrier) == Some(CarrierKind::WebTransport)
            };
            if connection.traversal.is_none() || connection.known.iter().any(over_session) {
                connection.next_widening = Some(soon);
            }
        }
    }

    /// The same when its time has come.
    pub(super) fn widen_again(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        if let Some(connection) = self.connections.get_mut(&key)
            && connection.next_widening.take_if(|at| *at <= now).is_some()
        {
            self.widen(key);
        }
    }

    /// Another path carries data than before.
    pub(super) fn tell_selected(&mut self, key: ConnectionKey, selected: PathId) {
        if let Some(connection) = self.connections.get(&key)
            && let Ok(place) = connection.quic.network_path(selected)
            && let Some(route) = self.carriers.outward(place.remote())
        {
            let event = connection.path_event(selected, PathChange::Selected, route);
            self.events.push_back(event);
        }
    }
}

/// The paths over a carrier.
fn paths_over(connection: &Connection, carriers: &CarrierTable, id: u32) -> Vec<PathId> {
    let leads_over = |path: &PathId| {
        let place = connection.quic.network_path(*path).ok();
        let route = place.and_then(|place| carriers.outward(place.remote()));
        route.is_some_and(|route| route.carrier == id)
    };
    connection
        .quic
        .paths()
        .into_iter()
        .filter(leads_over)
        .collect()
}

/// The established paths.
pub(super) fn qualities_of(
    connection: &Connection,
    carriers: &CarrierTable,
) -> Vec<PathQuality<PathId>> {
    let quality = |id: PathId| {
        let route = carriers.outward(connection.quic.network_path(id).ok()?.remote())?;
        Some(PathQuality {
            id,
            relayed: route.is_relayed(),
            rtt: connection.quic.rtt(id)?,
        })
    };
    connection.path_ids().filter_map(quality).collect()
}

/// Lets the best path carry data, and the others be backups.
pub(super) fn use_best(
    quic: &mut noq_proto::Connection,
    qualities: &[PathQuality<PathId>],
    before: Option<PathId>,
) -> Option<PathId> {
    let selected = select(qualities, before)?;
    for path in qualities {
        let status = match path.id == selected {
            true => PathStatus::Available,
            false => PathStatus::Backup,
        };
        // Without multipath there is one path, and nothing to choose.
        let _ = quic.set_path_status(path.id, status);
    }
    Some(selected)
}
