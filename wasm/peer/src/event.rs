//! What the peer tells its driver.

use std::net::SocketAddrV6;
use std::time::Duration;

use anypath_wire::id::EndpointId;
use bytes::Bytes;

use crate::carrier::Route;
use crate::error::CloseReason;
use crate::relay::{RelayId, RelayStatus};
use crate::session::Transition;

/// The id of a connection: never reused, and never 0.
pub type ConnectionKey = u32;

/// A handshake's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Connected {
    /// Who is at the other end. While `early`, on the dialling side, who is expected to be.
    pub remote_id: EndpointId,
    /// Whether the remote dialled.
    pub incoming: bool,
    /// Whether only early data can flow; the event comes again when the handshake has finished.
    pub early: bool,
    /// The TLS group's IANA number; 0 while `early`.
    pub group: u16,
    /// The TLS cipher suite's IANA number; 0 while `early`.
    pub cipher: u16,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The application's protocol.
    pub alpn: Vec<u8>,
    /// Where the remote is.
    pub route: Route,
    /// The first measurement.
    pub rtt: Duration,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PathChange {
    /// It can carry data.
    Established = 0,
    /// It is gone.
    Closed = 1,
    /// The remote is elsewhere now.
    Migrated = 2,
    /// The remote told which address it sees this side at.
    Observed = 3,
    /// It carries the connection's data from now on; the others are backups.
    Selected = 4,
}

/// Where a search for a direct path came to an end.
#[cfg(feature = "traversal")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Found {
    /// Nowhere.
    Nothing = 0,
    /// At an address that the remote had told.
    Told = 1,
    /// At one that a packet of the remote showed ([RFC 8445 § 7.3.1.3]).
    ///
    /// [RFC 8445 § 7.3.1.3]: https://www.rfc-editor.org/rfc/rfc8445#section-7.3.1.3
    PeerReflexive = 2,
    /// At one that the birthday scheme found.
    Collision = 3,
}

/// A round of NAT traversal, or an attempt of the birthday scheme, that is over.
#[cfg(feature = "traversal")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Whether the birthday scheme searched.
    pub by_collision: bool,
    /// What it came to.
    pub found: Found,
    /// The path's route; where nothing was found, that of nobody.
    pub route: Option<Route>,
    /// Its number among the rounds since there was no direct path, from 1; of an attempt that of the round before. 0: the remote is at public
    /// addresses, and was dialled.
    pub round: u32,
    /// How many addresses the remote has told.
    pub addresses: u16,
    /// Probes of this connection that left, or wait to, since the search began.
    pub probes: u32,
    /// The time since then.
    pub elapsed: Duration,
}

/// Something that the application is to hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A handshake has finished, or early data can flow.
    Connected(ConnectionKey, Box<Connected>),
    /// The connection is over.
    Closed(ConnectionKey, CloseReason),
    /// The remote opened a stream.
    StreamOpened(ConnectionKey, u64, bool),
    /// Data, the end or an error can be read.
    Readable(ConnectionKey, u64),
    /// A blocked stream can be written to again.
    Writable(ConnectionKey, u64),
    /// Everything sent on the stream is acknowledged.
    StreamFinished(ConnectionKey, u64),
    /// The remote stopped the stream with this code.
    StreamStopped(ConnectionKey, u64, u64),
    /// More streams may be opened; true: bidirectional ones.
    StreamsAvailable(ConnectionKey, bool),
    /// A datagram.
    Datagram(ConnectionKey, Bytes),
    /// Datagrams were sent after the buffer had been full.
    DatagramsUnblocked(ConnectionKey),
    /// A path changed.
    Path {
        /// Whose.
        connection: ConnectionKey,
        /// QUIC's number of the path.
        path: u32,
        /// How.
        change: PathChange,
        /// Where it leads now; for `Observed` the address of this side.
        route: Route,
        /// Its latest round-trip time.
        rtt: Duration,
    },
    /// A search for a direct path is over.
    #[cfg(feature = "traversal")]
    Search(ConnectionKey, Search),
    /// The session with the connection's remote changed its state.
    State(ConnectionKey, Transition),
    /// Somebody wants to connect: answer with `admit`.
    Incoming {
        /// The question's number.
        incoming: u32,
        /// Who claims to be where.
        route: Route,
        /// Whether that is proven.
        validated: bool,
    },
    /// A browser wants a session: answer with [`answer_session`](crate::peer::Peer::answer_session). From then on its key is used as a
    /// connection's, and events come with it.
    #[cfg(feature = "webtransport")]
    SessionRequested {
        /// The key of the session to be.
        session: ConnectionKey,
        /// Where the client is.
        route: Route,
        /// What it asks for.
        request: Box<crate::web_transport::SessionRequest>,
    },
    /// The server's answer to early data.
    EarlyData(ConnectionKey, bool),
    /// The connection is forgotten; its key means nothing any more.
    Drained(ConnectionKey),
    /// A piece of the connection's qlog.
    Qlog(ConnectionKey, Vec<u8>),
    /// Something about a relay changed.
    Relay(RelayId, Box<RelayStatus>),
    /// This peer is seen at other addresses than before, or nobody tells any more: see
    /// [`reflexive_addresses`](crate::peer::Peer::reflexive_addresses).
    Reflexive,
    /// The connection lost its way to the remote: look the remote up again, and
    /// [`add_addresses`](crate::peer::Peer::add_addresses).
    Discover(ConnectionKey),
}

/// Where a drain puts what it finds.
pub trait Outbox {
    /// Datagrams to send: one, or several of `segment_bytes` with a last one that may be shorter.
    fn transmit(
        &mut self,
        carrier: u32,
        address: SocketAddrV6,
        segment_bytes: usize,
        datagrams: &[u8],
    );
    /// Open a WebSocket to a relay, and tell by [`relay_opened`](crate::peer::Peer::relay_opened) or
    /// [`relay_closed`](crate::peer::Peer::relay_closed) what became of it.
    fn relay_open(&mut self, relay: RelayId, url: &str);
    /// Send a message, whose two parts follow each other, over the relay's WebSocket.
    fn relay_send(&mut self, relay: RelayId, head: &[u8], body: &[u8]);
    /// Close the relay's WebSocket and say no more of it.
    fn relay_close(&mut self, relay: RelayId);
    /// Open a further UDP socket beside the main one, and tell by [`set_carrier`](crate::peer::Peer::set_carrier) that it is
    /// open, or by [`remove_carrier`](crate::peer::Peer::remove_carrier) that it can't be. Without one the peer does less.
    fn socket_open(&mut self, _carrier: u32) {}
    /// Close the socket and say no more of it.
    fn socket_close(&mut self, _carrier: u32) {}
    /// An event.
    fn event(&mut self, event: Event);
}
