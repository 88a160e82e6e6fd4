//! A remote as others build it, which does to NAT traversal what the protocol lets it do.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV6};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anypath_peer::tls::{EndpointId, SecretKey, server_name};
use bytes::BytesMut;
use noq_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig,
    FourTuple, ServerConfig, TransportConfig,
};

use crate::stock::Stock;
use crate::world::ALPN;

/// How many addresses a remote of ours may tell at once; strangers offer as much.
const ADDRESSES: u8 = 32;

/// What carries a stranger's datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carry {
    Udp,
    Relay,
}

/// An endpoint that is not ours.
pub(crate) struct Stranger {
    stock: Stock,
    pub(crate) address: SocketAddrV6,
    pub(crate) carry: Carry,
    endpoint: Endpoint,
    pub(crate) connections: BTreeMap<usize, Connection>,
    pub(crate) received: u64,
}

impl Stranger {
    pub(crate) fn new(seed: u8, address: SocketAddrV6, carry: Carry) -> Self {
        let stock = Stock::new(seed);
        let mut config = EndpointConfig::new(SecretKey::from_bytes([seed; 32]).reset_key());
        config.rng_seed(Some([seed; 32]));
        let token_key = SecretKey::from_bytes([seed; 32]).token_key();
        let alpn = str::from_utf8(ALPN).expect("text");
        let mut server = ServerConfig::new(stock.server(alpn), token_key);
        server.transport_config(transport());
        Self {
            stock,
            address,
            carry,
            endpoint: Endpoint::new(Arc::new(config), Some(Arc::new(server)), false),
            connections: BTreeMap::new(),
            received: 0,
        }
    }

    pub(crate) fn id(&self) -> EndpointId {
        self.stock.id()
    }

    pub(crate) fn dial(
        &mut self,
        now: Instant,
        to: SocketAddrV6,
        id: &EndpointId,
        alpn: &[u8],
    ) -> usize {
        let alpn = str::from_utf8(alpn).expect("text");
        let mut config = ClientConfig::new(self.stock.client(alpn));
        config.transport_config(transport());
        let (handle, connection) = self
            .endpoint
            .connect(now, config, to.into(), &server_name(id))
            .expect("dials");
        self.connections.insert(handle.0, connection);
        handle.0
    }

    /// Its latest connection.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connections.values_mut().last().expect("a connection")
    }

    /// Writes as much as there is room for to a stream of its own.
    pub(crate) fn write(&mut self, data: &[u8]) -> usize {
        let connection = self.connection();
        let stream = connection.streams().open(Dir::Uni).expect("stream credit");
        let mut sending = connection.send_stream(stream);
        let written = sending.write(data).unwrap_or(0);
        let _ = sending.finish();
        written
    }

    pub(crate) fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let mut answer = Vec::new();
        let place = FourTuple::from_remote(from);
        let bytes = BytesMut::from(datagram);
        match self.endpoint.handle(now, place, None, bytes, &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(connection) = self.connections.get_mut(&handle.0) {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                let accepted = self.endpoint.accept(incoming, now, &mut answer, None);
                let (handle, connection) = accepted.map_err(|e| e.cause).expect("accepts");
                self.connections.insert(handle.0, connection);
            }
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    /// Fires its timers and returns what it sends, and where to.
    pub(crate) fn drain(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        for (&handle, connection) in &mut self.connections {
            if connection.poll_timeout().is_some_and(|due| due <= now) {
                connection.handle_timeout(now);
            }
            while let Some(event) = connection.poll_endpoint_events() {
                let event = self.endpoint.handle_event(ConnectionHandle(handle), event);
                if let Some(event) = event {
                    connection.handle_event(event);
                }
            }
            let mut buffer = Vec::new();
            while let Some(transmit) = connection.poll_transmit(now, NonZeroUsize::MIN, &mut buffer)
            {
                sent.push((transmit.destination, buffer[..transmit.size].to_vec()));
                buffer.clear();
            }
            while connection.poll().is_some() {}
            while let Some(stream) = connection.streams().accept(Dir::Uni) {
                let mut receiving = connection.recv_stream(stream);
                let Ok(mut chunks) = receiving.read(true) else {
                    continue;
                };
                while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                    self.received += chunk.bytes.len() as u64;
                }
                let _ = chunks.finalize();
            }
        }
        sent
    }
}

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(Duration::from_secs(120).try_into().expect("fits")))
        .keep_alive_interval(Some(Duration::from_secs(2)))
        .max_concurrent_multipath_paths(4)
        .max_remote_nat_traversal_addresses(ADDRESSES);
    Arc::new(transport)
}
