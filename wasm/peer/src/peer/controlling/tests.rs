//! Two peers that reach each other directly, one of which says over a control connection what it likes.

use std::net::SocketAddrV6;

use anypath_wire::control::{MAX_FRAME_BYTES, VERSION};

use super::*;
use crate::admission::Limits;
use crate::carrier::Route;
use crate::config::{Congestion, PeerConfig};
use crate::event::Outbox;
use crate::relay::RelayId;
use crate::tls::{KeyExchange, SecretKey};

const ALPN: &[u8] = b"test/1";

fn address(host: usize) -> SocketAddrV6 {
    format!("[::ffff:192.0.2.{}]:4433", host + 1)
        .parse()
        .expect("an address")
}

fn peer(host: usize) -> Peer {
    let config = PeerConfig {
        secret_key: SecretKey::from_bytes([host as u8 + 1; 32]),
        seed: [host as u8; 32],
        epoch_ms: 0.0,
        alpns: vec![ALPN.to_vec()],
        accept: true,
        ask: false,
        early_data: false,
        qlog: false,
        mtu_discovery: false,
        stun: false,
        discovery: None,
        web_transport: None,
        control: true,
        key_exchange: KeyExchange::Classical,
        congestion: Congestion::Cubic,
        limits: Limits {
            connections: 10,
            per_remote: 10,
            per_address: 10,
            handshakes: 10,
            retry_above: 10,
        },
        handshake_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(120),
        keep_alive: Some(Duration::from_millis(2500)),
        stream_receive_window: 1 << 20,
        receive_window: 1 << 20,
        send_window: 1 << 20,
        max_bidi_streams: 10,
        max_uni_streams: 10,
        datagram_receive_buffer: 1 << 16,
        datagram_send_buffer: 1 << 16,
        initial_mtu: 1200,
        max_mtu: 1200,
    };
    let mut peer = Peer::new(config, Instant::now()).expect("it can be used");
    peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, 1452);
    peer
}

#[derive(Default)]
struct Out {
    datagrams: Vec<(SocketAddrV6, Vec<u8>)>,
    events: Vec<Event>,
}

impl Outbox for Out {
    fn transmit(&mut self, _: u32, to: SocketAddrV6, segment: usize, datagrams: &[u8]) {
        let size = if segment == 0 {
            datagrams.len()
        } else {
            segment
        };
        let each = datagrams
            .chunks(size)
            .map(|datagram| (to, datagram.to_vec()));
        self.datagrams.extend(each);
    }
    fn relay_open(&mut self, _: RelayId, _: &str) {}
    fn relay_send(&mut self, _: RelayId, _: &[u8], _: &[u8]) {}
    fn relay_close(&mut self, _: RelayId) {}
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

struct Net {
    peers: [Peer; 2],
    events: [Vec<Event>; 2],
    now_ms: f64,
}

impl Net {
    /// Two peers with a connection of the application's, which peer 0 dialled.
    fn connected() -> Self {
        let mut net = Self {
            peers: [peer(0), peer(1)],
            events: [Vec::new(), Vec::new()],
            now_ms: 0.0,
        };
        let (id, target) = (net.peers[1].id(), target(1));
        let key = net.peers[0].connect(id, ALPN, &[target], false);
        key.expect("it dials");
        net.run(1000);
        assert!(
            net.events
                .iter()
                .flatten()
                .any(|event| matches!(event, Event::Connected(..)))
        );
        net
    }

    /// Lets so many milliseconds pass, with no delay between the two.
    fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            self.now_ms += 1.0;
            for host in [0, 1] {
                let mut out = Out::default();
                self.peers[host].advance(self.now_ms);
                self.peers[host].drain(1 << 20, &mut out);
                self.events[host].extend(out.events);
                for (to, datagram) in out.datagrams {
                    let other = 1 - host;
                    if to == address(other) {
                        let route = Route::socket(MAIN_CARRIER, address(host));
                        self.peers[other].advance(self.now_ms);
                        self.peers[other].receive(route, 0, &datagram);
                    }
                }
            }
        }
    }

    /// A control connection of a peer that plays by no rules.
    fn dial_boldly(&mut self, host: usize) -> ConnectionKey {
        let id = self.peers[1 - host].id();
        let crypto = self.peers[host].tls.client_of_service(CONTROL_ALPN);
        let key = self.peers[host].dial(id, CONTROL_ALPN, crypto, &[target(1 - host)], false);
        let key = key.expect("it dials");
        self.run(100);
        key
    }

    /// Dials as a peer does that wants an attempt.
    fn dial(&mut self, host: usize) {
        let id = self.peers[1 - host].id();
        let crypto = self.peers[host].tls.client_of_service(CONTROL_ALPN);
        let key = self.peers[host].dial(id, CONTROL_ALPN, crypto, &[target(1 - host)], false);
        self.peers[host].admit_control(key.expect("it dials"));
    }

    /// Why a bold peer's control connection was closed by the other one.
    fn code_of(&self, host: usize, key: ConnectionKey) -> Option<u64> {
        self.events[host].iter().find_map(|event| match event {
            Event::Closed(closed, reason) if *closed == key => Some(reason.wire_code),
            _ => None,
        })
    }

    fn application_lives(&self) -> bool {
        let closed = |event: &Event| matches!(event, Event::Closed(1, _));
        !self.events.iter().flatten().any(closed)
            && self.peers.iter().all(|peer| peer.stats().connections > 0)
    }
}

fn target(host: usize) -> Target {
    Target {
        route: Route::socket(MAIN_CARRIER, address(host)),
        delay: Duration::ZERO,
    }
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::Hello { version: VERSION }.write(&mut bytes);
    bytes
}

#[test]
fn what_is_no_frame_or_comes_too_soon_ends_the_control_connection_and_is_counted() {
    let proposal = {
        let mut bytes = Vec::new();
        let (attempt, hard) = (0, true);
        Frame::Propose { attempt, hard }.write(&mut bytes);
        bytes
    };
    let malformed = [hello(), vec![1, 2, 3, 0]].concat();
    let too_long = [hello(), vec![1, 0x7f, 0xff]].concat();
    let twice = [hello(), hello()].concat();
    let accept = [hello(), vec![3, 1, 0]].concat();
    for said in [malformed, too_long, twice, accept, proposal] {
        let mut net = Net::connected();
        let key = net.dial_boldly(0);
        let stream = net.peers[0]
            .open_stream(key, true)
            .expect("open")
            .expect("a stream");
        net.peers[0].write(key, stream, &said).expect("it writes");
        net.run(100);
        assert_eq!(
            net.code_of(0, key),
            Some(code::MALFORMED.into()),
            "{said:?}"
        );
        assert_eq!(net.peers[1].stats().birthday.controls_malformed, 1);
        assert!(net.application_lives());
        assert!(net.peers[1].controls.open.is_empty());
    }
}

#[test]
fn a_flood_of_proposals_begins_nothing_and_ends_the_control_connection() {
    let mut net = Net::connected();
    let key = net.dial_boldly(0);
    let stream = net.peers[0]
        .open_stream(key, true)
        .expect("open")
        .expect("a stream");
    let mut said = hello();
    let mapping = Frame::Mapping {
        nat: Nat::Easy,
        addresses: vec!["192.0.2.1:9".parse().expect("an address")],
    };
    mapping.write(&mut said);
    for attempt in 0..1000 {
        let hard = attempt % 2 == 0;
        Frame::Propose { attempt, hard }.write(&mut said);
    }
    net.peers[0].write(key, stream, &said).expect("it writes");
    net.run(100);
    assert_eq!(net.code_of(0, key), Some(code::MALFORMED.into()));
    let stats = net.peers[1].stats().birthday;
    assert_eq!(
        (stats.attempts, stats.sockets_opened, stats.probes_sent),
        (0, 0, 0)
    );
    assert!(stats.attempts_refused <= 32);
    assert!(net.application_lives());
}

#[test]
fn further_streams_and_datagrams_end_it_and_unknown_frames_do_not() {
    for kind in 0..4 {
        let mut net = Net::connected();
        let key = net.dial_boldly(0);
        let peer = &mut net.peers[0];
        let stream = peer
            .open_stream(key, true)
            .expect("open")
            .expect("a stream");
        let unknown = [hello(), vec![0x40, 0x77, 3, 1, 2, 3]].concat();
        peer.write(key, stream, &unknown).expect("it writes");
        match kind {
            0 => {}
            1 => peer.send_datagram(key, b"hello").expect("it sends"),
            kind => {
                let more = peer
                    .open_stream(key, kind == 2)
                    .expect("open")
                    .expect("a stream");
                peer.write(key, more, b"hello").expect("it writes");
            }
        }
        net.run(100);
        let expected = (kind > 0).then_some(code::MALFORMED.into());
        assert_eq!(net.code_of(0, key), expected, "{kind}");
        let heard = net.events[1].iter();
        let heard = heard.filter(|e| matches!(e, Event::StreamOpened(..) | Event::Datagram(..)));
        assert_eq!(heard.count(), 0, "the application hears nothing");
    }
}

#[test]
fn a_frame_may_come_in_pieces() {
    let mut net = Net::connected();
    let key = net.dial_boldly(0);
    let stream = net.peers[0]
        .open_stream(key, true)
        .expect("open")
        .expect("a stream");
    let mut said = hello();
    let addresses = vec!["192.0.2.1:9".parse().expect("an address")];
    let nat = Nat::Hard;
    Frame::Mapping { nat, addresses }.write(&mut said);
    assert!(said.len() < MAX_FRAME_BYTES);
    for byte in said {
        net.peers[0].write(key, stream, &[byte]).expect("it writes");
        net.run(2);
    }
    let control = net.peers[1]
        .controls
        .open
        .values()
        .next()
        .expect("it is open");
    assert!(control.greeted);
    assert_eq!((control.remote.0, control.remote.1.len()), (Nat::Hard, 1));
}

#[test]
fn a_remote_without_a_connection_of_the_applications_is_refused() {
    let mut net = Net {
        peers: [peer(0), peer(1)],
        events: [Vec::new(), Vec::new()],
        now_ms: 0.0,
    };
    let key = net.dial_boldly(0);
    net.run(100);
    assert_eq!(net.code_of(0, key), Some(code::REFUSED.into()));
    assert_eq!(net.peers[1].stats().birthday.controls_refused, 1);
    assert!(net.events[1].is_empty(), "{:?}", net.events[1]);
    net.run(5000);
    assert_eq!(net.peers[1].census(), crate::peer::Census::default());
}

#[test]
fn where_both_dial_that_of_the_smaller_id_stays() {
    let mut net = Net::connected();
    let smaller = usize::from(net.peers[1].id().as_bytes() < net.peers[0].id().as_bytes());
    for first in [0, 1] {
        net.dial(first);
        net.run(first as u32 * 100);
        net.dial(1 - first);
        net.run(5000);
        for host in [0, 1] {
            let open: Vec<_> = net.peers[host].controls.open.keys().copied().collect();
            let [key] = open[..] else {
                panic!("peer {host} has {open:?}")
            };
            let dialled = net.peers[host].connections[&key].is_client();
            assert_eq!(dialled, host == smaller, "peer {host}");
            assert!(net.peers[host].controls.open[&key].greeted);
        }
        assert!(net.application_lives());
    }
}

#[test]
fn it_ends_with_the_last_connection_of_the_applications() {
    let mut net = Net::connected();
    net.dial(0);
    net.run(100);
    assert_eq!(net.peers[1].controls.open.len(), 1);
    net.peers[0].close(1, 0, "");
    net.run(5000);
    for peer in &net.peers {
        assert_eq!(peer.census(), crate::peer::Census::default());
    }
}
