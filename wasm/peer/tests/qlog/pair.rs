//! Two peers on a lossless link with a delay, in virtual time.

use std::collections::VecDeque;
use std::net::{SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use anypath_peer::admission::Limits;
use anypath_peer::carrier::{CarrierKind, MAIN_CARRIER, Route};
use anypath_peer::config::{Congestion, PeerConfig};
use anypath_peer::dial::Target;
use anypath_peer::event::{ConnectionKey, Event, Outbox};
use anypath_peer::peer::Peer;
use anypath_peer::tls::{KeyExchange, SecretKey};
use anypath_peer::wire::address::to_mapped;

const ALPN: &[u8] = b"qlog/1";
const DELAY_MS: f64 = 5.0;

/// A peer with all that came of it.
pub(crate) struct Host {
    pub(crate) secret_key: [u8; 32],
    pub(crate) events: Vec<Event>,
    pub(crate) qlog: Vec<u8>,
    pub(crate) bytes_sent: u64,
    peer: Peer,
    key: Option<ConnectionKey>,
    early_data: bool,
    route: Route,
    outbound: VecDeque<Vec<u8>>,
}

struct Drained<'a> {
    outbound: &'a mut VecDeque<Vec<u8>>,
    events: &'a mut Vec<Event>,
    qlog: &'a mut Vec<u8>,
    key: &'a mut Option<ConnectionKey>,
}

impl Outbox for Drained<'_> {
    fn transmit(&mut self, _: u32, _: SocketAddrV6, segment_bytes: usize, datagrams: &[u8]) {
        let length = match segment_bytes {
            0 => datagrams.len(),
            bytes => bytes,
        };
        let datagrams = datagrams.chunks(length.max(1));
        self.outbound.extend(datagrams.map(<[u8]>::to_vec));
    }

    fn relay_open(&mut self, _: u32, _: &str) {}

    fn relay_send(&mut self, _: u32, _: &[u8], _: &[u8]) {}

    fn relay_close(&mut self, _: u32) {}

    fn event(&mut self, event: Event) {
        match event {
            Event::Qlog(key, bytes) => {
                let current = *self.key.get_or_insert(key) == key;
                assert!(current, "one connection at a time");
                let over = |event: &Event| matches!(event, Event::Drained(_));
                assert!(!self.events.iter().any(over), "after the end");
                self.qlog.extend(bytes);
            }
            event => self.events.push(event),
        }
    }
}

impl Host {
    fn new(number: u8, qlog: bool, early_data: bool, origin: Instant) -> Self {
        let secret_key = [number; 32];
        let config = config(number, qlog, early_data);
        let mut peer = Peer::new(config, origin).expect("a peer");
        peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, 1500);
        let address = SocketAddr::from(([192, 0, 2, number], 4433));
        Self {
            secret_key,
            events: Vec::new(),
            qlog: Vec::new(),
            bytes_sent: 0,
            peer,
            key: None,
            early_data,
            route: Route::socket(MAIN_CARRIER, to_mapped(address)),
            outbound: VecDeque::new(),
        }
    }

    fn drain(&mut self) {
        let mut drained = Drained {
            outbound: &mut self.outbound,
            events: &mut self.events,
            qlog: &mut self.qlog,
            key: &mut self.key,
        };
        self.peer.drain(usize::MAX, &mut drained);
    }

    fn key(&self) -> ConnectionKey {
        self.key.expect("a connection")
    }

    pub(crate) fn qlog_text(&self) -> &str {
        std::str::from_utf8(&self.qlog).expect("UTF-8")
    }

    pub(crate) fn was_early(&self) -> bool {
        let early = |event: &Event| matches!(event, Event::Connected(_, c) if c.early);
        self.events.iter().any(early)
    }

    pub(crate) fn open(&mut self, bidirectional: bool) -> u64 {
        let stream = self.peer.open_stream(self.key(), bidirectional);
        stream.expect("a live connection").expect("room")
    }

    pub(crate) fn write(&mut self, stream: u64, data: &[u8]) {
        let written = self.peer.write(self.key(), stream, data);
        assert_eq!(written.expect("an open stream"), data.len());
    }

    pub(crate) fn write_all(&mut self, stream: u64, data: &[u8]) {
        self.write(stream, data);
        let finished = self.peer.finish(self.key(), stream);
        finished.expect("an open stream");
    }

    pub(crate) fn read(&mut self, stream: u64) -> Vec<u8> {
        let mut data = Vec::new();
        let read = self.peer.read(self.key(), stream, 1 << 20, &mut data);
        read.expect("an open stream");
        data
    }

    pub(crate) fn reset(&mut self, stream: u64, code: u64) {
        let reset = self.peer.reset(self.key(), stream, code);
        reset.expect("an open stream");
    }

    pub(crate) fn send_datagram(&mut self, data: &[u8]) {
        let sent = self.peer.send_datagram(self.key(), data);
        sent.expect("a remote that takes datagrams");
    }

    pub(crate) fn update_keys(&mut self) {
        self.peer.key_update(self.key());
    }

    pub(crate) fn close(&mut self, code: u64, reason: &str) {
        self.peer.close(self.key(), code, reason);
    }
}

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) client: Host,
    pub(crate) server: Host,
    now_ms: f64,
}

impl Pair {
    pub(crate) fn new(qlog: bool, early_data: bool) -> Self {
        let origin = Instant::now();
        Self {
            client: Host::new(1, qlog, early_data, origin),
            server: Host::new(2, qlog, early_data, origin),
            now_ms: 0.0,
        }
    }

    /// Dials without waiting for anything.
    pub(crate) fn dial(&mut self) {
        let target = Target {
            route: self.server.route,
            delay: Duration::ZERO,
        };
        let (remote, early) = (self.server.peer.id(), self.client.early_data);
        let key = self.client.peer.connect(remote, ALPN, &[target], early);
        self.client.key = Some(key.expect("a connection"));
        self.client.drain();
    }

    /// Dials and waits until both sides know each other.
    pub(crate) fn connect(&mut self) {
        self.dial();
        self.settle();
        for host in [&mut self.client, &mut self.server] {
            let connected = host.events.iter().find_map(|event| match event {
                Event::Connected(key, _) => Some(*key),
                _ => None,
            });
            host.key = Some(connected.expect("a handshake"));
        }
    }

    /// Lets the hosts talk for two seconds, which is long enough for any of these conversations.
    pub(crate) fn settle(&mut self) {
        for _ in 0..400 {
            self.step();
        }
    }

    /// Forgets what came of the hosts so far.
    pub(crate) fn forget(&mut self) {
        for host in [&mut self.client, &mut self.server] {
            host.events.clear();
            host.qlog.clear();
            host.key = None;
        }
    }

    fn step(&mut self) {
        self.client.drain();
        self.server.drain();
        self.now_ms += DELAY_MS;
        let (client, server) = (&mut self.client, &mut self.server);
        client.peer.advance(self.now_ms);
        server.peer.advance(self.now_ms);
        deliver(client, server);
        deliver(server, client);
    }
}

fn deliver(from: &mut Host, to: &mut Host) {
    for datagram in from.outbound.drain(..) {
        from.bytes_sent += datagram.len() as u64;
        to.peer.receive(from.route, 0, &datagram);
    }
}

fn config(number: u8, qlog: bool, early_data: bool) -> PeerConfig {
    PeerConfig {
        secret_key: SecretKey::from_bytes([number; 32]),
        seed: [number + 100; 32],
        epoch_ms: 1_767_225_600_000.0,
        alpns: vec![ALPN.to_vec()],
        accept: true,
        ask: false,
        early_data,
        qlog,
        mtu_discovery: false,
        stun: false,
        discovery: None,
        web_transport: None,
        control: true,
        key_exchange: KeyExchange::PostQuantum,
        congestion: Congestion::Cubic,
        limits: Limits {
            connections: 100,
            per_remote: 64,
            per_address: 64,
            handshakes: 64,
            retry_above: 64,
        },
        handshake_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(120),
        keep_alive: None,
        stream_receive_window: 1 << 20,
        receive_window: 1 << 20,
        send_window: 1 << 20,
        max_bidi_streams: 16,
        max_uni_streams: 16,
        datagram_receive_buffer: 1 << 16,
        datagram_send_buffer: 1 << 16,
        initial_mtu: 1200,
        max_mtu: 1452,
    }
}
