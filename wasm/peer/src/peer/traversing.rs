//! From a relayed path to a direct one.
//!
//! QUIC does the punching: both sides tell it their candidates, the client begins rounds, and both send probes
//! (QNT, as iroh has it). This module gathers candidates, decides when a round begins, sees to it that probes leave in
//! order, at the right time, in bounded numbers and only to where a peer can be.
//!
//! The server learns of a round when the client's REACH_OUT has crossed the relay. A client's probes that are there
//! before would teach some NATs to take another port for the server's own, so they are held back by
//! half of the relayed round trip: both sides begin at the same time.

use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use anypath_paths::candidate::{Candidate, Kind, is_global, may_probe, prune};
use anypath_wire::address::{from_mapped, to_mapped};
use noq_proto::VarInt;

use super::Peer;
use super::carrying::qualities_of;
use super::choosing::SETTLING;
use super::relaying::routes_of;
use crate::carrier::{CarrierKind, CarrierTable, MAIN_CARRIER, Route};
use crate::clock::Instant;
use crate::connection::{Connection, Phase};
use crate::error::ErrorCode;
use crate::event::{ConnectionKey, Event, Found, Outbox, Search};
use crate::first_flight::min_rtt;
use crate::session::{Cause, State};
use crate::traversal::Traversal;

/// Answers to a remote's probes are padded to this ([RFC 9000 § 8.2.2]), and its own probes are much smaller.
///
/// [RFC 9000 § 8.2.2]: https://www.rfc-editor.org/rfc/rfc9000#section-8.2.2
const ANSWER_BYTES: usize = 1200;

/// The longest that probes are held back: a round trip twice as long is not the way's, or its remote's doing.
const LONGEST_HOLD: Duration = Duration::from_millis(750);

/// How many addresses are taken that routers forward: a host has few routers.
const MAX_MAPPED: usize = 4;

impl Peer {
    /// The addresses of this machine at which the main socket is reached; none: direct paths are not looked for.
    ///
    /// At most [`MAX_CANDIDATES`](anypath_paths::candidate::MAX_CANDIDATES) are told to remotes.
    pub fn set_local_addresses(&mut self, addresses: &[SocketAddrV6]) {
        if self.local != addresses {
            self.local = addresses.to_vec();
            self.reflect_anew();
            self.candidates_changed(Traversal::learn_address);
        }
    }

    /// Where routers on the way forward to the main socket, because they were asked to (port mapping); the first
    /// four that the Internet reaches. They become candidates beside the addresses of [`Peer::set_local_addresses`].
    ///
    /// A private address is that of a NAT behind another one: what it forwards is not reached from outside, and is left out.
    pub fn set_mapped_addresses(&mut self, addresses: &[SocketAddrV6]) {
        let usable = addresses.iter().copied().filter(is_global);
        let mapped: Vec<_> = usable.take(MAX_MAPPED).collect();
        if self.mapped != mapped {
            self.mapped = mapped;
            self.candidates_changed(Traversal::learn_address);
        }
    }

    /// Where this peer may be reached, the best first.
    pub fn local_candidates(&self) -> Vec<Candidate> {
        if self.local.is_empty() {
            return Vec::new();
        }
        let of_kind = |kind| {
            move |address: &SocketAddrV6| Candidate {
                address: *address,
                kind,
            }
        };
        let host = self.local.iter().map(of_kind(Kind::Host));
        let mapped = self.mapped.iter().map(of_kind(Kind::Mapped));
        let predicted = self.predicted_addresses();
        // Where each destination gets the next port, the last one's is nobody else's, and a probe to it only takes
        // the place of one to a port that will be given.
        let seen = match predicted.is_empty() {
            true => self.reflexive_addresses(),
            false => Vec::new(),
        };
        let seen = seen.iter().map(of_kind(Kind::ServerReflexive));
        let predicted = predicted.iter().map(of_kind(Kind::Predicted));
        let all = host.chain(mapped).chain(seen).chain(predicted);
        prune(all.filter(|candidate| !self.carriers.is_virtual(&candidate.address)))
    }

    /// This peer's candidates are others now: every connection tells its remote, and tries them.
    pub(super) fn candidates_changed(&mut self, learn: fn(&mut Traversal, Instant)) {
        let now = self.clock.now();
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            if !self.tell_candidates(key) {
                continue;
            }
            if let Some(connection) = self.connections.get_mut(&key)
                && connection.is_client()
                && let Some(traversal) = &mut connection.traversal
            {
                learn(traversal, now);
            }
            self.queue(key);
        }
    }

    /// A connection is established: where it is relayed, a direct path is looked for.
    pub(super) fn begin_traversal(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let mut traversal = Traversal::new(now);
        connection.selected = connection.quic.paths().first().copied();
        traversal.next_tidy = connection.is_client().then_some(now + SETTLING);
        connection.traversal = Some(Box::new(traversal));
        self.predict_anew();
        self.tell_candidates(key);
        self.want_direct(key);
    }

    /// Gives QUIC this peer's candidates, if they are others; whether any was new.
    fn tell_candidates(&mut self, key: ConnectionKey) -> bool {
        let candidates = self.local_candidates();
        let Some(connection) = self.connections.get_mut(&key) else {
            return false;
        };
        let Some(traversal) = &mut connection.traversal else {
            return false;
        };
        let wanted: Vec<SocketAddr> = candidates.iter().map(|c| from_mapped(c.address)).collect();
        let quic = &mut connection.quic;
        // QUIC refuses what the remote has no room for, and everything where the remote knows nothing of it.
        traversal.told.retain(|told| {
            let keep = wanted.contains(told);
            if !keep {
                let _ = quic.remove_nat_traversal_address(*told);
            }
            keep
        });
        let mut new = false;
        for address in wanted {
            if !traversal.told.contains(&address) && quic.add_nat_traversal_address(address).is_ok()
            {
                traversal.told.push(address);
                new = true;
            }
        }
        new
    }

    /// The remote has told of an address.
    pub(super) fn remote_candidates_changed(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        if self.is_direct(key) {
            return;
        }
        if let Some(connection) = self.connections.get_mut(&key)
            && let Some(traversal) = &mut connection.traversal
        {
            traversal.hear_of_address(now);
        }
    }

    /// A round is wanted, if this side may begin one and there is no direct path.
    fn want_direct(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        if self.is_direct(key) || self.local.is_empty() {
            return;
        }
        if let Some(connection) = self.connections.get_mut(&key)
            && connection.is_client()
            && let Some(traversal) = &mut connection.traversal
        {
            traversal.want(now);
        }
    }

    pub(super) fn is_direct(&self, key: ConnectionKey) -> bool {
        let connection = self.connections.get(&key);
        connection.is_some_and(|connection| {
            let mut routes = routes_of(connection, &self.carriers);
            routes.any(|route| !route.is_relayed())
        })
    }

    /// Does what a connection's traversal has to do by now.
    pub(super) fn tend(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        // What has arrived counts before what has not.
        self.pump(key);
        let direct = self.is_direct(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        let expired = traversal.expire(now);
        let late = traversal.late.take_if(|at| *at <= now).is_some() || expired;
        let due = traversal.is_due(now);
        let tidy = traversal.next_tidy.is_some_and(|at| at <= now);
        let challenged = traversal.challenged.due().is_some_and(|due| due <= now);
        if expired {
            self.stats.traversals_failed += 1;
            self.stats.searches[self.reflexive.observations.nat(&self.local)].failed += 1;
            self.tell_search(key, false, Found::Nothing, None);
            // Where nothing is heard any more, the end of a search does not bring the remote back.
            if !direct && self.session_state(key) == Some(State::Traversing) {
                self.step_session(key, State::Relayed, Cause::Timeout);
            }
        }
        if due {
            match direct {
                true => self.settle_traversal(key),
                false => self.begin_round(key),
            }
        }
        if tidy {
            self.tidy_paths(key);
        }
        if challenged && !direct {
            self.repeat_challenges(key);
        }
        if late && !direct {
            self.want_birthday(key);
        }
    }

    /// Tells that a round is over, or an attempt of the birthday scheme.
    pub(super) fn tell_search(
        &mut self,
        key: ConnectionKey,
        by_collision: bool,
        found: Found,
        route: Option<Route>,
    ) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let Some(traversal) = &connection.traversal else {
            return;
        };
        let told = connection.quic.get_remote_nat_traversal_addresses();
        let (round, probes) = traversal.spent();
        let search = Search {
            by_collision,
            found,
            route,
            round,
            addresses: told.map_or(0, |told| told.len().try_into().unwrap_or(u16::MAX)),
            probes,
            elapsed: traversal.searched(now),
        };
        self.events.push_back(Event::Search(key, search));
    }

    /// When [`Peer::tend`] has something to do.
    pub(super) fn tend_due(connection: &Connection) -> Option<Instant> {
        let established = connection.phase == Phase::Established;
        let traversal = connection.traversal.as_ref().filter(|_| established);
        traversal.and_then(|traversal| traversal.due())
    }

    fn settle_traversal(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key)
            && let Some(traversal) = &mut connection.traversal
        {
            traversal.give_up();
        }
    }

    fn begin_round(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        if self.dial_public(key) {
            return;
        }
        self.end_dial(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        match connection.quic.initiate_nat_traversal_round(now) {
            Ok(targets) => {
                traversal.begin(targets.len(), now);
                self.stats.traversal_rounds += 1;
                self.step_session(key, State::Traversing, Cause::Candidates);
                self.queue(key);
            }
            // The remote knows nothing of it, or there is no candidate yet.
            Err(_) => {
                traversal.give_up();
                self.end_idle_search(key);
            }
        }
    }

    /// A search that no connection of the session goes on with is over, whoever began it.
    pub(super) fn end_idle_search(&mut self, key: ConnectionKey) {
        if self.session_state(key) != Some(State::Traversing) || self.is_direct(key) {
            return;
        }
        let searching = |key: &ConnectionKey| {
            let connection = self.connections.get(key);
            let traversal = connection.and_then(|connection| connection.traversal.as_ref());
            traversal.is_some_and(|traversal| traversal.is_searching())
        };
        if !self.session_keys(key).iter().any(searching) {
            self.step_session(key, State::Relayed, Cause::Timeout);
        }
    }

    /// The paths are others: where the last direct one is gone, another is looked for.
    pub(super) fn path_lost(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let direct = self.is_direct(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let client = connection.is_client();
        let Some(traversal) = &mut connection.traversal else {
            return;
        };
        if !std::mem::replace(&mut traversal.direct, direct) || direct || self.local.is_empty() {
            return;
        }
        if client {
            traversal.learn_address(now);
        }
        self.doubt_mappings();
    }

    /// Whether a datagram that QUIC sends is a probe, or an answer to one: it leads to where no path does. QUIC's NAT traversal can be had on
    /// every connection, also with browsers and with clients of services, who may be anybody.
    pub(super) fn is_probe(
        connection: &Connection,
        carriers: &CarrierTable,
        destination: SocketAddr,
    ) -> bool {
        connection.phase != Phase::Handshaking
            && connection.usual != Some(destination)
            && !connection.leads_to(destination)
            && !carriers.is_virtual(&to_mapped(destination))
    }

    /// Takes a probe, to send it in its turn.
    pub(super) fn take_probe(&mut self, key: ConnectionKey, to: SocketAddr, datagram: &[u8]) {
        let now = self.clock.now();
        let to = to_mapped(to);
        let is_answer = datagram.len() >= ANSWER_BYTES;
        if is_answer && !self.count_answer(key) {
            return;
        }
        let is_udp = self.carriers.kind(MAIN_CARRIER) == Some(CarrierKind::Udp);
        let allowed =
            is_udp && !self.carriers.is_virtual(&to) && may_probe(&to, &self.local).is_ok();
        if !allowed {
            self.stats.probes_forbidden += 1;
            return;
        }
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let held = match is_answer {
            true => None,
            false => holding(connection, &self.carriers),
        };
        let due = now + held.unwrap_or_default();
        let granted = match connection.traversal.as_mut() {
            Some(traversal) => {
                if held.is_some() {
                    traversal.held = held;
                }
                traversal.may_aim(to, is_answer, now) && traversal.may_send(now)
            }
            None => is_answer && self.probes.may_answer(now),
        };
        if !granted || !self.probes.add(due, key, to, datagram) {
            self.stats.probes_limited += 1;
        }
    }

    /// Lets probes go that are held back for longer than the round trip, as it is known by now, asks for.
    pub(super) fn hasten_probes(&mut self, key: ConnectionKey) {
        if self.probes.len() == 0 {
            return;
        }
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let Some(was) = connection.traversal.as_ref().and_then(|t| t.held) else {
            return;
        };
        let Some(is) = holding(connection, &self.carriers) else {
            return;
        };
        if is < was {
            self.probes.hasten(key, was - is);
            if let Some(traversal) = &mut connection.traversal {
                traversal.held = Some(is);
            }
        }
    }

    /// Counts an answer to a remote's probe; false when the connection was closed for too many.
    fn count_answer(&mut self, key: ConnectionKey) -> bool {
        let connection = self.connections.get_mut(&key);
        let client = connection.filter(|connection| connection.is_client());
        let Some(traversal) = client.and_then(|connection| connection.traversal.as_mut()) else {
            return true;
        };
        let within = traversal.may_answer();
        if !within {
            let reason = "challenges from too many addresses";
            let code = VarInt::from_u32(0);
            self.close_with(key, ErrorCode::ProtocolViolation, code, reason.into());
        }
        within
    }

    /// Sends the probes whose time has come.
    pub(super) fn send_probes(&mut self, outbox: &mut impl Outbox) {
        let now = self.clock.now();
        while let Some((key, to, datagram)) = self.probes.pop(now) {
            if !self.connections.contains_key(&key) {
                continue;
            }
            if !self.probes.may_send(now) {
                self.stats.probes_limited += 1;
                continue;
            }
            self.stats.probes_sent += 1;
            self.reflexive.flows.note((MAIN_CARRIER, to), now);
            self.send_one(Route::socket(MAIN_CARRIER, to), &datagram, outbox);
        }
        self.collide(outbox);
    }
}

/// For how long a client's probes are held back; `None`: they are not.
///
/// Of the round trips that were measured the smallest counts. The first one has the time in it that the relay took to be connected,
/// and the mean keeps that for long.
fn holding(connection: &Connection, carriers: &CarrierTable) -> Option<Duration> {
    if !connection.is_client() {
        return None;
    }
    let mut paths = qualities_of(connection, carriers).into_iter();
    let relayed = paths.find(|path| path.relayed)?;
    let rtt = min_rtt(&connection.quic, relayed.id).unwrap_or(relayed.rtt);
    Some((rtt / 2).min(LONGEST_HOLD))
}
