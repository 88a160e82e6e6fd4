//! Figures, all of them counted or measured.

use std::time::Duration;

use noq_proto::PathStatus;

use crate::carrier::Route;

/// The figures of one path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathStats {
    /// QUIC's number of the path.
    pub path: u32,
    /// Where it leads.
    pub route: Route,
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// The largest UDP payload.
    pub mtu_bytes: u16,
    /// UDP payloads sent.
    pub bytes_sent: u64,
    /// UDP payloads received.
    pub bytes_received: u64,
    /// Packets declared lost.
    pub packets_lost: u64,
    /// Whether data is scheduled on it.
    pub status: PathStatus,
}

/// The figures of one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionStats {
    /// The round-trip time of the best path.
    pub rtt: Duration,
    /// The smallest that was measured.
    pub min_rtt: Duration,
    /// The congestion windows together.
    pub cwnd_bytes: u64,
    /// The largest UDP payload of the best path.
    pub mtu_bytes: u16,
    /// UDP payloads sent.
    pub bytes_sent: u64,
    /// UDP payloads received.
    pub bytes_received: u64,
    /// QUIC packets sent.
    pub packets_sent: u64,
    /// UDP datagrams received.
    pub packets_received: u64,
    /// QUIC packets declared lost.
    pub packets_lost: u64,
    /// Bytes declared lost.
    pub bytes_lost: u64,
    /// Reductions of the congestion window.
    pub congestion_events: u64,
    /// Times that the path MTU fell.
    pub black_holes: u64,
    /// Streams with data to send or to receive.
    pub streams_open: u64,
    /// The TLS group's IANA number; 0 before the handshake has finished.
    pub group: u16,
    /// The TLS cipher suite's IANA number; 0 before the handshake has finished.
    pub cipher: u16,
    /// Key updates that this side asked for.
    pub key_updates: u64,
    /// Application datagrams that were dropped before they were sent.
    pub datagrams_dropped: u64,
    /// Its paths.
    pub paths: Vec<PathStats>,
}

/// The figures of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerStats {
    /// Connections now.
    pub connections: u64,
    /// Incoming handshakes under way.
    pub handshakes: u64,
    /// Datagrams received, but for those that came over relays.
    pub datagrams_received: u64,
    /// Datagrams sent, but for those that go over relays.
    pub datagrams_sent: u64,
    /// Their payloads.
    pub bytes_received: u64,
    /// Their payloads.
    pub bytes_sent: u64,
    /// Datagrams that were neither QUIC nor, where it is answered, STUN.
    pub malformed_dropped: u64,
    /// Datagrams to be sent that were larger than their carrier takes, or whose carrier is gone.
    pub unroutable_dropped: u64,
    /// Datagrams from addresses that only this peer may make.
    pub virtual_dropped: u64,
    /// Retry packets sent.
    pub retries_sent: u64,
    /// Incoming connections refused or ignored.
    pub refused: u64,
    /// Responses to packets of no connection: stateless resets, version negotiation.
    pub resets_sent: u64,
    /// Dials.
    pub dials_started: u64,
    /// Dials that ended without a connection.
    pub dials_failed: u64,
    /// Dials that ended with one.
    pub dials_succeeded: u64,
    /// Incoming connections whose handshake finished.
    pub accepted: u64,
    /// Bytes held for incoming connections that are not admitted.
    pub incoming_bytes_buffered: u64,
    /// Relays connected now.
    pub relays_connected: u64,
    /// WebSocket messages sent to relays.
    pub relay_messages_sent: u64,
    /// WebSocket messages received from relays.
    pub relay_messages_received: u64,
    /// Their payloads.
    pub relay_bytes_sent: u64,
    /// Their payloads.
    pub relay_bytes_received: u64,
    /// Datagrams that waited too long for a relay to be connected, or found no room to wait.
    pub relay_dropped: u64,
    /// STUN requests answered.
    pub stun_answered: u64,
    /// STUN requests beyond the limits.
    pub stun_limited: u64,
    /// STUN requests sent, repeated ones included.
    pub stun_requests_sent: u64,
    /// Own STUN requests that were answered.
    pub stun_requests_answered: u64,
    /// STUN answers to what was never asked, or from where it was not asked.
    pub stun_forged: u64,
    /// STUN requests that were given up.
    pub stun_timeouts: u64,
    /// Connections made to address-discovery services.
    pub discovery_connects: u64,
    /// Addresses that those have told.
    pub discovery_observations: u64,
    /// Clients of the address-discovery service now.
    pub discovery_clients: u64,
    /// Clients that the address-discovery service has had.
    pub discoveries: u64,
    /// Rounds of NAT traversal that this peer began.
    pub traversal_rounds: u64,
    /// Connections that came to a direct path by it.
    pub traversals_succeeded: u64,
    /// Rounds that came to nothing.
    pub traversals_failed: u64,
    /// The time from the first round to the direct path, of those that succeeded together.
    pub traversal_ms: u64,
    /// Probes sent, and answers to probes.
    pub probes_sent: u64,
    /// Probes that were not sent because no peer can be there.
    pub probes_forbidden: u64,
    /// Probes that were not sent because there were too many.
    pub probes_limited: u64,
    /// Direct paths that were left because they had died.
    pub direct_paths_lost: u64,
    /// Direct paths that were opened beside others.
    pub direct_paths_opened: u64,
    /// What remotes said of this peer's address, too often to be listened to.
    pub observed_limited: u64,
    /// Of the birthday scheme, and of the control connections that it takes.
    #[cfg(feature = "traversal")]
    pub birthday: BirthdayStats,
    /// Of WebTransport.
    #[cfg(feature = "webtransport")]
    pub web_transport: WebTransportStats,
    /// Of the rounds that this peer began, by what [`Observations::nat`](anypath_paths::mapping::Observations::nat) said of its own NAT.
    #[cfg(feature = "traversal")]
    pub searches: [SearchStats; anypath_paths::mapping::NATS],
}

/// The figures of the WebTransport listener.
#[cfg(feature = "webtransport")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebTransportStats {
    /// Sessions now, those about which the application is asked included.
    pub sessions: u64,
    /// Sessions that were accepted.
    pub accepted: u64,
    /// Sessions that were refused, by the application or a limit.
    pub refused: u64,
    /// Connections and sessions that ended because the client broke the rules of HTTP/3.
    pub faults: u64,
    /// Datagrams that arrived for no session that was there.
    pub datagrams_dropped: u64,
}

/// How searches for direct paths ended.
#[cfg(feature = "traversal")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchStats {
    /// At an address that the remote had told.
    pub told: u64,
    /// At one that a packet of the remote showed.
    pub peer_reflexive: u64,
    /// At one that the birthday scheme found.
    pub birthday: u64,
    /// Rounds that came to nothing.
    pub failed: u64,
}

/// The figures of the birthday scheme.
#[cfg(feature = "traversal")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BirthdayStats {
    /// Control connections that this peer dialled.
    pub controls_dialled: u64,
    /// Those that were refused: by remotes that do not serve them, or by this peer because nothing needed them.
    pub controls_refused: u64,
    /// Those that ended because what arrived was none of their frames, or too many of these.
    pub controls_malformed: u64,
    /// Attempts that both sides had agreed on.
    pub attempts: u64,
    /// Attempts that found a pair of ports.
    pub hits: u64,
    /// Attempts that found none.
    pub misses: u64,
    /// Proposals that either side refused.
    pub attempts_refused: u64,
    /// Probes sent, and answers to probes.
    pub probes_sent: u64,
    /// Authentic probes and answers received.
    pub probes_received: u64,
    /// Probes whose code was wrong, or that came from or to where they do not belong.
    pub probes_forged: u64,
    /// Probes of attempts that were over.
    pub probes_late: u64,
    /// Sockets opened.
    pub sockets_opened: u64,
    /// Sockets that could not be opened, or failed in an attempt.
    pub sockets_failed: u64,
    /// Datagrams on these sockets from others than the attempt's remote.
    pub foreign_dropped: u64,
}
