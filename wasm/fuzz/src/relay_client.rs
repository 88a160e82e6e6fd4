//! A target for the client of a relay: a relay that says anything, at any time, over any course of events.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV6;
use std::time::{Duration, Instant};

use anypath_peer::event::{Event, Outbox};
use anypath_peer::peer::Peer;
use anypath_peer::relay::{RelayId, RelayState};
use anypath_simnet::config;
use anypath_wire::EndpointId;
use anypath_wire::relay::handshake::ServerHandshake;
use anypath_wire::relay::{RelayMessage, Version};

const RELAYS: [&str; 3] = [
    "https://a.example",
    "https://b.example/",
    "http://[::1]:3340",
];

/// What one drain may put out over one relay: answers, and one flight that waited.
const MAX_SENT: usize = 128 << 10;

/// The WebSockets that the peer believes to have.
#[derive(Default)]
struct Sockets {
    open: BTreeSet<RelayId>,
    told: BTreeMap<RelayId, RelayState>,
    sent: usize,
}

impl Outbox for Sockets {
    fn transmit(&mut self, _: u32, _: SocketAddrV6, _: usize, _: &[u8]) {
        panic!("there is no socket");
    }

    fn relay_open(&mut self, relay: RelayId, url: &str) {
        assert!(self.open.insert(relay), "opened twice: {url}");
    }

    fn relay_send(&mut self, relay: RelayId, head: &[u8], body: &[u8]) {
        assert!(self.open.contains(&relay), "sent over nothing");
        self.sent += head.len() + body.len();
    }

    fn relay_close(&mut self, relay: RelayId) {
        assert!(self.open.remove(&relay), "closed twice");
    }

    fn event(&mut self, event: Event) {
        if let Event::Relay(id, status) = event {
            assert!(status.detail.len() <= 256);
            self.told.insert(id, status.state);
        }
    }
}

/// A peer with relays, to which things happen as the bytes choose.
pub fn relay_client(data: &[u8]) {
    let Ok(mut peer) = Peer::new(config(0, 1), Instant::now()) else {
        return;
    };
    let mut sockets = Sockets::default();
    let (mut now, mut rest) = (0.0, data);
    peer.set_relays(RELAYS[..2].iter().copied());
    drain(&mut peer, &mut sockets);
    while let Some((&[operation, choice, length], after)) = rest.split_first_chunk() {
        let (argument, after) = after.split_at(after.len().min(length.into()));
        rest = after;
        let relay = anypath_peer::relay::FIRST_RELAY + u32::from(choice % 4);
        match operation % 12 {
            0 => peer.relay_opened(relay, choice / 4),
            1 if sockets.open.remove(&relay) => peer.relay_closed(relay, "closed"),
            2 => {
                now += f64::from(choice) * f64::from(length);
                peer.advance(now);
            }
            3 => peer.set_relays(RELAYS[..usize::from(choice % 4)].iter().copied()),
            4 => peer.resumed(),
            5 => peer.set_visible(choice % 2 == 0),
            6 => {
                let id = EndpointId([choice; 32]);
                let url = RELAYS[usize::from(choice % 3)];
                if let Some(target) = peer.relay_target(id, url, Duration::ZERO) {
                    let _ = peer.connect(id, b"fuzz", &[target], false);
                }
            }
            7 => {
                let mut message = Vec::new();
                let _ = ServerHandshake::Challenge([choice; 16]).encode(&mut message);
                peer.receive_relayed(relay, &message);
            }
            8 => peer.receive_relayed(relay, &[2]),
            9 => {
                let mut message = Vec::new();
                let gone = RelayMessage::EndpointGone(EndpointId([choice; 32]));
                let _ = gone.encode(Version::V2, &mut message);
                peer.receive_relayed(relay, &message);
            }
            _ => peer.receive_relayed(relay, argument),
        }
        drain(&mut peer, &mut sockets);
    }
    peer.shutdown(0, "");
    for _ in 0..64 {
        now += 10_000.0;
        peer.advance(now);
        drain(&mut peer, &mut sockets);
    }
    assert!(sockets.open.is_empty(), "WebSockets are left behind");
}

fn drain(peer: &mut Peer, sockets: &mut Sockets) {
    sockets.sent = 0;
    peer.drain(64 << 10, sockets);
    assert!(sockets.sent <= MAX_SENT, "{} bytes at once", sockets.sent);
    for (relay, state) in &sockets.told {
        let holds = matches!(
            state,
            RelayState::Connecting | RelayState::Authenticating | RelayState::Connected
        );
        assert_eq!(holds, sockets.open.contains(relay), "{relay:#x} {state:?}");
    }
    assert!(peer.stats().relays_connected <= 16);
}
