//! The figures of paths, told when they change.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event;
use crate::connection::number_of;

/// What was told last of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    rtt: Duration,
    min_rtt: Duration,
    congestion_window: u64,
    mtu: u16,
    packets_lost: u64,
}

/// What was told last of every path.
#[derive(Default)]
pub(super) struct Figures(BTreeMap<u32, Told>);

impl Figures {
    /// Looks at every path and tells what has changed.
    pub(super) fn observe(
        &mut self,
        quic: &mut noq_proto::Connection,
        time: Duration,
        out: &mut String,
    ) {
        for id in quic.paths() {
            let Some(stats) = quic.path_stats(id) else {
                continue;
            };
            let path = number_of(id);
            let old = self.0.get(&path).copied();
            let new = Told {
                rtt: stats.rtt,
                min_rtt: old.map_or(stats.rtt, |old| old.min_rtt.min(stats.rtt)),
                congestion_window: stats.cwnd,
                mtu: stats.current_mtu,
                packets_lost: stats.lost_packets,
            };
            if old == Some(new) {
                continue;
            }
            tell(path, old, &new, stats.lost_bytes, time, out);
            self.0.insert(path, new);
        }
    }
}

fn tell(
    path: u32,
    old: Option<Told>,
    new: &Told,
    bytes_lost: u64,
    time: Duration,
    out: &mut String,
) {
    let recovery = |told: &Told| (told.rtt, told.congestion_window);
    if old.as_ref().map(recovery) != Some(recovery(new)) {
        event(out, time, "quic:recovery_metrics_updated", |data| {
            data.millis("smoothed_rtt", new.rtt);
            data.millis("min_rtt", new.min_rtt);
            data.number("congestion_window", new.congestion_window);
            data.number("path_id", path);
        });
    }
    if old.map(|told| told.mtu) != Some(new.mtu) {
        event(out, time, "quic:mtu_updated", |data| {
            if let Some(old) = old {
                data.number("old", old.mtu);
            }
            data.number("new", new.mtu).number("path_id", path);
        });
    }
    if old.map_or(0, |told| told.packets_lost) != new.packets_lost {
        // Which packets they were is not known here, so it can't be quic:packet_lost.
        event(out, time, "anypath:packets_lost", |data| {
            data.number("path_id", path);
            data.number("packets_total", new.packets_lost);
            data.number("bytes_total", bytes_lost);
        });
    }
}
