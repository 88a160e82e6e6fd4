//! Sessions that are carriers: packets of peers in their datagrams and on their streams.
//!
//! Such a session is anonymous. Who its client is, if anybody, the handshake says of the QUIC connection inside it; one that has none
//! for as long as a handshake may take is closed.

use anypath_wire::http3::error;
use bytes::Bytes;

use super::reading::{Outcome, Progress};
use crate::carried::{MAX_PACKET, PATH, Packets, carrier_of, on_stream};
use crate::carrier::{CarrierKind, MAIN_CARRIER, Route};
use crate::clock::Instant;
use crate::connection::Phase;
use crate::event::ConnectionKey;
use crate::peer::Peer;
use crate::peer::relaying::routes_of;
use crate::web_transport::{Carrier, Role, SessionRequest, Sides};

/// What one look at a stream of packets reads.
const READ_BYTES: usize = 64 << 10;

/// Streams of packets that a client may have open in a session. One is enough.
const MAX_STREAMS: usize = 4;

/// Packets after which their connections are looked at. A stream brings more at once than noq can hold unread behind a loss, and what is
/// wanted against that ([`Backlog`](crate::backlog::Backlog)) is known when a connection has been looked at.
const AT_ONCE: u32 = 64;

/// What may wait for the client's flow control on this side's stream.
const MAX_WAITING: usize = 64 << 10;

/// What a session is if its path says that it is a carrier. There is none within another one, nor over a relay: each packet would be
/// sealed and acknowledged once more.
pub(super) fn carrier_for(
    request: &SessionRequest,
    session: ConnectionKey,
    place: &Route,
    until: Instant,
) -> Option<Carrier> {
    let (id, address) = (carrier_of(session)?, place.address.socket()?);
    (request.path == PATH && place.carrier == MAIN_CARRIER).then(|| Carrier {
        route: Route::socket(id, address),
        stream: None,
        until,
    })
}

impl Peer {
    fn carrier(&self, session: ConnectionKey) -> Option<&Carrier> {
        self.session(session)?.carrier.as_ref()
    }

    fn carrier_mut(&mut self, session: ConnectionKey) -> Option<&mut Carrier> {
        let sessions = &mut self.listener.as_mut()?.sessions;
        sessions.get_mut(&session)?.carrier.as_mut()
    }

    pub(super) fn is_carrier(&self, session: ConnectionKey) -> bool {
        self.carrier(session).is_some()
    }

    /// A session was accepted: if it is a carrier, packets may come.
    pub(super) fn begin_carrying(&mut self, session: ConnectionKey) {
        let until = self.clock.now() + self.config.handshake_timeout;
        if let Some(carrier) = self.carrier_mut(session) {
            carrier.until = until;
            let id = carrier.route.carrier;
            self.carriers.set(id, CarrierKind::WebTransport, MAX_PACKET);
        }
    }

    /// Whether a connection with a peer leads over a session of this HTTP/3 connection.
    pub(super) fn is_carrying(&self, key: ConnectionKey) -> bool {
        let listener = self.listener.as_ref();
        let http3 = listener.and_then(|listener| listener.connections.get(&key));
        let mut sessions = http3.into_iter().flat_map(|http3| http3.sessions.values());
        sessions.any(|session| {
            let carrier = self.carrier(*session);
            carrier.is_some_and(|carrier| self.is_used(carrier.route.carrier))
        })
    }

    fn is_used(&self, carrier: u32) -> bool {
        self.connections.values().any(|connection| {
            connection.phase == Phase::Established
                && connection.remote.is_some()
                && routes_of(connection, &self.carriers).any(|route| route.carrier == carrier)
        })
    }

    /// Closes the carriers that nobody uses.
    pub(super) fn tend_carriers(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let listener = self.listener.as_ref();
        let http3 = listener.and_then(|listener| listener.connections.get(&key));
        let due = |session: &ConnectionKey| {
            let carrier = self.carrier(*session);
            carrier.is_some_and(|carrier| carrier.until <= now)
        };
        let sessions = http3.into_iter().flat_map(|http3| http3.sessions.values());
        let due: Vec<_> = sessions.copied().filter(due).collect();
        for session in due {
            let id = self.carrier(session).map(|carrier| carrier.route.carrier);
            if !id.is_some_and(|id| self.is_used(id)) {
                self.close_session(session, 0, "no peer uses it");
                continue;
            }
            let until = now + self.config.handshake_timeout;
            if let Some(carrier) = self.carrier_mut(session) {
                carrier.until = until;
            }
        }
    }

    /// A packet has come over a session.
    pub(super) fn packet_arrived(&mut self, session: ConnectionKey, packet: Bytes) {
        if let Some(route) = self.carrier(session).map(|carrier| carrier.route) {
            self.carried.arrived.push_back((route, packet));
        }
    }

    /// The client has opened a stream in a carrier: packets come on it.
    pub(super) fn adopt_packets(&mut self, session: ConnectionKey, id: u64, both: bool) {
        let Some(listener) = self.listener.as_mut() else {
            return;
        };
        let Some(found) = listener.sessions.get_mut(&session) else {
            return;
        };
        let key = found.connection;
        let received = found.streams.values().filter(|sides| sides.receives);
        if both || received.count() >= MAX_STREAMS {
            return self.abandon(key, id, both, error::BUFFERED_STREAM_REJECTED);
        }
        let receives = Sides {
            sends: false,
            receives: true,
        };
        found.streams.insert(id, receives);
        let packets = Packets::default();
        self.keep(key, id, Role::Packets { session, packets });
        self.look(key, id);
    }

    /// Reads a stream of packets.
    pub(super) fn look_packets(
        &mut self,
        key: ConnectionKey,
        id: u64,
        session: ConnectionKey,
        mut packets: Packets,
    ) -> Outcome {
        loop {
            match self.arrived(key, id, READ_BYTES) {
                Ok(bytes) => match packets.push(bytes) {
                    Ok(whole) => {
                        for packet in whole {
                            self.packet_arrived(session, packet);
                        }
                    }
                    Err(_) => {
                        self.end_session(session, error::MESSAGE_ERROR);
                        return Ok(Progress::HandedOver);
                    }
                },
                Err(Progress::Waiting) => {
                    self.keep(key, id, Role::Packets { session, packets });
                    return Ok(Progress::Waiting);
                }
                Err(progress) => {
                    if let Some(listener) = self.listener.as_mut()
                        && let Some(found) = listener.sessions.get_mut(&session)
                    {
                        found.streams.remove(&id);
                    }
                    return Ok(progress);
                }
            }
        }
    }

    /// Moves packets between the connections that they belong to and those that bear them.
    pub(in crate::peer) fn carry(&mut self) {
        while let Some((session, size, packets)) = self.carried.leaving.pop_front() {
            for packet in packets.chunks(size.max(1)) {
                self.send_packet(session, packet);
            }
        }
        let mut received = 0;
        while let Some((route, packet)) = self.carried.arrived.pop_front() {
            self.receive(route, 0, &packet);
            received += 1;
            if received % AT_ONCE == 0 {
                for turn in 0..self.turns.len() {
                    self.pump(self.turns[turn]);
                }
            }
        }
    }

    /// Sends a packet in a datagram, or on a stream where none is large enough: QUIC begins with small ones, and the
    /// packets of a handshake can't be smaller.
    fn send_packet(&mut self, session: ConnectionKey, packet: &[u8]) {
        let Some(found) = self.session(session) else {
            return;
        };
        let (key, mut datagram) = (found.connection, found.datagram_head());
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let mut datagrams = connection.quic.datagrams();
        let size = datagram.len() + packet.len();
        if datagrams.max_size().is_none_or(|most| most < size) {
            return self.send_on_stream(session, packet);
        }
        // The newest is dropped, for the remote is waiting for the oldest.
        if datagrams.send_buffer_space() < size {
            connection.datagrams_dropped += 1;
            return;
        }
        datagram.extend_from_slice(packet);
        let _ = datagrams.send(datagram.into(), true);
        self.queue(key);
    }

    fn send_on_stream(&mut self, session: ConnectionKey, packet: &[u8]) {
        let Some((key, stream)) = self.stream_of_packets(session) else {
            self.stats.web_transport.datagrams_dropped += 1;
            return;
        };
        let unwritten = self
            .http3(key)
            .and_then(|http3| http3.unwritten.get(&stream));
        if unwritten.is_some_and(|unwritten| unwritten.bytes.len() > MAX_WAITING) {
            self.stats.web_transport.datagrams_dropped += 1;
            return;
        }
        self.send_on(key, stream, &on_stream(packet), false);
        self.queue(key);
    }

    /// This side's stream of a carrier, and the connection that it is on.
    fn stream_of_packets(&mut self, session: ConnectionKey) -> Option<(ConnectionKey, u64)> {
        let found = self.session(session)?;
        let key = found.connection;
        if let Some(stream) = found.carrier.as_ref()?.stream {
            return Some((key, stream));
        }
        let stream = self.open_in_session(session, false)?.ok()??;
        self.carrier_mut(session)?.stream = Some(stream);
        Some((key, stream))
    }
}
