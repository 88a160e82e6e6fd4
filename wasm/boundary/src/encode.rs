//! What goes out: events, packets, figures, tickets and records.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use anypath_peer::carrier::Route;
#[cfg(feature = "node")]
use anypath_peer::event::Search;
use anypath_peer::event::{Connected, Event, Outbox};
use anypath_peer::pkarr::Record;
use anypath_peer::relay::{RelayId, RelayStatus};
use anypath_peer::stats::{ConnectionStats, PathStats, PeerStats};
#[cfg(feature = "node")]
use anypath_peer::web_transport::{CertificateHash, SessionRequest};
use anypath_wire::address::{encode_with_segment_size, to_mapped};
use anypath_wire::record::RecordWriter;
use anypath_wire::ticket::{Ticket, TicketAddress};

const TRANSMIT: u8 = 1;
const CONNECTED: u8 = 2;
const CLOSED: u8 = 3;
const STREAM_OPENED: u8 = 4;
const READABLE: u8 = 5;
const WRITABLE: u8 = 6;
const STREAM_FINISHED: u8 = 7;
const STREAM_STOPPED: u8 = 8;
const STREAMS_AVAILABLE: u8 = 9;
const DATAGRAM: u8 = 10;
const DATAGRAMS_UNBLOCKED: u8 = 11;
const PATH: u8 = 12;
const STATE: u8 = 13;
const INCOMING: u8 = 14;
const LOG: u8 = 15;
const QLOG: u8 = 16;
const EARLY_DATA: u8 = 17;
const DRAINED: u8 = 18;
const RELAY_OPEN: u8 = 19;
const RELAY_SEND: u8 = 20;
const RELAY_CLOSE: u8 = 21;
const RELAY: u8 = 22;
const DISCOVER: u8 = 23;
const SOCKET_OPEN: u8 = 24;
const SOCKET_CLOSE: u8 = 25;
#[cfg(feature = "node")]
const SESSION_REQUESTED: u8 = 26;
#[cfg(feature = "node")]
const SEARCH: u8 = 27;

/// Writes records one after another.
pub(crate) struct Records<'a>(pub(crate) &'a mut Vec<u8>);

impl Outbox for Records<'_> {
    fn transmit(
        &mut self,
        carrier: u32,
        address: SocketAddrV6,
        segment_bytes: usize,
        datagrams: &[u8],
    ) {
        let mut record = RecordWriter::begin(self.0, TRANSMIT, carrier);
        put_address(record.buffer(), address, segment_bytes as u16);
        record.raw(datagrams);
    }

    fn relay_open(&mut self, relay: RelayId, url: &str) {
        RecordWriter::begin(self.0, RELAY_OPEN, relay).raw(url.as_bytes());
    }

    fn relay_send(&mut self, relay: RelayId, head: &[u8], body: &[u8]) {
        RecordWriter::begin(self.0, RELAY_SEND, relay)
            .raw(head)
            .raw(body);
    }

    fn relay_close(&mut self, relay: RelayId) {
        RecordWriter::begin(self.0, RELAY_CLOSE, relay);
    }

    fn socket_open(&mut self, carrier: u32) {
        RecordWriter::begin(self.0, SOCKET_OPEN, carrier);
    }

    fn socket_close(&mut self, carrier: u32) {
        RecordWriter::begin(self.0, SOCKET_CLOSE, carrier);
    }

    fn event(&mut self, event: Event) {
        let out = &mut *self.0;
        let stream = |out, kind, key, stream: u64| {
            RecordWriter::begin(out, kind, key).f64(stream as f64);
        };
        match event {
            Event::Connected(key, connected) => connection_made(out, key, &connected),
            Event::Closed(key, reason) => {
                let mut record = RecordWriter::begin(out, CLOSED, key);
                record.u16(reason.code.number()).u8(reason.by as u8);
                record.f64(reason.wire_code as f64);
                record.str16(&reason.reason);
            }
            Event::StreamOpened(key, id, bidirectional) => {
                let mut record = RecordWriter::begin(out, STREAM_OPENED, key);
                record.f64(id as f64).u8(bidirectional.into());
            }
            Event::Readable(key, id) => stream(out, READABLE, key, id),
            Event::Writable(key, id) => stream(out, WRITABLE, key, id),
            Event::StreamFinished(key, id) => stream(out, STREAM_FINISHED, key, id),
            Event::StreamStopped(key, id, code) => {
                let mut record = RecordWriter::begin(out, STREAM_STOPPED, key);
                record.f64(id as f64).f64(code as f64);
            }
            Event::StreamsAvailable(key, bidirectional) => {
                RecordWriter::begin(out, STREAMS_AVAILABLE, key).u8(bidirectional.into());
            }
            Event::Datagram(key, bytes) => {
                RecordWriter::begin(out, DATAGRAM, key).raw(&bytes);
            }
            Event::DatagramsUnblocked(key) => {
                RecordWriter::begin(out, DATAGRAMS_UNBLOCKED, key);
            }
            Event::EarlyData(key, accepted) => {
                RecordWriter::begin(out, EARLY_DATA, key).u8(accepted.into());
            }
            Event::Drained(key) => {
                RecordWriter::begin(out, DRAINED, key);
            }
            Event::Qlog(key, bytes) => {
                RecordWriter::begin(out, QLOG, key).raw(&bytes);
            }
            Event::Discover(key) => {
                RecordWriter::begin(out, DISCOVER, key);
            }
            // What follows from it, other candidates, the core does itself.
            Event::Reflexive => {}
            Event::Relay(id, status) => relay(out, id, &status),
            #[cfg(feature = "node")]
            Event::Search(key, search) => put_search(out, key, &search),
            #[cfg(feature = "node")]
            Event::SessionRequested {
                session,
                route,
                request,
            } => session_requested(out, session, &route, &request),
            Event::Path { .. } | Event::State(..) | Event::Incoming { .. } => place(out, &event),
        }
    }
}

/// The events about where a connection leads.
fn place(out: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Path {
            connection,
            path,
            change,
            route,
            rtt,
        } => {
            let mut record = RecordWriter::begin(out, PATH, *connection);
            record.u32(*path).u8(*change as u8).u32(route.carrier);
            put_remote(record.buffer(), route);
            record.f64(millis(*rtt));
        }
        Event::State(key, step) => {
            let mut record = RecordWriter::begin(out, STATE, *key);
            record.u8(step.from as u8).u8(step.to as u8);
            record.u8(step.cause as u8).f64(millis(step.elapsed));
        }
        Event::Incoming {
            incoming,
            route,
            validated,
        } => {
            let mut record = RecordWriter::begin(out, INCOMING, *incoming);
            put_remote(record.buffer(), route);
            record.u8((*validated).into()).u32(route.carrier);
        }
        _ => {}
    }
}

fn connection_made(out: &mut Vec<u8>, key: u32, connected: &Connected) {
    let mut record = RecordWriter::begin(out, CONNECTED, key);
    record.raw(connected.remote_id.as_bytes());
    record
        .u8(connected.incoming.into())
        .u8(connected.early.into());
    record.u16(connected.group).u16(connected.cipher);
    record.u8(connected.resumed.into());
    record.u32(connected.route.carrier);
    put_remote(record.buffer(), &connected.route);
    record.f64(millis(connected.rtt));
    put_short(record.buffer(), &connected.alpn);
}

fn relay(out: &mut Vec<u8>, id: RelayId, status: &RelayStatus) {
    let mut record = RecordWriter::begin(out, RELAY, id);
    let ms = |duration: Option<Duration>| duration.map_or(f64::NAN, millis);
    record.u8(status.state as u8).u8(status.home.into());
    record.u8(status.cause as u8);
    record.f64(ms(status.latency)).f64(ms(status.retry_in));
    record.str16(&status.url).str16(&status.detail);
}

#[cfg(feature = "node")]
fn put_search(out: &mut Vec<u8>, key: u32, search: &Search) {
    let mut record = RecordWriter::begin(out, SEARCH, key);
    record.u8(search.by_collision.into()).u8(search.found as u8);
    record.u32(search.round).u16(search.addresses);
    record.u32(search.probes).f64(millis(search.elapsed));
    if let Some(route) = &search.route {
        put_remote(record.buffer(), route);
    }
}

#[cfg(feature = "node")]
fn session_requested(out: &mut Vec<u8>, session: u32, route: &Route, request: &SessionRequest) {
    let mut record = RecordWriter::begin(out, SESSION_REQUESTED, session);
    record.u32(route.carrier);
    put_remote(record.buffer(), route);
    record.str16(&request.authority).str16(&request.path);
    record.str16(&request.origin);
}

/// The certificates that browsers are shown: of now, and the next.
#[cfg(feature = "node")]
pub(crate) fn certificates(out: &mut Vec<u8>, hashes: &[CertificateHash]) {
    for hash in hashes {
        out.extend_from_slice(&hash.sha256);
        put_figures(out, &[millis(hash.shown_from), millis(hash.shown_until)]);
    }
}

/// A line of the log.
pub(crate) fn log(out: &mut Vec<u8>, level: u8, target: &str, message: &str) {
    let mut record = RecordWriter::begin(out, LOG, 0);
    record.u8(level);
    record.str16(target).str16(message);
}

pub(crate) fn connection_stats(out: &mut Vec<u8>, stats: &ConnectionStats) {
    let figures = [
        millis(stats.rtt),
        millis(stats.min_rtt),
        stats.cwnd_bytes as f64,
        stats.mtu_bytes.into(),
        stats.bytes_sent as f64,
        stats.bytes_received as f64,
        stats.packets_sent as f64,
        stats.packets_received as f64,
        stats.packets_lost as f64,
        stats.bytes_lost as f64,
        stats.congestion_events as f64,
        stats.black_holes as f64,
        stats.streams_open as f64,
        stats.group.into(),
        stats.cipher.into(),
        stats.paths.len() as f64,
        stats.key_updates as f64,
        stats.datagrams_dropped as f64,
    ];
    put_figures(out, &figures);
    out.extend((stats.paths.len() as u16).to_le_bytes());
    for path in &stats.paths {
        path_stats(out, path);
    }
}

fn path_stats(out: &mut Vec<u8>, path: &PathStats) {
    out.extend(path.path.to_le_bytes());
    out.extend(path.route.carrier.to_le_bytes());
    put_remote(out, &path.route);
    let figures = [
        millis(path.rtt),
        path.mtu_bytes.into(),
        path.bytes_sent as f64,
        path.bytes_received as f64,
        path.packets_lost as f64,
    ];
    put_figures(out, &figures);
    out.push(path.status as u8);
}

pub(crate) fn peer_stats(out: &mut Vec<u8>, stats: &PeerStats, memory_bytes: f64) {
    let figures = [
        stats.connections,
        stats.handshakes,
        stats.datagrams_received,
        stats.datagrams_sent,
        stats.bytes_received,
        stats.bytes_sent,
        stats.malformed_dropped,
        stats.unroutable_dropped,
        stats.virtual_dropped,
        stats.retries_sent,
        stats.refused,
        stats.resets_sent,
        stats.dials_started,
        stats.dials_failed,
        stats.dials_succeeded,
        stats.accepted,
        stats.incoming_bytes_buffered,
    ];
    let of_relays = [
        stats.relays_connected,
        stats.relay_messages_sent,
        stats.relay_messages_received,
        stats.relay_bytes_sent,
        stats.relay_bytes_received,
        stats.relay_dropped,
    ];
    put_figures(out, &figures.map(|figure| figure as f64));
    put_figures(out, &[memory_bytes]);
    put_figures(out, &of_relays.map(|figure| figure as f64));
    let services = [
        stats.stun_answered,
        stats.stun_limited,
        stats.discovery_clients,
        stats.discoveries,
    ];
    put_figures(out, &services.map(|figure| figure as f64));
    let of_traversal = [
        stats.traversal_rounds,
        stats.traversals_succeeded,
        stats.traversals_failed,
        stats.traversal_ms,
        stats.probes_sent,
        stats.probes_forbidden,
        stats.probes_limited,
        stats.direct_paths_lost,
    ];
    put_figures(out, &of_traversal.map(|figure| figure as f64));
    #[cfg(feature = "node")]
    {
        put_reflexive_figures(out, stats);
        put_birthday_figures(out, &stats.birthday);
        put_web_transport_figures(out, &stats.web_transport);
        for by_nat in &stats.searches {
            let figures = [
                by_nat.told,
                by_nat.peer_reflexive,
                by_nat.birthday,
                by_nat.failed,
            ];
            put_figures(out, &figures.map(|figure| figure as f64));
        }
    }
}

#[cfg(feature = "node")]
fn put_web_transport_figures(out: &mut Vec<u8>, stats: &anypath_peer::stats::WebTransportStats) {
    let figures = [
        stats.sessions,
        stats.accepted,
        stats.refused,
        stats.faults,
        stats.datagrams_dropped,
    ];
    put_figures(out, &figures.map(|figure| figure as f64));
}

#[cfg(feature = "node")]
fn put_birthday_figures(out: &mut Vec<u8>, stats: &anypath_peer::stats::BirthdayStats) {
    let figures = [
        stats.controls_dialled,
        stats.controls_refused,
        stats.controls_malformed,
        stats.attempts,
        stats.hits,
        stats.misses,
        stats.attempts_refused,
        stats.probes_sent,
        stats.probes_received,
        stats.probes_forged,
        stats.probes_late,
        stats.sockets_opened,
        stats.sockets_failed,
        stats.foreign_dropped,
    ];
    put_figures(out, &figures.map(|figure| figure as f64));
}

/// Who sees this peer where; see `docs/boundary.md`.
#[cfg(feature = "node")]
pub(crate) fn observations(out: &mut Vec<u8>, observations: &[anypath_peer::mapping::Observation]) {
    out.extend((observations.len() as u16).to_le_bytes());
    for told in observations {
        out.push(told.observer as u8);
        put_address(out, told.server, 0);
        put_address(out, told.mapped, 0);
        put_figures(out, &[told.rtt_ms.unwrap_or(f64::NAN)]);
    }
}

/// What only a core that asks for its own address counts; without them the record is shorter.
#[cfg(feature = "node")]
fn put_reflexive_figures(out: &mut Vec<u8>, stats: &PeerStats) {
    let figures = [
        stats.stun_requests_sent,
        stats.stun_requests_answered,
        stats.stun_forged,
        stats.stun_timeouts,
        stats.discovery_connects,
        stats.discovery_observations,
        stats.direct_paths_opened,
        stats.observed_limited,
    ];
    put_figures(out, &figures.map(|figure| figure as f64));
}

pub(crate) fn ticket(out: &mut Vec<u8>, ticket: &Ticket) {
    out.extend_from_slice(ticket.id().as_bytes());
    out.extend(u32::from(ticket.marker().is_some()).to_le_bytes());
    out.extend((ticket.addresses().len() as u16).to_le_bytes());
    for address in ticket.addresses() {
        match address {
            TicketAddress::Relay(url) => {
                out.push(0);
                put_bytes(out, url.as_bytes());
            }
            TicketAddress::Ip(address) => {
                out.push(1);
                put_address(out, to_mapped(*address), 0);
            }
            TicketAddress::Custom { transport_id, data } => {
                out.push(2);
                out.extend(transport_id.to_le_bytes());
                put_bytes(out, data);
            }
            TicketAddress::Unknown { count, bytes } => {
                out.push(3);
                let count = (*count as u16).to_le_bytes();
                put_bytes(out, &[&count, bytes.as_slice()].concat());
            }
        }
    }
}

/// The address of a route's remote; all zero behind a relay.
fn put_remote(out: &mut Vec<u8>, route: &Route) {
    let nowhere = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
    put_address(out, route.address.socket().unwrap_or(nowhere), 0);
}

/// A record that was read and is signed.
pub(crate) fn record(out: &mut Vec<u8>, record: &Record) {
    let user_data = record.info.user_data();
    out.extend(record.timestamp.to_le_bytes());
    out.push(user_data.is_some().into());
    put_bytes(out, user_data.unwrap_or_default().as_bytes());
    ticket(out, &record.info.endpoint);
}

fn put_address(out: &mut Vec<u8>, address: SocketAddrV6, segment_bytes: u16) {
    out.extend(encode_with_segment_size(address.into(), segment_bytes));
}

fn put_figures(out: &mut Vec<u8>, figures: &[f64]) {
    for figure in figures {
        out.extend(figure.to_le_bytes());
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
