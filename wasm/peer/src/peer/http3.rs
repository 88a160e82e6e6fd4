//! HTTP/3 connections: what arrives on them, and what it means for sessions.
//!
//! A fault of the client closes the connection or the stream with the code that [RFC 9114 § 8] has for it, and is counted.
//!
//! [RFC 9114 § 8]: https://www.rfc-editor.org/rfc/rfc9114#section-8

mod packets;
mod reading;
mod sessions;
mod streams;

use anypath_wire::http3::error;
use noq_proto::{Dir, VarInt};

use super::{Peer, ReadOutcome};
use crate::clock::Instant;
use crate::connection::Phase;
use crate::error::{CloseReason, ErrorCode};
use crate::event::{ConnectionKey, Event};
use crate::tls::HandshakeData;
use crate::tls::config::HTTP3_ALPN;
use crate::web_transport::{
    CertificateHash, Http3, OWN_STREAMS, Role, SESSIONS_PER_CONNECTION, Sides, Stage,
    WITHOUT_SESSION, greeting,
};
use reading::Progress;

impl Peer {
    /// The certificate that browsers are shown now, and the one that follows; `None` when there is no listener.
    pub fn web_transport_certificates(&self) -> Option<[CertificateHash; 2]> {
        Some(self.listener.as_ref()?.certificates.hashes())
    }

    pub(super) fn is_http3(&self, key: ConnectionKey) -> bool {
        let listener = self.listener.as_ref();
        listener.is_some_and(|listener| listener.connections.contains_key(&key))
    }

    fn http3(&mut self, key: ConnectionKey) -> Option<&mut Http3> {
        self.listener.as_mut()?.connections.get_mut(&key)
    }

    /// Takes an incoming connection as one of HTTP/3, if its client asks for that; the settings go out with the handshake.
    pub(super) fn adopt_http3(&mut self, key: ConnectionKey) -> bool {
        if self.is_http3(key) {
            return true;
        }
        let until = self.clock.now() + WITHOUT_SESSION;
        let limit =
            |of_applications: u32, own| VarInt::from_u32(of_applications.saturating_add(own));
        let streams = limit(self.config.max_uni_streams, OWN_STREAMS);
        let requests = limit(self.config.max_bidi_streams, SESSIONS_PER_CONNECTION as u32);
        let Some(listener) = self.listener.as_mut() else {
            return false;
        };
        let Some(connection) = self.connections.get_mut(&key).filter(|c| !c.is_client()) else {
            return false;
        };
        let data = HandshakeData::of(&connection.quic);
        if data.is_none_or(|data| data.alpn.as_deref() != Some(HTTP3_ALPN)) {
            return false;
        }
        connection
            .quic
            .set_max_concurrent_streams(Dir::Uni, streams);
        connection
            .quic
            .set_max_concurrent_streams(Dir::Bi, requests);
        listener.connections.insert(key, Http3::new(until));
        self.greet(key);
        true
    }

    /// Ends the handshake of such a connection; false when it is another one.
    pub(super) fn begin_http3(&mut self, key: ConnectionKey) -> bool {
        if !self.adopt_http3(key) {
            return false;
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.phase = Phase::Established;
            connection.note_first_path();
            if let Some(data) = HandshakeData::of(&connection.quic) {
                connection.use_slack(data.slack);
            }
            let over = connection.shaking_over.take();
            self.admissions.handshake_ended(over);
        }
        self.greet(key);
        true
    }

    /// Opens this side's control stream. A client that allows none is told so when its handshake is over.
    fn greet(&mut self, key: ConnectionKey) {
        let established = |peer: &Self| {
            let connection = peer.connections.get(&key);
            connection.is_some_and(|connection| connection.phase == Phase::Established)
        };
        match self.http3(key) {
            Some(http3) if !http3.greeted => {}
            _ => return,
        }
        match self.open_stream(key, false) {
            Ok(Some(stream)) => {
                if let Some(http3) = self.http3(key) {
                    http3.greeted = true;
                }
                self.send_on(key, stream, &greeting(), false);
            }
            _ if established(self) => {
                self.http3_fault(
                    key,
                    error::STREAM_CREATION_ERROR,
                    "no control stream is allowed",
                );
            }
            _ => {}
        }
    }

    /// Whether anything may still begin on a connection: what arrived together with what ended it comes to nothing.
    fn is_live_http3(&self, key: ConnectionKey) -> bool {
        let connection = self.connections.get(&key);
        connection.is_some_and(|connection| connection.phase != Phase::Over)
    }

    /// An event of an HTTP/3 connection.
    pub(super) fn hear_http3(&mut self, key: ConnectionKey, event: &Event) {
        if !self.is_live_http3(key) {
            return;
        }
        match event {
            Event::StreamOpened(_, id, both) => {
                let role = Role::Unknown {
                    both: *both,
                    head: Vec::new(),
                };
                if let Some(http3) = self.http3(key) {
                    http3.roles.insert(*id, role);
                    if *both {
                        http3.next_request = http3.next_request.max(*id + 4);
                    }
                }
            }
            Event::Readable(_, id) => self.look(key, *id),
            Event::Writable(_, id) => {
                self.flush(key, *id);
                self.forward(key, *id, |session| Event::Writable(session, *id));
            }
            Event::StreamFinished(_, id) => {
                self.forward(key, *id, |session| Event::StreamFinished(session, *id));
                self.side_over(
                    key,
                    *id,
                    Sides {
                        sends: true,
                        receives: false,
                    },
                );
            }
            Event::StreamStopped(_, id, wire) => {
                let code = error::to_application(*wire).unwrap_or(0).into();
                self.forward(key, *id, |session| Event::StreamStopped(session, *id, code));
                self.stopped(key, *id);
                // RFC 9000 § 3.5: what is not wanted is reset, by the code that it was stopped with.
                let _ = self.reset(key, *id, *wire);
            }
            Event::StreamsAvailable(_, both) => {
                self.forward_to_all(key, |session| Event::StreamsAvailable(session, *both));
            }
            Event::DatagramsUnblocked(_) => {
                self.forward_to_all(key, Event::DatagramsUnblocked);
            }
            Event::Datagram(_, bytes) => self.datagram_arrived(key, bytes),
            _ => {}
        }
    }

    /// Reads a stream for as long as it is this side's to read.
    fn look(&mut self, key: ConnectionKey, id: u64) {
        let Some(role) = self.http3(key).and_then(|http3| http3.roles.remove(&id)) else {
            return;
        };
        let outcome = match role {
            Role::Unknown { both, head } => self.look_unknown(key, id, both, head),
            Role::Control(framer) => self.look_control(key, id, framer),
            Role::Encoder => self.look_encoder(key, id),
            Role::Ignored => self.drop_arrived(key, id),
            Role::Request(framer) => self.look_request(key, id, framer),
            Role::Connect {
                session,
                frames,
                capsules,
            } => self.look_connect(key, id, session, frames, capsules),
            role @ (Role::Early(_) | Role::Held { .. }) => {
                self.keep(key, id, role);
                Ok(Progress::HandedOver)
            }
            Role::Packets { session, packets } => self.look_packets(key, id, session, packets),
            Role::Data(session) => {
                self.keep(key, id, Role::Data(session));
                self.events.push_back(Event::Readable(session, id));
                Ok(Progress::HandedOver)
            }
        };
        match outcome {
            Ok(Progress::Ended | Progress::Broken) => self.ended(key, id),
            Ok(Progress::Waiting | Progress::HandedOver) => {}
            Err(code) => self.http3_fault(key, code, "HTTP/3 is not spoken so"),
        }
    }

    fn keep(&mut self, key: ConnectionKey, id: u64, role: Role) {
        if let Some(http3) = self.http3(key) {
            http3.roles.insert(id, role);
        }
    }

    /// The next bytes of a stream, at most `max`; `Err` is how it stands when there are none.
    fn arrived(&mut self, key: ConnectionKey, id: u64, max: usize) -> Result<Vec<u8>, Progress> {
        let mut bytes = Vec::new();
        match self.read(key, id, max, &mut bytes) {
            Ok(ReadOutcome::Data(_)) => Ok(bytes),
            Ok(ReadOutcome::Blocked) => Err(Progress::Waiting),
            Ok(ReadOutcome::Finished) => Err(Progress::Ended),
            Err(_) => Err(Progress::Broken),
        }
    }

    /// A stream is over that this side reads.
    fn ended(&mut self, key: ConnectionKey, id: u64) {
        let critical = self
            .http3(key)
            .is_some_and(|http3| http3.critical.values().any(|critical| *critical == id));
        if critical {
            self.http3_fault(
                key,
                error::CLOSED_CRITICAL_STREAM,
                "a critical stream has ended",
            );
        }
    }

    /// The client reads no more of a stream of this side's.
    fn stopped(&mut self, key: ConnectionKey, id: u64) {
        if let Some(http3) = self.http3(key) {
            http3.unwritten.remove(&id);
        }
        let listener = self.listener.as_ref();
        if let Some(session) = listener.and_then(|listener| listener.session_on(key, id)) {
            return self.end_session(session, error::NO_ERROR);
        }
        self.side_over(
            key,
            id,
            Sides {
                sends: true,
                receives: false,
            },
        );
    }

    /// Ends both sides of a request's stream.
    fn refuse_stream(&mut self, key: ConnectionKey, id: u64, code: u64) {
        if let Some(listener) = self.listener.as_mut()
            && let Some(http3) = listener.connections.get_mut(&key)
        {
            http3.roles.remove(&id);
            http3.unwritten.remove(&id);
        }
        let _ = self.reset(key, id, code);
        let _ = self.stop(key, id, code);
    }

    /// Closes a connection whose client does not keep to the rules.
    fn http3_fault(&mut self, key: ConnectionKey, code: u64, reason: &str) {
        self.stats.web_transport.faults += 1;
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        self.close_with(key, ErrorCode::ProtocolViolation, code, reason.into());
    }

    /// Sends bytes on a stream of HTTP's own, now or as flow control allows.
    fn send_on(&mut self, key: ConnectionKey, id: u64, bytes: &[u8], finish: bool) {
        if let Some(http3) = self.http3(key) {
            let unwritten = http3.unwritten.entry(id).or_default();
            unwritten.bytes.extend(bytes);
            unwritten.finish |= finish;
        }
        self.flush(key, id);
    }

    /// Writes what waits for flow control; false when some of it waits still.
    fn flush(&mut self, key: ConnectionKey, id: u64) -> bool {
        let Some(mut unwritten) = self
            .http3(key)
            .and_then(|http3| http3.unwritten.remove(&id))
        else {
            return true;
        };
        while !unwritten.bytes.is_empty() {
            let (first, _) = unwritten.bytes.as_slices();
            match self.write(key, id, first) {
                Ok(0) => {
                    if let Some(http3) = self.http3(key) {
                        http3.unwritten.insert(id, unwritten);
                    }
                    return false;
                }
                Ok(written) => drop(unwritten.bytes.drain(..written)),
                // The client has stopped the stream, which is told apart from this.
                Err(_) => return true,
            }
        }
        if unwritten.finish {
            let _ = self.finish(key, id);
        }
        true
    }

    /// When something is due about a connection apart from QUIC.
    pub(super) fn http3_due(&self, key: ConnectionKey) -> Option<Instant> {
        let listener = self.listener.as_ref()?;
        let http3 = listener.connections.get(&key)?;
        if !self.is_live_http3(key) {
            return None;
        }
        let asked = http3.sessions.values().filter_map(|session| {
            match listener.sessions.get(session)?.stage {
                Stage::Asked(until) => Some(until),
                Stage::Open => listener
                    .sessions
                    .get(session)?
                    .carrier
                    .as_ref()
                    .map(|c| c.until),
            }
        });
        asked.chain(http3.until).min()
    }

    /// Ends what has waited for too long.
    pub(super) fn tend_http3(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(listener) = self.listener.as_ref() else {
            return;
        };
        let Some(http3) = listener.connections.get(&key) else {
            return;
        };
        if http3.until.is_some_and(|until| until <= now) {
            let code = VarInt::from_u32(error::NO_ERROR as u32);
            let reason = "no session".into();
            return self.close_with(key, ErrorCode::ClosedLocally, code, reason);
        }
        let late = |session: &ConnectionKey| {
            let stage = listener.sessions.get(session).map(|session| session.stage);
            matches!(stage, Some(Stage::Asked(until)) if until <= now)
        };
        let late: Vec<_> = http3.sessions.values().copied().filter(late).collect();
        for session in late {
            self.answer_session(session, 503);
        }
        self.tend_carriers(key);
    }

    /// A connection is over, and with it its sessions; false when it is another one.
    pub(super) fn http3_over(&mut self, key: ConnectionKey, reason: &CloseReason) -> bool {
        let Some(http3) = self.http3(key) else {
            return false;
        };
        let sessions: Vec<_> = http3.sessions.values().copied().collect();
        // A client that closes the connection has not closed its sessions, and its code is HTTP's.
        let code = match reason.code {
            ErrorCode::ClosedByPeer => ErrorCode::TransportClosedByPeer,
            code => code,
        };
        for session in sessions {
            let reason = CloseReason {
                code,
                ..reason.clone()
            };
            self.conclude_session(session, reason);
        }
        true
    }

    /// Nothing of a connection is left; false when it is another one.
    pub(super) fn http3_forgotten(&mut self, key: ConnectionKey) -> bool {
        let listener = self.listener.as_mut();
        listener.is_some_and(|listener| listener.connections.remove(&key).is_some())
    }

    /// Closes the sessions of a connection, which goes by itself when they have said goodbye, or the connection where there are none; false
    /// when it is another one.
    pub(super) fn shut_down_http3(&mut self, key: ConnectionKey, code: u64, reason: &str) -> bool {
        let carrying = self.is_carrying(key);
        let Some(http3) = self.http3(key) else {
            return false;
        };
        // What carries a peer's goodbye has to outlive it; the peer closes it then.
        if carrying {
            return true;
        }
        let sessions: Vec<_> = http3.sessions.values().copied().collect();
        if sessions.is_empty() {
            let code = VarInt::from_u32(error::NO_ERROR as u32);
            self.close_with(key, ErrorCode::ClosedLocally, code, reason.into());
        }
        for session in sessions {
            self.close_session(session, code, reason);
        }
        true
    }
}
