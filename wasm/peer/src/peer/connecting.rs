//! Dialling.

use std::sync::Arc;

use anypath_wire::id::EndpointId;
use noq_proto::{ClientConfig, TransportConfig, crypto};

use super::{Peer, PeerError, next_id};
use crate::carrier::Route;
use crate::connection::Connection;
use crate::dial::{Dial, Target};
use crate::error::ErrorCode;
use crate::event::{Connected, ConnectionKey, Event};
use crate::qlog::Beginning;
use crate::session::{Cause, Session, State};
use crate::tls::server_name;

impl Peer {
    /// Dials `remote` at all of `targets` at once and returns the connection's key.
    ///
    /// What becomes of it is told by events. With `early_data`, and a session of that remote remembered, an
    /// early `Connected` follows and streams can be opened at once; see [`TlsConfig::client`] for the risk.
    ///
    /// # Errors
    /// `NoAddress` when no target's carrier exists, `InvalidArgument` for an ALPN that can't be dialled,
    /// `TooManyConnections` at the limit, `PeerClosed` after [`Peer::shutdown`].
    ///
    /// [`TlsConfig::client`]: crate::tls::TlsConfig::client
    pub fn connect(
        &mut self,
        remote: EndpointId,
        alpn: &[u8],
        targets: &[Target],
        early_data: bool,
    ) -> Result<ConnectionKey, PeerError> {
        if self.closing {
            return Err(PeerError::new(ErrorCode::PeerClosed, "the peer is closed"));
        }
        if !self.admissions.may_dial(self.counted_connections()) {
            let message = "the limit of connections is reached";
            return Err(PeerError::new(ErrorCode::TooManyConnections, message));
        }
        let targets = self.usable(targets);
        if targets.is_empty() {
            let message = "no address of the peer can be dialled from here";
            return Err(PeerError::new(ErrorCode::NoAddress, message));
        }
        let crypto = self
            .tls
            .client(alpn, early_data)
            .map_err(|error| PeerError::new(ErrorCode::InvalidArgument, error.to_string()))?;
        let key = self.dial(remote, alpn, crypto, &targets, early_data)?;
        self.stats.dials_started += 1;
        self.join_session(remote, key, State::Connecting, Cause::Dial);
        if early_data {
            self.announce_early(key, targets[0]);
        }
        Ok(key)
    }

    /// Begins a connection that nobody is told of yet.
    pub(super) fn dial(
        &mut self,
        remote: EndpointId,
        alpn: &[u8],
        crypto: Arc<dyn crypto::ClientConfig>,
        targets: &[Target],
        early_data: bool,
    ) -> Result<ConnectionKey, PeerError> {
        let ids = Arc::clone(&self.first_ids);
        let mut client = ClientConfig::new(crypto);
        client
            .transport_config(self.transport_of_dial(early_data))
            .initial_dst_cid_provider(Arc::new(move || next_id(&ids)));
        let now = self.clock.now();
        let dial = Dial::new(self.carriers.mixed(), targets, now);
        let (handle, quic) = self
            .endpoint
            .connect(now, client, dial.mixed, &server_name(&remote))
            .map_err(|error| PeerError::new(ErrorCode::InternalError, error.to_string()))?;
        let deadline = now + self.config.handshake_timeout;
        let key = self.new_key();
        let mut connection = Connection::new(key, handle, quic, deadline);
        connection.remote = Some(remote);
        connection.alpn = alpn.to_vec();
        connection.dial = Some(dial);
        connection.early = early_data && connection.quic.has_0rtt();
        self.insert(connection, targets.first().map(|target| target.route));
        Ok(key)
    }

    /// noq reports addresses in 0-RTT packets too where the remembered server wants reports, and then takes
    /// that for a protocol violation; so a dial with early data reports none.
    fn transport_of_dial(&self, early_data: bool) -> Arc<TransportConfig> {
        if !early_data {
            return Arc::clone(&self.transport);
        }
        let mut transport = self.config.transport();
        transport.send_observed_address_reports(false);
        Arc::new(transport)
    }

    pub(super) fn usable(&self, targets: &[Target]) -> Vec<Target> {
        let usable = |target: &&Target| {
            let possible = self.carriers.is_possible(&target.route);
            possible
                && (target.route.address.socket())
                    .is_none_or(|address| anypath_paths::candidate::is_sendable(&address))
        };
        targets.iter().filter(usable).copied().collect()
    }

    /// Tells that early data can flow, if it can.
    fn announce_early(&mut self, key: ConnectionKey, first: Target) {
        let Some(connection) = self.connections.get(&key).filter(|c| c.early) else {
            return;
        };
        let Some(remote_id) = connection.remote else {
            return;
        };
        let connected = Connected {
            remote_id,
            incoming: false,
            early: true,
            group: 0,
            cipher: 0,
            resumed: true,
            alpn: connection.alpn.clone(),
            route: first.route,
            rtt: connection.quic.rtt(0_u32.into()).unwrap_or_default(),
        };
        self.events
            .push_back(Event::Connected(key, Box::new(connected)));
    }

    pub(super) fn new_key(&mut self) -> ConnectionKey {
        let key = self.next_key;
        self.next_key += 1;
        key
    }

    /// `remote` is where the connection leads as far as is known.
    pub(super) fn insert(&mut self, connection: Connection, remote: Option<Route>) {
        let (key, index) = (connection.key, connection.handle.0);
        if self.by_handle.len() <= index {
            self.by_handle.resize(index + 1, 0);
        }
        self.by_handle[index] = key;
        let beginning = Beginning {
            side: connection.quic.side(),
            remote,
            now: self.clock.now(),
            unix_ms: self.clock.unix_ms(),
        };
        let recorder = self.tls.recorders().latest();
        self.qlogs.begin(key, recorder, &beginning);
        self.connections.insert(key, connection);
        self.queue(key);
    }

    /// Counts the connection to its remote's session and moves the session to `state` where it may go.
    pub(super) fn join_session(
        &mut self,
        remote: EndpointId,
        key: ConnectionKey,
        state: State,
        cause: Cause,
    ) {
        let now = self.clock.now();
        let session = self
            .sessions
            .entry(*remote.as_bytes())
            .or_insert_with(|| Session::new(now));
        session.connections.insert(key);
        if let Some(transition) = session.step(state, cause, now) {
            self.events.push_back(Event::State(key, transition));
        }
    }
}
