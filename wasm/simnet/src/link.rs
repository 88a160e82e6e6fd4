//! What a network does to a datagram.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::simulation::Micros;

/// What becomes of one chosen datagram, whatever the link would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives twice.
    Twice,
    /// It arrives so many microseconds later than it would.
    Late(Micros),
}

/// One direction between two hosts.
#[derive(Debug, Clone)]
pub struct Link {
    /// The time a datagram takes, in microseconds.
    pub delay: Micros,
    /// The most that is added to it at random; the order stays.
    pub jitter: Micros,
    /// The share of datagrams that are lost.
    pub loss: f64,
    /// The share of datagrams that arrive twice.
    pub duplicate: f64,
    /// The share of datagrams that are overtaken by those behind them.
    pub reorder: f64,
    /// How much later those arrive.
    pub reorder_delay: Micros,
    /// Bytes per second, headers included; `None`: no limit.
    pub rate: Option<u64>,
    /// What may wait for the rate; more is dropped.
    pub queue_bytes: u64,
    /// The largest IP packet. Larger ones vanish, as where ICMP is filtered.
    pub mtu: usize,
    /// When nothing passes.
    pub outages: Vec<Range<Micros>>,
    /// Fates of datagrams by their number on this link, from 0.
    pub fates: BTreeMap<u64, Fate>,
}

impl Default for Link {
    /// 10 ms, an Ethernet's packets, and nothing lost.
    fn default() -> Self {
        Self {
            delay: 10_000,
            jitter: 0,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_delay: 0,
            rate: None,
            queue_bytes: 256 << 10,
            mtu: 1500,
            outages: Vec::new(),
            fates: BTreeMap::new(),
        }
    }
}

/// What a link did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Datagrams given to it.
    pub sent: u64,
    /// Lost at random, by an outage or by their fate.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub overflowed: u64,
    /// Dropped because they were larger than the MTU.
    pub oversized: u64,
}

/// A link at work.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) link: Link,
    pub(crate) counts: LinkCounts,
    rng: StdRng,
    /// When the queue is empty.
    free_at: Micros,
    last_arrival: Micros,
}

impl Line {
    pub(crate) fn new(link: Link, seed: u64) -> Self {
        Self {
            link,
            counts: LinkCounts::default(),
            rng: StdRng::seed_from_u64(seed),
            free_at: 0,
            last_arrival: 0,
        }
    }

    /// When a packet of `bytes` (headers included) that is sent `now` arrives: never, once or twice.
    pub(crate) fn carry(&mut self, now: Micros, bytes: usize) -> Vec<Micros> {
        let fate = self.link.fates.get(&self.counts.sent).copied();
        self.counts.sent += 1;
        // Always drawn, so that one datagram's fate does not change the luck of those behind it.
        let mut luck = || self.rng.random::<f64>();
        let (lost, twice, overtaken, shake) = (luck(), luck(), luck(), luck());
        if bytes > self.link.mtu {
            self.counts.oversized += 1;
            return Vec::new();
        }
        let cut = self.link.outages.iter().any(|span| span.contains(&now));
        if cut || lost < self.link.loss || fate == Some(Fate::Lost) {
            self.counts.lost += 1;
            return Vec::new();
        }
        let Some(sent_at) = self.serialise(now, bytes as u64) else {
            self.counts.overflowed += 1;
            return Vec::new();
        };
        let shaken = (self.link.jitter as f64 * shake) as Micros;
        let mut arrival = (sent_at + self.link.delay + shaken).max(self.last_arrival);
        self.last_arrival = arrival;
        if overtaken < self.link.reorder {
            arrival += self.link.reorder_delay;
        }
        if let Some(Fate::Late(by)) = fate {
            arrival += by;
        }
        let copies = 1 + usize::from(twice < self.link.duplicate || fate == Some(Fate::Twice));
        vec![arrival; copies]
    }

    /// When the last bit has left the queue; `None` when the queue is full.
    fn serialise(&mut self, now: Micros, bytes: u64) -> Option<Micros> {
        let Some(rate) = self.link.rate else {
            return Some(now);
        };
        let start = self.free_at.max(now);
        let waiting = (start - now) * rate / 1_000_000;
        if waiting + bytes > self.link.queue_bytes.max(bytes) {
            return None;
        }
        self.free_at = start + (bytes * 1_000_000).div_ceil(rate.max(1));
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(link: Link) -> Line {
        Line::new(link, 1)
    }

    #[test]
    fn a_packet_above_the_mtu_vanishes_and_one_of_the_mtu_arrives_after_the_delay() {
        let mut line = line(Link::default());
        assert_eq!(line.carry(5, 1500), [10_005]);
        assert!(line.carry(5, 1501).is_empty());
        assert_eq!(line.counts.oversized, 1);
    }

    #[test]
    fn a_rate_spaces_packets_and_a_full_queue_drops_them() {
        let mut line = line(Link {
            rate: Some(1_000_000),
            queue_bytes: 3000,
            ..Link::default()
        });
        let arrivals: Vec<_> = (0..5).flat_map(|_| line.carry(0, 1000)).collect();
        assert_eq!(arrivals, [11_000, 12_000, 13_000]);
        assert_eq!(line.counts.overflowed, 2);
        assert_eq!(line.carry(2_000, 1000), [14_000]);
    }

    #[test]
    fn fates_concern_one_datagram_and_outages_all_of_their_time() {
        let mut line = line(Link {
            fates: BTreeMap::from([(0, Fate::Lost), (1, Fate::Twice), (2, Fate::Late(7))]),
            outages: std::iter::once(100..200).collect(),
            ..Link::default()
        });
        assert!(line.carry(0, 100).is_empty());
        assert_eq!(line.carry(0, 100), [10_000, 10_000]);
        assert_eq!(line.carry(0, 100), [10_007]);
        assert!(line.carry(100, 100).is_empty());
        assert_eq!(line.carry(200, 100), [10_200]);
    }
}
