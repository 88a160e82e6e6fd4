//! The peer: one QUIC endpoint, its connections, and the sessions that they amount to.
//!
//! Nothing here does I/O or looks at a clock. The driver hands in what arrived ([`Peer::receive`]) and what
//! the application wants, and then drains: [`Peer::drain`] fires the timers that are due and puts packets
//! and events into an [`Outbox`]. [`Peer::next_wake`] tells when to drain again at the latest.

mod carrying;
mod census;
#[cfg(feature = "traversal")]
mod challenging;
#[cfg(feature = "traversal")]
mod choosing;
#[cfg(feature = "traversal")]
mod colliding;
mod connecting;
#[cfg(feature = "traversal")]
mod controlling;
#[cfg(not(feature = "traversal"))]
#[path = "peer/controlling/off.rs"]
mod controlling;
#[cfg(feature = "webtransport")]
mod http3;
#[cfg(not(feature = "webtransport"))]
#[path = "peer/http3/off.rs"]
mod http3;
mod incoming;
#[cfg(feature = "traversal")]
mod inquiring;
#[cfg(not(feature = "traversal"))]
#[path = "peer/inquiring/off.rs"]
mod inquiring;
mod lifecycle;
mod publishing;
#[cfg(feature = "traversal")]
mod reflecting;
#[cfg(not(feature = "traversal"))]
#[path = "peer/reflecting/off.rs"]
mod reflecting;
mod relaying;
mod rerouting;
mod serving;
mod streams;
mod transmit;
#[cfg(feature = "traversal")]
mod traversing;
#[cfg(not(feature = "traversal"))]
#[path = "peer/traversing/off.rs"]
mod traversing;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, SocketAddrV6};
use std::sync::{Arc, Mutex, PoisonError};

use anypath_wire::address::to_mapped;
use anypath_wire::id::EndpointId;
use anypath_wire::quic::{Datagram, classify};
use bytes::BytesMut;
use noq_proto::{
    ConnectionEvent, ConnectionId, ConnectionIdGenerator, DatagramEvent, EcnCodepoint, Endpoint,
    EndpointConfig, FourTuple, Incoming, ServerConfig, TransportConfig,
};

use crate::admission::Admissions;
#[cfg(feature = "traversal")]
use crate::birthday::Birthday;
use crate::carried::Carried;
use crate::carrier::{CarrierKind, CarrierTable, FIRST_RELAY, Route};
use crate::cid::SeededConnectionIds;
use crate::clock::{Clock, Instant};
use crate::config::PeerConfig;
use crate::connection::{Connection, Found};
#[cfg(feature = "traversal")]
use crate::control::Controls;
use crate::dial::{Dial, is_retry};
use crate::discovery::Clients;
use crate::error::ErrorCode;
use crate::event::{ConnectionKey, Event, Outbox};
use crate::probes::Probes;
use crate::qlog::Qlogs;
#[cfg(feature = "traversal")]
use crate::reflexive::Reflexive;
use crate::relay::table::Relays;
use crate::session::Session;
#[cfg(feature = "webtransport")]
use crate::stats::WebTransportStats;
use crate::stats::{ConnectionStats, PeerStats};
#[cfg(feature = "traversal")]
use crate::stun::StunResponder;
use crate::tls::TlsConfig;
#[cfg(feature = "webtransport")]
use crate::web_transport::{Listener, certificate::Certificates};

pub use census::Census;
pub use lifecycle::CLOSE_LIMIT;
#[cfg(feature = "traversal")]
pub use reflecting::NatFindings;
pub(crate) use rerouting::Search;
pub use streams::{ReadOutcome, StreamError};

/// A call that could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct PeerError {
    /// The row of the error table.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl PeerError {
    /// An error of that row.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }
}

/// Datagrams of no connection that wait to be sent: as many as a burst of strangers deserves.
const MAX_RESPONSES: usize = 1024;

/// An endpoint with an identity.
pub struct Peer {
    config: PeerConfig,
    clock: Clock,
    endpoint: Endpoint,
    tls: TlsConfig,
    transport: Arc<TransportConfig>,
    /// Makes the first connection ids of dials; shared with noq's configuration, hence the lock.
    first_ids: Arc<Mutex<SeededConnectionIds>>,
    carriers: CarrierTable,
    /// Where this machine reaches the main socket, for others to probe.
    #[cfg(feature = "traversal")]
    local: Vec<SocketAddrV6>,
    /// Where routers forward to it.
    #[cfg(feature = "traversal")]
    mapped: Vec<SocketAddrV6>,
    probes: Probes,
    #[cfg(feature = "traversal")]
    reflexive: Reflexive,
    #[cfg(feature = "traversal")]
    controls: Controls,
    #[cfg(feature = "traversal")]
    birthday: Birthday,
    relays: Relays,
    carried: Carried,
    connections: BTreeMap<ConnectionKey, Connection>,
    /// Keys by noq's handles, which are small and reused; 0 where there is none.
    by_handle: Vec<ConnectionKey>,
    next_key: u32,
    sessions: BTreeMap<[u8; 32], Session>,
    admissions: Admissions,
    /// Incoming connections that the driver was asked about, and until when they wait.
    asked: BTreeMap<u32, (Incoming, Instant)>,
    /// Connections with something to do, in turn.
    turns: VecDeque<ConnectionKey>,
    timers: BTreeSet<(Instant, ConnectionKey)>,
    events: VecDeque<Event>,
    /// Datagrams of no connection.
    responses: VecDeque<(Route, Vec<u8>)>,
    found: VecDeque<Found>,
    #[cfg(feature = "traversal")]
    stun: Option<StunResponder>,
    discovery: Clients,
    #[cfg(feature = "webtransport")]
    listener: Option<Listener>,
    qlogs: Qlogs,
    scratch: Vec<u8>,
    /// Set once the peer is shutting down.
    closing: bool,
    stats: PeerStats,
}

impl Peer {
    /// A peer. `origin` is the instant at which the driver's clock shows 0.
    ///
    /// # Errors
    /// `InvalidConfig` when a served ALPN can't be.
    pub fn new(config: PeerConfig, origin: Instant) -> Result<Self, PeerError> {
        let clock = Clock::new(origin, config.epoch_ms);
        let tls = TlsConfig::new(&config.secret_key, config.key_exchange, clock.wall());
        let tls = match &config.discovery {
            Some(service) => tls.certified(&service.certificate),
            None => tls,
        };
        #[cfg(feature = "traversal")]
        let tls = match config.control {
            true => tls.controlled(),
            false => tls,
        };
        #[cfg(feature = "webtransport")]
        let (tls, listener) = listening(&config, tls, clock.wall())?;
        let tls = match config.qlog {
            true => tls.recorded(),
            false => tls,
        };
        let transport = Arc::new(config.transport());
        let server = server_config(&config, &tls, &transport, &clock)?;
        let endpoint_config = endpoint_config(&config)?;
        let endpoint = Endpoint::new(Arc::new(endpoint_config), server, config.mtu_discovery);
        let first_ids = connection_ids(&config, b"first");
        Ok(Self {
            endpoint,
            tls,
            transport,
            first_ids: Arc::new(Mutex::new(first_ids)),
            carriers: CarrierTable::new(derive(&config.seed, b"virtual addresses")),
            #[cfg(feature = "traversal")]
            local: Vec::new(),
            #[cfg(feature = "traversal")]
            mapped: Vec::new(),
            probes: Probes::new(clock.now()),
            #[cfg(feature = "traversal")]
            reflexive: Reflexive::new(derive(&config.seed, b"stun transactions")),
            #[cfg(feature = "traversal")]
            controls: Controls::default(),
            #[cfg(feature = "traversal")]
            birthday: Birthday::new(derive(&config.seed, b"ports"), clock.now()),
            relays: Relays::new(config.secret_key.clone(), derive(&config.seed, b"relays")),
            carried: Carried::default(),
            connections: BTreeMap::new(),
            by_handle: Vec::new(),
            next_key: 1,
            sessions: BTreeMap::new(),
            admissions: Admissions::new(config.limits),
            asked: BTreeMap::new(),
            turns: VecDeque::new(),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            responses: VecDeque::new(),
            found: VecDeque::new(),
            #[cfg(feature = "traversal")]
            stun: config
                .stun
                .then(|| StunResponder::new(&derive(&config.seed, b"stun"), clock.now())),
            discovery: Clients::default(),
            #[cfg(feature = "webtransport")]
            listener,
            qlogs: Qlogs::default(),
            scratch: Vec::new(),
            closing: false,
            stats: PeerStats::default(),
            clock,
            config,
        })
    }

    /// Who is, or is dialled, at the other end of a connection; `None` before that is known.
    pub fn remote_of(&self, key: ConnectionKey) -> Option<EndpointId> {
        self.connections.get(&key)?.remote
    }

    /// This peer's id.
    pub fn id(&self) -> EndpointId {
        self.config.secret_key.public()
    }

    /// Adds a carrier, or changes its largest packet. A WebTransport session that is not open yet, or not any more, has
    /// a largest packet of 0 bytes: it can be dialled, which waits for it, and connections that know it take it up when it is open.
    ///
    /// Ids from [`FIRST_SOCKET`](crate::carrier::FIRST_SOCKET) on are the peer's own: a socket that it has asked for is open by
    /// this, others are left alone.
    pub fn set_carrier(&mut self, id: u32, kind: CarrierKind, max_packet_bytes: usize) {
        if id < FIRST_RELAY
            && kind != CarrierKind::Relay
            && !self.socket_opened(id, max_packet_bytes)
        {
            self.carriers.set(id, kind, max_packet_bytes);
            if kind == CarrierKind::WebTransport {
                match max_packet_bytes {
                    0 => self.carrier_lost(id),
                    _ => self.carrier_opened(id),
                }
            }
        }
    }

    /// Takes a carrier away; what is sent over it from now on is dropped. A socket that the peer has asked for could not be
    /// opened, or has failed.
    pub fn remove_carrier(&mut self, id: u32) {
        if id < FIRST_RELAY {
            if self.carriers.kind(id) == Some(CarrierKind::WebTransport) {
                self.carrier_lost(id);
            }
            self.carriers.remove(id);
            self.socket_failed(id);
        }
    }

    /// Moves time on. Every method works at the time of the latest call.
    pub fn advance(&mut self, now_ms: f64) {
        self.clock.advance(now_ms);
    }

    /// Takes a datagram that arrived.
    pub fn receive(&mut self, route: Route, ecn: u8, datagram: &[u8]) {
        if !route.is_relayed() {
            self.stats.datagrams_received += 1;
            self.stats.bytes_received += datagram.len() as u64;
        }
        let kind = classify(datagram);
        if kind != Datagram::Probe && self.is_foreign(&route) {
            return;
        }
        match kind {
            Datagram::Quic => {}
            Datagram::Probe => return self.receive_probe(route, datagram),
            Datagram::Stun => return self.receive_stun(route, datagram),
            _ => {
                self.stats.malformed_dropped += 1;
                return;
            }
        }
        if self.carriers.is_full_for(&route) {
            let in_use = self.addresses_in_use();
            self.carriers.forget_strangers(&in_use);
        }
        let Some(source) = self.carriers.inward(route) else {
            self.stats.virtual_dropped += 1;
            return;
        };
        let mut response = std::mem::take(&mut self.scratch);
        response.clear();
        let event = self.endpoint.handle(
            self.clock.now(),
            FourTuple::from_remote(source),
            EcnCodepoint::from_bits(ecn),
            BytesMut::from(datagram),
            &mut response,
        );
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let key = self.by_handle.get(handle.0).copied().unwrap_or(0);
                let event = self
                    .follow_client(key, route, datagram)
                    .and_then(|source| self.arrived_from(source, ecn, datagram, &mut response))
                    .unwrap_or(event);
                let before = self.frames_before(key, source);
                if let Some(connection) = self.connections.get_mut(&key) {
                    if let Some(dial) = connection.dial.as_mut().filter(|_| is_retry(datagram)) {
                        dial.settle(route);
                    }
                    let changed = connection.network_changed;
                    connection.quic.handle_event(event);
                    connection.arrived = true;
                    self.qlogs.collect(key, self.clock.now());
                    if changed && self.is_reset(datagram) {
                        self.forget_reset(key);
                    } else {
                        self.note_route(key, route);
                        if let Some(before) = before {
                            self.follow_server(key, source, before);
                        }
                        self.queue(key);
                    }
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.consider(incoming, route),
            Some(DatagramEvent::Response(transmit)) => {
                self.stats.resets_sent += 1;
                self.respond(transmit.destination, &response[..transmit.size]);
            }
            None => {}
        }
        self.scratch = response;
    }

    /// The same datagram as if it had come from another address.
    fn arrived_from(
        &mut self,
        source: SocketAddr,
        ecn: u8,
        datagram: &[u8],
        response: &mut Vec<u8>,
    ) -> Option<ConnectionEvent> {
        let now = self.clock.now();
        let place = FourTuple::from_remote(source);
        let ecn = EcnCodepoint::from_bits(ecn);
        let bytes = BytesMut::from(datagram);
        match self.endpoint.handle(now, place, ecn, bytes, response) {
            Some(DatagramEvent::ConnectionEvent(_, event)) => Some(event),
            _ => None,
        }
    }

    /// Every address that a connection, a dial or an incoming connection needs, sorted.
    fn addresses_in_use(&self) -> Vec<SocketAddrV6> {
        let connections = self.connections.values();
        let dials = connections.clone().filter_map(|c| c.dial.as_ref());
        let dialled = dials.flat_map(Dial::routes);
        let asked = self.asked.values();
        let mut addresses: Vec<_> = connections
            .flat_map(Connection::addresses)
            .chain(asked.map(|(incoming, _)| incoming.remote_address()))
            .map(to_mapped)
            .chain(dialled.filter_map(|route| self.carriers.known(route)))
            .collect();
        addresses.sort_unstable();
        addresses
    }

    /// Whether a datagram that belongs to a connection is a stateless reset ([RFC 9000 § 10.3]): it bears no
    /// id of ours, so it was recognised by its token. After a network change noq's endpoint knows the token,
    /// and its connection does not.
    ///
    /// [RFC 9000 § 10.3]: https://www.rfc-editor.org/rfc/rfc9000#section-10.3
    fn is_reset(&self, datagram: &[u8]) -> bool {
        let ids = self.first_ids.lock();
        let ids = ids.unwrap_or_else(PoisonError::into_inner);
        let length = ids.cid_len();
        match datagram.split_first() {
            Some((first, rest)) if first & 0x80 == 0 && rest.len() > length => {
                ids.validate(ConnectionId::new(&rest[..length])).is_err()
            }
            _ => false,
        }
    }

    /// Queues a datagram of no connection.
    fn respond(&mut self, destination: SocketAddr, datagram: &[u8]) {
        match self.carriers.outward(destination) {
            Some(route) if self.responses.len() < MAX_RESPONSES => {
                self.responses.push_back((route, datagram.to_vec()));
            }
            _ => self.stats.unroutable_dropped += 1,
        }
    }

    /// Puts what is to be sent and told into `outbox`: all events, and datagrams of about `max_bytes`.
    pub fn drain(&mut self, max_bytes: usize, outbox: &mut impl Outbox) {
        self.listen();
        self.fire_timers();
        self.drive_relays(outbox);
        self.send_probes(outbox);
        self.reflect();
        self.take_turns(max_bytes, outbox);
        self.send_probes(outbox);
        self.drive_relays(outbox);
        let now = self.clock.now();
        for event in self.events.drain(..) {
            self.qlogs.tell(&event, now, outbox);
            outbox.event(event);
        }
        self.qlogs.flush(outbox);
    }

    /// When to drain next at the latest, on the driver's clock; `None`: never.
    pub fn next_wake(&self) -> Option<f64> {
        let idle = self.turns.is_empty() && self.events.is_empty() && self.responses.is_empty();
        if !idle || self.relays.has_news() {
            return Some(self.clock.ms(self.clock.now()));
        }
        let timer = self.timers.first().map(|(due, _)| *due);
        let asked = self.asked.values().map(|(_, until)| *until).min();
        let relays = self.relays.due(self.clock.now());
        let probes = self.probes.due();
        let due = timer
            .into_iter()
            .chain(asked)
            .chain(relays)
            .chain(probes)
            .chain(self.reflexive_due())
            .chain(self.collide_due())
            .min()?;
        Some(self.clock.ms(due))
    }

    /// Figures of a connection; `None` when it is unknown.
    pub fn connection_stats(&mut self, key: ConnectionKey) -> Option<ConnectionStats> {
        let key = self.bearer(key);
        let connection = self.connections.get_mut(&key)?;
        Some(connection.stats(&self.carriers))
    }

    /// Figures of the peer.
    pub fn stats(&self) -> PeerStats {
        let relays = self.relays.counts();
        PeerStats {
            connections: self.counted_connections() as u64,
            handshakes: self.admissions.handshakes() as u64,
            incoming_bytes_buffered: self.endpoint.incoming_buffer_bytes(),
            malformed_dropped: self.stats.malformed_dropped + relays.malformed,
            relays_connected: self.relays.connected(),
            relay_messages_sent: relays.messages_sent,
            relay_messages_received: relays.messages_received,
            relay_bytes_sent: relays.bytes_sent,
            relay_bytes_received: relays.bytes_received,
            relay_dropped: relays.dropped,
            discovery_clients: self.discovery.len() as u64,
            #[cfg(feature = "webtransport")]
            web_transport: WebTransportStats {
                sessions: self
                    .listener
                    .as_ref()
                    .map_or(0, |listener| listener.sessions.len() as u64),
                ..self.stats.web_transport
            },
            ..self.stats
        }
    }

    fn queue(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key)
            && !connection.queued
        {
            connection.queued = true;
            self.turns.push_back(key);
        }
    }
}

/// The listener, and TLS that shows its certificates.
#[cfg(feature = "webtransport")]
fn listening(
    config: &PeerConfig,
    tls: TlsConfig,
    time: Arc<dyn rustls::time_provider::TimeProvider>,
) -> Result<(TlsConfig, Option<Listener>), PeerError> {
    let Some(wanted) = config.web_transport.as_ref() else {
        return Ok((tls, None));
    };
    if config.datagram_receive_buffer == 0 {
        let message = "WebTransport needs datagrams";
        return Err(PeerError::new(ErrorCode::InvalidConfig, message));
    }
    let certificates = Arc::new(Certificates::new(config.secret_key.clone(), time));
    let tls = tls.for_browsers(certificates.clone());
    Ok((tls, Some(Listener::new(wanted, certificates))))
}

fn server_config(
    config: &PeerConfig,
    tls: &TlsConfig,
    transport: &Arc<TransportConfig>,
    clock: &Clock,
) -> Result<Option<Arc<ServerConfig>>, PeerError> {
    let crypto = tls
        .server(&config.alpns, config.early_data)
        .map_err(|error| PeerError::new(ErrorCode::InvalidConfig, error.to_string()))?;
    if !config.accept {
        return Ok(None);
    }
    let mut server = ServerConfig::new(crypto, config.secret_key.token_key());
    server
        .transport_config(Arc::clone(transport))
        .time_source(clock.wall())
        .max_incoming(config.limits.handshakes)
        // What a client sends before it is admitted: early data at most, so one window is plenty.
        .incoming_buffer_size(256 << 10)
        .incoming_buffer_size_total(16 << 20);
    Ok(Some(Arc::new(server)))
}

fn endpoint_config(config: &PeerConfig) -> Result<EndpointConfig, PeerError> {
    let mut endpoint = EndpointConfig::new(config.secret_key.reset_key());
    let source = config.clone();
    endpoint
        .cid_generator(Arc::new(move || {
            Box::new(connection_ids(&source, b"connection ids")) as Box<dyn ConnectionIdGenerator>
        }))
        // Other protocols share the socket and are told apart by that bit (RFC 9443).
        .grease_quic_bit(false)
        .supported_versions(vec![1])
        .rng_seed(Some(derive(&config.seed, b"endpoint")));
    endpoint
        .max_udp_payload_size(config.max_mtu.max(1472))
        .map_err(|error| PeerError::new(ErrorCode::InvalidConfig, error.to_string()))?;
    Ok(endpoint)
}

fn connection_ids(config: &PeerConfig, purpose: &[u8]) -> SeededConnectionIds {
    let key = config.secret_key.connection_id_key();
    SeededConnectionIds::new(derive(&config.seed, purpose), key)
}

fn next_id(ids: &Mutex<SeededConnectionIds>) -> ConnectionId {
    ids.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .generate_cid()
}

/// An independent seed for each use of the one that the peer was given.
fn derive(seed: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, seed);
    let mut derived = [0; 32];
    derived.copy_from_slice(ring::hmac::sign(&key, purpose).as_ref());
    derived
}
