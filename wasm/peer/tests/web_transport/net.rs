//! A peer that listens for browsers, HTTP/3 clients made by hand, and one clock that only the test moves.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anypath_peer::admission::Limits;
use anypath_peer::carrier::{CarrierKind, MAIN_CARRIER, Route};
use anypath_peer::config::{Congestion, PeerConfig, WebTransportConfig};
use anypath_peer::dial::Target;
use anypath_peer::event::{Event, Outbox};
use anypath_peer::peer::Peer;
use anypath_peer::tls::{KeyExchange, SecretKey};
use anypath_wire::address::to_mapped;
use anypath_wire::http3::{frame, qpack, settings};
use anypath_wire::varint::write_varint;
use bytes::{Bytes, BytesMut};
use noq_proto::crypto::rustls::QuicClientConfig;
use noq_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint,
    EndpointConfig, Event as QuicEvent, FourTuple, StreamEvent, StreamId, TransportConfig, VarInt,
};
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;

pub(crate) const APPLICATION: &[u8] = b"chat/1";
const EPOCH_MS: f64 = 1_800_000_000_000.0;

fn address(ip: [u8; 4], port: u16) -> SocketAddrV6 {
    to_mapped(SocketAddr::from((Ipv4Addr::from(ip), port)))
}

pub(crate) fn server() -> SocketAddrV6 {
    address([192, 0, 2, 1], 1)
}

fn dialler() -> SocketAddrV6 {
    address([192, 0, 2, 2], 1)
}

fn route(address: SocketAddrV6) -> Route {
    Route::socket(MAIN_CARRIER, address)
}

pub(crate) fn config(sessions: usize) -> PeerConfig {
    PeerConfig {
        secret_key: SecretKey::from_bytes([1; 32]),
        seed: [2; 32],
        epoch_ms: EPOCH_MS,
        alpns: vec![APPLICATION.to_vec()],
        accept: true,
        ask: false,
        early_data: false,
        qlog: false,
        mtu_discovery: false,
        stun: false,
        discovery: None,
        web_transport: Some(WebTransportConfig { sessions }),
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
        idle_timeout: Duration::from_secs(60),
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
pub(crate) struct Drained {
    pub(crate) sent: Vec<(SocketAddrV6, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
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

/// What becomes of a client's datagrams on their way, by their number.
pub(crate) type Mangle = Box<dyn FnMut(usize, Vec<u8>) -> Vec<Vec<u8>>>;

pub(crate) struct Net {
    pub(crate) peer: Peer,
    pub(crate) clients: Vec<Client>,
    /// What the application was told.
    pub(crate) events: Vec<Event>,
    /// Whether sessions are accepted as they come.
    pub(crate) accepts: bool,
    dialler: Option<Peer>,
    pub(crate) start: Instant,
    pub(crate) now_ms: u64,
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
            accepts: true,
            dialler: None,
            start,
            now_ms: 0,
        }
    }

    /// A client that trusts the certificate of that hash alone.
    pub(crate) fn client(&mut self, post_quantum: bool, sha256: [u8; 32]) -> usize {
        let [high, low] = (self.clients.len() as u16 + 1).to_be_bytes();
        let from = address([198, 18, high, low], 4000);
        self.clients
            .push(Client::new(self.now(), from, post_quantum, sha256));
        self.clients.len() - 1
    }

    /// A client that has said hello, and whose settings have arrived.
    pub(crate) fn greeted(&mut self) -> usize {
        let client = self.client(false, self.hash());
        self.run_for(200);
        self.clients[client].greet();
        self.run_for(200);
        client
    }

    /// A client with a session that is accepted; its CONNECT stream and the session's key.
    pub(crate) fn session(&mut self, path: &str) -> (usize, StreamId, u32) {
        let client = self.greeted();
        let connect = self.clients[client].request(path);
        self.run_for(200);
        let asked = self.events.iter().rev().find_map(|event| match event {
            Event::SessionRequested { session, .. } => Some(*session),
            _ => None,
        });
        (client, connect, asked.expect("a session is asked for"))
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.peer.web_transport_certificates().expect("a listener")[0].sha256
    }

    pub(crate) fn dial_by_key(&mut self) {
        let mut config = config(1);
        config.secret_key = SecretKey::from_bytes([3; 32]);
        config.web_transport = None;
        let mut peer = Peer::new(config, self.start).expect("a valid configuration");
        peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, 1472);
        peer.advance(self.now_ms as f64);
        let target = Target {
            route: route(server()),
            delay: Duration::ZERO,
        };
        peer.connect(self.peer.id(), APPLICATION, &[target], false)
            .expect("dials");
        self.dialler = Some(peer);
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
        if let Some(other) = self.dialler.as_mut() {
            other.advance(now_ms);
            let mut drained = Drained::default();
            other.drain(usize::MAX, &mut drained);
            for (_, datagram) in drained.sent {
                moved = true;
                self.peer.receive(route(dialler()), 0, &datagram);
            }
        }
        let mut drained = Drained::default();
        self.peer.drain(usize::MAX, &mut drained);
        for event in &drained.events {
            if let Event::SessionRequested { session, .. } = event
                && self.accepts
            {
                moved = true;
                // It may have ended before it could be answered.
                self.peer.answer_session(*session, 200);
            }
        }
        self.events.extend(drained.events);
        for (to, datagram) in drained.sent {
            moved = true;
            if to == dialler()
                && let Some(other) = self.dialler.as_mut()
            {
                other.receive(route(server()), 0, &datagram);
            }
            for client in &mut self.clients {
                if client.address == to {
                    client.receive(now, &datagram);
                }
            }
        }
        moved
    }
}

/// An HTTP/3 client over stock QUIC.
pub(crate) struct Client {
    address: SocketAddrV6,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    pub(crate) quic: Connection,
    pub(crate) events: VecDeque<QuicEvent>,
    /// What arrived on each stream, and whether that is all.
    pub(crate) received: BTreeMap<StreamId, (Vec<u8>, bool)>,
    /// The codes of streams that the server has reset.
    pub(crate) resets: BTreeMap<StreamId, u64>,
    pub(crate) mangle: Mangle,
    sent: usize,
    now: Instant,
}

impl Client {
    fn new(now: Instant, address: SocketAddrV6, post_quantum: bool, sha256: [u8; 32]) -> Self {
        let config = EndpointConfig::new(SecretKey::from_bytes([9; 32]).reset_key());
        let mut endpoint = Endpoint::new(Arc::new(config), None, false);
        let mut config = ClientConfig::new(tls(post_quantum, sha256));
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(Some(Duration::from_secs(60).try_into().expect("fits")));
        config.transport_config(Arc::new(transport));
        let to = SocketAddr::V6(server());
        let (handle, quic) = endpoint
            .connect(now, config, to, "192.0.2.1")
            .expect("dials");
        Self {
            address,
            endpoint,
            handle,
            quic,
            events: VecDeque::new(),
            received: BTreeMap::new(),
            resets: BTreeMap::new(),
            mangle: Box::new(|_, datagram| vec![datagram]),
            sent: 0,
            now,
        }
    }

    /// Opens the control stream and sends a browser's settings.
    pub(crate) fn greet(&mut self) -> StreamId {
        let mut payload = Vec::new();
        let own = [(settings::H3_DATAGRAM, 1), (0x01, 0), (0x1f * 7 + 0x21, 5)];
        settings::write(&own, &mut payload);
        let mut bytes = vec![0];
        frame::write(frame::SETTINGS, &payload, &mut bytes);
        self.send(Dir::Uni, &bytes)
    }

    /// Asks for a session, as a browser does.
    pub(crate) fn request(&mut self, path: &str) -> StreamId {
        self.send(Dir::Bi, &request(path))
    }

    /// Opens a stream and writes to it.
    pub(crate) fn send(&mut self, dir: Dir, bytes: &[u8]) -> StreamId {
        let id = self.quic.streams().open(dir).expect("a stream");
        self.write(id, bytes);
        id
    }

    pub(crate) fn write(&mut self, id: StreamId, bytes: &[u8]) {
        let written = self.quic.send_stream(id).write(bytes);
        assert_eq!(written, Ok(bytes.len()));
    }

    pub(crate) fn finish(&mut self, id: StreamId) {
        self.quic.send_stream(id).finish().expect("open");
    }

    pub(crate) fn datagram(&mut self, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.quic.datagrams().send(bytes, true).expect("sent");
    }

    /// Opens a stream of a session.
    pub(crate) fn stream_of(&mut self, connect: StreamId, dir: Dir, bytes: &[u8]) -> StreamId {
        let mut head = Vec::new();
        write_varint(if dir == Dir::Bi { 0x41 } else { 0x54 }, &mut head);
        write_varint(connect.into(), &mut head);
        head.extend_from_slice(bytes);
        self.send(dir, &head)
    }

    /// The code of the CONNECTION_CLOSE that the server has sent.
    pub(crate) fn closed_by(&self) -> Option<u64> {
        self.events.iter().find_map(|event| match event {
            QuicEvent::ConnectionLost {
                reason: ConnectionError::ApplicationClosed(close),
            } => Some(close.error_code.into_inner()),
            _ => None,
        })
    }

    /// The status that answers a request.
    pub(crate) fn status(&self, id: StreamId) -> Option<String> {
        let (bytes, _) = self.received.get(&id)?;
        let (head, taken) = frame::read_head(bytes)?;
        assert_eq!(head.kind, frame::HEADERS);
        let section = &bytes[taken..taken + head.length as usize];
        let fields = qpack::read(section, 1000).expect("fields");
        assert_eq!(fields[0].name, b":status");
        Some(String::from_utf8(fields[0].value.clone()).expect("digits"))
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let path = FourTuple::from_remote(SocketAddr::V6(server()));
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
        while let Some(event) = self.quic.poll() {
            if let QuicEvent::Stream(StreamEvent::Opened { dir }) = event {
                while let Some(id) = self.quic.streams().accept(dir) {
                    self.received.entry(id).or_default();
                }
            }
            if let QuicEvent::Stream(StreamEvent::Readable { id }) = event {
                self.received.entry(id).or_default();
            }
            self.events.push_back(event);
        }
        self.read();
        let mut datagrams = Vec::new();
        let mut batch = Vec::new();
        let most = NonZeroUsize::new(10).expect("not zero");
        while let Some(transmit) = self.quic.poll_transmit(now, most, &mut batch) {
            let size = transmit.segment_size.unwrap_or(transmit.size);
            for datagram in batch[..transmit.size].chunks(size) {
                datagrams.extend((self.mangle)(self.sent, datagram.to_vec()));
                self.sent += 1;
            }
            batch.clear();
        }
        datagrams
    }

    fn read(&mut self) {
        for (id, (bytes, over)) in &mut self.received {
            let mut stream = self.quic.recv_stream(*id);
            let Ok(mut chunks) = stream.read(true) else {
                continue;
            };
            loop {
                match chunks.next(usize::MAX) {
                    Ok(Some(chunk)) => bytes.extend_from_slice(&chunk.bytes),
                    Ok(None) => break *over = true,
                    Err(noq_proto::ReadError::Reset(code)) => {
                        self.resets.insert(*id, code.into_inner());
                        break;
                    }
                    Err(_) => break,
                }
            }
            let _ = chunks.finalize();
        }
    }

    pub(crate) fn close(&mut self) {
        self.quic
            .close(self.now, VarInt::from_u32(0x100), Bytes::new());
    }
}

/// A browser's request for a session.
pub(crate) fn request(path: &str) -> Vec<u8> {
    fields(&[
        (":method", "CONNECT"),
        (":scheme", "https"),
        (":authority", "192.0.2.1:1"),
        (":path", path),
        (":protocol", "webtransport"),
        ("sec-webtransport-http3-draft02", "1"),
        ("origin", "https://example.com"),
    ])
}

/// A HEADERS frame.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let (mut section, mut bytes) = (Vec::new(), Vec::new());
    qpack::write(fields, &mut section);
    frame::write(frame::HEADERS, &section, &mut bytes);
    bytes
}

/// A browser's TLS: it knows the certificate by its hash, and shows none.
fn tls(post_quantum: bool, sha256: [u8; 32]) -> Arc<QuicClientConfig> {
    let provider: CryptoProvider = match post_quantum {
        true => aws_lc_rs::default_provider(),
        false => ring::default_provider(),
    };
    let verifier = ByHash(sha256, ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h3".to_vec()];
    Arc::new(QuicClientConfig::try_from(config).expect("an initial suite"))
}

#[derive(Debug)]
struct ByHash([u8; 32], CryptoProvider);

impl ServerCertVerifier for ByHash {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use ::ring::digest::{SHA256, digest};
        match digest(&SHA256, end_entity).as_ref() == self.0 {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::General("another certificate".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.1.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
        ]
    }
}
