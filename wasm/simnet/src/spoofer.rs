//! Datagrams of strangers.

use std::net::SocketAddrV6;
use std::time::Instant;

use anypath_peer::carrier::{CarrierKind, MAIN_CARRIER};
use anypath_peer::event::{Event, Outbox};
use anypath_peer::peer::Peer;
use anypath_peer::relay::RelayId;
use anypath_peer::tls::EndpointId;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::simulation::{ALPN, address, config, target};

/// Somebody who invents source addresses.
#[derive(Debug)]
pub struct Spoofer {
    rng: StdRng,
}

#[derive(Default)]
struct Flight(Vec<Vec<u8>>);

impl Outbox for Flight {
    fn transmit(&mut self, _: u32, _: SocketAddrV6, segment_bytes: usize, datagrams: &[u8]) {
        let size = match segment_bytes {
            0 => datagrams.len().max(1),
            bytes => bytes,
        };
        self.0.extend(datagrams.chunks(size).map(<[u8]>::to_vec));
    }

    fn relay_open(&mut self, _: RelayId, _: &str) {}

    fn relay_send(&mut self, _: RelayId, _: &[u8], _: &[u8]) {}

    fn relay_close(&mut self, _: RelayId) {}

    fn event(&mut self, _: Event) {}
}

impl Spoofer {
    /// One with its own luck.
    pub fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { rng }
    }

    /// An address that answers nobody.
    pub fn source(&mut self) -> SocketAddrV6 {
        let [a, b, c] = self.rng.random();
        address([100, a, b, c], self.rng.random_range(1024..=65535))
    }

    /// The first flights of so many clients that want to connect to `remote`.
    pub fn first_flights(&mut self, remote: EndpointId, count: usize) -> Vec<Vec<Vec<u8>>> {
        let mut config = config(usize::MAX - 1, self.rng.random());
        config.limits.connections = usize::MAX;
        let Ok(mut peer) = Peer::new(config, Instant::now()) else {
            return Vec::new();
        };
        peer.set_carrier(MAIN_CARRIER, CarrierKind::Udp, 1472);
        let nowhere = [target(self.source())];
        let flights = (0..count).map(|_| {
            let mut flight = Flight::default();
            if peer.connect(remote, ALPN, &nowhere, false).is_ok() {
                peer.drain(usize::MAX, &mut flight);
            }
            flight.0
        });
        flights.collect()
    }

    /// Noise of up to 1,500 bytes, of which one in two looks like QUIC in its first byte.
    pub fn noise(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.rng.random_range(1..=1500)];
        self.rng.fill_bytes(&mut bytes);
        if self.rng.random() {
            bytes[0] |= 0x40;
        }
        bytes
    }
}
