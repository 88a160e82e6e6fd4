//! Relays: the client's side of iroh's relay protocol, without the WebSocket.
//!
//! A relay forwards datagrams between the peers that are connected to it and names them by their ids. The
//! driver holds the WebSocket: it opens one for [`Outbox::relay_open`](crate::event::Outbox::relay_open), tells
//! what became of it, and passes whole messages. Everything else is decided here.
//!
//! ```text
//! closed -> connecting -> authenticating -> connected
//!              ^                |               |
//!              |                v               v
//!              +------------ waiting <----------+
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`client`] | the connection to one relay |
//! | [`table`] | all of them: who is wanted, and for how long |
//! | [`home`] | at which relay others find this peer |
//! | [`liveness`] | pings: round-trip times, and relays that went mute |
//! | [`backoff`] | when to try again |
//! | [`queue`] | what waits for a relay to be connected |
//! | [`auth`] | the answer to a challenge |
//! | [`url`] | which URLs name the same relay |

pub(crate) mod auth;
pub(crate) mod backoff;
pub(crate) mod client;
pub(crate) mod home;
pub(crate) mod liveness;
pub(crate) mod queue;
pub(crate) mod table;
pub(crate) mod url;

use std::time::Duration;

pub use self::table::MAX_CONFIGURED;
pub use crate::carrier::FIRST_RELAY;

/// The id of a relay, from [`FIRST_RELAY`] on: one for each URL, and not reused.
pub type RelayId = u32;

/// How far the connection to a relay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RelayState {
    /// There is none, and none is wanted.
    Closed = 0,
    /// The WebSocket is being opened.
    Connecting = 1,
    /// It is open, and the relay has not let this peer in yet.
    Authenticating = 2,
    /// Datagrams can flow.
    Connected = 3,
    /// It is tried again later.
    Waiting = 4,
}

/// Why a relay's status is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RelayCause {
    /// The usual course of things.
    None = 0,
    /// The WebSocket was opened.
    Opened = 1,
    /// The WebSocket was closed, or could not be opened.
    Closed = 2,
    /// The relay did not answer in time.
    Timeout = 3,
    /// The relay does not let this peer in.
    Denied = 4,
    /// Another process with the same key is connected there now.
    SameEndpoint = 5,
    /// The relay said that it restarts.
    Restarting = 6,
    /// Nobody needs the relay now.
    Unused = 7,
    /// The relay broke the protocol.
    Protocol = 8,
    /// The relay told of a problem; the connection stays.
    Health = 9,
    /// The relay is this peer's home now, or is not any more.
    Home = 10,
}

/// What the application hears of a relay.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayStatus {
    /// How far the connection has come.
    pub state: RelayState,
    /// Whether others find this peer there.
    pub home: bool,
    /// What happened.
    pub cause: RelayCause,
    /// The round-trip time to the relay; `None` before the first measurement.
    pub latency: Option<Duration>,
    /// How long until the next try; `None` when none is planned.
    pub retry_in: Option<Duration>,
    /// The relay.
    pub url: String,
    /// More about what happened, for people; at most 256 bytes, and possibly the relay's words.
    pub detail: String,
}

/// Counts over all relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RelayCounts {
    pub(crate) messages_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Datagrams that waited too long for a relay, or found no room to wait.
    pub(crate) dropped: u64,
    /// Messages that could not be read.
    pub(crate) malformed: u64,
}
