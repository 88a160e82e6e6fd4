//! One transfer over one link, for tables.

use crate::link::Link;
use crate::simulation::{HostId, Micros, Simulation};

/// What a transfer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// From the dial to the last byte; `None`: it did not finish in [`LIMIT`].
    pub time: Option<Micros>,
    /// Bytes on the wire from the sender, for each byte of the transfer, in percent.
    pub sent_percent: u64,
}

/// When a transfer is given up.
pub const LIMIT: Micros = 600_000_000;

const CLIENT: HostId = 0;
const SERVER: HostId = 1;

/// Dials over `link`, sends `bytes` over one stream, and waits for the last of them.
pub fn transfer(seed: u64, link: &Link, bytes: u64) -> Outcome {
    let mut net = Simulation::pair(seed, link.clone());
    let outcome = |net: &mut Simulation, time| Outcome {
        time,
        sent_percent: net.peer(CLIENT).stats().bytes_sent * 100 / bytes.max(1),
    };
    let Ok(key) = net.dial(CLIENT, SERVER) else {
        return outcome(&mut net, None);
    };
    let is_up = |net: &mut Simulation| {
        let known = net.known(CLIENT, key);
        known.is_some_and(|known| known.connected.is_some() || known.closed.is_some())
    };
    net.run_until(LIMIT, is_up);
    let Some(stream) = net.send(CLIENT, key, false, bytes) else {
        return outcome(&mut net, None);
    };
    let arrived = |net: &mut Simulation| {
        let received = &net.application(SERVER).received;
        let ends = received.iter().filter(|((_, number), _)| *number == stream);
        ends.map(|(_, received)| received).any(|r| r.end.is_some())
    };
    let failed = |net: &Simulation| net.known(CLIENT, key).is_some_and(|k| k.closed.is_some());
    let limit = LIMIT.saturating_sub(net.now());
    net.run_until(limit, |net| arrived(net) || failed(net));
    let received = net.application(SERVER).received.values();
    let whole = received.into_iter().any(|r| r.is_whole(stream, bytes));
    let time = whole.then_some(net.now());
    outcome(&mut net, time)
}

/// The link of a table's cell: 10 MB/s with a queue of a fifth of a second.
pub fn cell(delay_ms: u64, loss_percent: f64) -> Link {
    Link {
        delay: delay_ms * 1000,
        loss: loss_percent / 100.0,
        rate: Some(10_000_000),
        queue_bytes: 2_000_000,
        ..Link::default()
    }
}
