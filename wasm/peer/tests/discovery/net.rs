//! A peer, clients of its service, and one clock that only the test moves.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anypath_peer::DiscoveryService;
use anypath_peer::admission::Limits;
use anypath_peer::carrier::{CarrierKind, MAIN_CARRIER, Route};
use anypath_peer::config::{Congestion, PeerConfig};
use anypath_peer::dial::Target;
use anypath_peer::discovery::{DiscoveryConfig, DiscoveryLimits};
use anypath_peer::event::{Event, Outbox};
use anypath_peer::peer::Peer;
use anypath_peer::tls::{Certificate, KeyExchange, SecretKey};
use anypath_wire::address::to_mapped;
use bytes::{Bytes, BytesMut};
use noq_proto::crypto::rustls::QuicClientConfig;
use noq_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Endpoint,
    EndpointConfig, Event as QuicEvent, FourTuple, PathId, TransportConfig, VarInt, crypto,
};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;

use crate::bold::Bold;

/// The certificates beside this file.
pub(crate) const CERTIFICATES: [&str; 3] = ["p256", "ed25519", "rsa2048"];

/// The application's protocol.
pub(crate) const APPLICATION: &[u8] = b"chat/1";

const EPOCH_MS: f64 = 1_800_000_000_000.0;
const SERVER: [u8; 4] = [192, 0, 2, 1];
pub(crate) const DIALLER: [u8; 4] = [192, 0, 2, 2];

/// What kind of client asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asks {
    /// With X25519.
    Classical,
    /// With X25519MLKEM768, so that its ClientHello takes two datagrams.
    PostQuantum,
    /// Without a care for what the server allows.
    Boldly,
}

pub(crate) fn address(ip: [u8; 4], port: u16) -> SocketAddrV6 {
    to_mapped(SocketAddr::from((Ipv4Addr::from(ip), port)))
}

/// The address of the client of that number.
pub(crate) fn source(number: u8) -> SocketAddrV6 {
    address([198, 51, 100, number], 4000)
}

/// A chain and its key.
pub(crate) fn pair(kind: &str) -> (Vec<Vec<u8>>, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/discovery/certificates");
    let read = |name: String| std::fs::read(folder.join(name)).expect("a file beside the test");
    (
        vec![read(format!("{kind}.der"))],
        read(format!("{kind}.key.der")),
    )
}

pub(crate) fn discovery(kind: &str) -> Option<DiscoveryConfig> {
    let (chain, key) = pair(kind);
    Some(DiscoveryConfig {
        certificate: Certificate::new(chain, &key).expect(kind),
        limits: DiscoveryLimits {
            connections: 100,
            per_address: 10,
            age: Duration::from_secs(3600),
        },
    })
}

pub(crate) fn config(discovery: Option<DiscoveryConfig>) -> PeerConfig {
    PeerConfig {
        secret_key: SecretKey::from_bytes([1; 32]),
        seed: [2; 32],
        epoch_ms: EPOCH_MS,
        alpns: vec![APPLICATION.to_vec()],
        accept: true,
        ask: false,
        early_data: true,
        qlog: false,
        mtu_discovery: false,
        stun: false,
        discovery,
        web_transport: None,
        control: true,
        key_exchange: KeyExchange::PostQuantum,
        congestion: Congestion::Cubic,
        limits: Limits {
            connections: 1000,
            per_remote: 64,
            per_address: 256,
            handshakes: 1024,
            retry_above: 64,
        },
        handshake_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(35),
        keep_alive: None,
        stream_receive_window: 1 << 20,
        receive_window: 1 << 20,
        send_window: 1 << 20,
        max_bidi_streams: 16,
        max_uni_streams: 16,
        datagram_receive_buffer: 1 << 16,
        datagram_send_buffer: 1 << 16,
        initial_mtu: 1200,
        max_mtu: 1200,
    }
}

#[derive(Default)]
struct Drained {
    sent: Vec<(SocketAddrV6, Vec<u8>)>,
    events: Vec<Event>,
}

impl Outbox for Drained {
    fn transmit(
        &mut self,
        _carrier: u32,
        address: SocketAddrV6,
        segment_bytes: usize,
        datagrams: &[u8],
    ) {
        let size = match segment_bytes {
            0 => datagrams.len().max(1),
            bytes => bytes,
        };
        let datagrams = datagrams.chunks(size);
        self.sent
            .extend(datagrams.map(|bytes| (address, bytes.to_vec())));
    }

    fn relay_open(&mut self, _relay: u32, _url: &str) {}

    fn relay_send(&mut self, _relay: u32, _head: &[u8], _body: &[u8]) {}

    fn relay_close(&mut self, _relay: u32) {}

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

pub(crate) struct Net {
    pub(crate) peer: Peer,
    pub(crate) clients: Vec<Client>,
    /// What the application was told.
    pub(crate) events: Vec<Event>,
    /// A peer that dials the first one by its key.
    dialler: Option<Peer>,
    /// What that one's application was told.
    pub(crate) told_dialler: Vec<Event>,
    start: Instant,
    now_ms: u64,
}

impl Net {
    pub(crate) fn new(config: PeerConfig) -> Self {
        let start = Instant::now();
        let mut peer = Peer::new(config, start).expect("a valid configuration");
        peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, 1472);
        Self {
            peer,
            clients: Vec::new(),
            events: Vec::new(),
            dialler: None,
            told_dialler: Vec::new(),
            start,
            now_ms: 0,
        }
    }

    /// Asks from `from`, trusting the certificate of that kind alone.
    pub(crate) fn ask(&mut self, from: SocketAddrV6, asks: Asks, trusted: &str) -> usize {
        self.ask_for(b"/iroh-qad/0", from, asks, trusted)
    }

    pub(crate) fn ask_for(
        &mut self,
        alpn: &[u8],
        from: SocketAddrV6,
        asks: Asks,
        trusted: &str,
    ) -> usize {
        let client = Client::new(self.now(), alpn, from, asks, trusted);
        self.clients.push(client);
        self.clients.len() - 1
    }

    /// A peer that asks the service for its own address, and trusts that certificate.
    pub(crate) fn ask_as_peer(&mut self, trusted: &str, name: &str) {
        let mut peer = self.other_peer();
        let service = DiscoveryService {
            address: address(SERVER, 1),
            name,
            anchors: 0,
        };
        peer.set_discovery_services(&[service], &[pair(trusted).0])
            .expect("a service");
        self.dialler = Some(peer);
    }

    /// The peer that asks or dials.
    pub(crate) fn dialler(&mut self) -> &mut Peer {
        self.dialler.as_mut().expect("there is one")
    }

    fn other_peer(&self) -> Peer {
        let mut config = config(None);
        config.secret_key = SecretKey::from_bytes([3; 32]);
        let mut peer = Peer::new(config, self.start).expect("a valid configuration");
        peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, 1472);
        peer.advance(self.now_ms as f64);
        peer
    }

    pub(crate) fn dial_by_key(&mut self) {
        let mut dialler = self.other_peer();
        let target = Target {
            route: Route::socket(MAIN_CARRIER, address(SERVER, 1)),
            delay: Duration::ZERO,
        };
        dialler
            .connect(self.peer.id(), APPLICATION, &[target], false)
            .expect("dials");
        self.dialler = Some(dialler);
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms)
    }

    /// Lets that much time pass, in steps of a tenth of a second at most.
    pub(crate) fn run_for(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        loop {
            while self.exchange() {}
            if self.now_ms >= end {
                return;
            }
            self.now_ms = (self.now_ms + 100).min(end);
        }
    }

    /// Moves what everybody has to say; false when nobody had anything.
    fn exchange(&mut self) -> bool {
        let (now, now_ms) = (self.now(), self.now_ms as f64);
        let mut moved = false;
        self.peer.advance(now_ms);
        for client in &mut self.clients {
            for datagram in client.drain(now) {
                moved = true;
                self.peer.receive(route(client.address), 0, &datagram);
            }
        }
        if let Some(dialler) = self.dialler.as_mut() {
            dialler.advance(now_ms);
            let mut drained = Drained::default();
            dialler.drain(usize::MAX, &mut drained);
            self.told_dialler.extend(drained.events);
            for (_, datagram) in drained.sent {
                moved = true;
                self.peer.receive(route(address(DIALLER, 1)), 0, &datagram);
            }
        }
        let mut drained = Drained::default();
        self.peer.drain(usize::MAX, &mut drained);
        self.events.extend(drained.events);
        for (to, datagram) in drained.sent {
            moved = true;
            if to == address(DIALLER, 1) {
                let dialler = self.dialler.as_mut().expect("it dialled");
                dialler.receive(route(address(SERVER, 1)), 0, &datagram);
            }
            for client in self
                .clients
                .iter_mut()
                .filter(|client| client.address == to)
            {
                client.receive(now, &datagram);
            }
        }
        moved
    }
}

fn route(address: SocketAddrV6) -> Route {
    Route::socket(MAIN_CARRIER, address)
}

/// A stock client.
pub(crate) struct Client {
    pub(crate) address: SocketAddrV6,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    quic: Connection,
    events: VecDeque<QuicEvent>,
    now: Instant,
    vanished: bool,
}

impl Client {
    fn new(now: Instant, alpn: &[u8], address: SocketAddrV6, asks: Asks, trusted: &str) -> Self {
        let config = EndpointConfig::new(SecretKey::from_bytes([9; 32]).reset_key());
        let mut endpoint = Endpoint::new(Arc::new(config), None, false);
        let mut config = ClientConfig::new(tls(alpn, asks, trusted));
        let mut transport = TransportConfig::default();
        transport.receive_observed_address_reports(true);
        transport.keep_alive_interval(Some(Duration::from_secs(25)));
        transport.max_idle_timeout(Some(Duration::from_secs(35).try_into().expect("fits")));
        config.transport_config(Arc::new(transport));
        let server = SocketAddr::V6(self::address(SERVER, 1));
        let (handle, quic) = endpoint
            .connect(now, config, server, "localhost")
            .expect("dials");
        Self {
            address,
            endpoint,
            handle,
            quic,
            events: VecDeque::new(),
            now,
            vanished: false,
        }
    }

    pub(crate) fn quic(&mut self) -> &mut Connection {
        &mut self.quic
    }

    /// The address that the server told last.
    pub(crate) fn observed(&self) -> Option<SocketAddr> {
        self.quic.path_observed_address(PathId::ZERO).ok().flatten()
    }

    /// Why the connection ended.
    pub(crate) fn loss(&self) -> Option<&ConnectionError> {
        self.events.iter().find_map(|event| match event {
            QuicEvent::ConnectionLost { reason } => Some(reason),
            _ => None,
        })
    }

    pub(crate) fn ping(&mut self) {
        self.quic.ping();
    }

    /// Closes as iroh does when it has what it wants.
    pub(crate) fn close(&mut self) {
        let reason = Bytes::from_static(b"finished");
        self.quic.close(self.now, VarInt::from_u32(1), reason);
    }

    /// Sends nothing any more.
    pub(crate) fn vanish(&mut self) {
        self.vanished = true;
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let path = FourTuple::from_remote(SocketAddr::V6(self::address(SERVER, 1)));
        let mut answer = Vec::new();
        let datagram = BytesMut::from(datagram);
        let event = self.endpoint.handle(now, path, None, datagram, &mut answer);
        if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
            self.quic.handle_event(event);
        }
    }

    fn drain(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.now = now;
        self.quic.handle_timeout(now);
        while let Some(event) = self.quic.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                self.quic.handle_event(event);
            }
        }
        self.events.extend(std::iter::from_fn(|| self.quic.poll()));
        let mut datagrams = Vec::new();
        let mut batch = Vec::new();
        let most = NonZeroUsize::new(10).expect("not zero");
        while let Some(transmit) = self.quic.poll_transmit(now, most, &mut batch) {
            let size = transmit.segment_size.unwrap_or(transmit.size);
            datagrams.extend(batch[..transmit.size].chunks(size).map(<[u8]>::to_vec));
            batch.clear();
        }
        match self.vanished {
            true => Vec::new(),
            false => datagrams,
        }
    }
}

/// A client's TLS: it checks the certificate, and shows none.
fn tls(alpn: &[u8], asks: Asks, trusted: &str) -> Arc<dyn crypto::ClientConfig> {
    let provider: CryptoProvider = match asks {
        Asks::PostQuantum => aws_lc_rs::default_provider(),
        Asks::Classical | Asks::Boldly => ring::default_provider(),
    };
    let mut roots = RootCertStore::empty();
    let (chain, _) = pair(trusted);
    roots
        .add(CertificateDer::from(chain[0].clone()))
        .expect("a trust anchor");
    let mut config =
        rustls::ClientConfig::builder_with_details(Arc::new(provider), Arc::new(Today))
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let config = QuicClientConfig::try_from(config).expect("an initial suite");
    match asks {
        Asks::Boldly => Arc::new(Bold(Arc::new(config))),
        Asks::Classical | Asks::PostQuantum => Arc::new(config),
    }
}

/// A day on which the certificates are good.
#[derive(Debug)]
struct Today;

impl TimeProvider for Today {
    fn current_time(&self) -> Option<UnixTime> {
        let since = Duration::from_millis(EPOCH_MS as u64);
        Some(UnixTime::since_unix_epoch(since))
    }
}
