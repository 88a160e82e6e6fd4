//! Turning what QUIC wants to send into datagrams for carriers, in fair turns.

use std::num::NonZeroUsize;

use super::Peer;
use crate::carrier::{CarrierTable, Route};
use crate::connection::Connection;
use crate::event::{ConnectionKey, Outbox};
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
            hand_over(&mut self.stats, &self.carriers, route, 0, &datagram, outbox);
        }
        // Events are to be told even when nothing may be sent, so every turn is taken once.
        let mut blocked = Vec::new();
        while let Some(key) = self.turns.pop_front() {
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.queued = false;
            }
            self.pump(key);
            let more = self.transmit(key, &mut left, outbox);
            self.pump(key);
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

    /// The turn's packets and figures go into the qlog.
    fn observe(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key) {
            let now = self.clock.now();
            self.qlogs.observe(key, &mut connection.quic, now);
        }
    }

    /// Sends up to a turn's bytes; true when there may be more.
    fn transmit(&mut self, key: ConnectionKey, left: &mut usize, outbox: &mut impl Outbox) -> bool {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return false;
        };
        start_waiting(connection, &mut self.stats, &self.carriers, now, outbox);
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
            let (stats, carriers) = (&mut self.stats, &self.carriers);
            match connection.dial.as_mut() {
                Some(dial) if dial.mixed == transmit.destination => {
                    for route in dial.routes() {
                        hand_over(stats, carriers, *route, segment, datagrams, outbox);
                    }
                    for datagram in datagrams.chunks(size_of_each(segment, datagrams)) {
                        dial.keep(datagram);
                    }
                }
                _ => match carriers.outward(transmit.destination) {
                    Some(route) => hand_over(stats, carriers, route, segment, datagrams, outbox),
                    None => stats.unroutable_dropped += 1,
                },
            }
        }
    }
}

/// After a network change noq writes an IMMEDIATE_ACK frame without a look at the room for it, and panics
/// where an earlier datagram of the batch was smaller; so there is no batch until something is heard.
fn batch_of(connection: &Connection) -> NonZeroUsize {
    if connection.unheard_since_change {
        NonZeroUsize::MIN
    } else {
        BATCH
    }
}

/// Addresses whose turn in a dial has come are sent what the others were.
fn start_waiting(
    connection: &mut Connection,
    stats: &mut PeerStats,
    carriers: &CarrierTable,
    now: crate::clock::Instant,
    outbox: &mut impl Outbox,
) {
    let Some(dial) = connection.dial.as_mut() else {
        return;
    };
    for route in dial.start_due(now) {
        for datagram in dial.kept() {
            hand_over(stats, carriers, route, 0, datagram, outbox);
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

/// Gives datagrams to the outbox, unless the carrier can't take their size.
///
/// Nothing is fragmented: the loss tells path MTU discovery the truth.
fn hand_over(
    stats: &mut PeerStats,
    carriers: &CarrierTable,
    route: Route,
    segment_bytes: usize,
    datagrams: &[u8],
    outbox: &mut impl Outbox,
) {
    let largest = size_of_each(segment_bytes, datagrams);
    let count = datagrams.len().div_ceil(largest) as u64;
    if largest > carriers.max_packet_bytes(route.carrier) {
        stats.unroutable_dropped += count;
        return;
    }
    stats.datagrams_sent += count;
    stats.bytes_sent += datagrams.len() as u64;
    outbox.transmit(route, segment_bytes, datagrams);
}
