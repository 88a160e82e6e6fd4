//! How a peer is set up.

use std::sync::Arc;
use std::time::Duration;

use noq_proto::congestion::{Bbr3Config, ControllerFactory, CubicConfig, NewRenoConfig};
use noq_proto::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use crate::admission::Limits;
use crate::discovery::DiscoveryConfig;
use crate::first_flight::FirstFlightAtOnce;
use crate::tls::{KeyExchange, SecretKey};

/// A congestion controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9438.
    Cubic,
    /// RFC 9002 section 7.
    NewReno,
    /// Version 3.
    Bbr,
}

/// How the listener for browsers is set up.
#[cfg(feature = "webtransport")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebTransportConfig {
    /// Sessions at the same time, all connections together; those about which the application is asked are among them.
    pub sessions: usize,
}

/// How the listener for browsers would be set up: there is none.
#[cfg(not(feature = "webtransport"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebTransportConfig {}

/// Everything that a peer is told at its start.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Who this peer is.
    pub secret_key: SecretKey,
    /// Seeds connection ids, packet number gaps and every other random choice but key material.
    pub seed: [u8; 32],
    /// Unix time in milliseconds when the driver's clock shows 0.
    pub epoch_ms: f64,
    /// The ALPNs served, most preferred first.
    pub alpns: Vec<Vec<u8>>,
    /// Whether connections are accepted at all.
    pub accept: bool,
    /// Whether the driver is asked before each handshake.
    pub ask: bool,
    /// Whether sessions are remembered for 0-RTT, and 0-RTT data is taken.
    pub early_data: bool,
    /// Whether connections write a qlog.
    pub qlog: bool,
    /// Whether the path MTU is probed. It must not be where datagrams may be fragmented.
    pub mtu_discovery: bool,
    /// Whether STUN's Binding requests are answered (RFC 8489) on every UDP socket.
    pub stun: bool,
    /// The address-discovery service, if it is wanted; it needs `accept`.
    pub discovery: Option<DiscoveryConfig>,
    /// The WebTransport listener, if it is wanted; it needs `accept`.
    pub web_transport: Option<WebTransportConfig>,
    /// Whether control connections are served, where direct paths are looked for at all.
    pub control: bool,
    /// The key exchange groups.
    pub key_exchange: KeyExchange,
    /// The congestion controller.
    pub congestion: Congestion,
    /// What strangers can make grow.
    pub limits: Limits,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// How long a silent connection lives. The smaller of the two sides' counts.
    pub idle_timeout: Duration,
    /// How often a quiet connection is probed; `None`: never.
    pub keep_alive: Option<Duration>,
    /// What one stream may have in flight.
    pub stream_receive_window: u32,
    /// What all streams of a connection may have in flight.
    pub receive_window: u32,
    /// How much is buffered for sending.
    pub send_window: u32,
    /// Bidirectional streams that the remote may have open.
    pub max_bidi_streams: u32,
    /// Unidirectional streams that the remote may have open.
    pub max_uni_streams: u32,
    /// Received datagrams that the application has not taken; older ones are dropped.
    pub datagram_receive_buffer: u32,
    /// Datagrams that wait to be sent.
    pub datagram_send_buffer: u32,
    /// The first size of UDP payloads, at least 1,200.
    pub initial_mtu: u16,
    /// The largest size of UDP payloads.
    pub max_mtu: u16,
}

/// Paths that a connection may have: each that may come costs both sides connection ids from the start, some 100 bytes. One that is given up keeps
/// its place for three probe timeouts, which are three seconds where nothing was measured: a search may have two of those when a relay is lost.
const MAX_PATHS: u32 = 6;

/// Addresses that a remote may tell for NAT traversal, as iroh has it.
const MAX_TRAVERSAL_ADDRESSES: u8 = 32;

/// The smallest packet that every QUIC path must carry ([RFC 9000 § 14]).
///
/// [RFC 9000 § 14]: https://www.rfc-editor.org/rfc/rfc9000#section-14
const MIN_MTU: u16 = 1200;

impl PeerConfig {
    /// The transport parameters and timers of every connection.
    pub(crate) fn transport(&self) -> TransportConfig {
        let mut transport = TransportConfig::default();
        let idle = IdleTimeout::try_from(self.idle_timeout).ok();
        transport
            .max_idle_timeout(idle)
            .keep_alive_interval(self.keep_alive)
            .stream_receive_window(VarInt::from_u32(self.stream_receive_window))
            .receive_window(VarInt::from_u32(self.receive_window))
            .send_window(self.send_window.into())
            .max_concurrent_bidi_streams(VarInt::from_u32(self.max_bidi_streams))
            .max_concurrent_uni_streams(VarInt::from_u32(self.max_uni_streams))
            .datagram_receive_buffer_size(match self.datagram_receive_buffer {
                0 => None,
                bytes => Some(bytes as usize),
            })
            .datagram_send_buffer_size(self.datagram_send_buffer as usize)
            .initial_mtu(self.initial_mtu.max(MIN_MTU))
            .mtu_discovery_config(self.mtu_discovery())
            .send_observed_address_reports(true)
            .receive_observed_address_reports(true)
            .max_concurrent_multipath_paths(MAX_PATHS)
            .max_remote_nat_traversal_addresses(MAX_TRAVERSAL_ADDRESSES)
            .server_handshake_migration(true)
            .congestion_controller_factory(self.controller());
        transport
    }

    fn mtu_discovery(&self) -> Option<MtuDiscoveryConfig> {
        self.mtu_discovery.then(|| {
            let mut discovery = MtuDiscoveryConfig::default();
            discovery.upper_bound(self.max_mtu.max(MIN_MTU));
            discovery
        })
    }

    fn controller(&self) -> Arc<dyn ControllerFactory + Send + Sync> {
        let controller: Arc<dyn ControllerFactory + Send + Sync> = match self.congestion {
            Congestion::Cubic => Arc::new(CubicConfig::default()),
            Congestion::NewReno => Arc::new(NewRenoConfig::default()),
            Congestion::Bbr => Arc::new(Bbr3Config::default()),
        };
        Arc::new(FirstFlightAtOnce(controller))
    }
}
