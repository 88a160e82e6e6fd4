//! Relays as carriers: what their clients tell goes to the connections, and the other way round.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anypath_wire::id::EndpointId;
use anypath_wire::relay::MAX_CONTENTS;

use super::Peer;
use super::lifecycle::change_network;
use crate::carrier::{CarrierKind, CarrierTable, Route};
use crate::connection::{Connection, Phase};
use crate::dial::{Dial, Target};
use crate::event::{ConnectionKey, Outbox};
use crate::relay::RelayId;
use crate::relay::client::Received;
use crate::relay::table::Change;

impl Peer {
    /// Chooses the home among these relays from now on, and uses relays at all unless there are none.
    ///
    /// At most [`MAX_CONFIGURED`](crate::relay::MAX_CONFIGURED) are taken. URLs that can't be a relay's are left
    /// out. What was denied is tried again, since a token may have changed.
    pub fn set_relays<'a>(&mut self, urls: impl IntoIterator<Item = &'a str>) {
        self.relays.set(urls, self.clock.now());
        for id in self.relays.configured() {
            self.carriers.set(*id, CarrierKind::Relay, MAX_CONTENTS);
        }
    }

    /// Whether relays are used at all.
    pub fn uses_relays(&self) -> bool {
        self.relays.is_enabled()
    }

    /// How a remote is dialled over a relay, which is connected to. `None` where no relays are used, for what is
    /// no relay's URL, and when there are too many relays.
    pub fn relay_target(
        &mut self,
        remote: EndpointId,
        url: &str,
        delay: Duration,
    ) -> Option<Target> {
        let relay = self.relays.acquire(url, self.clock.now())?;
        self.carriers.set(relay, CarrierKind::Relay, MAX_CONTENTS);
        let route = Route::relay(relay, remote);
        Some(Target { route, delay })
    }

    /// The WebSocket to a relay is open. `protocol` is 2 for subprotocol `iroh-relay-v2`, 1 for `iroh-relay-v1`.
    pub fn relay_opened(&mut self, relay: RelayId, protocol: u8) {
        self.relays.opened(relay, protocol, self.clock.now());
    }

    /// The WebSocket to a relay is closed, or could not be opened.
    pub fn relay_closed(&mut self, relay: RelayId, reason: &str) {
        self.relays.closed(relay, reason, self.clock.now());
    }

    /// Takes a binary WebSocket message that arrived from a relay.
    pub fn receive_relayed(&mut self, relay: RelayId, message: &[u8]) {
        match self.relays.message(relay, message, self.clock.now()) {
            Received::Nothing => {}
            Received::Datagrams(source, datagrams) => {
                let route = Route::relay(relay, source);
                for packet in datagrams.packets() {
                    self.receive(route, datagrams.ecn.bits(), packet);
                }
            }
            Received::Gone(remote) => {
                self.remote_has_left(remote, Route::relay(relay, remote));
            }
        }
    }

    /// What has no other way to the remote than this one looks for another.
    fn remote_has_left(&mut self, remote: EndpointId, route: Route) {
        let cut = self.connections_where(|routes| routes.iter().all(|r| *r == route));
        if let Some(session) = self.sessions.get_mut(remote.as_bytes())
            && session.connections.iter().all(|key| cut.contains(key))
        {
            session.miss(self.clock.now());
        }
        for key in cut {
            self.lose_way(key);
            self.queue(key);
        }
    }

    /// Tells whether timers run on time; those of a hidden tab do not.
    pub fn set_visible(&mut self, visible: bool) {
        self.relays.set_visible(visible);
    }

    /// Time may have passed unnoticed, by sleep or freeze: relays and connections are probed at once.
    pub fn resumed(&mut self) {
        self.network_changed();
    }

    /// Lets relays do what is due, and connections learn of it.
    pub(super) fn drive_relays(&mut self, outbox: &mut impl Outbox) {
        let now = self.clock.now();
        if self.closing && self.connections.is_empty() {
            self.relays.close_all(now);
        }
        let (connections, carriers) = (&self.connections, &self.carriers);
        self.relays.tick(now, || in_use(connections, carriers));
        self.follow_relays();
        self.relays.flush(outbox);
        self.follow_relays();
    }

    fn follow_relays(&mut self) {
        for change in self.relays.changes() {
            match change {
                Change::Up(relay) => self.relay_is_up(relay),
                Change::Failing(_) => self.relay_is_failing(),
                Change::Removed(relay) => self.carriers.remove(relay),
            }
        }
    }

    /// Dials go on over the relay, and connections need not wait for QUIC's next probe.
    fn relay_is_up(&mut self, relay: RelayId) {
        let now = self.clock.now();
        let over = |routes: &[Route]| routes.iter().any(|route| route.carrier == relay);
        for key in self.connections_where(over) {
            if let Some(connection) = self.connections.get_mut(&key) {
                change_network(connection, now);
            }
            self.queue(key);
        }
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            let Some(connection) = self.connections.get(&key) else {
                continue;
            };
            let dialled = connection.dial.as_ref().is_some_and(|dial| {
                let mut targets = dial.targets();
                targets.any(|route| route.carrier == relay)
            });
            if dialled {
                self.queue(key);
            } else if connection.search.is_some() {
                self.search_on(key);
            } else {
                self.widen(key);
            }
        }
    }

    /// Connections that have no relay left which answers look for another way.
    fn relay_is_failing(&mut self) {
        let relays = &self.relays;
        let cut = |route: &Route| route.is_relayed() && !relays.is_connected(route.carrier);
        for key in self.connections_where(|routes| routes.iter().all(cut)) {
            self.lose_way(key);
        }
    }

    /// The established connections of whose paths' routes something is true. One without a path has none.
    fn connections_where(&self, test: impl Fn(&[Route]) -> bool) -> Vec<ConnectionKey> {
        let found = |(key, connection): (&ConnectionKey, &Connection)| {
            let routes: Vec<_> = routes_of(connection, &self.carriers).collect();
            let applies = connection.phase == Phase::Established && !routes.is_empty();
            (applies && test(&routes)).then_some(*key)
        };
        self.connections.iter().filter_map(found).collect()
    }
}

/// The routes of a connection's paths.
pub(super) fn routes_of<'a>(
    connection: &'a Connection,
    carriers: &'a CarrierTable,
) -> impl Iterator<Item = Route> + 'a {
    connection
        .path_addresses()
        .filter_map(|address: SocketAddr| carriers.outward(address))
}

/// The relays over which a living connection goes, or is being dialled.
fn in_use(
    connections: &BTreeMap<ConnectionKey, Connection>,
    carriers: &CarrierTable,
) -> Vec<RelayId> {
    let alive = connections.values().filter(|c| c.phase != Phase::Over);
    alive
        .flat_map(|connection| {
            let dialled = connection.dial.iter().flat_map(Dial::targets).copied();
            routes_of(connection, carriers).chain(dialled)
        })
        .filter(Route::is_relayed)
        .map(|route| route.carrier)
        .collect()
}
