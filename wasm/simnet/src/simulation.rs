//! Hosts, links and the clock.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use anypath_peer::admission::Limits;
use anypath_peer::carrier::{CarrierKind, FIRST_SOCKET, MAIN_CARRIER, Route};
use anypath_peer::config::{Congestion, PeerConfig};
use anypath_peer::dial::Target;
use anypath_peer::event::{ConnectionKey, Event, Outbox};
use anypath_peer::peer::{Peer, PeerError};
use anypath_peer::relay::RelayId;
use anypath_peer::tls::{EndpointId, KeyExchange, SecretKey};
use anypath_wire::address::to_mapped;

use crate::application::{Application, Known, Received};
use crate::link::{Line, Link, LinkCounts};
use crate::relay::{Answer, Frame, RelayNet, SocketId};
use crate::site::{Site, SiteId};
use crate::transcript::Transcript;

/// Virtual time, in microseconds since the simulation's start.
pub type Micros = u64;

/// A host's number, from 0.
pub type HostId = usize;

/// The carrier id of the `memory` carrier of every host that has one.
pub const MEMORY_CARRIER: u32 = 7;

/// The application protocol that every host serves.
pub const ALPN: &[u8] = b"simnet/1";

/// Unix time in milliseconds when a simulation starts.
pub const EPOCH_MS: f64 = 1_800_000_000_000.0;

/// Headers of IPv4 and UDP.
pub(crate) const HEADER_BYTES: usize = 28;

/// Bytes that a drain sends before it looks at events again.
const DRAIN_BYTES: usize = 1 << 20;

/// The first port of sockets that a peer opens beside its main one.
const FIRST_FREE_PORT: u16 = 32_768;

/// How often a host may have something to do at one instant before it is taken for an endless loop.
const MAX_ROUNDS: usize = 100_000;

/// An IPv4 address in the form that peers know.
pub fn address(ip: [u8; 4], port: u16) -> SocketAddrV6 {
    to_mapped(SocketAddr::from((Ipv4Addr::from(ip), port)))
}

/// A configuration with the limits that the SDK sets, for the host of that number.
pub fn config(host: HostId, seed: u64) -> PeerConfig {
    let mut seeds = [0; 32];
    seeds[..8].copy_from_slice(&seed.to_le_bytes());
    seeds[8..16].copy_from_slice(&(host as u64).to_le_bytes());
    PeerConfig {
        secret_key: secret_key(host),
        seed: seeds,
        epoch_ms: EPOCH_MS,
        alpns: vec![ALPN.to_vec()],
        accept: true,
        ask: false,
        early_data: false,
        qlog: false,
        mtu_discovery: true,
        stun: false,
        discovery: None,
        web_transport: None,
        control: true,
        key_exchange: KeyExchange::PostQuantum,
        congestion: Congestion::Cubic,
        limits: Limits {
            connections: 10_000,
            per_remote: 64,
            per_address: 256,
            handshakes: 1024,
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

/// The key of the host of that number.
pub fn secret_key(host: HostId) -> SecretKey {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&(host as u64 + 1).to_le_bytes());
    SecretKey::from_bytes(bytes)
}

/// A machine with a peer and its application.
pub struct Host {
    /// The core.
    pub peer: Peer,
    /// What it is used for.
    pub application: Application,
    /// The address that its datagrams come from, by carrier.
    sources: BTreeMap<u32, SocketAddrV6>,
    /// Where it is; `None`: on the Internet itself.
    pub(crate) site: Option<SiteId>,
    /// The sockets to relays, by the peer's ids of these.
    pub(crate) sockets: BTreeMap<RelayId, SocketId>,
    /// How many sockets it may have, as an operating system limits them.
    max_sockets: usize,
    /// Whether something was asked of it since it was last drained.
    touched: bool,
}

#[derive(Debug)]
pub(crate) enum Delivery {
    Datagram {
        from: SocketAddrV6,
        to: SocketAddrV6,
        datagram: Vec<u8>,
    },
    /// Past the access link of the site that it came from.
    Internet {
        from: SocketAddrV6,
        to: SocketAddrV6,
        datagram: Vec<u8>,
    },
    /// Past the access link of the site that it goes to.
    AtSite {
        site: SiteId,
        from: SocketAddrV6,
        to: SocketAddrV6,
        datagram: Vec<u8>,
    },
    /// Past everything.
    AtHost {
        host: HostId,
        carrier: u32,
        from: SocketAddrV6,
        datagram: Vec<u8>,
    },
    /// Something on a WebSocket, for the host or for the relay.
    ToHost(SocketId, Frame),
    ToRelay(SocketId, Frame),
}

/// The network, its hosts and their clock.
pub struct Simulation {
    seed: u64,
    origin: Instant,
    now: Micros,
    pub(crate) hosts: Vec<Host>,
    pub(crate) sites: Vec<Site>,
    /// Who has an address, and on which carrier.
    pub(crate) bound: BTreeMap<SocketAddrV6, (HostId, u32)>,
    lines: BTreeMap<(HostId, HostId), Line>,
    default_link: Link,
    pub(crate) relays: RelayNet,
    deliveries: BTreeMap<(Micros, u64), Delivery>,
    next_delivery: u64,
    /// Every datagram that a host sends is added here, while there is a list.
    pub tap: Option<Vec<Tapped>>,
    /// What is compared between two runs.
    pub transcript: Transcript,
}

/// A datagram as it was sent.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// When.
    pub at: Micros,
    /// Who sent it.
    pub host: HostId,
    /// From where.
    pub from: SocketAddrV6,
    /// To where.
    pub to: SocketAddrV6,
    /// What.
    pub datagram: Vec<u8>,
}

/// What a host asks of its machine.
enum Ask {
    OpenSocket(u32),
    CloseSocket(u32),
    Open(RelayId, String),
    Send(RelayId, Vec<u8>),
    Close(RelayId),
}

#[derive(Default)]
struct Drained {
    datagrams: Vec<(u32, SocketAddrV6, Vec<u8>)>,
    asks: Vec<Ask>,
    events: Vec<Event>,
}

impl Outbox for Drained {
    fn transmit(
        &mut self,
        carrier: u32,
        address: SocketAddrV6,
        segment_bytes: usize,
        datagrams: &[u8],
    ) {
        let size = match segment_bytes {
            0 => datagrams.len().max(1),
            bytes => bytes,
        };
        for datagram in datagrams.chunks(size) {
            self.datagrams.push((carrier, address, datagram.to_vec()));
        }
    }

    fn relay_open(&mut self, relay: RelayId, url: &str) {
        self.asks.push(Ask::Open(relay, url.to_owned()));
    }

    fn relay_send(&mut self, relay: RelayId, head: &[u8], body: &[u8]) {
        self.asks.push(Ask::Send(relay, [head, body].concat()));
    }

    fn relay_close(&mut self, relay: RelayId) {
        self.asks.push(Ask::Close(relay));
    }

    fn socket_open(&mut self, carrier: u32) {
        self.asks.push(Ask::OpenSocket(carrier));
    }

    fn socket_close(&mut self, carrier: u32) {
        self.asks.push(Ask::CloseSocket(carrier));
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

impl Simulation {
    /// An empty network. Links are the default ones until [`Simulation::connect_by`] says otherwise.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            origin: Instant::now(),
            now: 0,
            hosts: Vec::new(),
            sites: Vec::new(),
            bound: BTreeMap::new(),
            lines: BTreeMap::new(),
            default_link: Link::default(),
            relays: RelayNet::new(seed),
            deliveries: BTreeMap::new(),
            next_delivery: 0,
            tap: None,
            transcript: Transcript::default(),
        }
    }

    /// Two hosts, 0 and 1, with a link of that kind each way.
    pub fn pair(seed: u64, link: Link) -> Self {
        let mut simulation = Self::new(seed);
        simulation.default_link = link;
        simulation.add_host();
        simulation.add_host();
        simulation
    }

    /// The seed that it was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Adds a host with the usual configuration.
    pub fn add_host(&mut self) -> HostId {
        let config = config(self.hosts.len(), self.seed);
        self.add_host_with(config)
    }

    /// Adds a host: at 10.0.0.(n + 1):4433, with nothing on any other carrier.
    pub fn add_host_with(&mut self, config: PeerConfig) -> HostId {
        let id = self.hosts.len();
        let peer = self.start(config);
        let host = Host {
            peer,
            application: Application::default(),
            sources: BTreeMap::new(),
            site: None,
            sockets: BTreeMap::new(),
            max_sockets: 1024,
            touched: true,
        };
        self.hosts.push(host);
        let [high, low] = (id as u16 + 1).to_be_bytes();
        self.bind(id, MAIN_CARRIER, address([10, 0, high, low], 4433));
        id
    }

    fn start(&self, config: PeerConfig) -> Peer {
        let largest = usize::from(config.max_mtu.max(1472));
        let mut peer = Peer::new(config, self.origin).expect("a configuration that can be used");
        peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, largest);
        peer.advance(self.now as f64 / 1e3);
        peer
    }

    /// Ends a host's process, without any goodbye, and starts one with that configuration in its place.
    pub fn restart(&mut self, host: HostId, config: PeerConfig) {
        let peer = self.start(config);
        for socket in std::mem::take(&mut self.hosts[host].sockets).into_values() {
            self.give_up_socket(socket);
        }
        self.hosts[host].peer = peer;
        self.hosts[host].application = Application::default();
        self.hosts[host].touched = true;
    }

    /// Gives a host an address. Its datagrams come from the one that was given last.
    pub fn bind(&mut self, host: HostId, carrier: u32, address: SocketAddrV6) {
        match self.hosts[host].site.filter(|_| carrier != MEMORY_CARRIER) {
            Some(site) => self.bind_at(site, address, (host, carrier)),
            None => drop(self.bound.insert(address, (host, carrier))),
        }
        self.hosts[host].sources.insert(carrier, address);
    }

    /// Takes an address away: what is sent there vanishes.
    pub fn unbind(&mut self, address: SocketAddrV6) {
        self.bound.remove(&address);
    }

    /// Replaces the host's main socket by one at another address. The peer is told if `tell`.
    pub fn move_host(&mut self, host: HostId, address: SocketAddrV6, tell: bool) {
        self.unbind_of(host, self.address_of(host));
        self.bind(host, MAIN_CARRIER, address);
        if tell {
            self.peer(host).network_changed();
        }
    }

    /// Gives a host the `memory` carrier, which carries packets of that size.
    pub fn add_memory(&mut self, host: HostId, max_packet_bytes: usize) -> Route {
        let carrier = MEMORY_CARRIER;
        let address = to_mapped(SocketAddr::from(([127, 0, 0, 1], 1 + host as u16)));
        let peer = &mut self.hosts[host].peer;
        peer.set_carrier(carrier, CarrierKind::Memory, max_packet_bytes);
        self.bind(host, carrier, address);
        Route::socket(carrier, address)
    }

    /// Opens a socket of a host at the next free port of its main address, unless it may have no more.
    fn open_socket(&mut self, host: HostId, carrier: u32) {
        let open = self.hosts[host].sources.len();
        if open > self.hosts[host].max_sockets {
            return self.peer(host).remove_carrier(carrier);
        }
        let ip = *self.address_of(host).ip();
        let taken = |port| {
            let mut sources = self.hosts[host].sources.values();
            sources.any(|source| source.port() == port)
        };
        let port = (FIRST_FREE_PORT..).find(|port| !taken(*port));
        let address = SocketAddrV6::new(ip, port.expect("there are more ports than sockets"), 0, 0);
        self.bind(host, carrier, address);
        let largest = 1472;
        self.peer(host)
            .set_carrier(carrier, CarrierKind::Udp, largest);
    }

    /// Changes how many sockets a host may have beside its main one.
    pub fn set_max_sockets(&mut self, host: HostId, most: usize) {
        self.hosts[host].max_sockets = most;
    }

    /// How many sockets a host has beside its main one.
    pub fn sockets_of(&self, host: HostId) -> usize {
        let carriers = self.hosts[host].sources.keys();
        carriers.filter(|carrier| **carrier >= FIRST_SOCKET).count()
    }

    /// The main address of a host.
    pub fn address_of(&self, host: HostId) -> SocketAddrV6 {
        self.hosts[host].sources[&MAIN_CARRIER]
    }

    /// How others dial a host.
    pub fn target(&self, host: HostId) -> Target {
        target(self.address_of(host))
    }

    /// A host's id.
    pub fn id_of(&self, host: HostId) -> EndpointId {
        self.hosts[host].peer.id()
    }

    /// Uses that link both ways between two hosts.
    pub fn connect_by(&mut self, one: HostId, other: HostId, link: &Link) {
        self.line(one, other).link = link.clone();
        self.line(other, one).link = link.clone();
    }

    /// The link from one host to another.
    pub fn link(&mut self, from: HostId, to: HostId) -> &mut Link {
        &mut self.line(from, to).link
    }

    /// What the link from one host to another did.
    pub fn counts(&mut self, from: HostId, to: HostId) -> LinkCounts {
        self.line(from, to).counts
    }

    fn line(&mut self, from: HostId, to: HostId) -> &mut Line {
        let number = self.seed ^ ((from as u64 + 1) << 32) ^ ((to as u64 + 1) << 48);
        self.lines
            .entry((from, to))
            .or_insert_with(|| Line::new(self.default_link.clone(), number))
    }

    /// A host's core, at the present time, to ask something of.
    pub fn peer(&mut self, host: HostId) -> &mut Peer {
        let host = &mut self.hosts[host];
        host.touched = true;
        host.peer.advance(self.now as f64 / 1e3);
        &mut host.peer
    }

    /// A host's application.
    pub fn application(&self, host: HostId) -> &Application {
        &self.hosts[host].application
    }

    /// A host's application, to change.
    pub fn application_mut(&mut self, host: HostId) -> &mut Application {
        &mut self.hosts[host].application
    }

    /// Runs `act` with a host's core and application.
    pub fn with<T>(
        &mut self,
        host: HostId,
        act: impl FnOnce(&mut Peer, &mut Application) -> T,
    ) -> T {
        self.peer(host);
        let host = &mut self.hosts[host];
        act(&mut host.peer, &mut host.application)
    }

    /// Dials `to` from `from` at its main address.
    ///
    /// # Errors
    /// What [`Peer::connect`] gives.
    pub fn dial(&mut self, from: HostId, to: HostId) -> Result<ConnectionKey, PeerError> {
        let (id, targets) = (self.id_of(to), [self.target(to)]);
        self.peer(from).connect(id, ALPN, &targets, false)
    }

    /// Opens a stream and writes `length` bytes of the pattern to it, and its end.
    pub fn send(
        &mut self,
        host: HostId,
        connection: ConnectionKey,
        bidirectional: bool,
        length: u64,
    ) -> Option<u64> {
        self.with(host, |peer, application| {
            let stream = peer.open_stream(connection, bidirectional).ok()??;
            application.send(peer, (connection, stream), length, true);
            Some(stream)
        })
    }

    /// What a host knows of a connection.
    pub fn known(&self, host: HostId, key: ConnectionKey) -> Option<&Known> {
        self.hosts[host].application.connections.get(&key)
    }

    /// What a host read from a stream.
    pub fn received(&self, host: HostId, key: ConnectionKey, stream: u64) -> Option<&Received> {
        self.hosts[host].application.received.get(&(key, stream))
    }

    /// Puts a datagram into the network as if it came from `from`, to arrive now.
    pub fn inject(&mut self, from: SocketAddrV6, to: SocketAddrV6, datagram: Vec<u8>) {
        self.deliver_at(self.now, from, to, datagram);
    }

    pub(crate) fn deliver_at(
        &mut self,
        at: Micros,
        from: SocketAddrV6,
        to: SocketAddrV6,
        bytes: Vec<u8>,
    ) {
        let datagram = bytes;
        self.schedule(at, Delivery::Datagram { from, to, datagram });
    }

    pub(crate) fn schedule(&mut self, at: Micros, delivery: Delivery) {
        self.deliveries.insert((at, self.next_delivery), delivery);
        self.next_delivery += 1;
    }

    /// Runs until `done`, and tells whether that was within `limit` microseconds.
    pub fn run_until(&mut self, limit: Micros, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.settle_touched();
            if done(self) {
                return true;
            }
            self.settle_touched();
            match self.next_event() {
                Some(at) if at <= end => self.step_to(at),
                _ => {
                    self.now = end;
                    return done(self);
                }
            }
        }
    }

    /// Runs for so many microseconds.
    pub fn run_for(&mut self, span: Micros) {
        self.run_until(span, |_| false);
    }

    fn next_event(&self) -> Option<Micros> {
        let delivery = self.deliveries.keys().next().map(|(at, _)| *at);
        let wakes = self.hosts.iter().filter_map(|host| host.peer.next_wake());
        // A timer is never early: what is due within a microsecond is due at its end.
        let wake = wakes
            .map(|ms| (ms * 1e3).ceil() as Micros)
            .min()
            .map(|at| at.max(self.now));
        delivery.into_iter().chain(wake).min()
    }

    fn step_to(&mut self, at: Micros) {
        self.now = at;
        while let Some(entry) = self.deliveries.first_entry() {
            if entry.key().0 > at {
                break;
            }
            let delivery = entry.remove();
            self.deliver(delivery);
        }
        let now_ms = self.now as f64 / 1e3;
        for host in &mut self.hosts {
            let due = |wake: f64| (wake * 1e3).ceil() as Micros <= at;
            if host.peer.next_wake().is_some_and(due) {
                host.peer.advance(now_ms);
                host.touched = true;
            }
        }
        self.settle_touched();
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Datagram { from, to, datagram } => {
                let Some((host, carrier)) = self.bound.get(&to).copied() else {
                    return;
                };
                self.peer(host)
                    .receive(Route::socket(carrier, from), 0, &datagram);
            }
            Delivery::Internet { from, to, datagram } => self.route(from, to, datagram),
            Delivery::AtSite {
                site,
                from,
                to,
                datagram,
            } => self.enter_routers(site, from, to, &datagram),
            Delivery::AtHost {
                host,
                carrier,
                from,
                datagram,
            } => {
                let route = Route::socket(carrier, from);
                self.peer(host).receive(route, 0, &datagram);
            }
            Delivery::ToHost(socket, frame) => self.reach_host(socket, frame),
            Delivery::ToRelay(socket, frame) => {
                let answers = self.relays.receive(socket, frame, self.now);
                self.carry_answers(answers);
            }
        }
    }

    /// Something arrives at a host's WebSocket, unless the host has given that up.
    fn reach_host(&mut self, socket: SocketId, frame: Frame) {
        let Some((host, relay)) = self.relays.owner(socket) else {
            return;
        };
        if self.hosts[host].sockets.get(&relay) != Some(&socket) {
            return;
        }
        let peer = self.peer(host);
        match frame {
            Frame::Opened(protocol) => peer.relay_opened(relay, protocol),
            Frame::Message(message) => peer.receive_relayed(relay, &message),
            Frame::Closed(reason) => {
                peer.relay_closed(relay, reason);
                self.hosts[host].sockets.remove(&relay);
            }
        }
    }

    pub(crate) fn carry_answers(&mut self, answers: Vec<Answer>) {
        for (at, socket, frame) in answers {
            self.schedule(at, Delivery::ToHost(socket, frame));
        }
    }

    fn ask_of_socket(&mut self, host: HostId, ask: Ask) {
        match ask {
            Ask::OpenSocket(carrier) => self.open_socket(host, carrier),
            Ask::CloseSocket(carrier) => {
                if let Some(address) = self.hosts[host].sources.remove(&carrier) {
                    self.unbind_of(host, address);
                }
            }
            Ask::Open(relay, url) => {
                let socket = self.relays.new_socket(host, relay);
                self.hosts[host].sockets.insert(relay, socket);
                let answers = self.relays.connect(socket, &url, self.now);
                self.carry_answers(answers);
            }
            Ask::Send(relay, message) => {
                if let Some(socket) = self.hosts[host].sockets.get(&relay).copied() {
                    self.transcript
                        .add_packet(self.now, host, relay as usize, message.len());
                    if let Some(at) = self.relays.arrival_at_relay(socket, self.now) {
                        self.schedule(at, Delivery::ToRelay(socket, Frame::Message(message)));
                    }
                }
            }
            Ask::Close(relay) => {
                if let Some(socket) = self.hosts[host].sockets.remove(&relay) {
                    self.give_up_socket(socket);
                }
            }
        }
    }

    fn give_up_socket(&mut self, socket: SocketId) {
        if let Some(at) = self.relays.arrival_at_relay(socket, self.now) {
            self.schedule(at, Delivery::ToRelay(socket, Frame::Closed("")));
        }
    }

    fn settle_touched(&mut self) {
        for host in 0..self.hosts.len() {
            if std::mem::take(&mut self.hosts[host].touched) {
                self.settle(host);
            }
        }
    }

    /// Drains a host until it has nothing more to do now.
    fn settle(&mut self, id: HostId) {
        for _ in 0..MAX_ROUNDS {
            let now = self.now;
            let mut drained = Drained::default();
            let host = &mut self.hosts[id];
            host.peer.advance(now as f64 / 1e3);
            host.peer.drain(DRAIN_BYTES, &mut drained);
            for event in drained.events {
                self.record(id, &event);
                let host = &mut self.hosts[id];
                host.application.handle(&mut host.peer, now, event);
            }
            for ask in drained.asks {
                self.ask_of_socket(id, ask);
            }
            for (carrier, to, datagram) in drained.datagrams {
                self.transmit(id, (carrier, to), datagram);
            }
            let wake = self.hosts[id].peer.next_wake();
            if wake.is_none_or(|ms| (ms * 1e3).ceil() as Micros > now) {
                return;
            }
        }
        panic!("host {id} is busy without end at {} us", self.now);
    }

    fn record(&mut self, host: HostId, event: &Event) {
        let now = self.now;
        match event {
            Event::Datagram(key, bytes) => {
                let length = bytes.len();
                self.transcript
                    .add(format_args!("{now} {host} Datagram {key} {length} B"));
            }
            Event::Qlog(..) => {}
            event => self.transcript.add(format_args!("{now} {host} {event:?}")),
        }
    }

    fn transmit(
        &mut self,
        from: HostId,
        (carrier, remote): (u32, SocketAddrV6),
        datagram: Vec<u8>,
    ) {
        let Some(source) = self.hosts[from].sources.get(&carrier).copied() else {
            return;
        };
        if let Some(tap) = &mut self.tap {
            tap.push(Tapped {
                at: self.now,
                host: from,
                from: source,
                to: remote,
                datagram: datagram.clone(),
            });
        }
        if let Some(site) = self.hosts[from].site.filter(|_| carrier != MEMORY_CARRIER) {
            let now = self.now;
            let bytes = datagram.len();
            self.transcript
                .add(format_args!("{now} {from} {source} > {remote} {bytes} B"));
            return self.leave_site(site, source, remote, datagram);
        }
        if self.site_at(remote).is_some() {
            self.transcript
                .add_packet(self.now, from, usize::MAX, datagram.len());
            return self.route(source, remote, datagram);
        }
        let Some((to, carrier)) = self.bound.get(&remote).copied() else {
            self.transcript
                .add_packet(self.now, from, usize::MAX, datagram.len());
            return;
        };
        self.transcript
            .add_packet(self.now, from, to, datagram.len());
        let now = self.now;
        let arrivals = match carrier {
            MEMORY_CARRIER => vec![now],
            _ => self
                .line(from, to)
                .carry(now, datagram.len() + HEADER_BYTES),
        };
        for arrival in arrivals {
            self.deliver_at(arrival, source, remote, datagram.clone());
        }
    }
}

/// How an address on the main socket is dialled.
pub fn target(address: SocketAddrV6) -> Target {
    let carrier = MAIN_CARRIER;
    Target {
        route: Route::socket(carrier, address),
        delay: Duration::ZERO,
    }
}
