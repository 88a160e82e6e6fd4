//! Two peers behind NATs that meet over a relay: does their connection become direct, when, and by which candidates?

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anypath_peer::event::{ConnectionKey, Event, PathChange};
use anypath_peer::session::State;

use crate::link::Link;
use crate::nat::SiteKind;
use crate::relay::Wire;
use crate::simulation::{ALPN, HostId, Micros, Simulation, config};

/// The kinds of sites that tables have, in their order.
pub const KINDS: [&str; 13] = [
    "none",
    "fullcone",
    "adf",
    "portrestricted",
    "linux",
    "linuxopen",
    "symadm",
    "symmetric",
    "symseq",
    "sympool",
    "portrestricted/fullcone",
    "linux/symmetric",
    "udpblock",
];

/// The relay that both sides are configured with.
pub const RELAY: &str = "https://relay.example/";

/// The servers that tell peers their addresses.
pub const SERVERS: [[u8; 4]; 2] = [[203, 0, 113, 1], [203, 0, 113, 2]];

/// One-way delay of each side's access link, in microseconds: 25 ms.
pub const ACCESS_DELAY: Micros = 25_000;

/// How long a direct path is waited for, in microseconds since the dial.
pub const PATIENCE: Micros = 15_000_000;

/// How soon a path has to be direct that needs no luck, in microseconds since the dial.
pub const PROMPT: Micros = 5_000_000;

/// Bytes that go each way at the end.
const BYTES: u64 = 100_000;

/// Bytes that may pass over the relay meanwhile, when the path is direct: the backup is kept alive.
const STANDSTILL_BYTES: u64 = 16_384;

const SECOND: Micros = 1_000_000;
const DIALLER: HostId = 0;
const LISTENER: HostId = 1;
const SERVER: HostId = 2;

/// What is wrong with the network beside its NATs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Nothing.
    Calm,
    /// Each access link loses 5 % of the datagrams in each direction.
    Loss,
    /// From the handshake's end, what the relay sends to the listener takes 200 ms longer, so that it begins later.
    Skew,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Calm, Self::Loss, Self::Skew];
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "calm",
            Self::Loss => "loss",
            Self::Skew => "skew",
        })
    }
}

/// What a direct path between two kinds takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Mappings that are told to each other, or an answer to where a packet really came from.
    Told,
    /// A prediction of the next ports.
    Predicted,
    /// Many sockets against many ports.
    Birthday,
    /// It can't be had.
    Relay,
}

/// What a direct path between two sites takes.
pub fn need(one: &str, other: &str) -> Need {
    use Need::*;
    // Rows and columns: open, address-dependent filter, restricted, symmetric, sequential, pool, behind a carrier's
    // symmetric NAT, none at all.
    const NEEDS: [[Need; 8]; 8] = [
        [Told, Told, Told, Told, Told, Told, Told, Relay],
        [Told, Told, Told, Told, Told, Relay, Told, Relay],
        [
            Told, Told, Told, Birthday, Predicted, Relay, Birthday, Relay,
        ],
        [Told, Told, Birthday, Relay, Relay, Relay, Relay, Relay],
        [Told, Told, Predicted, Relay, Predicted, Relay, Relay, Relay],
        [Told, Relay, Relay, Relay, Relay, Relay, Relay, Relay],
        [Told, Told, Birthday, Relay, Relay, Relay, Relay, Relay],
        [Relay, Relay, Relay, Relay, Relay, Relay, Relay, Relay],
    ];
    let group = |kind: &str| match kind {
        "none" | "fullcone" => 0,
        "adf" => 1,
        "portrestricted" | "linux" | "linuxopen" | "portrestricted/fullcone" => 2,
        "symadm" | "symmetric" => 3,
        "symseq" => 4,
        "sympool" => 5,
        "linux/symmetric" => 6,
        _ => 7,
    };
    match (one, other) {
        // A router that takes strangers' packets moves the port: too late for a birthday.
        ("linuxopen", "symadm" | "symmetric" | "linux/symmetric")
        | ("symadm" | "symmetric" | "linux/symmetric", "linuxopen") => Relay,
        _ => NEEDS[group(one)][group(other)],
    }
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The dialler's site and the listener's.
    pub kinds: [&'static str; 2],
    /// What else is wrong.
    pub condition: Condition,
    /// Which of the runs of its kinds and condition it is.
    pub seed: u64,
}

impl Cell {
    /// The simulation's seed: every cell has its own luck (FNV-1a).
    fn luck(&self) -> u64 {
        let name = self.to_string();
        let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [dialler, listener] = self.kinds;
        write!(f, "{dialler} {listener} {} {}", self.condition, self.seed)
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// From the dial to the handshake's end at both sides; `None`: they did not connect in [`PATIENCE`].
    pub connected: Option<Micros>,
    /// From the dial until both sides had chosen a direct path; `None`: the connection is relayed.
    pub direct: Option<Micros>,
    /// By which kind of candidate each side is reached, as the core names them: the dialler's first.
    pub candidates: Option<[String; 2]>,
    /// What is wrong with it, whatever the NATs.
    pub fault: Option<String>,
    /// Rounds that the dialler began.
    pub rounds: u64,
    /// Probes of both sides.
    pub probes: u64,
}

impl Outcome {
    /// What a table shows: milliseconds to a direct path, `relay`, or the fault.
    pub fn brief(&self) -> String {
        match (&self.fault, self.direct) {
            (Some(fault), _) => format!("[{fault}]"),
            (None, Some(time)) => (time / 1000).to_string(),
            (None, None) => "relay".to_owned(),
        }
    }

    /// The kinds of candidates that met.
    pub fn pair(&self) -> String {
        let pair = self.candidates.as_ref();
        pair.map_or_else(|| "-".to_owned(), |pair| pair.join("/"))
    }
}

/// A network in which a cell runs: the dialler is host 0, the listener host 1; both know their addresses.
pub fn network(cell: &Cell) -> Simulation {
    let mut net = Simulation::new(cell.luck());
    let access = Link {
        delay: ACCESS_DELAY,
        loss: if cell.condition == Condition::Loss {
            0.05
        } else {
            0.0
        },
        ..Link::default()
    };
    let wire = Wire {
        delay: 0,
        ..Wire::default()
    };
    net.add_relay(RELAY, wire);
    for (host, kind) in cell.kinds.into_iter().enumerate() {
        let kind: SiteKind = kind.parse().expect("the name of a kind");
        let site = net.add_site(kind, &access);
        net.add_host_at(site, config(host, net.seed()));
    }
    for (number, ip) in SERVERS.into_iter().enumerate() {
        let mut config = config(SERVER + number, net.seed());
        config.stun = true;
        net.add_server(ip, config);
    }
    let servers = [SERVER, SERVER + 1].map(|server| net.address_of(server));
    for host in [DIALLER, LISTENER] {
        let local = net.address_of(host);
        net.peer(host).set_relays([RELAY]);
        net.peer(host).set_stun_servers(&servers);
        net.peer(host).set_local_addresses(&[local]);
    }
    net.run_for(2 * SECOND);
    net
}

/// Dials over the relay, knowing nothing else of the listener; the connection's keys, by host, once it is up.
pub fn connect(net: &mut Simulation) -> Option<[ConnectionKey; 2]> {
    let id = net.id_of(LISTENER);
    let peer = net.peer(DIALLER);
    let target = peer.relay_target(id, RELAY, Duration::ZERO)?;
    let dialled = peer.connect(id, ALPN, &[target], false).ok()?;
    let mut keys = None;
    net.run_until(PATIENCE, |net| {
        let up = |host, key| net.known(host, key).is_some_and(|k| k.connected.is_some());
        let accepted = net.application(LISTENER).connections.keys().copied();
        let accepted: Vec<_> = accepted.filter(|key| up(LISTENER, *key)).collect();
        keys = accepted.first().map(|accepted| [dialled, *accepted]);
        keys.is_some() && up(DIALLER, dialled)
    });
    keys
}

/// The address that a host's data goes to, if that is a direct one.
pub fn direct_route(
    net: &Simulation,
    host: HostId,
    key: ConnectionKey,
) -> Option<std::net::SocketAddrV6> {
    let chosen = net.application(host).events.iter().rev();
    let mut chosen = chosen.filter_map(|(_, event)| match event {
        Event::Path {
            connection,
            change: PathChange::Selected,
            route,
            ..
        } if *connection == key => Some(route),
        _ => None,
    });
    let address = chosen.next()?.address.socket()?;
    (net.application(host).state(key) == Some(State::Direct)).then_some(address)
}

/// Runs a cell.
pub fn run(cell: &Cell) -> Outcome {
    let mut net = network(cell);
    run_in(&mut net, cell)
}

/// Runs a cell in a network that [`network`] made for it, to look at afterwards.
pub fn run_in(net: &mut Simulation, cell: &Cell) -> Outcome {
    let start = net.now();
    let mut outcome = Outcome {
        connected: None,
        direct: None,
        candidates: None,
        fault: None,
        rounds: 0,
        probes: 0,
    };
    let Some(keys) = connect(net) else {
        outcome.fault = Some("not connected".to_owned());
        return outcome;
    };
    outcome.connected = Some(net.now() - start);
    if cell.condition == Condition::Skew {
        net.delay_relayed(LISTENER, 200_000);
    }
    let direct = |net: &mut Simulation| {
        let of = |host: HostId| direct_route(net, host, keys[host]);
        of(DIALLER).is_some() && of(LISTENER).is_some()
    };
    let rest = (start + PATIENCE).saturating_sub(net.now());
    if net.run_until(rest, direct) {
        outcome.direct = Some(net.now() - start);
        outcome.candidates = candidates(net, keys);
        // The best of several paths is chosen, and the relay becomes the backup.
        net.run_for(5 * SECOND);
    }
    outcome.fault = transfer(net, keys, outcome.direct.is_some());
    let stats = [DIALLER, LISTENER].map(|host| net.peer(host).stats());
    outcome.rounds = stats[0].traversal_rounds;
    outcome.probes = stats.iter().map(|stats| stats.probes_sent).sum();
    outcome
}

/// By which kind of its own candidates each side is reached.
fn candidates(net: &mut Simulation, keys: [ConnectionKey; 2]) -> Option<[String; 2]> {
    let mut reached = |host: HostId| {
        let by = 1 - host;
        let seen = direct_route(net, by, keys[by])?;
        let told = net.peer(host).local_candidates();
        let known = told.iter().find(|candidate| candidate.address == seen);
        let kind = known.map(|candidate| format!("{:?}", candidate.kind).to_lowercase());
        // What was not told was learned from a packet.
        Some(kind.unwrap_or_else(|| "peerreflexive".to_owned()))
    };
    Some([reached(DIALLER)?, reached(LISTENER)?])
}

/// Sends data both ways; what is wrong with it.
fn transfer(net: &mut Simulation, keys: [ConnectionKey; 2], direct: bool) -> Option<String> {
    let relayed = |net: &mut Simulation| -> u64 {
        let stats = [DIALLER, LISTENER].map(|host| net.peer(host).stats());
        stats.iter().map(|stats| stats.relay_bytes_sent).sum()
    };
    let before = relayed(net);
    let mut streams = Vec::new();
    for from in [DIALLER, LISTENER] {
        let Some(stream) = net.send(from, keys[from], false, BYTES) else {
            return Some("no stream".to_owned());
        };
        streams.push((1 - from, stream));
    }
    let ended = |net: &mut Simulation| {
        let mut all = streams
            .iter()
            .map(|(to, s)| net.received(*to, keys[*to], *s));
        all.all(|received| received.is_some_and(|received| received.end.is_some()))
    };
    if !net.run_until(60 * SECOND, ended) {
        return Some("data stopped".to_owned());
    }
    let mut all = streams
        .iter()
        .map(|(to, s)| (net.received(*to, keys[*to], *s), *s));
    if !all.all(|(received, s)| received.is_some_and(|r| r.is_whole(s, BYTES))) {
        return Some("data broken".to_owned());
    }
    let passed = relayed(net) - before;
    (direct && passed > STANDSTILL_BYTES).then(|| format!("{passed} B over the relay"))
}

/// Every cell of the whole table, for so many seeds from 1 on.
pub fn cells(seeds: u64) -> Vec<Cell> {
    let mut cells = Vec::new();
    for dialler in KINDS {
        for listener in KINDS {
            for condition in Condition::ALL {
                cells.extend((1..=seeds).map(|seed| Cell {
                    kinds: [dialler, listener],
                    condition,
                    seed,
                }));
            }
        }
    }
    cells
}

/// Runs cells on as many threads as the machine has cores; outcomes in their order.
pub fn run_all(cells: &[Cell]) -> Vec<Outcome> {
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((number, cell)) = take(cells, next) {
                    if sender.send((number, run(cell))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut outcomes: Vec<_> = receiver.iter().collect();
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    })
}

fn take<'a>(cells: &'a [Cell], next: &AtomicUsize) -> Option<(usize, &'a Cell)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    cells.get(number).map(|cell| (number, cell))
}

/// A line for the cells of one pair and condition, in the order of their seeds.
pub fn line(cells: &[Cell], outcomes: &[Outcome]) -> String {
    let Some(first) = cells.first() else {
        return String::new();
    };
    let [dialler, listener] = first.kinds;
    let brief: Vec<_> = outcomes.iter().map(Outcome::brief).collect();
    let mut pairs: Vec<_> = outcomes.iter().map(Outcome::pair).collect();
    pairs.sort();
    pairs.dedup();
    format!(
        "{dialler} > {listener}, {}: {} ({})",
        first.condition,
        brief.join(" "),
        pairs.join(" ")
    )
}

/// Why an outcome is not what the kinds allow; `None`: it is.
pub fn shortfall(cell: &Cell, outcome: &Outcome) -> Option<String> {
    if let Some(fault) = &outcome.fault {
        return Some(fault.clone());
    }
    // A listener that begins late finds its port taken by the dialler's first probe.
    let [dialler, listener] = cell.kinds;
    let late = cell.condition == Condition::Skew && listener == "linuxopen";
    if late && !matches!(dialler, "none" | "fullcone" | "adf") {
        return None;
    }
    let limit = match need(dialler, listener) {
        Need::Told | Need::Predicted => PROMPT,
        Need::Birthday => PATIENCE,
        Need::Relay => return None,
    };
    match outcome.direct {
        Some(time) if time <= limit => None,
        Some(time) => Some(format!("direct after {} ms", time / 1000)),
        None => Some("relayed".to_owned()),
    }
}
