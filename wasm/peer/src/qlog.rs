//! What happens on each connection, as a qlog: JSON text sequences ([RFC 7464]) by the schemas of
//! [draft-ietf-quic-qlog-main-schema] and [draft-ietf-quic-qlog-quic-events].
//!
//! ```text
//! tls::recorder (every packet sealed and opened) -> Tape -> Qlogs -> Event::Qlog
//! Peer          (events, figures of the paths)   ----------^
//! ```
//!
//! Keys, tokens, and what applications send are never in it; how much they send, and the reasons that they
//! give for closing, are. The `anypath:` events are this project's own.
//!
//! [RFC 7464]: https://www.rfc-editor.org/rfc/rfc7464
//! [draft-ietf-quic-qlog-main-schema]: https://datatracker.ietf.org/doc/draft-ietf-quic-qlog-main-schema/
//! [draft-ietf-quic-qlog-quic-events]: https://datatracker.ietf.org/doc/draft-ietf-quic-qlog-quic-events/

mod error;
mod frame;
mod json;
mod packet;
mod parameters;
mod path;
mod tape;
mod timestamp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anypath_wire::address::from_mapped;
use noq_proto::Side;

use self::json::Object;
pub(crate) use self::packet::{Level, Packet};
pub(crate) use self::parameters::Parameters;
use self::path::Figures;
pub(crate) use self::tape::{Kind, Tape};
use self::timestamp::rfc_3339;
use crate::carrier::{Address, Route};
use crate::clock::Instant;
use crate::event::{ConnectionKey, Event, Outbox, PathChange};
use crate::tls::Recorder;

/// The drafts whose words are used, and the schema of this project's own.
const EVENT_SCHEMAS: [&str; 2] = [
    "urn:ietf:params:qlog:events:quic-12",
    "urn:anypath:qlog:events:anypath",
];

/// A qlog that nobody takes grows to this length; from there on packets are counted and dropped.
const MAX_BYTES: usize = 8 << 20;

/// The qlogs of a peer's connections.
#[derive(Default)]
pub(crate) struct Qlogs(BTreeMap<ConnectionKey, Qlog>);

/// What is known of a connection at its start.
pub(crate) struct Beginning {
    pub(crate) side: Side,
    pub(crate) remote: Option<Route>,
    pub(crate) now: Instant,
    /// Unix time of `now`.
    pub(crate) unix_ms: u64,
}

impl Qlogs {
    /// Begins the qlog of a connection whose packets `recorder` hears of; none when it hears of none.
    pub(crate) fn begin(&mut self, key: ConnectionKey, recorder: Recorder, beginning: &Beginning) {
        if !recorder.is_on() {
            return;
        }
        let mut log = Qlog::new(key, recorder, beginning);
        log.collect(beginning.now);
        self.0.insert(key, log);
    }

    /// Takes over what was recorded since the last time, as having happened now.
    pub(crate) fn collect(&mut self, key: ConnectionKey, now: Instant) {
        if let Some(log) = self.0.get_mut(&key) {
            log.collect(now);
        }
    }

    /// As [`Qlogs::collect`], and looks at the figures of each path.
    pub(crate) fn observe(
        &mut self,
        key: ConnectionKey,
        quic: &mut noq_proto::Connection,
        now: Instant,
    ) {
        if let Some(log) = self.0.get_mut(&key) {
            log.collect(now);
            let time = log.time(now);
            log.figures.observe(quic, time, &mut log.out);
        }
    }

    /// Hears what the application is told; the qlog of a forgotten connection is handed over first.
    pub(crate) fn tell(&mut self, event: &Event, now: Instant, outbox: &mut impl Outbox) {
        match event {
            Event::Connected(key, connected) if !connected.early => {
                self.write(*key, now, |log, time| log.connected(time, connected));
            }
            Event::Path {
                connection,
                path,
                change,
                route,
                ..
            } => self.write(*connection, now, |log, time| {
                log.path(time, *path, *change, *route);
            }),
            Event::State(key, transition) => {
                let (from, to) = (transition.from, transition.to);
                self.event(*key, now, "anypath:session_state_updated", |data| {
                    data.text("old", &lower_case(&from))
                        .text("new", &lower_case(&to));
                    data.text("cause", &lower_case(&transition.cause));
                    data.millis("elapsed", transition.elapsed);
                });
            }
            Event::EarlyData(key, accepted) => {
                self.event(*key, now, "anypath:early_data_answered", |data| {
                    data.flag("accepted", *accepted);
                });
            }
            Event::Closed(key, reason) => {
                self.event(*key, now, "quic:connection_closed", |data| {
                    error::write_closed(data, reason);
                });
            }
            Event::Drained(key) => {
                if let Some(mut log) = self.0.remove(key) {
                    log.collect(now);
                    outbox.event(Event::Qlog(*key, log.out.into_bytes()));
                }
            }
            _ => {}
        }
    }

    /// Hands over what has been written.
    pub(crate) fn flush(&mut self, outbox: &mut impl Outbox) {
        for (key, log) in &mut self.0 {
            if !log.out.is_empty() {
                let bytes = std::mem::take(&mut log.out).into_bytes();
                outbox.event(Event::Qlog(*key, bytes));
            }
        }
    }

    fn write(&mut self, key: ConnectionKey, now: Instant, write: impl FnOnce(&mut Qlog, Duration)) {
        if let Some(log) = self.0.get_mut(&key) {
            log.collect(now);
            let time = log.time(now);
            write(log, time);
        }
    }

    fn event(
        &mut self,
        key: ConnectionKey,
        now: Instant,
        name: &str,
        data: impl FnOnce(&mut Object<'_>),
    ) {
        self.write(key, now, |log, time| event(&mut log.out, time, name, data));
    }
}

/// The qlog of a connection.
struct Qlog {
    /// What has not been handed over.
    out: String,
    start: Instant,
    recorder: Recorder,
    figures: Figures,
}

impl Qlog {
    fn new(key: ConnectionKey, recorder: Recorder, beginning: &Beginning) -> Self {
        let mut out = String::new();
        let group = match recorder.original_dcid() {
            Some(id) => hex(&id),
            None => format!("connection-{key}"),
        };
        write_file_header(&mut out, beginning, &group);
        event(
            &mut out,
            Duration::ZERO,
            "quic:connection_started",
            |data| {
                data.object("local");
                let mut remote = data.object("remote");
                if let Some(route) = beginning.remote {
                    whereabouts(&mut remote, route);
                }
            },
        );
        Self {
            out,
            start: beginning.now,
            recorder,
            figures: Figures::default(),
        }
    }

    fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    fn collect(&mut self, now: Instant) {
        if self.out.len() > MAX_BYTES {
            return;
        }
        let time = self.time(now);
        let out = &mut self.out;
        self.recorder.empty(|tape| {
            for (kind, data) in tape.records() {
                event_of_json(out, time, kind.name(), data);
            }
            if tape.dropped() > 0 {
                event(out, time, "anypath:packets_dropped", |data| {
                    data.number("count", tape.dropped());
                });
            }
        });
    }

    fn connected(&mut self, time: Duration, connected: &crate::event::Connected) {
        let out = &mut self.out;
        event(out, time, "quic:connection_state_updated", |data| {
            data.text("new", "handshake_complete");
        });
        event(out, time, "quic:alpn_information", |data| {
            let mut chosen = data.object("chosen_alpn");
            chosen.hex("byte_value", &connected.alpn);
            if let Ok(text) = std::str::from_utf8(&connected.alpn) {
                chosen.text("string_value", text);
            }
        });
        event(out, time, "anypath:handshake_completed", |data| {
            data.number("tls_group", connected.group);
            data.number("tls_cipher", connected.cipher);
            data.flag("resumed", connected.resumed);
        });
    }

    fn path(&mut self, time: Duration, path: u32, change: PathChange, route: Route) {
        let out = &mut self.out;
        let tuple = path.to_string();
        match change {
            PathChange::Established => event(out, time, "quic:tuple_assigned", |data| {
                data.text("tuple_id", &tuple);
                whereabouts(&mut data.object("tuple_remote"), route);
            }),
            PathChange::Closed => event(out, time, "quic:tuple_assigned", |data| {
                data.text("tuple_id", &tuple);
            }),
            PathChange::Migrated => {
                event(out, time, "quic:migration_state_updated", |data| {
                    data.text("new", "migration_complete");
                    data.text("tuple_id", &tuple);
                    whereabouts(&mut data.object("tuple_remote"), route);
                });
            }
            PathChange::Selected => {
                event(out, time, "anypath:path_selected", |data| {
                    data.text("tuple_id", &tuple);
                    whereabouts(&mut data.object("tuple_remote"), route);
                });
            }
            PathChange::Observed => {
                event(out, time, "anypath:address_observed", |data| {
                    data.text("tuple_id", &tuple);
                    whereabouts(&mut data.object("tuple_local"), route);
                });
            }
        }
    }
}

fn write_file_header(out: &mut String, beginning: &Beginning, group: &str) {
    record(out, |file| {
        file.text("file_schema", "urn:ietf:params:qlog:file:sequential");
        file.text("serialization_format", "application/qlog+json-seq");
        file.text("title", "anypath");
        let mut trace = file.object("trace");
        {
            let mut common = trace.object("common_fields");
            common.text("group_id", group);
            common.text("time_format", "relative_to_epoch");
            let mut reference = common.object("reference_time");
            reference.text("clock_type", "monotonic");
            reference.text("epoch", "unknown");
            reference.text("wall_clock_time", &rfc_3339(beginning.unix_ms));
        }
        trace.object("vantage_point").text(
            "type",
            match beginning.side {
                Side::Client => "client",
                Side::Server => "server",
            },
        );
        let mut schemas = trace.list("event_schemas");
        for schema in EVENT_SCHEMAS {
            schemas.text(schema);
        }
    });
}

/// Appends an event.
fn event(out: &mut String, time: Duration, name: &str, data: impl FnOnce(&mut Object<'_>)) {
    record(out, |event| {
        event.millis("time", time).text("name", name);
        data(&mut event.object("data"));
    });
}

/// Appends an event whose data is JSON already.
fn event_of_json(out: &mut String, time: Duration, name: &str, data: &str) {
    record(out, |event| {
        event.millis("time", time).text("name", name);
        event.json("data", data);
    });
}

/// Appends a text of the sequence ([RFC 7464 § 2.2]).
///
/// [RFC 7464 § 2.2]: https://www.rfc-editor.org/rfc/rfc7464#section-2.2
fn record(out: &mut String, write: impl FnOnce(&mut Object<'_>)) {
    out.push('\x1e');
    write(&mut Object::begin(out));
    out.push('\n');
}

/// Writes where a route leads; behind a relay that is the remote's id.
fn whereabouts(object: &mut Object<'_>, route: Route) {
    match route.address {
        Address::Socket(address) => endpoint(object, from_mapped(address)),
        Address::Endpoint(id) => {
            object.number("anypath_relay", route.carrier);
            object.text("anypath_id", &id.to_string());
        }
    }
}

/// Writes the fields of an address.
fn endpoint(object: &mut Object<'_>, address: SocketAddr) {
    let (ip, port) = match address {
        SocketAddr::V4(_) => ("ip_v4", "port_v4"),
        SocketAddr::V6(_) => ("ip_v6", "port_v6"),
    };
    object.text(ip, &address.ip().to_string());
    object.number(port, address.port());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lower_case(variant: &impl std::fmt::Debug) -> String {
    let mut name = String::new();
    for character in format!("{variant:?}").chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    name
}
