//! Sessions: how they begin and end, and their streams and datagrams.
//!
//! To the application a session is a connection: its key is one of theirs, and the same calls work with it.

use std::collections::BTreeMap;

use anypath_wire::http3::{capsule, error, frame, qpack};
use anypath_wire::varint::read_varint;
use bytes::Bytes;
use noq_proto::{Dir, StreamId, VarInt};

use super::packets::carrier_for;
use super::reading::{Outcome, Progress};
use crate::carried::PATH;
use crate::error::{CloseReason, ClosedBy, ErrorCode};
use crate::event::{ConnectionKey, Event};
use crate::peer::Peer;
use crate::web_transport::framing::Framer;
use crate::web_transport::{
    Role, SESSIONS_PER_CONNECTION, Session, SessionRequest, Sides, Stage, WITHOUT_SESSION,
};

/// Streams of one connection that may wait for their session.
const MAX_HELD: usize = 16;

impl Peer {
    pub(super) fn session(&self, key: ConnectionKey) -> Option<&Session> {
        self.listener.as_ref()?.sessions.get(&key)
    }

    /// The QUIC connection of a session; of a connection itself.
    pub(in crate::peer) fn bearer(&self, key: ConnectionKey) -> ConnectionKey {
        self.session(key).map_or(key, |session| session.connection)
    }

    /// A session is asked for: the application decides.
    pub(super) fn ask(&mut self, key: ConnectionKey, connect: u64, request: SessionRequest) {
        let until = self.clock.now() + self.config.handshake_timeout;
        let session = self.new_key();
        let Some(route) = self.route_of(key).filter(|_| self.is_live_http3(key)) else {
            return;
        };
        let carrier = carrier_for(&request, session, &route, until);
        let Some(listener) = self.listener.as_mut() else {
            return;
        };
        let full = listener.sessions.len() >= listener.limit || self.closing;
        let Some(http3) = listener.connections.get_mut(&key) else {
            return;
        };
        if http3.sessions.len() >= SESSIONS_PER_CONNECTION {
            self.stats.web_transport.refused += 1;
            return self.refuse_stream(key, connect, error::REQUEST_REJECTED);
        }
        let misplaced = carrier.is_none() && request.path == PATH;
        if full || misplaced {
            let status = if full { 503 } else { 404 };
            self.stats.web_transport.refused += 1;
            self.keep(key, connect, Role::Ignored);
            return self.answer(key, connect, status, request.second_draft);
        }
        http3.until = None;
        http3.sessions.insert(connect, session);
        let role = Role::Connect {
            session,
            frames: Framer::default(),
            capsules: Framer::default(),
        };
        http3.roles.insert(connect, role);
        let begun = Session {
            connection: key,
            connect,
            stage: Stage::Asked(until),
            second_draft: request.second_draft,
            streams: BTreeMap::new(),
            carrier,
        };
        listener.sessions.insert(session, begun);
        let request = Box::new(request);
        self.events.push_back(Event::SessionRequested {
            session,
            route,
            request,
        });
    }

    fn route_of(&self, key: ConnectionKey) -> Option<crate::carrier::Route> {
        let source = self.connections.get(&key)?.source?;
        self.carriers.outward(source)
    }

    /// Answers an [`Event::SessionRequested`] with an HTTP status: one from 200 to 299 accepts. False when the question is no longer open.
    pub fn answer_session(&mut self, session: ConnectionKey, status: u16) -> bool {
        let asked = self
            .session(session)
            .filter(|session| session.stage != Stage::Open);
        let Some((key, connect, second_draft)) =
            asked.map(|asked| (asked.connection, asked.connect, asked.second_draft))
        else {
            return false;
        };
        if !(200..300).contains(&status) {
            self.stats.web_transport.refused += 1;
            self.keep(key, connect, Role::Ignored);
            self.answer(key, connect, status, second_draft);
            let code = ErrorCode::ClosedLocally;
            let reason = CloseReason::local(code, 0, "the session was refused");
            self.conclude_session(session, reason);
            return true;
        }
        self.stats.web_transport.accepted += 1;
        self.answer(key, connect, status, second_draft);
        self.begin_carrying(session);
        let held = match self.listener.as_mut() {
            Some(listener) => {
                if let Some(session) = listener.sessions.get_mut(&session) {
                    session.stage = Stage::Open;
                }
                let http3 = listener.connections.get(&key);
                http3.map_or_else(Vec::new, |http3| http3.held_for(connect))
            }
            None => Vec::new(),
        };
        for (id, both) in held {
            self.adopt_stream(session, id, both);
        }
        true
    }

    /// Sends the fields of an answer; one that accepts nothing is all there is to say.
    pub(super) fn answer(&mut self, key: ConnectionKey, id: u64, status: u16, second_draft: bool) {
        let status = status.clamp(200, 599).to_string();
        let mut fields = vec![(":status", status.as_str())];
        let accepts = status.starts_with('2');
        if second_draft && accepts {
            fields.push(("sec-webtransport-http3-draft", "draft02"));
        }
        let (mut section, mut bytes) = (Vec::new(), Vec::new());
        qpack::write(&fields, &mut section);
        frame::write(frame::HEADERS, &section, &mut bytes);
        self.send_on(key, id, &bytes, !accepts);
    }

    /// A stream of the session with that CONNECT stream begins.
    pub(super) fn join(
        &mut self,
        key: ConnectionKey,
        id: u64,
        connect: u64,
        both: bool,
    ) -> Outcome {
        let named = VarInt::from_u64(connect).map(StreamId::from);
        let named = named.map_err(|_| error::ID_ERROR)?;
        if named.dir() != Dir::Bi || named.initiator() != noq_proto::Side::Client {
            return Err(error::ID_ERROR);
        }
        let listener = self.listener.as_ref();
        let session = listener.and_then(|listener| listener.session_on(key, connect));
        if let Some(session) = session.filter(|session| self.is_open(*session)) {
            self.adopt_stream(session, id, both);
            return Ok(Progress::HandedOver);
        }
        let code = self.http3(key).map_or(Some(error::SESSION_GONE), |http3| {
            let held = |role: &&Role| matches!(role, Role::Held { .. });
            let awaited = match http3.roles.get(&connect) {
                Some(Role::Unknown { .. } | Role::Request(_) | Role::Early(_)) => true,
                Some(Role::Connect { .. }) => session.is_some(),
                Some(_) => false,
                None => connect >= http3.next_request,
            };
            match (
                awaited,
                http3.roles.values().filter(held).count() < MAX_HELD,
            ) {
                (true, true) => None,
                (true, false) => Some(error::BUFFERED_STREAM_REJECTED),
                (false, _) => Some(error::SESSION_GONE),
            }
        });
        match code {
            Some(code) => self.abandon(key, id, both, code),
            None => {
                let session = connect;
                self.keep(key, id, Role::Held { session, both });
            }
        }
        Ok(Progress::HandedOver)
    }

    fn is_open(&self, session: ConnectionKey) -> bool {
        let session = self.session(session);
        session.is_some_and(|session| session.stage == Stage::Open)
    }

    /// A stream of the client's becomes the session's, and the application's to read.
    fn adopt_stream(&mut self, session: ConnectionKey, id: u64, both: bool) {
        if self.is_carrier(session) {
            return self.adopt_packets(session, id, both);
        }
        self.own_stream(
            session,
            id,
            Sides {
                sends: both,
                receives: true,
            },
        );
        self.events
            .push_back(Event::StreamOpened(session, id, both));
        self.events.push_back(Event::Readable(session, id));
    }

    pub(super) fn own_stream(&mut self, session: ConnectionKey, id: u64, sides: Sides) {
        let Some(listener) = self.listener.as_mut() else {
            return;
        };
        let Some(found) = listener.sessions.get_mut(&session) else {
            return;
        };
        found.streams.insert(id, sides);
        if let Some(http3) = listener.connections.get_mut(&found.connection) {
            http3.roles.insert(id, Role::Data(session));
        }
    }

    /// Resets what this side sends on a stream of the client's and asks it to stop.
    pub(super) fn abandon(&mut self, key: ConnectionKey, id: u64, both: bool, code: u64) {
        if both {
            let _ = self.reset(key, id, code);
        }
        let _ = self.stop(key, id, code);
    }

    /// The session that a stream belongs to.
    fn owner(&self, key: ConnectionKey, id: u64) -> Option<ConnectionKey> {
        match self
            .listener
            .as_ref()?
            .connections
            .get(&key)?
            .roles
            .get(&id)?
        {
            Role::Data(session) => Some(*session),
            _ => None,
        }
    }

    /// Tells the application of something about a session's stream.
    pub(super) fn forward(
        &mut self,
        key: ConnectionKey,
        id: u64,
        event: impl FnOnce(ConnectionKey) -> Event,
    ) {
        if let Some(session) = self.owner(key, id) {
            self.events.push_back(event(session));
        }
    }

    /// Tells the application of something about all sessions of a connection.
    pub(super) fn forward_to_all(
        &mut self,
        key: ConnectionKey,
        event: impl Fn(ConnectionKey) -> Event,
    ) {
        let http3 = self.http3(key);
        let sessions: Vec<_> =
            http3.map_or_else(Vec::new, |http3| http3.sessions.values().copied().collect());
        for session in sessions {
            self.events.push_back(event(session));
        }
    }

    /// One side of a stream is over, or both.
    pub(super) fn side_over(&mut self, key: ConnectionKey, id: u64, over: Sides) {
        let Some(owner) = self.owner(key, id) else {
            return;
        };
        let Some(listener) = self.listener.as_mut() else {
            return;
        };
        let Some(session) = listener.sessions.get_mut(&owner) else {
            return;
        };
        session.side_over(id, over);
        if !session.streams.contains_key(&id)
            && let Some(http3) = listener.connections.get_mut(&key)
        {
            http3.roles.remove(&id);
            http3.unwritten.remove(&id);
        }
    }

    /// A datagram of some session ([RFC 9297 § 2.1](https://www.rfc-editor.org/rfc/rfc9297#section-2.1)).
    pub(super) fn datagram_arrived(&mut self, key: ConnectionKey, bytes: &Bytes) {
        const MOST: u64 = anypath_wire::varint::MAX_VARINT / 4;
        let Some((quarter, rest)) = read_varint(bytes).filter(|(quarter, _)| *quarter <= MOST)
        else {
            return self.http3_fault(key, error::DATAGRAM_ERROR, "a datagram without a session");
        };
        let listener = self.listener.as_ref();
        let session = listener.and_then(|listener| listener.session_on(key, quarter * 4));
        match session {
            Some(session) => {
                let content = bytes.slice(bytes.len() - rest.len()..);
                self.deliver_datagram(session, content);
            }
            None => self.stats.web_transport.datagrams_dropped += 1,
        }
    }

    pub(super) fn deliver_datagram(&mut self, session: ConnectionKey, content: Bytes) {
        match self.is_open(session) {
            true if self.is_carrier(session) => self.packet_arrived(session, content),
            true => self.events.push_back(Event::Datagram(session, content)),
            false => self.stats.web_transport.datagrams_dropped += 1,
        }
    }

    /// The client has closed a session.
    pub(super) fn remote_closed(&mut self, session: ConnectionKey, code: u32, reason: &str) {
        let Some((key, connect)) = self
            .session(session)
            .map(|session| (session.connection, session.connect))
        else {
            return;
        };
        self.send_on(key, connect, &[], true);
        self.keep(key, connect, Role::Ignored);
        let reason = CloseReason {
            code: ErrorCode::ClosedByPeer,
            by: ClosedBy::Remote,
            wire_code: code.into(),
            reason: reason.to_owned(),
        };
        self.conclude_session(session, reason);
        self.look(key, connect);
    }

    /// A session ends without a word: what came was none, or the client has given its stream up.
    pub(super) fn end_session(&mut self, session: ConnectionKey, code: u64) {
        let Some((key, connect)) = self
            .session(session)
            .map(|session| (session.connection, session.connect))
        else {
            return;
        };
        self.refuse_stream(key, connect, code);
        let (cause, by, text) = match code {
            error::NO_ERROR => (
                ErrorCode::TransportClosedByPeer,
                ClosedBy::Remote,
                "the client gave the session up",
            ),
            _ => {
                self.stats.web_transport.faults += 1;
                let text = "the session's stream has no capsules in it";
                (ErrorCode::ProtocolViolation, ClosedBy::Transport, text)
            }
        };
        let reason = CloseReason {
            code: cause,
            by,
            wire_code: code,
            reason: text.into(),
        };
        self.conclude_session(session, reason);
    }

    /// A session is over: its streams end with it, and the application is told.
    pub(super) fn conclude_session(&mut self, session: ConnectionKey, reason: CloseReason) {
        let now = self.clock.now();
        let Some(listener) = self.listener.as_mut() else {
            return;
        };
        let Some(ended) = listener.sessions.remove(&session) else {
            return;
        };
        if let Some(carrier) = ended.carrier
            && self.carriers.kind(carrier.route.carrier).is_some()
        {
            self.carrier_lost(carrier.route.carrier);
            self.carriers.remove(carrier.route.carrier);
        }
        let Some(listener) = self.listener.as_mut() else {
            return;
        };
        let (key, connect) = (ended.connection, ended.connect);
        let mut held = Vec::new();
        if let Some(http3) = listener.connections.get_mut(&key) {
            held = http3.held_for(connect);
            http3.sessions.remove(&connect);
            for id in ended.streams.keys().chain(held.iter().map(|(id, _)| id)) {
                http3.roles.remove(id);
                http3.unwritten.remove(id);
            }
            if http3.sessions.is_empty() {
                http3.until = Some(now + WITHOUT_SESSION);
            }
        }
        for (id, sides) in ended.streams {
            if sides.sends {
                let _ = self.reset(key, id, error::SESSION_GONE);
            }
            if sides.receives {
                let _ = self.stop(key, id, error::SESSION_GONE);
            }
        }
        for (id, both) in held {
            self.abandon(key, id, both, error::SESSION_GONE);
        }
        self.events.push_back(Event::Closed(session, reason));
        self.events.push_back(Event::Drained(session));
        self.queue(key);
    }

    /// Closes a session; false when the key is none's.
    pub(in crate::peer) fn close_session(
        &mut self,
        session: ConnectionKey,
        code: u64,
        reason: &str,
    ) -> bool {
        let Some(found) = self.session(session) else {
            return false;
        };
        let (key, connect) = (found.connection, found.connect);
        if found.stage != Stage::Open {
            return self.answer_session(session, 503);
        }
        let code = u32::try_from(code).unwrap_or(u32::MAX);
        let (mut told, mut bytes) = (Vec::new(), Vec::new());
        capsule::Close { code, reason }.write(&mut told);
        frame::write(frame::DATA, &told, &mut bytes);
        self.send_on(key, connect, &bytes, true);
        self.keep(key, connect, Role::Ignored);
        let reason = CloseReason::local(ErrorCode::ClosedLocally, code.into(), reason);
        self.conclude_session(session, reason);
        self.look(key, connect);
        true
    }
}
