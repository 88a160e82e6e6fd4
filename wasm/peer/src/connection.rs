//! One QUIC connection and what this peer knows about it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use anypath_wire::address::to_mapped;
use anypath_wire::id::EndpointId;
use noq_proto::coding::Encodable;
use noq_proto::{
    ConnectionError, ConnectionHandle, Dir, Endpoint, Event as QuicEvent, PathEvent, PathId, Side,
    StreamEvent, StreamId,
};

use crate::admission::Origin;
use crate::backlog::Backlog;
use crate::carrier::{CarrierKind, CarrierTable, Route};
use crate::clock::Instant;
use crate::dial::Dial;
use crate::event::{ConnectionKey, Event, PathChange};
use crate::few::Few;
use crate::peer::{ReadOutcome, Search, StreamError};
use crate::stats::{ConnectionStats, PathStats};
use crate::tls::{HandshakeInfo, Slack};
use crate::traversal::Traversal;
use crate::watched::{Heard, Watched};

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The handshake is under way.
    Handshaking,
    /// Both sides are known to each other.
    Established,
    /// The application has been told that it is over; QUIC may still be draining.
    Over,
}

/// Something in the life of a connection that concerns the whole peer.
#[derive(Debug)]
pub(crate) enum Milestone {
    HandshakeData,
    Connected,
    Lost(ConnectionError),
    /// The paths are others now; this one was established.
    Paths(Option<PathId>),
    /// The remote told of an address, or took one back.
    RemoteCandidates,
    Drained,
}

/// What a pump found, in its order.
#[derive(Debug)]
pub(crate) enum Found {
    Event(Event),
    Milestone(Milestone),
}

pub(crate) struct Connection {
    pub(crate) key: ConnectionKey,
    pub(crate) handle: ConnectionHandle,
    pub(crate) quic: noq_proto::Connection,
    pub(crate) phase: Phase,
    /// Who is, or is dialled, at the other end.
    pub(crate) remote: Option<EndpointId>,
    /// Where an incoming connection came from, as QUIC knows it.
    pub(crate) source: Option<SocketAddr>,
    /// The same as it is counted against the limits.
    pub(crate) origin: Option<Origin>,
    /// The relay against which its handshake counts, while that is under way.
    pub(crate) shaking_over: Option<u32>,
    pub(crate) dial: Option<Dial>,
    pub(crate) alpn: Vec<u8>,
    /// Whether the application was told that early data can flow.
    pub(crate) early: bool,
    pub(crate) info: Option<HandshakeInfo>,
    /// When an unfinished handshake is given up.
    pub(crate) deadline: Instant,
    /// Until when an anonymous client of the address-discovery service may stay; `None` for a peer.
    pub(crate) served_until: Option<Instant>,
    /// Whether it is the core's own, of which the application hears nothing.
    #[cfg(feature = "traversal")]
    pub(crate) control: bool,
    /// Whether QUIC was told of a network change, see [`Peer::receive`](crate::peer::Peer::receive).
    pub(crate) network_changed: bool,
    /// Datagrams go one by one until something is heard at this time or later.
    pub(crate) single_until: Option<Instant>,
    /// When QUIC may be told of a changed network again because of what is heard.
    pub(crate) next_hastening: Option<Instant>,
    /// Whether a datagram has arrived of which it is not known yet whether it was the remote's.
    pub(crate) arrived: bool,
    /// When a silent remote is probed next.
    pub(crate) next_probe: Option<Instant>,
    /// The wake-up that the peer's timers hold for this connection.
    pub(crate) wake: Option<Instant>,
    /// Whether the connection waits for its turn in a drain.
    pub(crate) queued: bool,
    /// Further routes by which the remote may be reached.
    pub(crate) known: Vec<Route>,
    /// The way to a direct path, once it is established.
    #[cfg_attr(
        not(feature = "traversal"),
        allow(dead_code, reason = "it is never there then")
    )]
    pub(crate) traversal: Option<Box<Traversal>>,
    /// Where the latest datagram went over a path: most go there.
    pub(crate) usual: Option<SocketAddr>,
    /// The path that carries data, once one is chosen.
    pub(crate) selected: Option<PathId>,
    /// That path as it was listened to last, where there are others.
    pub(crate) watched: Option<Watched>,
    /// When a path is tried again that could not be opened, and how often one could not.
    pub(crate) next_widening: Option<Instant>,
    pub(crate) narrow: u32,
    /// The search for another way, while there is one.
    pub(crate) search: Option<Search>,
    pub(crate) key_updates: u64,
    pub(crate) datagrams_dropped: u64,
    /// How streams ended of which the application has read the data but not the end.
    pub(crate) ended: BTreeMap<StreamId, Result<ReadOutcome, StreamError>>,
    min_rtt: Duration,
    /// What had arrived when the remote was listened to last.
    heard: Heard,
    /// Streams of which the application knows that they are readable.
    announced: BTreeSet<StreamId>,
    backlog: Backlog,
    paths: Few<PathId, SocketAddr>,
    /// Where a path led before it moved last: QUIC goes back there when the new address does not answer.
    pub(crate) left: Option<SocketAddr>,
    /// An address that the remote has left, and where it is now.
    #[cfg(feature = "traversal")]
    pub(crate) detour: Option<(SocketAddr, SocketAddr)>,
}

impl Connection {
    pub(crate) fn new(
        key: ConnectionKey,
        handle: ConnectionHandle,
        quic: noq_proto::Connection,
        deadline: Instant,
    ) -> Self {
        Self {
            key,
            handle,
            quic,
            phase: Phase::Handshaking,
            remote: None,
            source: None,
            origin: None,
            shaking_over: None,
            dial: None,
            alpn: Vec::new(),
            early: false,
            info: None,
            deadline,
            served_until: None,
            #[cfg(feature = "traversal")]
            control: false,
            network_changed: false,
            single_until: None,
            next_hastening: None,
            arrived: false,
            next_probe: None,
            wake: None,
            queued: false,
            known: Vec::new(),
            traversal: None,
            usual: None,
            selected: None,
            watched: None,
            next_widening: None,
            narrow: 0,
            search: None,
            key_updates: 0,
            datagrams_dropped: 0,
            ended: BTreeMap::new(),
            min_rtt: Duration::MAX,
            heard: Heard::default(),
            announced: BTreeSet::new(),
            backlog: Backlog::default(),
            paths: Few::default(),
            left: None,
            #[cfg(feature = "traversal")]
            detour: None,
        }
    }

    pub(crate) fn is_client(&self) -> bool {
        self.quic.side() == Side::Client
    }

    /// The dial is over; what it tried may serve as a further path: relays as backups, and sessions.
    pub(crate) fn keep_ways(&mut self, carriers: &CarrierTable) {
        let dial = self.dial.take();
        let targets = dial.iter().flat_map(Dial::targets);
        let kinds = [CarrierKind::Relay, CarrierKind::WebTransport].map(Some);
        let kept = targets.filter(|route| kinds.contains(&carriers.kind(route.carrier)));
        self.known.extend(kept);
    }

    /// Whether the remote has been heard since the last call. Anybody can send a datagram with an id of ours;
    /// only an authenticated packet has frames, and a copy of one is dropped before they are counted.
    pub(crate) fn has_heard(&mut self) -> bool {
        if !std::mem::take(&mut self.arrived) {
            return false;
        }
        let heard = Heard::of(&self.quic.stats().frame_rx);
        std::mem::replace(&mut self.heard, heard) != heard
    }

    /// Passes events between QUIC's connection, its endpoint and the application until there are none.
    pub(crate) fn pump(
        &mut self,
        endpoint: &mut Endpoint,
        carriers: &CarrierTable,
        found: &mut VecDeque<Found>,
    ) {
        let mut drained = false;
        loop {
            let mut quiet = true;
            while let Some(event) = self.quic.poll_endpoint_events() {
                quiet = false;
                drained |= event.is_drained();
                if let Some(answer) = endpoint.handle_event(self.handle, event) {
                    self.quic.handle_event(answer);
                }
            }
            while let Some(event) = self.quic.poll() {
                quiet = false;
                self.translate(event, carriers, found);
            }
            if quiet {
                break;
            }
        }
        if self.phase == Phase::Established {
            self.notice_migrations(carriers, found);
        }
        // A timeout or a stateless reset drains at once, before QUIC has said why: the reason goes first.
        if drained {
            found.push_back(Found::Milestone(Milestone::Drained));
        }
    }

    fn translate(
        &mut self,
        event: QuicEvent,
        carriers: &CarrierTable,
        found: &mut VecDeque<Found>,
    ) {
        let key = self.key;
        let mut push = |event| found.push_back(Found::Event(event));
        match event {
            QuicEvent::HandshakeDataReady => {
                found.push_back(Found::Milestone(Milestone::HandshakeData));
            }
            QuicEvent::Connected => found.push_back(Found::Milestone(Milestone::Connected)),
            QuicEvent::ConnectionLost { reason } => {
                found.push_back(Found::Milestone(Milestone::Lost(reason)));
            }
            QuicEvent::HandshakeConfirmed => {}
            QuicEvent::NatTraversal(_) => {
                found.push_back(Found::Milestone(Milestone::RemoteCandidates));
            }
            QuicEvent::DatagramReceived => {
                while let Some(bytes) = self.quic.datagrams().recv() {
                    push(Event::Datagram(key, bytes));
                }
            }
            QuicEvent::DatagramsUnblocked => push(Event::DatagramsUnblocked(key)),
            QuicEvent::Stream(event) => self.translate_stream(event, found),
            QuicEvent::Path(event) => self.translate_path(event, carriers, found),
        }
    }

    fn translate_stream(&mut self, event: StreamEvent, found: &mut VecDeque<Found>) {
        let key = self.key;
        let mut push = |event| found.push_back(Found::Event(event));
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(id) = self.quic.streams().accept(dir) {
                    push(Event::StreamOpened(key, id.into(), dir == Dir::Bi));
                    self.announced.insert(id);
                    push(Event::Readable(key, id.into()));
                }
            }
            StreamEvent::Readable { id } => {
                self.backlog.frame_arrived(id);
                if self.announced.insert(id) {
                    push(Event::Readable(key, id.into()));
                }
            }
            StreamEvent::Writable { id } => push(Event::Writable(key, id.into())),
            StreamEvent::Finished { id } => push(Event::StreamFinished(key, id.into())),
            StreamEvent::Stopped { id, error_code } => {
                push(Event::StreamStopped(
                    key,
                    id.into(),
                    error_code.into_inner(),
                ));
            }
            StreamEvent::Available { dir } => push(Event::StreamsAvailable(key, dir == Dir::Bi)),
        }
    }

    /// The application has read so much of a stream, and there was no more if it is `dry`.
    pub(crate) fn has_read(&mut self, id: StreamId, bytes: usize, dry: bool) {
        self.backlog.has_read(id, bytes > 0, dry);
        if dry {
            self.announced.remove(&id);
        }
    }

    /// The application will read no more of a stream.
    pub(crate) fn forget_stream(&mut self, id: StreamId) {
        self.announced.remove(&id);
        self.ended.remove(&id);
        self.backlog.forget(id);
    }

    /// The handshake is over, and with it the session's keys are the last ones.
    pub(crate) fn use_slack(&mut self, slack: Slack) {
        self.backlog.slack = slack;
    }

    fn translate_path(
        &mut self,
        event: PathEvent,
        carriers: &CarrierTable,
        found: &mut VecDeque<Found>,
    ) {
        let (path, change, address) = match event {
            PathEvent::Established { id, .. } => {
                let Ok(tuple) = self.quic.network_path(id) else {
                    return;
                };
                self.paths.insert(id, tuple.remote());
                (id, PathChange::Established, tuple.remote())
            }
            PathEvent::Abandoned { id, .. } => match self.paths.remove(&id) {
                Some(remote) => (id, PathChange::Closed, remote),
                None => return,
            },
            PathEvent::ObservedAddr { id, addr, .. } => {
                // What a virtual path's remote sees is no address at which anybody can be reached.
                let real = self
                    .quic
                    .network_path(id)
                    .is_ok_and(|tuple| !carriers.is_virtual(&to_mapped(tuple.remote())));
                if !real || carriers.is_virtual(&to_mapped(addr)) {
                    return;
                }
                let route = Route::socket(crate::carrier::MAIN_CARRIER, to_mapped(addr));
                found.push_back(Found::Event(self.path_event(
                    id,
                    PathChange::Observed,
                    route,
                )));
                return;
            }
            _ => return,
        };
        if let Some(route) = carriers.outward(address) {
            found.push_back(Found::Event(self.path_event(path, change, route)));
        }
        let established = (change == PathChange::Established).then_some(path);
        found.push_back(Found::Milestone(Milestone::Paths(established)));
    }

    /// QUIC tells of no passive migration, so the paths' remotes are compared with what was known.
    fn notice_migrations(&mut self, carriers: &CarrierTable, found: &mut VecDeque<Found>) {
        let rtt = self.quic.rtt(PathId::ZERO).unwrap_or(self.min_rtt);
        self.min_rtt = self.min_rtt.min(rtt);
        let mut moved = Vec::new();
        for (id, known) in self.paths.iter_mut() {
            let Ok(tuple) = self.quic.network_path(*id) else {
                continue;
            };
            if tuple.remote() != *known {
                self.left = Some(*known);
                *known = tuple.remote();
                moved.push((*id, *known));
            }
        }
        if !moved.is_empty() {
            found.push_back(Found::Milestone(Milestone::Paths(None)));
        }
        for (id, remote) in moved {
            if let Some(route) = carriers.outward(remote) {
                let event = self.path_event(id, PathChange::Migrated, route);
                found.push_back(Found::Event(event));
            }
        }
    }

    pub(crate) fn path_event(&self, path: PathId, change: PathChange, route: Route) -> Event {
        Event::Path {
            connection: self.key,
            path: number_of(path),
            change,
            route,
            rtt: self.quic.rtt(path).unwrap_or_default(),
        }
    }

    /// Where the paths lead, as QUIC knows it.
    pub(crate) fn path_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.paths.values().copied()
    }

    /// The paths that are established.
    pub(crate) fn path_ids(&self) -> impl Iterator<Item = PathId> {
        self.paths.keys().copied()
    }

    /// The path whose place another one has taken.
    #[cfg(feature = "traversal")]
    pub(crate) fn former(&self) -> Option<PathId> {
        self.traversal.as_ref()?.former
    }

    #[cfg(not(feature = "traversal"))]
    pub(crate) fn former(&self) -> Option<PathId> {
        None
    }

    /// Where a datagram goes that QUIC sends to an address.
    #[cfg(feature = "traversal")]
    pub(crate) fn destination(&self, address: SocketAddr) -> SocketAddr {
        self.detour
            .filter(|(old, _)| *old == address)
            .map_or(address, |(_, new)| new)
    }

    /// The same: a core without UDP knows no other way.
    #[cfg(not(feature = "traversal"))]
    pub(crate) const fn destination(&self, address: SocketAddr) -> SocketAddr {
        address
    }

    /// Whether a path leads to an address, or led there before it moved.
    #[cfg(feature = "traversal")]
    pub(crate) fn leads_to(&self, address: SocketAddr) -> bool {
        self.addresses().any(|known| known == address)
    }

    /// The path that the handshake used becomes known to the application.
    pub(crate) fn note_first_path(&mut self) -> Option<SocketAddr> {
        let remote = self.quic.network_path(PathId::ZERO).ok()?.remote();
        self.paths.insert(PathId::ZERO, remote);
        Some(remote)
    }

    /// Whether a path was given up before it was established. QUIC lists it for a while, and sends nothing there.
    #[cfg(feature = "traversal")]
    fn has_given_up(&self, path: PathId) -> bool {
        let traversal = self.traversal.as_ref();
        traversal.is_some_and(|traversal| traversal.challenged.has_given_up(path))
    }

    #[cfg(not(feature = "traversal"))]
    fn has_given_up(&self, _path: PathId) -> bool {
        false
    }

    /// The paths that QUIC lists, without those.
    pub(crate) fn live_paths(&self) -> impl Iterator<Item = PathId> {
        let listed = self.quic.paths().into_iter();
        listed.filter(|id| !self.has_given_up(*id))
    }

    /// The remote addresses that QUIC may send to.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let ids = self.live_paths();
        ids.filter_map(|id| Some(self.quic.network_path(id).ok()?.remote()))
            .chain(self.paths.values().copied())
            .chain(self.left)
            .chain(self.source)
    }

    pub(crate) fn stats(&mut self, carriers: &CarrierTable) -> ConnectionStats {
        let total = self.quic.stats();
        let mut stats = ConnectionStats {
            rtt: Duration::MAX,
            min_rtt: self.min_rtt,
            cwnd_bytes: 0,
            mtu_bytes: 0,
            bytes_sent: total.udp_tx.bytes,
            bytes_received: total.udp_rx.bytes,
            packets_sent: total.sent_packets,
            packets_received: total.udp_rx.datagrams,
            packets_lost: total.lost_packets,
            bytes_lost: total.lost_bytes,
            congestion_events: 0,
            black_holes: 0,
            streams_open: self.quic.streams().send_streams() as u64
                + self.quic.streams().remote_open_streams(Dir::Uni),
            group: self.info.as_ref().map_or(0, |info| info.group.into()),
            cipher: self.info.as_ref().map_or(0, |info| info.cipher.into()),
            key_updates: self.key_updates,
            datagrams_dropped: self.datagrams_dropped,
            paths: Vec::new(),
        };
        for id in self.live_paths().collect::<Vec<_>>() {
            self.add_path_stats(id, carriers, &mut stats);
        }
        if stats.rtt == Duration::MAX {
            stats.rtt = Duration::ZERO;
        }
        stats.min_rtt = stats.min_rtt.min(stats.rtt);
        stats
    }

    fn add_path_stats(&mut self, id: PathId, carriers: &CarrierTable, stats: &mut ConnectionStats) {
        let (Some(path), Ok(tuple), Ok(status)) = (
            self.quic.path_stats(id),
            self.quic.network_path(id),
            self.quic.path_status(id),
        ) else {
            return;
        };
        stats.cwnd_bytes += path.cwnd;
        stats.congestion_events += path.congestion_events;
        stats.black_holes += path.black_holes_detected;
        if path.rtt < stats.rtt {
            stats.rtt = path.rtt;
            stats.mtu_bytes = path.current_mtu;
        }
        if let Some(route) = carriers.outward(tuple.remote()) {
            stats.paths.push(PathStats {
                path: number_of(id),
                route,
                rtt: path.rtt,
                mtu_bytes: path.current_mtu,
                bytes_sent: path.udp_tx.bytes,
                bytes_received: path.udp_rx.bytes,
                packets_lost: path.lost_packets,
                status,
            });
        }
    }
}

/// The number of a path, which `noq_proto` shows in its wire form only: a variable-length integer
/// ([RFC 9000 § 16]).
///
/// [RFC 9000 § 16]: https://www.rfc-editor.org/rfc/rfc9000#section-16
pub(crate) fn number_of(path: PathId) -> u32 {
    let mut bytes = Vec::with_capacity(8);
    path.encode(&mut bytes);
    let Some((first, rest)) = bytes.split_first() else {
        return 0;
    };
    rest.iter().fold(u32::from(first & 0x3f), |number, byte| {
        (number << 8) | u32::from(*byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paths_number_is_read_from_its_wire_form() {
        for number in [0_u32, 1, 63, 64, 16_383, 16_384, 1 << 29] {
            assert_eq!(number_of(PathId::from(number)), number);
        }
    }
}
