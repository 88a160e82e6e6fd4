//! Sessions that carry packets of peers: a page's peer, whose packets an HTTP/3 client brings.

use std::time::Duration;

use anypath_peer::carrier::{CarrierKind, FIRST_SESSION, Route};
use anypath_peer::dial::Target;
use anypath_peer::error::ErrorCode;
use anypath_peer::event::{Connected, Event};
use anypath_peer::peer::{Peer, ReadOutcome};
use anypath_peer::tls::SecretKey;
use noq_proto::{Dir, StreamId};

use crate::net::{APPLICATION, Drained, Net, config, server};

const PATH: &str = "/.well-known/anypath/1";
const CARRIER: u32 = 7;

/// What makes a stream one of the first session's.
const HEAD: [u8; 3] = [0x40, 0x54, 0];

/// A peer in a page, behind a client's session.
struct Page {
    peer: Peer,
    client: usize,
    stream: StreamId,
    /// How much of each stream of the server's was taken.
    taken: Vec<(StreamId, usize)>,
    events: Vec<Event>,
}

impl Page {
    fn new(net: &mut Net) -> (Self, u32) {
        let (client, connect, session) = net.session(PATH);
        let stream = net.clients[client].stream_of(connect, Dir::Uni, b"");
        let mut own = config(1);
        own.secret_key = SecretKey::from_bytes([3; 32]);
        own.web_transport = None;
        let mut peer = Peer::new(own, net.start).expect("a valid configuration");
        peer.advance(net.now_ms as f64);
        peer.set_carrier(CARRIER, CarrierKind::WebTransport, 0);
        let page = Self {
            peer,
            client,
            stream,
            taken: Vec::new(),
            events: Vec::new(),
        };
        (page, session)
    }

    fn dial(&mut self, net: &Net) -> u32 {
        let target = Target {
            route: Route::socket(CARRIER, server()),
            delay: Duration::ZERO,
        };
        let key = self
            .peer
            .connect(net.peer.id(), APPLICATION, &[target], false);
        key.expect("dials")
    }

    fn open(&mut self) {
        self.peer
            .set_carrier(CARRIER, CarrierKind::WebTransport, 1200);
    }

    /// Moves everything until nobody has anything to say, for so long.
    fn run_for(&mut self, net: &mut Net, ms: u64) {
        let end = net.now_ms + ms;
        loop {
            loop {
                let sent = self.send(net);
                net.run_for(0);
                if !sent && !self.receive(net) {
                    break;
                }
            }
            if net.now_ms >= end {
                return;
            }
            net.run_for(10.min(end - net.now_ms));
        }
    }

    fn send(&mut self, net: &mut Net) -> bool {
        self.peer.advance(net.now_ms as f64);
        let mut drained = Drained::default();
        self.peer.drain(usize::MAX, &mut drained);
        self.events.extend(drained.events);
        let client = &mut net.clients[self.client];
        for (_, packet) in &drained.sent {
            // Those of 1,200 bytes fit into no datagram of the client's, and the others are small.
            if packet.len() < 1000 {
                client.datagram(&[&[0], packet.as_slice()].concat());
            } else {
                let length = (packet.len() as u16).to_be_bytes();
                client.write(self.stream, &[&length, packet.as_slice()].concat());
            }
        }
        !drained.sent.is_empty()
    }

    fn receive(&mut self, net: &mut Net) -> bool {
        let client = &mut net.clients[self.client];
        let mut packets = Vec::new();
        while let Some(datagram) = client.quic.datagrams().recv() {
            packets.push(datagram[1..].to_vec());
        }
        for (id, (bytes, _)) in &client.received {
            if !bytes.starts_with(&HEAD) {
                continue;
            }
            let known = self.taken.iter().position(|(stream, _)| stream == id);
            let known = known.unwrap_or_else(|| {
                self.taken.push((*id, HEAD.len()));
                self.taken.len() - 1
            });
            let at = &mut self.taken[known].1;
            while let Some([high, low]) = bytes.get(*at..*at + 2) {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(packet) = bytes.get(*at + 2..*at + 2 + length) else {
                    break;
                };
                packets.push(packet.to_vec());
                *at += 2 + length;
            }
        }
        for packet in &packets {
            let from = Route::socket(CARRIER, server());
            self.peer.receive(from, 0, packet);
        }
        !packets.is_empty()
    }
}

fn connected(events: &[Event]) -> Option<(u32, &Connected)> {
    events.iter().find_map(|event| match event {
        Event::Connected(key, connected) => Some((*key, &**connected)),
        _ => None,
    })
}

#[test]
fn a_page_comes_through_a_session_and_is_known_by_its_key() {
    let mut net = Net::new(config(10));
    let (mut page, session) = Page::new(&mut net);
    page.dial(&net);
    page.run_for(&mut net, 100);
    assert!(connected(&net.events).is_none(), "the session is not open");
    page.open();
    page.run_for(&mut net, 200);
    let (ours, theirs) = (connected(&page.events), connected(&net.events));
    let (ours, _) = ours.expect("connected");
    let (key, theirs) = theirs.expect("connected");
    assert_eq!(theirs.remote_id, page.peer.id());
    assert_eq!(theirs.route.carrier, FIRST_SESSION + session);
    let stream = page.peer.open_stream(ours, false).expect("open");
    let stream = stream.expect("allowed");
    let data = vec![9; 20_000];
    assert_eq!(page.peer.write(ours, stream, &data), Ok(data.len()));
    page.peer.finish(ours, stream).expect("open");
    page.run_for(&mut net, 500);
    let mut bytes = Vec::new();
    while let Ok(ReadOutcome::Data(_)) = net.peer.read(key, stream, 1 << 20, &mut bytes) {}
    assert_eq!(bytes, data);
    let of_session = |event: &&Event| matches!(event, Event::Datagram(of, _) | Event::StreamOpened(of, ..) if *of == session);
    assert_eq!(net.events.iter().find(of_session), None);
    net.peer.shutdown(77, "bye");
    page.run_for(&mut net, 500);
    let told = |event: &Event| matches!(event, Event::Closed(_, reason) if reason.wire_code == 77);
    assert!(
        page.events.iter().any(told),
        "a goodbye outlives what carries it"
    );
}

#[test]
fn a_session_that_no_peer_uses_is_closed() {
    let mut net = Net::new(config(10));
    let (_, _, session) = net.session(PATH);
    net.run_for(9_000);
    let closed = |net: &Net| {
        net.events
            .iter()
            .any(|event| matches!(event, Event::Closed(key, _) if *key == session))
    };
    assert!(!closed(&net));
    net.run_for(2_000);
    assert!(closed(&net));
    assert_eq!(net.peer.stats().web_transport.sessions, 0);
    let mut net = Net::new(config(10));
    let (mut page, _) = Page::new(&mut net);
    page.dial(&net);
    page.open();
    page.run_for(&mut net, 25_000);
    assert_eq!(
        net.peer.stats().web_transport.sessions,
        1,
        "this one is used"
    );
}

#[test]
fn what_is_no_packet_ends_the_session_and_harms_nobody_else() {
    let mut net = Net::new(config(10));
    let (mut page, _) = Page::new(&mut net);
    page.dial(&net);
    page.open();
    page.run_for(&mut net, 200);
    let (client, connect, session) = net.session(PATH);
    net.clients[client].datagram(b"\0\x14no packet");
    net.clients[client].stream_of(connect, Dir::Uni, &[0xff, 0xff, 1]);
    page.run_for(&mut net, 200);
    let faulty = |event: &Event| {
        matches!(event, Event::Closed(key, reason)
            if *key == session && reason.code == ErrorCode::ProtocolViolation)
    };
    assert!(net.events.iter().any(faulty));
    assert_eq!(net.peer.stats().malformed_dropped, 1);
    assert_eq!(net.peer.stats().web_transport.sessions, 1);
}

#[test]
fn a_client_that_opens_more_streams_than_it_needs_has_them_refused() {
    let mut net = Net::new(config(10));
    let (client, connect, _) = net.session(PATH);
    for _ in 0..4 {
        net.clients[client].stream_of(connect, Dir::Uni, b"");
    }
    net.run_for(100);
    let fifth = net.clients[client].stream_of(connect, Dir::Uni, b"");
    let both = net.clients[client].stream_of(connect, Dir::Bi, b"");
    net.run_for(100);
    for id in [fifth, both] {
        let stopped = net.clients[client].quic.send_stream(id).stopped();
        assert!(!matches!(stopped, Ok(None)), "{id}");
    }
}

#[test]
fn a_lost_session_is_noticed_by_both_sides_and_another_one_takes_its_place() {
    let mut net = Net::new(config(10));
    let (mut page, _) = Page::new(&mut net);
    page.dial(&net);
    page.open();
    page.run_for(&mut net, 200);
    let (ours, _) = connected(&page.events).expect("connected");
    net.clients[page.client].close();
    net.run_for(50);
    page.peer.set_carrier(CARRIER, CarrierKind::WebTransport, 0);
    assert_eq!(net.peer.stats().web_transport.sessions, 0);
    let (client, connect, _) = net.session(PATH);
    page.client = client;
    page.stream = net.clients[client].stream_of(connect, Dir::Uni, b"");
    page.taken.clear();
    page.open();
    page.run_for(&mut net, 3_000);
    let stream = page
        .peer
        .open_stream(ours, false)
        .expect("open")
        .expect("allowed");
    page.peer.write(ours, stream, b"still here").expect("open");
    page.run_for(&mut net, 500);
    let (key, _) = connected(&net.events).expect("connected");
    let mut bytes = Vec::new();
    net.peer.read(key, stream, 100, &mut bytes).expect("open");
    assert_eq!(bytes, b"still here");
}
