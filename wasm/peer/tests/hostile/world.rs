//! One peer of ours, strangers, and a relay between them, on a clock that only the test moves.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use anypath_peer::admission::Limits;
use anypath_peer::carrier::{CarrierKind, FIRST_RELAY, MAIN_CARRIER, Route};
use anypath_peer::config::{Congestion, PeerConfig};
use anypath_peer::dial::Target;
use anypath_peer::event::{ConnectionKey, Event, Outbox};
use anypath_peer::peer::{Peer, ReadOutcome};
use anypath_peer::relay::RelayId;
use anypath_peer::tls::{KeyExchange, SecretKey};
use anypath_wire::relay::handshake::{ClientAuth, ServerHandshake};
use anypath_wire::relay::{ClientMessage, Datagrams, RelayMessage, Version};

use crate::stranger::{Carry, Stranger};

pub(crate) const ALPN: &[u8] = b"hostile/1";

const RELAY: &str = "https://relay.example/";

/// An address as QUIC sees it.
pub(crate) fn address(ip: [u8; 4], port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(Ipv4Addr::from(ip).to_ipv6_mapped(), port, 0, 0)
}

/// What the peer sent in a turn.
#[derive(Default)]
struct Turn {
    datagrams: Vec<(SocketAddrV6, Vec<u8>)>,
    opened: Vec<RelayId>,
    messages: Vec<(RelayId, Vec<u8>)>,
    events: Vec<Event>,
}

impl Outbox for Turn {
    fn transmit(&mut self, _: u32, to: SocketAddrV6, segment_bytes: usize, datagrams: &[u8]) {
        let size = match segment_bytes {
            0 => datagrams.len().max(1),
            bytes => bytes,
        };
        let sent = datagrams.chunks(size).map(|one| (to, one.to_vec()));
        self.datagrams.extend(sent);
    }

    fn relay_open(&mut self, relay: RelayId, _: &str) {
        self.opened.push(relay);
    }

    fn relay_send(&mut self, relay: RelayId, head: &[u8], body: &[u8]) {
        self.messages.push((relay, [head, body].concat()));
    }

    fn relay_close(&mut self, _: RelayId) {}

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// A datagram to where none of the strangers is.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(crate) to: SocketAddrV6,
    pub(crate) bytes: usize,
    /// On the peer's clock.
    pub(crate) at_ms: f64,
}

pub(crate) struct World {
    pub(crate) peer: Peer,
    pub(crate) address: SocketAddrV6,
    pub(crate) strangers: Vec<Stranger>,
    pub(crate) strays: Vec<Stray>,
    pub(crate) received: BTreeMap<ConnectionKey, usize>,
    pub(crate) events: Vec<Event>,
    /// The stranger whose datagrams come from another address each time, and to whom every datagram of the peer seems to.
    pub(crate) wanderer: Option<usize>,
    steps: u32,
    origin: Instant,
    pub(crate) now_ms: f64,
}

impl World {
    pub(crate) fn new(strangers: Vec<Stranger>) -> Self {
        let origin = Instant::now();
        let mut peer = Peer::new(config(), origin).expect("a peer");
        let address = address([203, 0, 113, 1], 4000);
        peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, 1472);
        peer.set_local_addresses(&[address]);
        peer.set_relays([RELAY]);
        let mut world = Self {
            peer,
            address,
            strangers,
            strays: Vec::new(),
            received: BTreeMap::new(),
            events: Vec::new(),
            wanderer: None,
            steps: 0,
            origin,
            now_ms: 0.0,
        };
        world.run(50);
        world
    }

    pub(crate) fn now(&self) -> Instant {
        self.origin + Duration::from_secs_f64(self.now_ms / 1e3)
    }

    /// The peer dials a stranger.
    pub(crate) fn dial(&mut self, stranger: usize) -> ConnectionKey {
        let stranger = &self.strangers[stranger];
        let id = stranger.id();
        let target = match stranger.carry {
            Carry::Udp => Target {
                route: Route::socket(MAIN_CARRIER, stranger.address),
                delay: Duration::ZERO,
            },
            Carry::Relay => {
                let target = self.peer.relay_target(id, RELAY, Duration::ZERO);
                target.expect("relays are used")
            }
        };
        let dialled = self.peer.connect(id, ALPN, &[target], false);
        dialled.expect("dials")
    }

    /// A stranger dials the peer.
    pub(crate) fn dial_peer(&mut self, stranger: usize) {
        self.dial_service(stranger, ALPN);
    }

    /// A stranger dials the peer for what is not the application's.
    pub(crate) fn dial_service(&mut self, stranger: usize, alpn: &[u8]) {
        let (now, to, id) = (self.now(), self.address, self.peer.id());
        self.strangers[stranger].dial(now, to, &id, alpn);
    }

    /// Milliseconds pass, one by one.
    pub(crate) fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            self.now_ms += 1.0;
            self.peer.advance(self.now_ms);
            for _ in 0..20 {
                if !self.exchange() {
                    break;
                }
            }
        }
    }

    /// Lets everybody send once; whether anybody did.
    fn exchange(&mut self) -> bool {
        let now = self.now();
        let mut busy = false;
        for number in 0..self.strangers.len() {
            for (to, datagram) in self.strangers[number].drain(now) {
                busy |= self.carry_from_stranger(number, to, &datagram);
            }
        }
        let mut turn = Turn::default();
        self.peer.drain(usize::MAX, &mut turn);
        busy |= !turn.datagrams.is_empty() || !turn.messages.is_empty();
        for relay in turn.opened {
            self.peer.relay_opened(relay, 2);
            let mut challenge = Vec::new();
            let message = ServerHandshake::Challenge([7; 16]);
            message.encode(&mut challenge).expect("encodes");
            self.peer.receive_relayed(relay, &challenge);
        }
        for (relay, message) in turn.messages {
            self.carry_from_peer_by_relay(relay, &message);
        }
        for (to, datagram) in turn.datagrams {
            self.carry_from_peer(to, &datagram);
        }
        for event in turn.events {
            self.take(event);
        }
        busy
    }

    fn carry_from_stranger(&mut self, number: usize, to: SocketAddr, datagram: &[u8]) -> bool {
        let wanders = self.wanderer == Some(number);
        if to != SocketAddr::from(self.address) && !wanders {
            return false;
        }
        let source = match wanders {
            true => self.step(),
            false => self.strangers[number].address,
        };
        let stranger = &self.strangers[number];
        match stranger.carry {
            Carry::Udp => {
                let route = Route::socket(MAIN_CARRIER, source);
                self.peer.receive(route, 0, datagram);
            }
            Carry::Relay => {
                let (source, datagrams) = (stranger.id(), Datagrams::one(datagram));
                let mut message = Vec::new();
                let encoded = RelayMessage::Datagrams { source, datagrams };
                encoded.encode(Version::V2, &mut message).expect("encodes");
                // The only relay's id.
                self.peer.receive_relayed(FIRST_RELAY, &message);
            }
        }
        true
    }

    /// The next address of the wanderer.
    fn step(&mut self) -> SocketAddrV6 {
        self.steps += 1;
        let [_, high, middle, low] = self.steps.to_be_bytes();
        address([100, 200 + high, middle, low], 9)
    }

    fn carry_from_peer(&mut self, to: SocketAddrV6, datagram: &[u8]) {
        let (now, from) = (self.now(), self.address);
        let there = self.strangers.iter().position(|s| s.address == to);
        let wanders = self.wanderer.filter(|_| to.port() == 9);
        match there.or(wanders) {
            Some(number) => {
                let from = match self.wanderer == Some(number) {
                    true => self.step(),
                    false => from,
                };
                self.strangers[number].receive(now, from.into(), datagram);
            }
            None => self.strays.push(Stray {
                to,
                bytes: datagram.len(),
                at_ms: self.now_ms,
            }),
        }
    }

    fn carry_from_peer_by_relay(&mut self, relay: RelayId, message: &[u8]) {
        if ClientAuth::decode(message).is_ok() {
            let mut confirms = Vec::new();
            let encoded = ServerHandshake::Confirms.encode(&mut confirms);
            encoded.expect("encodes");
            return self.peer.receive_relayed(relay, &confirms);
        }
        match ClientMessage::decode(message) {
            Ok(ClientMessage::Datagrams {
                destination,
                datagrams,
            }) => {
                let (now, from) = (self.now(), self.address);
                let there = self.strangers.iter_mut().find(|s| s.id() == destination);
                let stranger = there.expect("relayed to nobody else");
                for packet in datagrams.packets() {
                    stranger.receive(now, from.into(), packet);
                }
            }
            Ok(ClientMessage::Ping(payload)) => {
                let mut pong = Vec::new();
                let encoded = RelayMessage::Pong(payload).encode(Version::V2, &mut pong);
                encoded.expect("encodes");
                self.peer.receive_relayed(relay, &pong);
            }
            other => assert!(other.is_ok(), "{other:?}"),
        }
    }

    fn take(&mut self, event: Event) {
        if let Event::Readable(key, stream) = &event {
            let mut read = Vec::new();
            while let Ok(ReadOutcome::Data(count)) =
                self.peer.read(*key, *stream, 1 << 20, &mut read)
            {
                *self.received.entry(*key).or_default() += count;
                read.clear();
            }
        }
        self.events.push(event);
    }
}

fn config() -> PeerConfig {
    PeerConfig {
        secret_key: SecretKey::from_bytes([0x5a; 32]),
        seed: [3; 32],
        epoch_ms: 1_800_000_000_000.0,
        alpns: vec![ALPN.to_vec()],
        accept: true,
        ask: false,
        early_data: false,
        qlog: false,
        mtu_discovery: false,
        stun: false,
        web_transport: None,
        control: true,
        discovery: None,
        key_exchange: KeyExchange::PostQuantum,
        congestion: Congestion::Cubic,
        limits: Limits {
            connections: 100,
            per_remote: 4,
            per_address: 4,
            handshakes: 100,
            retry_above: 64,
        },
        handshake_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(120),
        keep_alive: Some(Duration::from_millis(2500)),
        stream_receive_window: 2_400_000,
        receive_window: 16 << 20,
        send_window: 8 << 20,
        max_bidi_streams: 256,
        max_uni_streams: 256,
        datagram_receive_buffer: 1 << 20,
        datagram_send_buffer: 1 << 20,
        initial_mtu: 1200,
        max_mtu: 1452,
    }
}
