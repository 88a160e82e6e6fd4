//! Two endpoints, the datagrams between them, and one clock that only the test moves.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anypath_peer::tls::{
    EndpointId, HandshakeInfo, KeyExchange, SecretKey, TlsConfig, refusal_datagram, server_name,
};
use bytes::BytesMut;
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint,
    EndpointConfig, Event, FourTuple, ServerConfig, Side, StreamId, TransportConfig, crypto,
};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// How long a test waits, in virtual time, for what it expects.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many datagrams a connection may give out at once. With only one, a client that closes during the
/// handshake never gets past the padded datagram with its Initial packet.
const BATCH: NonZeroUsize = NonZeroUsize::new(10).expect("not zero");

/// The clock of rustls, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = 1_800_000_000_000 + self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

/// The transport parameters that mean every default.
pub(crate) fn no_parameters() -> TransportParameters {
    TransportParameters::read(Side::Server, &mut &[][..]).expect("nothing is required")
}

/// A peer of ours.
pub(crate) struct Ours {
    pub(crate) key: SecretKey,
    pub(crate) tls: TlsConfig,
}

impl Ours {
    pub(crate) fn new(seed: u8, clock: &Arc<Clock>) -> Self {
        let key = SecretKey::from_bytes([seed; 32]);
        let tls = TlsConfig::new(&key, KeyExchange::PostQuantum, clock.clone());
        Self { key, tls }
    }

    pub(crate) fn id(&self) -> EndpointId {
        self.key.public()
    }

    pub(crate) fn server(&self, alpns: &[&str], early_data: bool) -> Arc<dyn crypto::ServerConfig> {
        let alpns: Vec<_> = alpns.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        self.tls.server(&alpns, early_data).expect("valid ALPNs")
    }

    pub(crate) fn client(&self, alpn: &str, early_data: bool) -> Arc<dyn crypto::ClientConfig> {
        self.tls
            .client(alpn.as_bytes(), early_data)
            .expect("valid ALPN")
    }
}

/// What becomes of a datagram: it is given with its number among those of its direction, from 0, and
/// replaced by those that arrive.
pub(crate) type Mangle = Box<dyn FnMut(usize, Vec<u8>) -> Vec<Vec<u8>>>;

pub(crate) struct Net {
    pub(crate) clock: Arc<Clock>,
    start: Instant,
    now: Instant,
    pub(crate) client: Node,
    pub(crate) server: Node,
    pub(crate) to_server: Wire,
    pub(crate) to_client: Wire,
}

/// One direction.
pub(crate) struct Wire {
    queue: VecDeque<Vec<u8>>,
    /// The length of each datagram that was sent, lost ones included.
    pub(crate) sent: Vec<usize>,
    pub(crate) mangle: Mangle,
}

impl Wire {
    fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            sent: Vec::new(),
            mangle: Box::new(|_, datagram| vec![datagram]),
        }
    }

    pub(crate) fn send(&mut self, datagram: Vec<u8>) {
        self.sent.push(datagram.len());
        let arriving = (self.mangle)(self.sent.len() - 1, datagram);
        self.queue.extend(arriving);
    }
}

/// One endpoint and its connections.
pub(crate) struct Node {
    endpoint: Endpoint,
    remote: SocketAddr,
    pub(crate) connections: BTreeMap<usize, Connection>,
    pub(crate) events: Vec<(usize, Event)>,
    /// Why connections were refused before there was one.
    pub(crate) refused: Vec<ConnectionError>,
    /// Whether to demand address validation.
    pub(crate) retry: bool,
}

impl Net {
    pub(crate) fn new(clock: Arc<Clock>, server: Arc<dyn crypto::ServerConfig>) -> Self {
        let start = Instant::now();
        let address = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let mut net = Self {
            clock,
            start,
            now: start,
            client: Node::new(address(2), 1),
            server: Node::new(address(1), 2),
            to_server: Wire::new(),
            to_client: Wire::new(),
        };
        net.serve(server);
        net
    }

    /// Replaces the server's configuration.
    pub(crate) fn serve(&mut self, server: Arc<dyn crypto::ServerConfig>) {
        let token_key = SecretKey::from_bytes([2; 32]).token_key();
        let config = ServerConfig::new(server, token_key);
        self.server
            .endpoint
            .set_server_config(Some(Arc::new(config)));
    }

    /// Replaces the server by one that has just started and knows nothing.
    pub(crate) fn restart_server(&mut self, server: Arc<dyn crypto::ServerConfig>) {
        self.server = Node::new(self.server.remote, 3);
        self.to_server.queue.clear();
        self.to_client.queue.clear();
        self.serve(server);
    }

    /// Dials the server; [`Net::run`] makes it happen.
    pub(crate) fn dial(&mut self, tls: Arc<dyn crypto::ClientConfig>, id: EndpointId) -> usize {
        let mut config = ClientConfig::new(tls);
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(Some(Duration::from_secs(30).try_into().expect("fits")));
        config.transport_config(Arc::new(transport));
        let node = &mut self.client;
        let (handle, connection) = node
            .endpoint
            .connect(self.now, config, node.remote, &server_name(&id))
            .expect("dials");
        node.connections.insert(handle.0, connection);
        handle.0
    }

    /// Dials and waits until both sides are through with the handshake, one way or the other.
    pub(crate) fn connect(&mut self, tls: Arc<dyn crypto::ClientConfig>, id: EndpointId) -> usize {
        let handle = self.dial(tls, id);
        self.run_until(|net| net.client.is_settled(handle));
        self.settle();
        handle
    }

    /// Runs without moving the clock until nothing is on the way.
    pub(crate) fn settle(&mut self) {
        while self.exchange() {}
    }

    /// Runs, moving the clock from timer to timer, until `done`.
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        while !done(self) {
            self.step();
        }
    }

    /// Moves a datagram, or else the clock to the next timer.
    pub(crate) fn step(&mut self) {
        if self.exchange() {
            return;
        }
        let timers = [&self.client, &self.server].map(Node::next_timeout);
        let next = timers.into_iter().flatten().min();
        let next = next.filter(|next| *next < self.start + PATIENCE);
        self.advance_to(next.expect("what the test waits for happens in time"));
    }

    fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
        let millis = (self.now - self.start).as_millis();
        self.clock.0.store(millis as u64, Ordering::Relaxed);
        self.client.fire_timers(self.now);
        self.server.fire_timers(self.now);
    }

    /// Gives the server all that is on its way to it, and nothing of its answers to anybody.
    pub(crate) fn deliver_to_server(&mut self) {
        while let Some(datagram) = self.to_server.queue.pop_front() {
            self.server.receive(self.now, &datagram);
        }
        self.server.drain(self.now);
    }

    /// Moves one datagram, or says that there was none.
    fn exchange(&mut self) -> bool {
        for datagram in self.client.drain(self.now) {
            self.to_server.send(datagram);
        }
        for datagram in self.server.drain(self.now) {
            self.to_client.send(datagram);
        }
        if let Some(datagram) = self.to_server.queue.pop_front() {
            if let Some(answer) = self.server.receive(self.now, &datagram) {
                self.to_client.send(answer);
            }
            return true;
        }
        if let Some(datagram) = self.to_client.queue.pop_front() {
            if let Some(answer) = self.client.receive(self.now, &datagram) {
                self.to_server.send(answer);
            }
            return true;
        }
        false
    }

    /// What the newest connection of each side agreed on: the client's view and the server's.
    pub(crate) fn infos(&self) -> (HandshakeInfo, HandshakeInfo) {
        let info = |node: &Node| {
            let connection = node.connections.values().last().expect("a connection");
            HandshakeInfo::of(connection).unwrap_or_else(|| panic!("{:?}", node.events))
        };
        (info(&self.client), info(&self.server))
    }
}

impl Node {
    fn new(remote: SocketAddr, seed: u8) -> Self {
        let mut config = EndpointConfig::new(SecretKey::from_bytes([seed; 32]).reset_key());
        config.rng_seed(Some([seed; 32]));
        Self {
            endpoint: Endpoint::new(Arc::new(config), None, false),
            remote,
            connections: BTreeMap::new(),
            events: Vec::new(),
            refused: Vec::new(),
            retry: false,
        }
    }

    /// Takes a datagram and returns what the endpoint itself answers.
    pub(crate) fn receive(&mut self, now: Instant, datagram: &[u8]) -> Option<Vec<u8>> {
        let path = FourTuple::from_remote(self.remote);
        let mut answer = Vec::new();
        let event = self
            .endpoint
            .handle(now, path, None, BytesMut::from(datagram), &mut answer)?;
        match event {
            DatagramEvent::ConnectionEvent(handle, event) => {
                if let Some(connection) = self.connections.get_mut(&handle.0) {
                    connection.handle_event(event);
                }
                return None;
            }
            DatagramEvent::Response(_) => {}
            DatagramEvent::NewConnection(incoming) => {
                if self.retry && !incoming.remote_address_validated() {
                    let _ = self.endpoint.retry(incoming, &mut answer).expect("retries");
                    return Some(answer);
                }
                match self.endpoint.accept(incoming, now, &mut answer, None) {
                    Ok((handle, connection)) => {
                        self.connections.insert(handle.0, connection);
                        return None;
                    }
                    Err(error) => {
                        self.refused.push(error.cause);
                        let _ = error.response?;
                    }
                }
            }
        }
        Some(answer)
    }

    fn drain(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        for (&handle, connection) in &mut self.connections {
            while let Some(event) = connection.poll_endpoint_events() {
                let event = self.endpoint.handle_event(ConnectionHandle(handle), event);
                if let Some(event) = event {
                    connection.handle_event(event);
                }
            }
            let mut batch = Vec::new();
            while let Some(transmit) = connection.poll_transmit(now, BATCH, &mut batch) {
                let segment = transmit.segment_size.unwrap_or(transmit.size);
                datagrams.extend(batch[..transmit.size].chunks(segment).map(<[u8]>::to_vec));
                assert!(
                    datagrams.len() < 1000,
                    "a connection that never stops sending"
                );
                batch.clear();
            }
            while let Some(event) = connection.poll() {
                if let Event::ConnectionLost { reason } = &event {
                    datagrams.extend(refusal_datagram(reason).map(<[u8]>::to_vec));
                }
                self.events.push((handle, event));
            }
        }
        datagrams
    }

    fn next_timeout(&self) -> Option<Instant> {
        let timeouts = self.connections.values().map(Connection::poll_timeout);
        timeouts.flatten().min()
    }

    fn fire_timers(&mut self, now: Instant) {
        for connection in self.connections.values_mut() {
            connection.handle_timeout(now);
        }
    }

    pub(crate) fn is_connected(&self, handle: usize) -> bool {
        let connected =
            |(of, event): &(usize, Event)| *of == handle && matches!(event, Event::Connected);
        self.events.iter().any(connected)
    }

    /// Why a connection ended.
    pub(crate) fn loss(&self, handle: usize) -> Option<&ConnectionError> {
        self.events.iter().find_map(|(of, event)| match event {
            Event::ConnectionLost { reason } if *of == handle => Some(reason),
            _ => None,
        })
    }

    fn is_settled(&self, handle: usize) -> bool {
        self.is_connected(handle) || self.loss(handle).is_some()
    }

    pub(crate) fn is_handshake_data_ready(&self) -> bool {
        let ready = |(_, event): &(usize, Event)| matches!(event, Event::HandshakeDataReady);
        self.events.iter().any(ready)
    }

    /// Opens a stream, writes `data` and finishes it.
    pub(crate) fn write(&mut self, handle: usize, data: &[u8]) -> StreamId {
        let connection = self.connections.get_mut(&handle).expect("connection");
        let stream = connection.streams().open(Dir::Uni).expect("stream credit");
        let mut sending = connection.send_stream(stream);
        assert_eq!(sending.write(data).expect("writes"), data.len());
        sending.finish().expect("finishes");
        stream
    }

    /// All that has arrived on the next stream of the newest connection.
    pub(crate) fn read(&mut self) -> Option<Vec<u8>> {
        let connection = self.connections.values_mut().last()?;
        let stream = connection.streams().accept(Dir::Uni)?;
        let mut receiving = connection.recv_stream(stream);
        let mut chunks = receiving.read(true).ok()?;
        let mut data = Vec::new();
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            data.extend_from_slice(&chunk.bytes);
        }
        let _ = chunks.finalize();
        Some(data)
    }
}
