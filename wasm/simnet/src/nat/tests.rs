//! Every kind against what it claims, by the probes of RFC 5780.

use std::collections::BTreeSet;

use super::*;

const SECOND: Micros = 1_000_000;
const WAN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const CARRIER_WAN: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 10);
const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];
const PORTS_OF_SERVER: [u16; 2] = [19_302, 19_303];
const STRANGER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 200), 4000);

fn server(address: usize, port: usize) -> SocketAddrV4 {
    SocketAddrV4::new(SERVERS[address], PORTS_OF_SERVER[port])
}

/// A host behind the NATs of a site, whose sockets have ports of their own.
struct Probe {
    nats: Vec<Nat>,
    next_port: u16,
    now: Micros,
}

impl Probe {
    fn new(kind: &str, seed: u64) -> Self {
        let site: SiteKind = kind.parse().unwrap();
        let home_wan = if site.carrier.is_some() {
            CARRIER_WAN
        } else {
            WAN
        };
        let mut nats = vec![Nat::new(site.home, home_wan, seed)];
        nats.extend(site.carrier.map(|kind| Nat::new(kind, WAN, seed + 1)));
        Self {
            nats,
            next_port: 5000,
            now: 0,
        }
    }

    fn socket(&mut self) -> SocketAddrV4 {
        self.next_port += 1;
        SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 100), self.next_port)
    }

    fn send(&mut self, from: SocketAddrV4, to: SocketAddrV4) -> Option<SocketAddrV4> {
        let now = self.now;
        self.nats
            .iter_mut()
            .try_fold(from, |from, nat| nat.outbound(now, from, to))
    }

    fn gets_in(&mut self, from: SocketAddrV4, to: SocketAddrV4) -> Option<SocketAddrV4> {
        let now = self.now;
        let mut inwards = self.nats.iter_mut().rev();
        inwards.try_fold(to, |to, nat| nat.inbound(now, from, to))
    }

    /// A request and its answer.
    fn ask(&mut self, socket: SocketAddrV4, to: SocketAddrV4) -> Option<SocketAddrV4> {
        let mapped = self.send(socket, to)?;
        assert_eq!(self.gets_in(to, mapped), Some(socket));
        Some(mapped)
    }

    /// RFC 5780 § 4.3, whether the port is kept, and the steps between ports.
    fn mapping(&mut self) -> Option<(&'static str, bool, Vec<i32>)> {
        let socket = self.socket();
        let order = [(0, 0), (1, 0), (1, 1), (0, 1)];
        let seen: Option<Vec<_>> = order
            .into_iter()
            .map(|(address, port)| self.ask(socket, server(address, port)))
            .collect();
        let seen = seen?;
        let kind = match &seen[..] {
            [a, b, c, d] if a == b && b == c && c == d => "EIM",
            [a, b, c, d] if b == c && a == d => "ADM",
            _ => "APDM",
        };
        let kept = seen.iter().all(|mapped| mapped.port() == socket.port());
        let steps = seen.windows(2);
        let steps = steps.map(|pair| i32::from(pair[1].port()) - i32::from(pair[0].port()));
        Some((kind, kept, steps.collect()))
    }

    /// RFC 5780 § 4.4.
    fn filtering(&mut self) -> &'static str {
        let socket = self.socket();
        let Some(mapped) = self.ask(socket, server(0, 0)) else {
            return "blocked";
        };
        if self.gets_in(server(1, 1), mapped) == Some(socket) {
            "EIF"
        } else if self.gets_in(server(0, 1), mapped) == Some(socket) {
            "ADF"
        } else {
            "APDF"
        }
    }

    /// RFC 5780 § 4.6: whether the mapping is there after so long a silence.
    fn alive_after(&mut self, idle: Micros) -> bool {
        let socket = self.socket();
        let mapped = self.ask(socket, server(0, 0)).unwrap();
        self.now += idle;
        self.gets_in(server(0, 0), mapped) == Some(socket)
    }
}

#[test]
fn every_kind_maps_and_filters_as_it_claims() {
    let claims = [
        ("none", "EIM", "EIF", true),
        ("fw", "EIM", "APDF", true),
        ("fullcone", "EIM", "EIF", false),
        ("adf", "EIM", "ADF", false),
        ("portrestricted", "EIM", "APDF", false),
        ("linux", "EIM", "APDF", true),
        ("linuxopen", "EIM", "APDF", true),
        ("symadm", "ADM", "APDF", false),
        ("symmetric", "APDM", "APDF", false),
        ("symseq", "APDM", "APDF", false),
        ("sympool", "APDM", "APDF", false),
        ("portrestricted/fullcone", "EIM", "APDF", false),
        ("fullcone/adf", "EIM", "ADF", false),
        ("fullcone/fullcone", "EIM", "EIF", false),
        ("linux/symmetric", "APDM", "APDF", false),
        ("linux/symseq", "APDM", "APDF", false),
        ("symseq/fullcone", "APDM", "APDF", false),
    ];
    for (kind, mapping, filtering, kept) in claims {
        for seed in 1..=5 {
            let mut probe = Probe::new(kind, seed);
            let seen = probe.mapping().unwrap();
            assert_eq!((seen.0, seen.1), (mapping, kept), "{kind}, seed {seed}");
            assert_eq!(probe.filtering(), filtering, "{kind}, seed {seed}");
        }
    }
}

#[test]
fn only_sequential_ports_can_be_predicted() {
    for (kind, steps) in [
        ("symseq", Some(1)),
        ("linux/symseq", Some(1)),
        ("symmetric", None),
        ("sympool", None),
        ("symseq/fullcone", None),
    ] {
        let (_, _, seen) = Probe::new(kind, 3).mapping().unwrap();
        let even = seen.iter().all(|step| *step == seen[0] && step.abs() <= 16);
        assert_eq!(even.then_some(seen[0]), steps, "{kind}: {seen:?}");
    }
}

#[test]
fn a_sequence_begins_again_after_its_last_port_and_elsewhere_after_a_reboot() {
    let mut probe = Probe::new("symseq", 1);
    let socket = probe.socket();
    let to = |n: u16| SocketAddrV4::new(SERVERS[0], 1 + n);
    let first = probe.ask(socket, to(0)).unwrap().port();
    let last = (1..SEQUENCE)
        .map(|n| probe.ask(socket, to(n)).unwrap().port())
        .last();
    assert_eq!(last, Some(first + SEQUENCE - 1));
    assert_eq!(probe.ask(socket, to(SEQUENCE)).unwrap().port(), first);
    probe.nats[0].reboot();
    assert_ne!(probe.ask(socket, to(0)).unwrap().port(), first);
}

#[test]
fn a_pool_has_four_addresses_and_gives_a_remote_always_the_same() {
    let mut probe = Probe::new("sympool", 1);
    let socket = probe.socket();
    let remotes = (0..=255).map(|last| Ipv4Addr::new(203, 0, 113, last));
    let mut used = BTreeSet::new();
    for remote in remotes {
        let one = probe.ask(socket, SocketAddrV4::new(remote, 1)).unwrap();
        let other = probe.ask(socket, SocketAddrV4::new(remote, 2)).unwrap();
        assert_eq!(one.ip(), other.ip());
        assert!(probe.nats[0].owns(*one.ip()) && *one.ip() != WAN);
        used.insert(*one.ip());
    }
    assert_eq!(used.len(), 4);
}

#[test]
fn nothing_but_questions_to_name_servers_leaves_where_udp_is_blocked() {
    for kind in ["udpblock", "tcp443"] {
        let mut probe = Probe::new(kind, 1);
        assert_eq!(probe.mapping(), None);
        assert_eq!(probe.filtering(), "blocked");
        let socket = probe.socket();
        assert!(
            probe
                .ask(socket, SocketAddrV4::new(SERVERS[0], 53))
                .is_some()
        );
    }
}

#[test]
fn a_mapping_lives_as_long_as_it_should_and_what_is_sent_keeps_it() {
    for kind in [
        "fullcone",
        "adf",
        "portrestricted",
        "linux",
        "symmetric",
        "linux/fullcone",
    ] {
        let mut probe = Probe::new(kind, 1);
        assert!(probe.alive_after(29 * SECOND), "{kind}");
        assert!(!probe.alive_after(31 * SECOND), "{kind}");
        for nat in &mut probe.nats {
            nat.lifetime = 5 * SECOND;
        }
        assert!(!probe.alive_after(6 * SECOND), "{kind}");
        let socket = probe.socket();
        let mapped = probe.send(socket, server(0, 0)).unwrap();
        for _ in 0..5 {
            probe.now += 4 * SECOND;
            assert_eq!(probe.send(socket, server(0, 0)), Some(mapped), "{kind}");
        }
        assert_eq!(probe.gets_in(server(0, 0), mapped), Some(socket), "{kind}");
    }
}

#[test]
fn what_comes_in_keeps_a_flow_and_not_the_mapping_for_others() {
    let mut probe = Probe::new("fullcone", 1);
    let socket = probe.socket();
    let mapped = probe.ask(socket, server(0, 0)).unwrap();
    for _ in 0..4 {
        probe.now += 20 * SECOND;
        assert_eq!(probe.gets_in(server(0, 0), mapped), Some(socket));
    }
    assert_eq!(probe.gets_in(STRANGER, mapped), None);
    assert_ne!(probe.send(socket, server(1, 0)), Some(mapped));
    assert_eq!(probe.send(socket, server(0, 0)), Some(mapped));
}

#[test]
fn a_reboot_forgets_everything_and_a_new_number_is_another_address() {
    for kind in ["fullcone", "adf", "portrestricted", "linux", "symmetric"] {
        let mut probe = Probe::new(kind, 1);
        let socket = probe.socket();
        let before = probe.ask(socket, server(0, 0)).unwrap();
        probe.nats[0].reboot();
        assert_eq!(probe.gets_in(server(0, 0), before), None, "{kind}");
        let after = probe.ask(socket, server(0, 0)).unwrap();
        // A router that keeps ports gives the same one again.
        assert_eq!(before == after, kind == "linux", "{kind}");
        let other = Ipv4Addr::new(198, 51, 100, 11);
        probe.nats[0].renumber(other);
        assert!(probe.nats[0].owns(other) && !probe.nats[0].owns(WAN));
        assert_eq!(*probe.ask(socket, server(0, 0)).unwrap().ip(), other);
    }
}

#[test]
fn a_kind_that_is_changed_is_the_new_one_from_then_on() {
    let mut probe = Probe::new("fullcone", 1);
    let socket = probe.socket();
    let mapped = probe.ask(socket, server(0, 0)).unwrap();
    probe.nats[0].set_kind("symmetric".parse().unwrap());
    assert_eq!(probe.gets_in(STRANGER, mapped), None);
    assert_eq!(probe.mapping().unwrap().0, "APDM");
    assert_eq!(probe.filtering(), "APDF");
}

#[test]
fn a_packet_that_comes_too_early_moves_the_port_only_where_the_router_takes_it() {
    for (kind, same) in [
        ("portrestricted", true),
        ("fullcone", true),
        ("linux", true),
        ("linuxopen", false),
        ("symmetric", false),
    ] {
        let mut probe = Probe::new(kind, 1);
        let socket = probe.socket();
        let mapped = probe.ask(socket, server(0, 0)).unwrap();
        let early = probe.gets_in(STRANGER, mapped);
        assert_eq!(early.is_some(), kind == "fullcone", "{kind}");
        let seen = probe.send(socket, STRANGER).unwrap();
        assert_eq!(seen == mapped, same, "{kind}");
        assert_eq!(probe.gets_in(STRANGER, seen), Some(socket), "{kind}");
    }
}

#[test]
fn an_open_routers_memory_of_an_early_packet_ends_like_any_other() {
    let mut probe = Probe::new("linuxopen", 1);
    let socket = probe.socket();
    let mapped = probe.ask(socket, server(0, 0)).unwrap();
    probe.gets_in(STRANGER, mapped);
    probe.now += 31 * SECOND;
    assert_eq!(probe.send(socket, STRANGER), Some(mapped));
}

#[test]
fn two_hosts_with_one_port_share_it_towards_different_remotes_only() {
    let mut probe = Probe::new("linux", 1);
    let one = probe.socket();
    let other = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 101), one.port());
    assert_eq!(probe.send(one, server(0, 0)).unwrap().port(), one.port());
    assert_eq!(probe.send(other, server(1, 0)).unwrap().port(), one.port());
    let moved = probe.send(other, server(0, 0)).unwrap();
    assert_ne!(moved.port(), one.port());
    assert_eq!(probe.gets_in(server(0, 0), moved), Some(other));
}

#[test]
fn a_burst_to_many_remotes_takes_one_port_or_as_many_as_there_are_remotes() {
    for (kind, ports) in [
        ("fullcone", 1),
        ("linux", 1),
        ("symadm", 1),
        ("symseq", 300),
    ] {
        let mut probe = Probe::new(kind, 1);
        let socket = probe.socket();
        let remotes = (10_000..10_300).map(|port| SocketAddrV4::new(SERVERS[1], port));
        let used: BTreeSet<_> = remotes.map(|to| probe.ask(socket, to).unwrap()).collect();
        assert_eq!(used.len(), ports, "{kind}");
    }
}

#[test]
fn two_hosts_behind_one_router_meet_by_their_outside_addresses_where_it_hairpins() {
    for (kind, turns, external) in [
        ("fullcone", false, false),
        ("linux", false, false),
        ("fullcone+hairpin", true, true),
        ("portrestricted+hairpin", true, true),
        ("linux+hairpin", true, true),
        ("symmetric+hairpin", true, false),
    ] {
        let mut probe = Probe::new(kind, 1);
        let (a, b) = (probe.socket(), probe.socket());
        let mapped = [a, b].map(|socket| probe.ask(socket, server(0, 0)).unwrap());
        let seen = probe.nats[0].hairpin(0, a, mapped[1]);
        assert_eq!(seen.is_some(), turns, "{kind}");
        let Some((source, to)) = seen else { continue };
        assert_eq!(to, b);
        assert_eq!(*source.ip(), WAN);
        assert_eq!(source == mapped[0], external, "{kind}");
        assert_eq!(probe.nats[0].hairpin(1, b, source), Some((mapped[1], a)));
    }
}

#[test]
fn one_seed_gives_the_same_ports_and_another_one_others() {
    let ports = |seed| {
        let mut probe = Probe::new("symmetric", seed);
        let socket = probe.socket();
        [0, 1].map(|n| probe.ask(socket, server(n, 0)).unwrap())
    };
    assert_eq!(ports(1), ports(1));
    assert_ne!(ports(1), ports(2));
}

#[test]
fn what_is_over_is_forgotten() {
    let mut probe = Probe::new("symmetric", 1);
    let socket = probe.socket();
    for round in 0..10 {
        probe.now = round * 31 * SECOND;
        for port in 1..=2000 {
            probe
                .send(socket, SocketAddrV4::new(SERVERS[0], port))
                .unwrap();
        }
    }
    assert!(probe.nats[0].flows.len() <= SWEEP_ABOVE + 2000);
}

#[test]
fn names_are_those_of_the_laboratory_and_nonsense_is_refused() {
    for name in [
        "portrestricted/fullcone",
        "linux/symmetric",
        "linux+hairpin",
        "none",
    ] {
        assert_eq!(name.parse::<SiteKind>().unwrap().to_string(), name);
    }
    for name in [
        "",
        "cone",
        "none/linux",
        "linux/none",
        "linux/",
        "a/b/c",
        "linux+reject",
    ] {
        assert!(name.parse::<SiteKind>().is_err(), "{name}");
    }
}
