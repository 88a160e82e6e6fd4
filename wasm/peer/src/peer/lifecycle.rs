//! From handshake to oblivion: milestones, deadlines, silence and closing.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use noq_proto::{ConnectionError, EndpointEvent, PathId, VarInt};

use super::Peer;
use super::transmit::is_ready;
use super::watching::watch_due;
use crate::carrier::Route;
use crate::clock::Instant;
use crate::connection::{Connection, Found, Milestone, Phase};
use crate::dial::Dial;
use crate::error::{CloseReason, ErrorCode};
use crate::event::{Connected, ConnectionKey, Event, PathChange};
use crate::session::{Cause, State};
use crate::tls::{HandshakeData, HandshakeInfo, refusal_datagram};

/// How often a silent remote is probed. QUIC's own probes back off by doubling, and would notice the end
/// of an outage about as late as the outage was long.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How often QUIC is told of a changed network because a remote was heard again, at most.
const HASTEN_INTERVAL: Duration = Duration::from_secs(1);

/// How long an IMMEDIATE_ACK may wait behind a full congestion window.
const SINGLE: Duration = Duration::from_secs(1);

/// The application error code of a close by a limit of this peer: 256 and above are free for applications.
pub const CLOSE_LIMIT: u32 = 0x11;

impl Peer {
    /// Lets QUIC's events take effect and tells the application of them.
    pub(super) fn pump(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let mut found = std::mem::take(&mut self.found);
        connection.pump(&mut self.endpoint, &self.carriers, &mut found);
        for item in found.drain(..) {
            match item {
                Found::Event(event) if self.is_served(key) => self.watch(key, &event),
                Found::Event(event) if self.is_http3(key) => self.hear_http3(key, &event),
                Found::Event(event) if self.is_control(key) => self.hear_control(key, &event),
                Found::Event(event) if self.is_inquiry(key) => self.hear_service(key, &event),
                Found::Event(event) => {
                    let live = |c: &Connection| c.phase != Phase::Over;
                    if self.connections.get(&key).is_some_and(live) {
                        self.hear_observed(key, &event);
                        self.doubt_relays(key, &event);
                        self.events.push_back(event);
                    }
                }
                Found::Milestone(milestone) => self.reach(key, milestone),
            }
        }
        self.found = found;
    }

    fn reach(&mut self, key: ConnectionKey, milestone: Milestone) {
        match milestone {
            Milestone::HandshakeData => self.on_handshake_data(key),
            Milestone::Connected => self.on_connected(key),
            Milestone::Lost(error) => {
                self.refuse(key, &error);
                let connected = self
                    .connections
                    .get(&key)
                    .is_some_and(|connection| connection.phase == Phase::Established);
                self.conclude(key, CloseReason::of(&error, connected));
            }
            Milestone::Paths(established) => self.paths_changed(key, established),
            Milestone::RemoteCandidates => self.remote_candidates_changed(key),
            Milestone::Drained => self.forget(key),
        }
    }

    /// noq tells a client of an unvalidated address nothing; a refused one is told why.
    fn refuse(&mut self, key: ConnectionKey, error: &ConnectionError) {
        let source = self.connections.get(&key).and_then(|c| c.source);
        if let (Some(source), Some(datagram)) = (source, refusal_datagram(error)) {
            self.respond(source, datagram);
        }
    }

    /// A server that resumes a session knows its client before the handshake is over.
    fn on_handshake_data(&mut self, key: ConnectionKey) {
        if self.adopt_control(key) || self.adopt_http3(key) {
            return;
        }
        let Some(connection) = handshaking(&mut self.connections, key) else {
            return;
        };
        if connection.is_client() || !self.config.early_data || !connection.quic.has_0rtt() {
            return;
        }
        let Some(data) = HandshakeData::of(&connection.quic) else {
            return;
        };
        let (Some(remote_id), Some(alpn)) = (data.remote_id, data.alpn) else {
            return;
        };
        let Some(remote) = connection.note_first_path() else {
            return;
        };
        let Some(route) = self.carriers.outward(remote) else {
            return;
        };
        connection.early = true;
        connection.alpn = alpn;
        let connected = Connected {
            remote_id,
            incoming: true,
            early: true,
            group: 0,
            cipher: 0,
            resumed: true,
            alpn: connection.alpn.clone(),
            route,
            rtt: connection.quic.rtt(PathId::ZERO).unwrap_or_default(),
        };
        self.events
            .push_back(Event::Connected(key, Box::new(connected)));
    }

    fn on_connected(&mut self, key: ConnectionKey) {
        if handshaking(&mut self.connections, key).is_some()
            && (self.serve(key)
                || self.begin_control(key)
                || self.begin_http3(key)
                || self.inquire_connected(key))
        {
            return;
        }
        let Some(connection) = handshaking(&mut self.connections, key) else {
            return;
        };
        let Some(info) = HandshakeInfo::of(&connection.quic) else {
            let reason = "the handshake has no identity";
            self.close_with(
                key,
                ErrorCode::InternalError,
                VarInt::from_u32(0),
                reason.into(),
            );
            return;
        };
        let incoming = !connection.is_client();
        if let Some(data) = HandshakeData::of(&connection.quic) {
            connection.use_slack(data.slack);
        }
        connection.remote = Some(info.remote_id);
        connection.alpn.clone_from(&info.alpn);
        let route = connection
            .note_first_path()
            .and_then(|remote| self.carriers.outward(remote));
        let Some(route) = route else {
            let reason = "the path's carrier is gone";
            self.close_with(
                key,
                ErrorCode::TransportFailed,
                VarInt::from_u32(0),
                reason.into(),
            );
            return;
        };
        connection.keep_ways(&self.carriers);
        connection.phase = Phase::Established;
        let rtt = connection.quic.rtt(PathId::ZERO).unwrap_or_default();
        let (early, accepted) = (connection.early, info.early_data_accepted);
        let connected = Connected {
            remote_id: info.remote_id,
            incoming,
            early: false,
            group: info.group.into(),
            cipher: info.cipher.into(),
            resumed: info.kind == rustls::HandshakeKind::Resumed,
            alpn: info.alpn.clone(),
            route,
            rtt,
        };
        let remote = info.remote_id;
        let path = connection.path_event(PathId::ZERO, PathChange::Established, route);
        connection.info = Some(info);
        let over = connection.shaking_over.take();
        if incoming {
            self.admissions.handshake_ended(over);
            let room = self.admissions.has_room_for(&remote) && !self.is_too_many(key);
            // A refused one counts until its close, which takes it out again.
            self.admissions.add_remote(&remote);
            if !room {
                self.stats.refused += 1;
                let reason = "too many connections of one peer";
                let code = VarInt::from_u32(CLOSE_LIMIT);
                self.close_with(key, ErrorCode::TooManyConnections, code, reason.into());
                return;
            }
            self.stats.accepted += 1;
        } else {
            self.stats.dials_succeeded += 1;
        }
        if early && !incoming {
            self.events.push_back(Event::EarlyData(key, accepted));
        }
        self.events
            .push_back(Event::Connected(key, Box::new(connected)));
        self.events.push_back(path);
        if incoming {
            self.join_session(remote, key, State::Connecting, Cause::Accepted);
        }
        let state = self.connected_state(key);
        self.step_session(key, state, Cause::Handshake);
        self.heard(key);
        self.begin_traversal(key);
        self.widen(key);
    }

    /// Moves the session of a connection's remote, and tells each of its connections.
    pub(super) fn step_session(&mut self, key: ConnectionKey, to: State, cause: Cause) {
        let now = self.clock.now();
        let remote = self.connections.get(&key).and_then(|c| c.remote);
        let session = remote.and_then(|remote| self.sessions.get_mut(remote.as_bytes()));
        let Some(session) = session else { return };
        if let Some(transition) = session.step(to, cause, now) {
            for connection in &session.connections {
                self.events.push_back(Event::State(*connection, transition));
            }
        }
    }

    /// Finds out which of the remotes have been heard, before it matters to a timer.
    pub(super) fn listen(&mut self) {
        for turn in 0..self.turns.len() {
            let key = self.turns[turn];
            let connection = self.connections.get_mut(&key);
            if connection.is_some_and(Connection::has_heard) {
                self.heard(key);
            }
        }
    }

    pub(super) fn session_state(&self, key: ConnectionKey) -> Option<State> {
        let remote = self.connections.get(&key)?.remote?;
        Some(self.sessions.get(remote.as_bytes())?.state())
    }

    fn heard(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let control = self.is_control(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        connection.single_until = connection.single_until.filter(|until| *until > now);
        if connection.phase != Phase::Established || control {
            return;
        }
        if connection.next_probe.take().is_some() {
            // QUIC's own probes have become rare, and until one is acknowledged a full congestion window holds back what the remote waits for, its
            // acknowledgements with it.
            hasten(connection, now);
            self.queue(key);
        }
        self.found_again(key);
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let Some(remote) = connection.remote else {
            return;
        };
        let Some(session) = self.sessions.get_mut(remote.as_bytes()) else {
            return;
        };
        session.hear(now);
        if session.state() == State::Recovering {
            let state = self.connected_state(key);
            self.step_session(key, state, Cause::Answer);
        }
    }

    /// Fires what is due.
    pub(super) fn fire_timers(&mut self) {
        let now = self.clock.now();
        self.expire_asked();
        while let Some((due, key)) = self.timers.first().copied() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            let Some(connection) = self.connections.get_mut(&key) else {
                continue;
            };
            connection.wake = None;
            if connection.quic.poll_timeout().is_some_and(|due| due <= now) {
                connection.quic.handle_timeout(now);
            }
            if connection.phase == Phase::Handshaking && connection.deadline <= now {
                self.give_up(key);
                continue;
            }
            self.dismiss_aged(key);
            self.tend_http3(key);
            self.widen_again(key);
            self.tend(key);
            self.hasten_probes(key);
            self.watch_paths(key);
            self.check_silence(key);
            self.queue(key);
        }
    }

    /// Nobody answered: there is nobody to say goodbye to, so nothing is kept for draining.
    fn give_up(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let handle = connection.handle;
        let (code, reason) = self.why_unanswered(connection);
        self.conclude(key, CloseReason::transport(code, reason));
        self.endpoint.handle_event(handle, EndpointEvent::drained());
        self.forget(key);
    }

    fn why_unanswered(&self, connection: &Connection) -> (ErrorCode, &'static str) {
        let denied = |route: &Route| route.is_relayed() && self.relays.is_denied_by(route.carrier);
        let mut targets = connection.dial.iter().flat_map(Dial::targets).peekable();
        if targets.peek().is_some() && targets.all(denied) {
            let reason = "the remote's relay does not serve this peer";
            return (ErrorCode::RelayDenied, reason);
        }
        let reason = "no answer within the handshake timeout";
        (ErrorCode::Unreachable, reason)
    }

    /// The remote has lost the connection's state, so there is nobody to say goodbye to.
    pub(super) fn forget_reset(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let handle = connection.handle;
        self.conclude(key, CloseReason::of(&ConnectionError::Reset, true));
        self.endpoint.handle_event(handle, EndpointEvent::drained());
        self.forget(key);
    }

    fn check_silence(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        if self.silence_due(key).is_none_or(|due| due > now) {
            return;
        }
        let remote = self.connections.get(&key).and_then(|c| c.remote);
        let session = remote.and_then(|remote| self.sessions.get(remote.as_bytes()));
        let silent = session.is_some_and(|session| session.silent_at() <= now);
        if silent {
            self.step_session(key, State::Recovering, Cause::Silence);
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            if !silent {
                // Another connection with the same remote has heard it.
                if connection.next_probe.take().is_some() {
                    hasten(connection, now);
                    self.queue(key);
                }
                return;
            }
            // A ping would wait behind a full congestion window for QUIC's own next probe.
            change_network(connection, now);
            connection.next_probe = Some(now + PROBE_INTERVAL);
        }
        self.lose_way(key);
    }

    /// When the remote has been silent for too long, or is to be probed again.
    fn silence_due(&self, key: ConnectionKey) -> Option<Instant> {
        let connection = self.connections.get(&key)?;
        if connection.phase != Phase::Established
            || self.config.keep_alive.is_none()
            || self.is_control(key)
        {
            return None;
        }
        let session = self.sessions.get(connection.remote?.as_bytes())?;
        Some(connection.next_probe.unwrap_or(session.silent_at()))
    }

    /// Sets the connection's wake-up to the earliest of its deadlines.
    pub(super) fn set_timer(&mut self, key: ConnectionKey) {
        let silence = self.silence_due(key);
        let http3 = self.http3_due(key);
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let handshake = (connection.phase == Phase::Handshaking).then_some(connection.deadline);
        let (relays, carriers) = (&self.relays, &self.carriers);
        let ready = |route: &Route| is_ready(route, relays, carriers);
        let start = connection
            .dial
            .as_ref()
            .and_then(|dial| dial.next_start(ready));
        let aged = connection
            .served_until
            .filter(|_| connection.phase == Phase::Established);
        let quic = connection.quic.poll_timeout();
        let tended = earlier(Self::tend_due(connection), watch_due(connection));
        let wake = [
            quic,
            handshake,
            start,
            silence,
            earlier(aged, http3),
            earlier(tended, connection.next_widening),
        ]
        .into_iter()
        .flatten()
        .min();
        if wake == connection.wake {
            return;
        }
        if let Some(old) = connection.wake {
            self.timers.remove(&(old, key));
        }
        connection.wake = wake;
        if let Some(wake) = wake {
            self.timers.insert((wake, key));
        }
    }

    /// Closes a connection; `Closed` follows at once, and the close frame with the next drain.
    ///
    /// A code above 2^62 - 1 is sent as that. An unknown or finished connection is left alone.
    pub fn close(&mut self, key: ConnectionKey, code: u64, reason: &str) {
        if self.close_session(key, code, reason) {
            return;
        }
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        self.close_with(key, ErrorCode::ClosedLocally, code, reason.to_owned());
    }

    pub(super) fn close_with(
        &mut self,
        key: ConnectionKey,
        cause: ErrorCode,
        code: VarInt,
        reason: String,
    ) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        if connection.phase == Phase::Over {
            return;
        }
        let bytes = Bytes::copy_from_slice(reason.as_bytes());
        connection.quic.close(now, code, bytes);
        self.conclude(key, CloseReason::local(cause, code.into_inner(), reason));
        self.queue(key);
    }

    /// Closes every connection and refuses new ones.
    pub fn shutdown(&mut self, code: u64, reason: &str) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        self.closing = true;
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            if !self.shut_down_http3(key, code.into_inner(), reason) {
                self.close_with(key, ErrorCode::ClosedLocally, code, reason.to_owned());
            }
        }
        for key in self.asked.keys().copied().collect::<Vec<_>>() {
            self.admit(key, crate::admission::Admission::Refuse);
        }
    }

    /// Asks for an answer over every path, which also measures the round-trip time.
    pub fn ping(&mut self, key: ConnectionKey) {
        let key = self.bearer(key);
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.quic.ping();
            self.queue(key);
        }
    }

    /// Starts a key update ([RFC 9001 § 6]). Ignored while one is under way, and on the accepting side: noq stalls
    /// when both sides update around an outage, and one side's update renews both directions' keys.
    ///
    /// [RFC 9001 § 6]: https://www.rfc-editor.org/rfc/rfc9001#section-6
    pub fn key_update(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key)
            && connection.phase == Phase::Established
            && connection.is_client()
        {
            connection.quic.force_key_update();
            connection.key_updates += 1;
            connection.quic.ping();
            self.queue(key);
        }
    }

    /// The local addresses changed: every path is tried again at once.
    pub fn network_changed(&mut self) {
        self.listen();
        self.collide_anew();
        self.reflect_anew();
        let now = self.clock.now();
        self.relays.probe(now);
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            if let Some(connection) = self.connections.get_mut(&key) {
                change_network(connection, now);
            }
            self.queue(key);
        }
    }

    /// Tells the application that the connection is over, and takes it out of every count.
    fn conclude(&mut self, key: ConnectionKey, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let before = std::mem::replace(&mut connection.phase, Phase::Over);
        if before == Phase::Over {
            return;
        }
        // What is left to say, the close, still goes to every address that was dialled.
        if let Some(dial) = connection.dial.as_mut() {
            dial.stop();
        }
        let (client, remote) = (connection.is_client(), connection.remote);
        let (origin, known) = (connection.origin, connection.info.is_some());
        let over = connection.shaking_over.take();
        let control = self.end_control(key, before, &reason);
        if before == Phase::Handshaking {
            if client {
                self.stats.dials_failed += u64::from(!control && !self.is_inquiry(key));
            } else {
                self.admissions.handshake_ended(over);
            }
        }
        if let Some(origin) = origin {
            self.admissions.remove_origin(origin);
            if let Some(remote) = remote.filter(|_| known) {
                self.admissions.remove_remote(&remote);
            }
        }
        if control {
            return;
        }
        let failed = !matches!(
            reason.code,
            ErrorCode::ClosedLocally | ErrorCode::ClosedByPeer
        );
        if let Some(remote) = remote {
            self.leave_session(remote.as_bytes(), key, failed);
        }
        // A client of the service was never the application's.
        if self.is_served(key) {
            self.discovery.remove(key);
        } else if !self.http3_over(key, &reason) && !self.inquiry_over(key) {
            self.events.push_back(Event::Closed(key, reason));
        }
    }

    fn leave_session(&mut self, remote: &[u8; 32], key: ConnectionKey, failed: bool) {
        let now = self.clock.now();
        let Some(session) = self.sessions.get_mut(remote) else {
            return;
        };
        session.connections.remove(&key);
        if let Some(other) = session.connections.first().copied() {
            return self.end_idle_search(other);
        }
        let (to, cause) = match failed {
            true => (State::Failed, Cause::Error),
            false => (State::Closed, Cause::Close),
        };
        if let Some(transition) = session.step(to, cause, now) {
            self.events.push_back(Event::State(key, transition));
        }
        self.sessions.remove(remote);
        self.part_from(remote);
    }

    fn forget(&mut self, key: ConnectionKey) {
        let reason = CloseReason::transport(ErrorCode::InternalError, "drained without a reason");
        self.conclude(key, reason);
        let control = self.is_control(key);
        let Some(connection) = self.connections.remove(&key) else {
            return;
        };
        if let Some(wake) = connection.wake {
            self.timers.remove(&(wake, key));
        }
        if let Some(slot) = self.by_handle.get_mut(connection.handle.0)
            && *slot == key
        {
            *slot = 0;
        }
        self.inquiry_forgotten(key);
        let http3 = self.http3_forgotten(key);
        if !control && !http3 {
            self.events.push_back(Event::Drained(key));
        }
    }
}

/// The earlier of two times that there may be.
#[inline]
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Has QUIC probe at once, as after a change of the network; not more often than a remote may be the cause of.
pub(super) fn hasten(connection: &mut Connection, now: Instant) {
    if connection.next_hastening.is_none_or(|at| at <= now) {
        connection.next_hastening = Some(now + HASTEN_INTERVAL);
        change_network(connection, now);
    }
}

pub(super) fn change_network(connection: &mut Connection, now: Instant) {
    connection
        .quic
        .handle_network_change(Some(&AllRecoverable), now);
    connection.network_changed = true;
    connection.single_until = Some(now + SINGLE);
}

/// A connection whose handshake is under way: noq may tell of one that has been closed meanwhile.
fn handshaking(
    connections: &mut BTreeMap<ConnectionKey, Connection>,
    key: ConnectionKey,
) -> Option<&mut Connection> {
    connections
        .get_mut(&key)
        .filter(|connection| connection.phase == Phase::Handshaking)
}

/// Keeps paths where they are after a network change: QUIC validates them anew from the new address.
#[derive(Debug)]
struct AllRecoverable;

impl noq_proto::NetworkChangeHint for AllRecoverable {
    fn is_path_recoverable(&self, _path: PathId, _network_path: noq_proto::FourTuple) -> bool {
        true
    }
}
