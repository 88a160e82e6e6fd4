//! The birthday scheme between two peers: proposals, sockets, probes, and the path that a hit leads to.

use anypath_paths::birthday::Side;
use anypath_paths::candidate::may_probe;
use anypath_wire::address::from_mapped;
use anypath_wire::control::{Frame, Outcome};
use anypath_wire::id::EndpointId;
use anypath_wire::probe;
use noq_proto::{FourTuple, PathStatus};

use super::{MAX_RESPONSES, Peer};
use crate::birthday::{EXPORTED, Heard, LABEL, Name, Order, Terms, usable};
use crate::carrier::{CarrierKind, FIRST_SOCKET, Route};
use crate::clock::Instant;
use crate::connection::Phase;
use crate::event::{ConnectionKey, Found, Outbox};

/// How many of the routes that work a path is opened over: the second is there in case that the first is lost.
const OPENED: usize = 2;

impl Peer {
    /// Whether a connection of the application's with the remote would gain by a direct path.
    pub(super) fn wants_path(&self, remote: &EndpointId) -> bool {
        let session = self.sessions.get(remote.as_bytes());
        let keys = session.into_iter().flat_map(|session| &session.connections);
        let established = keys.filter(|key| {
            let connection = self.connections.get(key);
            connection.is_some_and(|c| c.phase == Phase::Established)
        });
        let mut established = established.peekable();
        established.peek().is_some() && established.all(|key| !self.is_direct(*key))
    }

    /// Proposes an attempt over a control connection that this side dialled, if one may help now.
    pub(super) fn propose(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let dialled = self.connections.get(&key).filter(|c| c.is_client());
        let Some(remote) = dialled.and_then(|connection| connection.remote) else {
            return;
        };
        let Some(control) = self.controls.open.get(&key) else {
            return;
        };
        let possible = control.greeted && control.proposed.is_none();
        let Some(taken) = self.side_with(control).filter(|_| possible) else {
            return;
        };
        if !self.wants_path(&remote)
            || !self.birthday.has_room_for(&remote)
            || self.controls.next_attempt(&remote, now) > now
            || self.place_of(key).is_none()
        {
            return;
        }
        if let Some(control) = self.controls.open.get_mut(&key) {
            let attempt = control.next_attempt;
            control.next_attempt += 1;
            control.proposed = Some(attempt);
            let hard = taken == Side::Hard;
            self.say(key, &Frame::Propose { attempt, hard });
        }
    }

    /// Where the remote of a control connection says that it is, if a probe may be sent there.
    fn place_of(&self, key: ConnectionKey) -> Option<std::net::SocketAddrV6> {
        let told = &self.controls.open.get(&key)?.remote.1;
        let now = self.clock.now();
        usable(told).filter(|address| {
            may_probe(address, &self.local).is_ok()
                && self.controls.may_aim_at(from_mapped(*address).ip(), now)
        })
    }

    /// The remote proposes an attempt.
    pub(super) fn answer_proposal(&mut self, key: ConnectionKey, attempt: u64, hard: bool) {
        let Some(control) = self.controls.open.get(&key) else {
            return;
        };
        let taken = if hard { Side::Easy } else { Side::Hard };
        let remote = self.remote_of(key);
        let agreed = self.side_with(control) == Some(taken)
            && remote.is_some_and(|remote| {
                self.wants_path(&remote)
                    && self.birthday.has_room_for(&remote)
                    && self.may_attempt(&remote)
            })
            && self.prepare(key, attempt, taken);
        let answer = match agreed {
            true => Frame::Accept { attempt },
            false => {
                self.stats.birthday.attempts_refused += 1;
                let outcome = Outcome::Refused;
                Frame::End { attempt, outcome }
            }
        };
        self.say(key, &answer);
    }

    /// The remote agrees to an attempt: it begins when it hears so, and this side when it will have heard.
    pub(super) fn start_attempt(&mut self, key: ConnectionKey, attempt: u64) {
        let now = self.clock.now();
        let Some(control) = self.controls.open.get_mut(&key) else {
            return;
        };
        let proposed = control.proposed.take_if(|number| *number == attempt);
        let taken = self.controls.open.get(&key).and_then(|c| self.side_with(c));
        let (Some(_), Some(taken)) = (proposed, taken) else {
            return;
        };
        if self.prepare(key, attempt, taken) {
            self.say(key, &Frame::Start { attempt });
            let name = Name {
                control: key,
                number: attempt,
            };
            self.birthday.begin(name, now + self.rtt_of(key) / 2);
        }
    }

    fn prepare(&mut self, key: ConnectionKey, number: u64, taken: Side) -> bool {
        let now = self.clock.now();
        let (Some(address), Some(remote)) = (self.place_of(key), self.remote_of(key)) else {
            return false;
        };
        let Some(connection) = self.connections.get(&key) else {
            return false;
        };
        let mut exported = [0; EXPORTED];
        let session = connection.quic.crypto_session();
        let context = number.to_be_bytes();
        if session
            .export_keying_material(&mut exported, LABEL, &context)
            .is_err()
        {
            return false;
        }
        let terms = Terms {
            name: Name {
                control: key,
                number,
            },
            remote,
            side: taken,
            server: !connection.is_client(),
            address,
            rtt: self.rtt_of(key),
            exported,
        };
        self.birthday.prepare(terms, now);
        self.stats.birthday.attempts += 1;
        true
    }

    /// Ends an attempt, if it is under way, and tells the remote if it is to be told.
    pub(super) fn end_attempt(&mut self, name: Name, outcome: Outcome, tell: bool) {
        let now = self.clock.now();
        let Some(attempt) = self.birthday.end(name, now) else {
            return;
        };
        if outcome != Outcome::Hit {
            let address = from_mapped(attempt.address).ip();
            self.controls.miss(address, now);
        }
        match outcome {
            Outcome::Hit => self.stats.birthday.hits += 1,
            Outcome::Missed | Outcome::Refused => {
                self.stats.birthday.misses += 1;
                self.tell_miss(name);
            }
        }
        if tell {
            let attempt = name.number;
            self.say(name.control, &Frame::End { attempt, outcome });
        }
        self.note_end(name.control, outcome);
    }

    /// The connections that an attempt was for are told that it found nothing.
    fn tell_miss(&mut self, name: Name) {
        let remote = self.remote_of(name.control);
        let session = remote.and_then(|remote| self.sessions.get(remote.as_bytes()));
        let keys = session.map(|session| session.connections.clone());
        for key in keys.unwrap_or_default() {
            self.tell_search(key, true, Found::Nothing, None);
        }
    }

    /// The driver has opened a socket, or a carrier of its own; true when it was one of the scheme's.
    pub(super) fn socket_opened(&mut self, id: u32, max_packet_bytes: usize) -> bool {
        if id < FIRST_SOCKET {
            return false;
        }
        if self.birthday.opened(id) {
            self.stats.birthday.sockets_opened += 1;
            self.carriers.set(id, CarrierKind::Udp, max_packet_bytes);
        }
        true
    }

    /// A socket of the scheme could not be opened, or has failed: an attempt does not go on with fewer.
    pub(super) fn socket_failed(&mut self, id: u32) {
        let now = self.clock.now();
        let Some(name) = self.birthday.failed(id) else {
            return;
        };
        self.stats.birthday.sockets_failed += 1;
        self.end_attempt(name, Outcome::Missed, true);
        if let Some(remote) = self.remote_of(name.control) {
            self.controls.rest_from_attempts(remote, now);
        }
    }

    /// Whether a datagram that is no probe has nothing to do with the socket that it came over.
    pub(super) fn is_foreign(&mut self, route: &Route) -> bool {
        let foreign = !self.birthday.admits(route);
        self.stats.birthday.foreign_dropped += u64::from(foreign);
        foreign
    }

    /// Takes a probe.
    pub(super) fn receive_probe(&mut self, route: Route, datagram: &[u8]) {
        let Ok(received) = probe::parse(datagram) else {
            self.stats.malformed_dropped += 1;
            return;
        };
        match self.birthday.hear(route, &received) {
            Heard::Forged => self.stats.birthday.probes_forged += 1,
            Heard::Late => self.stats.birthday.probes_late += 1,
            Heard::Authentic(name, answer) => {
                self.stats.birthday.probes_received += 1;
                if let Some(answer) = answer
                    && self.responses.len() < MAX_RESPONSES
                {
                    self.stats.birthday.probes_sent += 1;
                    self.responses.push_back((route, answer.to_vec()));
                }
                self.hit(name, route);
            }
        }
    }

    /// A route works both ways, or will when the remote has sent something over it.
    fn hit(&mut self, name: Name, route: Route) {
        let now = self.clock.now();
        let mut attempts = self.birthday.attempts.iter();
        let Some(attempt) = attempts.find(|attempt| attempt.name == name) else {
            return;
        };
        let (remote, taken, known) = (
            attempt.remote,
            attempt.side,
            attempt.hits.iter().take(OPENED).any(|hit| *hit == route),
        );
        if !known {
            return;
        }
        let session = self.sessions.get(remote.as_bytes());
        let keys = session.map(|session| session.connections.clone());
        for key in keys.into_iter().flatten() {
            if self.is_direct(key) {
                continue;
            }
            let Some(address) = self.carriers.inward(route) else {
                return;
            };
            if let Some(connection) = self.connections.get_mut(&key)
                && connection.is_client()
                && connection.phase == Phase::Established
            {
                let place = FourTuple::from_remote(address);
                // The remote may know no multipath, or have given no ids for another path yet.
                let _ = connection
                    .quic
                    .open_path_ensure(place, PathStatus::Backup, now);
                if let Some(traversal) = &mut connection.traversal
                    && !traversal.hits.contains(&address)
                {
                    traversal.hits.truncate(OPENED - 1);
                    traversal.hits.insert(0, address);
                }
                self.queue(key);
            }
        }
        // The hard side goes on: which of its sockets the other one has found, that one will say.
        if taken == Side::Easy {
            self.end_attempt(name, Outcome::Hit, true);
        }
    }

    /// A path of a connection is established: an attempt with its remote is not needed any more.
    pub(super) fn attempt_settled(&mut self, key: ConnectionKey) {
        self.birthday.doubtful = true;
        let Some(remote) = self.remote_of(key).filter(|_| self.is_direct(key)) else {
            return;
        };
        let mut attempts = self.birthday.attempts.iter();
        let attempt = attempts.find(|attempt| attempt.remote == remote);
        if let Some(attempt) = attempt {
            let outcome = match attempt.hits.is_empty() {
                true => Outcome::Missed,
                false => Outcome::Hit,
            };
            self.end_attempt(attempt.name, outcome, true);
        }
        self.controls.reach(&remote);
    }

    /// The network is another one: what is under way was meant for the old one.
    pub(super) fn collide_anew(&mut self) {
        let now = self.clock.now();
        while let Some(attempt) = self.birthday.attempts.first() {
            self.end_attempt(attempt.name, Outcome::Missed, true);
        }
        self.controls.forget_attempts(now);
    }

    /// Sends the probes that are due, and orders and gives up sockets.
    pub(super) fn collide(&mut self, outbox: &mut impl Outbox) {
        let now = self.clock.now();
        self.mind_controls();
        while let Some(name) = self.birthday.expired(now) {
            self.end_attempt(name, Outcome::Missed, true);
        }
        while let Some((route, probe)) = self.birthday.next(now) {
            // All kinds of probes together have one limit.
            if !self.probes.may_send(now) {
                self.stats.probes_limited += 1;
                continue;
            }
            self.stats.birthday.probes_sent += 1;
            if let Some(to) = route.address.socket() {
                self.reflexive.flows.note((route.carrier, to), now);
            }
            self.send_one(route, &probe, outbox);
        }
        if self.birthday.may_release(now) {
            let places = self.connections.values().flat_map(|c| c.addresses());
            let routes = places.filter_map(|address| self.carriers.outward(address));
            let used: Vec<_> = routes.map(|route| route.carrier).collect();
            self.birthday.release(|id| used.contains(&id), now);
        }
        while let Some(order) = self.birthday.orders.pop_front() {
            match order {
                Order::Open(id) => outbox.socket_open(id),
                Order::Close(id) => {
                    self.carriers.remove(id);
                    outbox.socket_close(id);
                }
            }
        }
    }

    /// When [`Peer::collide`] has something to do.
    pub(super) fn collide_due(&self) -> Option<Instant> {
        let now = self.clock.now();
        let birthday = self.birthday.due(now);
        birthday.into_iter().chain(self.controls_due()).min()
    }
}
