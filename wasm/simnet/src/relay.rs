//! Relays in virtual time, and what may be wrong with them.
//!
//! A relay here speaks the protocol of the wire crate, keeps the order of each WebSocket's messages unless it is told not to, and forwards
//! by id. It takes every signature for good: whether one is, the peer's own tests say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anypath_peer::relay::RelayId;
use anypath_peer::tls::EndpointId;
use anypath_wire::relay::handshake::{ClientAuth, ServerHandshake};
use anypath_wire::relay::{ClientMessage, RelayMessage, Status, Version};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::simulation::{HostId, Micros, Simulation};

/// How much longer a message takes that others overtake.
const HELD: Micros = 50_000;

/// A WebSocket's number; never reused.
pub type SocketId = usize;

/// What passes along a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// It is open, with that subprotocol's version.
    Opened(u8),
    /// A binary message.
    Message(Vec<u8>),
    /// It is closed.
    Closed(&'static str),
}

/// Something for a host, and when it gets there.
pub type Answer = (Micros, SocketId, Frame);

/// What state a relay is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayMood {
    /// It works.
    Well,
    /// It is not there: WebSockets are refused.
    Down,
    /// It takes everything and says nothing.
    Mute,
    /// It lets nobody in.
    Denying,
    /// It tells everybody the same nonsense.
    Babbling,
}

/// How a relay is reached.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// The time a message takes, each way.
    pub delay: Micros,
    /// The share of messages with datagrams that are dropped.
    pub loss: f64,
    /// The share of them that come twice.
    pub duplicates: f64,
    /// The share of them that others overtake: they take `HELD` longer.
    pub reordered: f64,
    /// Bytes per second towards each host; `None`: no limit.
    pub rate: Option<u64>,
    /// The version of the protocol.
    pub version: Version,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            delay: 10_000,
            loss: 0.0,
            duplicates: 0.0,
            reordered: 0.0,
            rate: None,
            version: Version::V2,
        }
    }
}

#[derive(Debug)]
struct Relay {
    wire: Wire,
    mood: RelayMood,
    /// Sockets by id; the last is the one that is forwarded to.
    clients: BTreeMap<EndpointId, Vec<SocketId>>,
    /// Who has sent something to whom.
    sent_to: BTreeMap<EndpointId, BTreeSet<EndpointId>>,
    forwarded: u64,
    attempts: Vec<(Micros, HostId)>,
    /// Hosts that it refuses.
    barred: BTreeSet<HostId>,
}

#[derive(Debug)]
struct Socket {
    host: HostId,
    relay: RelayId,
    url: String,
    id: Option<EndpointId>,
    open: bool,
    last_up: Micros,
    last_down: Micros,
}

/// All relays and the WebSockets to them.
#[derive(Debug)]
pub struct RelayNet {
    rng: StdRng,
    relays: BTreeMap<String, Relay>,
    sockets: Vec<Socket>,
    distances: BTreeMap<HostId, Distance>,
}

/// What lies between a host and every relay, beside the relay's own [`Wire`].
#[derive(Debug, Default)]
struct Distance {
    delay: Micros,
    /// How much longer what the relay sends takes.
    late: Micros,
    outages: Vec<Range<Micros>>,
}

impl Distance {
    /// When TCP gets a segment through that is sent at `at`: it tries again after 200 ms, 400 ms and so on.
    fn resent(&self, at: Micros) -> Micros {
        let mut retry = 200_000;
        let mut at = at;
        while self.outages.iter().any(|span| span.contains(&at)) {
            at += retry;
            retry *= 2;
        }
        at
    }
}

impl RelayNet {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed ^ 0x7265_6c61),
            relays: BTreeMap::new(),
            sockets: Vec::new(),
            distances: BTreeMap::new(),
        }
    }

    /// Says how far a host is from every relay, and when nothing passes.
    pub(crate) fn set_distance(
        &mut self,
        host: HostId,
        delay: Micros,
        outages: Vec<Range<Micros>>,
    ) {
        let distance = self.distances.entry(host).or_default();
        distance.delay = delay;
        distance.outages = outages;
    }

    /// When what the host sends at `now` is at a relay.
    fn up_at(&self, host: HostId, wire: &Wire, now: Micros) -> Micros {
        let distance = self.distances.get(&host);
        distance.map_or(now, |far| far.resent(now) + far.delay) + wire.delay
    }

    /// When what a relay sends at `now` is at the host.
    fn down_at(&self, host: HostId, wire: &Wire, now: Micros) -> Micros {
        let distance = self.distances.get(&host);
        distance.map_or(now, |far| far.resent(now) + far.delay + far.late) + wire.delay
    }

    /// When a request is answered, and what that leads to.
    fn round_trip(&self, host: HostId, wire: &Wire, now: Micros) -> Micros {
        self.down_at(host, wire, self.up_at(host, wire, now))
    }

    pub(crate) fn new_socket(&mut self, host: HostId, relay: RelayId) -> SocketId {
        self.sockets.push(Socket {
            host,
            relay,
            url: String::new(),
            id: None,
            open: false,
            last_up: 0,
            last_down: 0,
        });
        self.sockets.len() - 1
    }

    pub(crate) fn owner(&self, socket: SocketId) -> Option<(HostId, RelayId)> {
        let socket = self.sockets.get(socket)?;
        Some((socket.host, socket.relay))
    }

    pub(crate) fn connect(&mut self, socket: SocketId, url: &str, now: Micros) -> Vec<Answer> {
        self.sockets[socket].url = url.to_owned();
        let host = self.sockets[socket].host;
        let Some(relay) = self.relays.get_mut(url) else {
            return vec![(now + 1_000, socket, Frame::Closed("no such host"))];
        };
        relay.attempts.push((now, host));
        // One round trip for TCP, one for HTTP.
        let wire = relay.wire;
        let (mood, barred) = (relay.mood, relay.barred.contains(&host));
        let refused = self.round_trip(host, &wire, now);
        let at = self.round_trip(host, &wire, refused);
        let version = match wire.version {
            Version::V1 => 1,
            Version::V2 => 2,
        };
        match mood {
            _ if barred => vec![(refused, socket, Frame::Closed("refused"))],
            RelayMood::Down => vec![(refused, socket, Frame::Closed("refused"))],
            RelayMood::Mute => Vec::new(),
            _ => {
                self.sockets[socket].open = true;
                self.sockets[socket].last_down = at;
                let mut challenge = Vec::new();
                let message = ServerHandshake::Challenge(self.rng.random());
                let _ = message.encode(&mut challenge);
                vec![
                    (at, socket, Frame::Opened(version)),
                    (at, socket, Frame::Message(challenge)),
                ]
            }
        }
    }

    /// When a message that leaves the host now is at the relay; `None` where the WebSocket is not open.
    pub(crate) fn arrival_at_relay(&mut self, socket: SocketId, now: Micros) -> Option<Micros> {
        let entry = &self.sockets[socket];
        let wire = self.relays.get(&entry.url)?.wire;
        let at = self.up_at(entry.host, &wire, now);
        let entry = &mut self.sockets[socket];
        entry.last_up = entry.last_up.max(at);
        entry.open.then_some(entry.last_up)
    }

    pub(crate) fn receive(&mut self, socket: SocketId, frame: Frame, now: Micros) -> Vec<Answer> {
        let entry = &self.sockets[socket];
        let Some(relay) = self.relays.get(&entry.url) else {
            return Vec::new();
        };
        if !entry.open || matches!(relay.mood, RelayMood::Mute | RelayMood::Down) {
            return Vec::new();
        }
        match frame {
            Frame::Message(message) => match (entry.id, relay.mood) {
                (_, RelayMood::Babbling) => vec![self.down(socket, vec![8, 1, 2, 3], now)],
                (None, _) => self.authenticate(socket, &message, now),
                (Some(id), _) => self.serve(socket, id, &message, now),
            },
            Frame::Closed(_) => self.leave(socket, now),
            Frame::Opened(_) => Vec::new(),
        }
    }

    fn authenticate(&mut self, socket: SocketId, message: &[u8], now: Micros) -> Vec<Answer> {
        let url = self.sockets[socket].url.clone();
        let (Ok(auth), Some(relay)) = (ClientAuth::decode(message), self.relays.get_mut(&url))
        else {
            return Vec::new();
        };
        let mut out = Vec::new();
        if relay.mood == RelayMood::Denying {
            let reason = "the token is not valid";
            let _ = ServerHandshake::Denies { reason }.encode(&mut out);
            let denial = self.down(socket, out, now);
            self.sockets[socket].open = false;
            return vec![denial];
        }
        let _ = ServerHandshake::Confirms.encode(&mut out);
        let sockets = relay.clients.entry(auth.id).or_default();
        let former = sockets.last().copied();
        sockets.push(socket);
        self.sockets[socket].id = Some(auth.id);
        let mut answers = vec![self.down(socket, out, now)];
        if let Some(former) = former {
            answers.extend(self.tell_replaced(former, now));
        }
        answers
    }

    fn tell_replaced(&mut self, former: SocketId, now: Micros) -> Option<Answer> {
        let version = self.relays.get(&self.sockets[former].url)?.wire.version;
        let message = match version {
            Version::V1 => RelayMessage::Health {
                problem: "Another endpoint connected with the same endpoint id. No more messages will be received.",
            },
            Version::V2 => RelayMessage::Status(Status::SameEndpointConnected),
        };
        let mut out = Vec::new();
        let _ = message.encode(version, &mut out);
        Some(self.down(former, out, now))
    }

    fn serve(
        &mut self,
        socket: SocketId,
        id: EndpointId,
        message: &[u8],
        now: Micros,
    ) -> Vec<Answer> {
        let url = self.sockets[socket].url.clone();
        let Some(relay) = self.relays.get_mut(&url) else {
            return Vec::new();
        };
        let version = relay.wire.version;
        let mut out = Vec::new();
        match ClientMessage::decode(message) {
            Ok(ClientMessage::Ping(payload)) => {
                let _ = RelayMessage::Pong(payload).encode(version, &mut out);
                vec![self.down(socket, out, now)]
            }
            Ok(ClientMessage::Datagrams {
                destination,
                datagrams,
            }) => {
                let lost = self.rng.random::<f64>() < relay.wire.loss;
                let to = relay.clients.get(&destination).and_then(|all| all.last());
                let Some(to) = to.copied().filter(|_| !lost) else {
                    return Vec::new();
                };
                relay.forwarded += 1;
                relay.sent_to.entry(id).or_default().insert(destination);
                let source = id;
                let wire = relay.wire;
                let _ = RelayMessage::Datagrams { source, datagrams }.encode(version, &mut out);
                let copy = self.happens(wire.duplicates).then(|| out.clone());
                let mut answers = vec![self.down(to, out, now)];
                if self.happens(wire.reordered) {
                    answers[0].0 += HELD;
                }
                answers.extend(copy.map(|copy| self.down(to, copy, now)));
                answers
            }
            _ => Vec::new(),
        }
    }

    /// Whether something happens that happens in this share of cases.
    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random::<f64>() < share
    }

    /// A client is gone: who heard from it is told.
    fn leave(&mut self, socket: SocketId, now: Micros) -> Vec<Answer> {
        let entry = &mut self.sockets[socket];
        entry.open = false;
        let (Some(id), Some(relay)) = (entry.id.take(), self.relays.get_mut(&entry.url)) else {
            return Vec::new();
        };
        let version = relay.wire.version;
        let Some(sockets) = relay.clients.get_mut(&id) else {
            return Vec::new();
        };
        sockets.retain(|other| *other != socket);
        if !sockets.is_empty() {
            return Vec::new();
        }
        relay.clients.remove(&id);
        let told = relay.sent_to.remove(&id).unwrap_or_default();
        let told: Vec<_> = told
            .iter()
            .filter_map(|other| relay.clients.get(other)?.last().copied())
            .collect();
        let mut out = Vec::new();
        let _ = RelayMessage::EndpointGone(id).encode(version, &mut out);
        told.into_iter()
            .map(|other| self.down(other, out.clone(), now))
            .collect()
    }

    /// Sends a message down to a host.
    fn down(&mut self, socket: SocketId, message: Vec<u8>, now: Micros) -> Answer {
        let entry = &self.sockets[socket];
        let wire = self.relays.get(&entry.url).map(|relay| relay.wire);
        let wire = wire.unwrap_or_default();
        let at = self.down_at(entry.host, &wire, now);
        let takes = wire
            .rate
            .map_or(0, |rate| message.len() as u64 * 1_000_000 / rate.max(1));
        let entry = &mut self.sockets[socket];
        entry.last_down = entry.last_down.max(at) + takes;
        (entry.last_down, socket, Frame::Message(message))
    }

    /// Ends every WebSocket of a relay.
    fn hang_up(&mut self, url: &str, now: Micros) -> Vec<Answer> {
        let Some(relay) = self.relays.get_mut(url) else {
            return Vec::new();
        };
        relay.clients.clear();
        relay.sent_to.clear();
        let wire = relay.wire;
        let mut answers = Vec::new();
        for id in 0..self.sockets.len() {
            let at = self.down_at(self.sockets[id].host, &wire, now);
            let socket = &mut self.sockets[id];
            if socket.url == url && std::mem::take(&mut socket.open) {
                socket.id = None;
                let at = socket.last_down.max(at);
                answers.push((at, id, Frame::Closed("the relay went away")));
            }
        }
        answers
    }
}

impl Simulation {
    /// Adds a relay at that URL.
    pub fn add_relay(&mut self, url: &str, wire: Wire) {
        let relay = Relay {
            wire,
            mood: RelayMood::Well,
            clients: BTreeMap::new(),
            sent_to: BTreeMap::new(),
            forwarded: 0,
            attempts: Vec::new(),
            barred: BTreeSet::new(),
        };
        self.relays.relays.insert(url.to_owned(), relay);
    }

    /// Changes a relay. Where it is `Down` from now on, its WebSockets are closed.
    pub fn set_relay(&mut self, url: &str, mood: RelayMood) {
        if let Some(relay) = self.relays.relays.get_mut(url) {
            relay.mood = mood;
        }
        if mood == RelayMood::Down {
            let answers = self.relays.hang_up(url, self.now());
            self.carry_answers(answers);
        }
    }

    /// Ends every WebSocket of a relay, which is there again at once.
    pub fn restart_relay(&mut self, url: &str) {
        let answers = self.relays.hang_up(url, self.now());
        self.carry_answers(answers);
    }

    /// Ends the WebSockets of one host to a relay, and refuses it new ones.
    pub fn bar(&mut self, url: &str, host: HostId) {
        if let Some(relay) = self.relays.relays.get_mut(url) {
            relay.barred.insert(host);
            self.disconnect(url, host);
        }
    }

    /// Ends the WebSockets of one host to a relay, which takes new ones.
    pub fn disconnect(&mut self, url: &str, host: HostId) {
        let now = self.now();
        let Some(relay) = self.relays.relays.get(url) else {
            return;
        };
        let wire = relay.wire;
        let at = self.relays.down_at(host, &wire, now);
        let of_host = |socket: &Socket| socket.host == host && socket.url == url && socket.open;
        let sockets = self.relays.sockets.iter();
        let sockets: Vec<_> = sockets
            .enumerate()
            .filter(|(_, s)| of_host(s))
            .map(|(id, _)| id)
            .collect();
        for socket in sockets {
            let mut answers = self.relays.leave(socket, now);
            answers.push((at, socket, Frame::Closed("ended by the relay")));
            self.carry_answers(answers);
        }
    }

    /// From now on, what relays send to a host takes so much longer. What it sends to them does not, so that neither
    /// side can tell from round trips by how much.
    pub fn delay_relayed(&mut self, host: HostId, late: Micros) {
        self.relays.distances.entry(host).or_default().late = late;
    }

    /// Changes how a relay is reached.
    pub fn rewire_relay(&mut self, url: &str, wire: Wire) {
        if let Some(relay) = self.relays.relays.get_mut(url) {
            relay.wire = wire;
        }
    }

    /// Sends the same message to every client of a relay.
    pub fn relay_says(&mut self, url: &str, message: &[u8]) {
        let now = self.now();
        let clients = self.relays.relays.get(url).into_iter();
        let sockets: Vec<_> = clients
            .flat_map(|r| r.clients.values().flatten().copied())
            .collect();
        let answers = sockets
            .into_iter()
            .map(|socket| self.relays.down(socket, message.to_vec(), now))
            .collect();
        self.carry_answers(answers);
    }

    /// How many messages with datagrams a relay has forwarded.
    pub fn forwarded(&self, url: &str) -> u64 {
        self.relays
            .relays
            .get(url)
            .map_or(0, |relay| relay.forwarded)
    }

    /// When who tried to connect to a relay.
    pub fn attempts(&self, url: &str) -> &[(Micros, HostId)] {
        self.relays
            .relays
            .get(url)
            .map_or(&[], |relay| relay.attempts.as_slice())
    }

    /// How many peers are connected to a relay.
    pub fn clients_of(&self, url: &str) -> usize {
        self.relays
            .relays
            .get(url)
            .map_or(0, |relay| relay.clients.len())
    }
}
