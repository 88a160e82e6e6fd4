//! Turning what QUIC wants to send into datagrams for carriers, in fair turns.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use anypath_paths::candidate::is_sendable;

use super::Peer;
use crate::carried::Carried;
use crate::carrier::{Address, CarrierKind, CarrierTable, Route};
use crate::clock::Instant;
use crate::connection::Connection;
use crate::event::{ConnectionKey, Outbox};
use crate::relay::table::Relays;
use crate::stats::PeerStats;

/// Packets of one call into QUIC: draining several at once was 1.4 to 2 times as fast as one by one.
const BATCH: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");

/// Bytes that one connection may send before it is the next one's turn.
const TURN_BYTES: usize = 64 << 10;

impl Peer {
    /// Gives each waiting connection its turn, for about `max_bytes` of datagrams.
    pub(super) fn take_turns(&mut self, max_bytes: usize, outbox: &mut impl Outbox) {
        let mut left = max_bytes;
        while left > 0 {
            let Some((route, datagram)) = self.responses.pop_front() else {
                break;
            };
            left = left.saturating_sub(datagram.len());
            self.exit(outbox).hand_over(route, 0, 0, &datagram);
        }
        self.carry();
        // Events are to be told even when nothing may be sent, so every turn is taken once.
        let mut blocked = Vec::new();
        while let Some(key) = self.turns.pop_front() {
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.queued = false;
            }
            self.pump(key);
            self.carry();
            let more = self.transmit(key, &mut left, outbox);
            self.pump(key);
            self.hasten_probes(key);
            self.note_challenged(key);
            self.watch_paths(key);
            self.observe(key);
            self.set_timer(key);
            if more {
                match left {
                    0 => blocked.push(key),
                    _ => self.queue(key),
                }
            }
        }
        for key in blocked {
            self.queue(key);
        }
    }

    fn exit<'a, O: Outbox>(&'a mut self, outbox: &'a mut O) -> Exit<'a, O> {
        Exit {
            stats: &mut self.stats,
            carriers: &self.carriers,
            relays: &mut self.relays,
            carried: &mut self.carried,
            now: self.clock.now(),
            outbox,
        }
    }

    /// Sends a datagram of no connection's path.
    #[cfg(feature = "traversal")]
    pub(super) fn send_one(&mut self, route: Route, datagram: &[u8], outbox: &mut impl Outbox) {
        self.exit(outbox).hand_over(route, 0, 0, datagram);
    }

    /// The turn's packets and figures go into the qlog.
    fn observe(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key) {
            let now = self.clock.now();
            self.qlogs.observe(key, &mut connection.quic, now);
        }
    }

    /// Sends up to a turn's bytes; true when there may be more.
    fn transmit(&mut self, key: ConnectionKey, left: &mut usize, outbox: &mut impl Outbox) -> bool {
        let mut probes = Vec::new();
        let more = self.transmit_on_paths(key, left, outbox, &mut probes);
        for (to, datagram) in probes {
            self.take_probe(key, to, &datagram);
        }
        self.carry();
        more
    }

    /// The same; what is for no path is put into `probes`.
    fn transmit_on_paths(
        &mut self,
        key: ConnectionKey,
        left: &mut usize,
        outbox: &mut impl Outbox,
        probes: &mut Vec<(SocketAddr, Vec<u8>)>,
    ) -> bool {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return false;
        };
        let mut exit = Exit {
            stats: &mut self.stats,
            carriers: &self.carriers,
            relays: &mut self.relays,
            carried: &mut self.carried,
            now,
            outbox,
        };
        start_waiting(connection, &mut exit);
        let batch = batch_of(connection);
        let mut turn = TURN_BYTES;
        loop {
            if *left == 0 || turn == 0 {
                return true;
            }
            self.scratch.clear();
            let Some(transmit) = connection.quic.poll_transmit(now, batch, &mut self.scratch)
            else {
                return false;
            };
            let datagrams = &self.scratch[..transmit.size];
            *left = left.saturating_sub(datagrams.len());
            turn = turn.saturating_sub(datagrams.len());
            let segment = transmit.segment_size.unwrap_or(0);
            let ecn = transmit.ecn.map_or(0, |ecn| ecn as u8);
            if Self::is_probe(connection, exit.carriers, transmit.destination) {
                probes.push((transmit.destination, datagrams.to_vec()));
                continue;
            }
            match connection.dial.as_mut() {
                Some(dial) if dial.mixed == transmit.destination => {
                    for route in dial.routes() {
                        exit.hand_over(*route, ecn, segment, datagrams);
                    }
                    for datagram in datagrams.chunks(size_of_each(segment, datagrams)) {
                        dial.keep(datagram);
                    }
                }
                _ => match exit
                    .carriers
                    .outward(connection.destination(transmit.destination))
                {
                    Some(route) => {
                        connection.usual = Some(transmit.destination);
                        exit.hand_over(route, ecn, segment, datagrams);
                    }
                    None => exit.stats.unroutable_dropped += 1,
                },
            }
        }
    }
}

/// After a network change noq writes an IMMEDIATE_ACK frame without a look at the room for it, and panics
/// where an earlier datagram of the batch was smaller; so there is no batch until something is heard, and that frame has left.
fn batch_of(connection: &Connection) -> NonZeroUsize {
    if connection.single_until.is_some() {
        NonZeroUsize::MIN
    } else {
        BATCH
    }
}

/// Addresses whose turn in a dial has come are sent what the others were.
fn start_waiting(connection: &mut Connection, exit: &mut Exit<'_, impl Outbox>) {
    let Some(dial) = connection.dial.as_mut() else {
        return;
    };
    let ready = |route: &Route| is_ready(route, exit.relays, exit.carriers);
    for route in dial.start_due(exit.now, ready) {
        for datagram in dial.kept() {
            exit.hand_over(route, 0, 0, datagram);
        }
    }
}

/// The size of the datagrams, but for the last one that may be smaller; a segment size of 0 means one.
fn size_of_each(segment_bytes: usize, datagrams: &[u8]) -> usize {
    match segment_bytes {
        0 => datagrams.len().max(1),
        bytes => bytes,
    }
}

/// Whether a route can be dialled now: a relay has to be connected first, and a session open.
pub(super) fn is_ready(route: &Route, relays: &Relays, carriers: &CarrierTable) -> bool {
    match route.is_relayed() {
        true => relays.is_connected(route.carrier),
        false => carriers.max_packet_bytes(route.carrier) > 0,
    }
}

/// Where datagrams leave the peer.
struct Exit<'a, O> {
    stats: &'a mut PeerStats,
    carriers: &'a CarrierTable,
    relays: &'a mut Relays,
    carried: &'a mut Carried,
    now: Instant,
    outbox: &'a mut O,
}

impl<O: Outbox> Exit<'_, O> {
    /// Gives datagrams to the outbox, unless the carrier can't take their size, or no host can be at the address.
    ///
    /// Nothing is fragmented: the loss tells path MTU discovery the truth.
    fn hand_over(&mut self, route: Route, ecn: u8, segment_bytes: usize, datagrams: &[u8]) {
        let largest = size_of_each(segment_bytes, datagrams);
        let count = datagrams.len().div_ceil(largest) as u64;
        if largest > self.carriers.max_packet_bytes(route.carrier) {
            self.stats.unroutable_dropped += count;
            return;
        }
        match route.address {
            _ if self.carried.take(route, largest, datagrams) => {}
            // Where a datagram seems to come from, whoever sends it can choose.
            Address::Socket(address)
                if self.carriers.kind(route.carrier) == Some(CarrierKind::Udp)
                    && !is_sendable(&address) =>
            {
                self.stats.unroutable_dropped += count;
            }
            Address::Socket(address) => {
                self.stats.datagrams_sent += count;
                self.stats.bytes_sent += datagrams.len() as u64;
                self.outbox
                    .transmit(route.carrier, address, segment_bytes, datagrams);
            }
            Address::Endpoint(remote) => {
                let to = (route.carrier, remote);
                self.relays
                    .send(to, ecn, segment_bytes, datagrams, self.now, self.outbox);
            }
        }
    }
}
