//! What a peer holds, so that a test can tell that nothing is left behind.

use super::Peer;

/// The sizes of everything in a peer that grows with what others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Connections, those that still drain included.
    pub connections: usize,
    /// QUIC's connections.
    pub quic_connections: usize,
    /// Sessions with remote peers.
    pub sessions: usize,
    /// Questions about incoming connections.
    pub asked: usize,
    /// Wake-ups.
    pub timers: usize,
    /// Handshakes under way.
    pub handshakes: usize,
    /// Addresses that are counted against a limit.
    pub addresses: usize,
    /// Clients of the address-discovery service.
    pub discovery_clients: usize,
    /// Remote ids that are counted against a limit.
    pub remotes: usize,
    /// Datagrams of no connection, connections that wait for their turn, and events not yet told.
    pub waiting: usize,
    /// Attempts of the birthday scheme, and their sockets.
    pub attempts: usize,
    /// Bytes held for incoming connections that are not admitted.
    pub incoming_bytes: u64,
}

impl Peer {
    /// Counts what is held.
    #[doc(hidden)]
    pub fn census(&self) -> Census {
        let (addresses, remotes) = self.admissions.counted();
        Census {
            connections: self.connections.len(),
            quic_connections: self.endpoint.open_connections(),
            sessions: self.sessions.len(),
            asked: self.asked.len(),
            timers: self.timers.len(),
            handshakes: self.admissions.handshakes(),
            addresses,
            discovery_clients: self.discovery.len(),
            remotes,
            waiting: self.responses.len()
                + self.turns.len()
                + self.events.len()
                + self.probes.len(),
            #[cfg(feature = "traversal")]
            attempts: self.birthday.len(),
            #[cfg(not(feature = "traversal"))]
            attempts: 0,
            incoming_bytes: self.endpoint.incoming_buffer_bytes(),
        }
    }
}
