//! What can be done.

use anypath_simnet::{Fate, HostId, Micros};
use proptest::collection::vec;
use proptest::prelude::*;

/// One step of a sequence. A `stream` chooses among those that there are.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Open {
        host: HostId,
        bidirectional: bool,
    },
    Write {
        host: HostId,
        stream: usize,
        bytes: usize,
    },
    Prioritise {
        host: HostId,
        stream: usize,
        priority: i32,
    },
    Finish {
        host: HostId,
        stream: usize,
    },
    Reset {
        host: HostId,
        stream: usize,
        code: u64,
    },
    Stop {
        host: HostId,
        stream: usize,
        code: u64,
    },
    Pause {
        host: HostId,
        stream: usize,
    },
    Resume {
        host: HostId,
        stream: usize,
    },
    Datagram {
        host: HostId,
        bytes: usize,
    },
    /// Something happens to one of the next datagrams from that host.
    Fate {
        host: HostId,
        ahead: u64,
        fate: Fate,
    },
    /// Nothing passes for a while.
    Outage {
        span: Micros,
    },
    Migrate {
        told: bool,
    },
    KeyUpdate {
        host: HostId,
    },
    Ping {
        host: HostId,
    },
    Close {
        host: HostId,
        code: u64,
    },
    Wait {
        span: Micros,
    },
}

/// A seed for the network, and what is done.
pub(crate) fn sequences() -> impl Strategy<Value = (u64, Vec<Operation>)> {
    (any::<u64>(), vec(operation(), 1..80))
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let host = 0..2_usize;
    let stream = 0..64_usize;
    let at = || (host.clone(), stream.clone());
    prop_oneof![
        6 => (host.clone(), any::<bool>())
            .prop_map(|(host, bidirectional)| Open { host, bidirectional }),
        12 => (at(), 0..100_000_usize)
            .prop_map(|((host, stream), bytes)| Write { host, stream, bytes }),
        1 => (at(), -5..5_i32)
            .prop_map(|((host, stream), priority)| Prioritise { host, stream, priority }),
        4 => at().prop_map(|(host, stream)| Finish { host, stream }),
        2 => (at(), 0..1000_u64).prop_map(|((host, stream), code)| Reset { host, stream, code }),
        2 => (at(), 0..1000_u64).prop_map(|((host, stream), code)| Stop { host, stream, code }),
        2 => at().prop_map(|(host, stream)| Pause { host, stream }),
        3 => at().prop_map(|(host, stream)| Resume { host, stream }),
        3 => (host.clone(), 0..1100_usize).prop_map(|(host, bytes)| Datagram { host, bytes }),
        6 => (host.clone(), 0..4_u64, fate())
            .prop_map(|(host, ahead, fate)| Fate { host, ahead, fate }),
        1 => (0..3_000_000_u64).prop_map(|span| Outage { span }),
        2 => any::<bool>().prop_map(|told| Migrate { told }),
        2 => host.clone().prop_map(|host| KeyUpdate { host }),
        1 => host.clone().prop_map(|host| Ping { host }),
        1 => (host.clone(), 0..1000_u64).prop_map(|(host, code)| Close { host, code }),
        10 => (0..100_000_u64).prop_map(|span| Wait { span }),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Lost),
        Just(Fate::Twice),
        (0..200_000_u64).prop_map(Fate::Late),
    ]
}
