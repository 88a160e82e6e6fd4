//! WebTransport over HTTP/3 ([draft-ietf-webtrans-http3]): sessions that browsers open to this peer.
//!
//! Their clients are anonymous: they know this peer by the hash of a certificate, and show none. A QUIC connection whose client offers `h3` is
//! no peer's; the application hears of the sessions on it, each of which has a key of its own among those of connections.
//!
//! Here is what is known of such connections; [`crate::peer`] moves the bytes.
//!
//! [draft-ietf-webtrans-http3]: https://datatracker.ietf.org/doc/draft-ietf-webtrans-http3/

pub(crate) mod certificate;
pub(crate) mod framing;
pub(crate) mod request;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anypath_wire::http3::frame::{self, FrameHead};
use anypath_wire::http3::{capsule, error, settings, stream};
use anypath_wire::varint::write_varint;

pub use certificate::CertificateHash;
pub use request::SessionRequest;

use crate::carried::Packets;
use crate::carrier::Route;
use crate::clock::Instant;
use crate::config::WebTransportConfig;
use crate::event::ConnectionKey;
use certificate::Certificates;
use framing::{Framer, Treatment};

/// Sessions on one connection. Browsers open one each, for such certificates are never pooled.
pub(crate) const SESSIONS_PER_CONNECTION: usize = 16;

/// Requests on one connection whose fields have not all come, or that came before the settings.
pub(crate) const REQUESTS_PER_CONNECTION: usize = 16;

/// How long a connection may be without a session.
pub(crate) const WITHOUT_SESSION: Duration = Duration::from_secs(10);

/// The largest section of fields, and the largest frame that holds one.
pub(crate) const MAX_FIELDS: usize = 16 << 10;

/// The largest frame on a control stream that is looked at.
const MAX_CONTROL_FRAME: u64 = 1024;

/// The largest datagram in a capsule: no larger than those that need none.
const MAX_DATAGRAM: u64 = 2048;

/// Unidirectional streams that a client needs beside those of the application: control, encoder, decoder, and one that is ignored.
pub(crate) const OWN_STREAMS: u32 = 4;

/// The HTTP/3 connections and the sessions on them.
pub(crate) struct Listener {
    pub(crate) limit: usize,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) connections: BTreeMap<ConnectionKey, Http3>,
    pub(crate) sessions: BTreeMap<ConnectionKey, Session>,
}

impl Listener {
    pub(crate) fn new(config: &WebTransportConfig, certificates: Arc<Certificates>) -> Self {
        Self {
            limit: config.sessions,
            certificates,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// The session of a connection whose CONNECT stream is this one.
    pub(crate) fn session_on(
        &self,
        connection: ConnectionKey,
        connect: u64,
    ) -> Option<ConnectionKey> {
        let connection = self.connections.get(&connection)?;
        connection.sessions.get(&connect).copied()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// One HTTP/3 connection.
#[derive(Debug)]
pub(crate) struct Http3 {
    /// Whether this side's settings are sent.
    pub(crate) greeted: bool,
    /// Whether the client's settings have come.
    pub(crate) settled: bool,
    /// The client's streams of which there may be one each, by their types.
    pub(crate) critical: BTreeMap<u64, u64>,
    /// What each stream is.
    pub(crate) roles: BTreeMap<u64, Role>,
    /// The sessions, by their CONNECT streams.
    pub(crate) sessions: BTreeMap<u64, ConnectionKey>,
    /// What has still to be written to a stream, and whether it ends then.
    pub(crate) unwritten: BTreeMap<u64, Unwritten>,
    /// When it is closed unless there is a session.
    pub(crate) until: Option<Instant>,
    /// The id of the client's next bidirectional stream.
    pub(crate) next_request: u64,
}

impl Http3 {
    pub(crate) fn new(until: Instant) -> Self {
        Self {
            greeted: false,
            settled: false,
            critical: BTreeMap::new(),
            roles: BTreeMap::new(),
            sessions: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            until: Some(until),
            next_request: 0,
        }
    }

    /// How many requests wait for something before the application can be asked.
    pub(crate) fn unfinished_requests(&self) -> usize {
        let roles = self.roles.values();
        roles
            .filter(|role| matches!(role, Role::Request(_) | Role::Early(_)))
            .count()
    }

    /// The streams that wait for a session which has not been asked for yet.
    pub(crate) fn held_for(&self, connect: u64) -> Vec<(u64, bool)> {
        let held = self.roles.iter();
        held.filter_map(|(id, role)| match role {
            Role::Held { session, both } if *session == connect => Some((*id, *both)),
            _ => None,
        })
        .collect()
    }
}

/// What waits for flow control.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    pub(crate) bytes: VecDeque<u8>,
    pub(crate) finish: bool,
}

/// What a stream is.
#[derive(Debug)]
pub(crate) enum Role {
    /// Nobody knows yet; `both` when it is bidirectional.
    Unknown { both: bool, head: Vec<u8> },
    /// The client's control stream.
    Control(Framer),
    /// Instructions to a dynamic table, of which there is none.
    Encoder,
    /// What is read and says nothing.
    Ignored,
    /// A request of which the fields have not come.
    Request(Framer),
    /// A request for a session that came before the client's settings.
    Early(SessionRequest),
    /// The CONNECT stream of a session.
    Connect {
        session: ConnectionKey,
        frames: Framer,
        capsules: Framer,
    },
    /// A stream of a session whose request has not come.
    Held { session: u64, both: bool },
    /// A session's stream.
    Data(ConnectionKey),
    /// A stream of packets, of a session that is a carrier.
    Packets {
        session: ConnectionKey,
        packets: Packets,
    },
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The application is asked, until then.
    Asked(Instant),
    /// It carries streams and datagrams.
    Open,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: ConnectionKey,
    /// Its CONNECT stream, which is its id on the wire.
    pub(crate) connect: u64,
    pub(crate) stage: Stage,
    pub(crate) second_draft: bool,
    /// Its streams and which of their sides are not over.
    pub(crate) streams: BTreeMap<u64, Sides>,
    /// What it is if it carries packets of peers, and nothing that an application hears of.
    pub(crate) carrier: Option<Carrier>,
}

/// A session that is a carrier.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// By which the connections that use it know it.
    pub(crate) route: Route,
    /// This side's stream, for packets that fit into no datagram.
    pub(crate) stream: Option<u64>,
    /// When it is closed unless a connection uses it.
    pub(crate) until: Instant,
}

/// The sides of a stream that are not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) sends: bool,
    pub(crate) receives: bool,
}

impl Session {
    /// What this side's datagrams begin with: a quarter of the id of the CONNECT stream ([RFC 9297 § 2.1]).
    ///
    /// [RFC 9297 § 2.1]: https://www.rfc-editor.org/rfc/rfc9297#section-2.1
    pub(crate) fn datagram_head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(8);
        write_varint(self.connect / 4, &mut head);
        head
    }

    /// What this side's streams begin with.
    pub(crate) fn stream_head(&self, both: bool) -> Vec<u8> {
        let mut head = Vec::with_capacity(16);
        let kind = match both {
            true => anypath_wire::http3::WEB_TRANSPORT_STREAM,
            false => stream::WEB_TRANSPORT,
        };
        write_varint(kind, &mut head);
        write_varint(self.connect, &mut head);
        head
    }

    /// A side of a stream is over; the stream is forgotten when both are.
    pub(crate) fn side_over(&mut self, stream: u64, over: Sides) {
        if let Some(sides) = self.streams.get_mut(&stream) {
            sides.sends &= !over.sends;
            sides.receives &= !over.receives;
            if !sides.sends && !sides.receives {
                self.streams.remove(&stream);
            }
        }
    }
}

/// The beginning of this side's control stream: its settings.
pub(crate) fn greeting() -> Vec<u8> {
    let mut payload = Vec::new();
    let announced = [
        (settings::MAX_FIELD_SECTION_SIZE, MAX_FIELDS as u64),
        (settings::ENABLE_CONNECT_PROTOCOL, 1),
        (settings::H3_DATAGRAM, 1),
        (settings::H3_DATAGRAM_DRAFT_04, 1),
        (settings::ENABLE_WEB_TRANSPORT_DRAFT_02, 1),
        (
            settings::WEB_TRANSPORT_MAX_SESSIONS_DRAFT_07,
            SESSIONS_PER_CONNECTION as u64,
        ),
    ];
    settings::write(&announced, &mut payload);
    let mut greeting = Vec::new();
    write_varint(stream::CONTROL, &mut greeting);
    frame::write(frame::SETTINGS, &payload, &mut greeting);
    greeting
}

/// What becomes of a frame on the client's control stream.
pub(crate) fn on_control(head: FrameHead, settled: bool) -> Treatment {
    match head.kind {
        frame::SETTINGS if settled => Treatment::Refuse(error::FRAME_UNEXPECTED),
        frame::SETTINGS if head.length > MAX_CONTROL_FRAME => {
            Treatment::Refuse(error::EXCESSIVE_LOAD)
        }
        frame::SETTINGS => Treatment::Gather,
        // The client's settings come first.
        _ if !settled => Treatment::Refuse(error::MISSING_SETTINGS),
        frame::DATA | frame::HEADERS | frame::PUSH_PROMISE => {
            Treatment::Refuse(error::FRAME_UNEXPECTED)
        }
        kind if frame::is_of_http2(kind) => Treatment::Refuse(error::FRAME_UNEXPECTED),
        _ => Treatment::Skip,
    }
}

/// What becomes of a frame of a request before and after its fields.
pub(crate) fn on_request(head: FrameHead, has_fields: bool) -> Treatment {
    match (head.kind, has_fields) {
        (frame::HEADERS, false) if head.length > MAX_FIELDS as u64 => {
            Treatment::Refuse(error::EXCESSIVE_LOAD)
        }
        (frame::HEADERS, false) => Treatment::Gather,
        (frame::DATA, true) => Treatment::Pass,
        (
            frame::DATA
            | frame::HEADERS
            | frame::SETTINGS
            | frame::CANCEL_PUSH
            | frame::PUSH_PROMISE
            | frame::GOAWAY
            | frame::MAX_PUSH_ID
            | anypath_wire::http3::WEB_TRANSPORT_STREAM,
            _,
        ) => Treatment::Refuse(error::FRAME_UNEXPECTED),
        (kind, _) if frame::is_of_http2(kind) => Treatment::Refuse(error::FRAME_UNEXPECTED),
        _ => Treatment::Skip,
    }
}

/// What becomes of a capsule.
pub(crate) fn on_capsule(head: FrameHead) -> Treatment {
    match head.kind {
        capsule::CLOSE_SESSION if head.length > capsule::MAX_CLOSE as u64 => {
            Treatment::Refuse(error::MESSAGE_ERROR)
        }
        capsule::CLOSE_SESSION => Treatment::Gather,
        capsule::DATAGRAM if head.length <= MAX_DATAGRAM => Treatment::Gather,
        _ => Treatment::Skip,
    }
}
