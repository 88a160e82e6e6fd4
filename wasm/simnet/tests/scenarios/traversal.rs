use std::time::Duration;

use anypath_peer::candidate::Kind;
use anypath_peer::event::{ConnectionKey, Event, PathChange};
use anypath_peer::session::{Cause, State};
use anypath_simnet::simulation::ALPN;
use anypath_simnet::traversal::{Cell, Condition, network, run_in};
use anypath_simnet::{HostId, Link, Micros, RelayMood, Simulation, Wire, address};

use crate::support::*;

const RELAY: &str = "https://relay.example/";

/// Two hosts that reach each other and know it, and a relay 30 ms away.
fn pair(seed: u64, link: Link) -> Simulation {
    let mut net = Simulation::pair(seed, link);
    let delay = 30 * MS;
    net.add_relay(
        RELAY,
        Wire {
            delay,
            ..Wire::default()
        },
    );
    for host in [0, 1] {
        let local = net.address_of(host);
        net.peer(host).set_relays([RELAY]);
        net.peer(host).set_local_addresses(&[local]);
    }
    net.run_for(SECOND);
    net
}

/// A connection that host 0 dialled over the relay; the keys by host.
fn relayed(net: &mut Simulation) -> [ConnectionKey; 2] {
    let id = net.id_of(1);
    let peer = net.peer(0);
    let target = peer.relay_target(id, RELAY, Duration::ZERO).unwrap();
    let dialled = peer.connect(id, ALPN, &[target], false).unwrap();
    let up = |net: &mut Simulation| is_connected(net, 0, dialled) && !accepted(net, 1).is_empty();
    assert!(net.run_until(5 * SECOND, up), "{:?}", net.known(0, dialled));
    [dialled, accepted(net, 1)[0]]
}

fn state(net: &Simulation, host: HostId, key: ConnectionKey) -> Option<State> {
    net.application(host).state(key)
}

fn both_are(net: &Simulation, keys: [ConnectionKey; 2], wanted: State) -> bool {
    (0..2).all(|host| state(net, host, keys[host]) == Some(wanted))
}

/// When the connection became direct at both sides, counted from now.
fn becomes_direct(net: &mut Simulation, keys: [ConnectionKey; 2], limit: Micros) -> Option<Micros> {
    let start = net.now();
    let direct = net.run_until(limit, |net| both_are(net, keys, State::Direct));
    direct.then(|| net.now() - start)
}

fn steps(net: &Simulation, host: HostId, key: ConnectionKey) -> Vec<(State, State, Cause)> {
    let states = &net.known(host, key).unwrap().states;
    states
        .iter()
        .map(|(_, s)| (s.from, s.to, s.cause))
        .collect()
}

/// What the host sent over UDP while a MiB went either way.
fn direct_bytes(net: &mut Simulation, keys: [ConnectionKey; 2]) -> (u64, u64) {
    let before = net.peer(0).stats();
    for from in [0, 1] {
        let stream = net.send(from, keys[from], false, MIB).unwrap();
        assert!(arrives(
            net,
            1 - from,
            keys[1 - from],
            stream,
            MIB,
            30 * SECOND
        ));
    }
    let after = net.peer(0).stats();
    (
        after.relay_bytes_sent - before.relay_bytes_sent,
        after.bytes_sent - before.bytes_sent,
    )
}

#[test]
fn two_peers_that_met_over_a_relay_move_to_a_direct_path() {
    let mut net = pair(1, Link::default());
    let keys = relayed(&mut net);
    let took = becomes_direct(&mut net, keys, 30 * SECOND);
    assert!(
        took.is_some_and(|took| took < SECOND),
        "{took:?} {:?}",
        steps(&net, 0, keys[0])
    );
    let expected = [
        (State::Idle, State::Connecting, Cause::Dial),
        (State::Connecting, State::Relayed, Cause::Handshake),
        (State::Relayed, State::Traversing, Cause::Candidates),
        (State::Traversing, State::Direct, Cause::PathChange),
    ];
    assert_eq!(steps(&net, 0, keys[0]), expected);
    let (relayed, sent) = direct_bytes(&mut net, keys);
    assert!(relayed < 10_000 && sent > MIB, "{relayed} of {sent}");
    let stats = net.peer(0).stats();
    assert_eq!((stats.traversal_rounds, stats.traversals_succeeded), (1, 1));
    assert_eq!(stats.probes_forbidden + stats.probes_limited, 0);
    assert!(
        stats.probes_sent > 0 && stats.probes_sent < 40,
        "{}",
        stats.probes_sent
    );
}

#[test]
fn a_direct_path_that_dies_is_left_for_the_relay_within_a_second_and_found_again() {
    for sender in [0, 1] {
        let mut net = pair(
            2,
            Link {
                rate: Some(2_000_000),
                ..Link::default()
            },
        );
        let keys = relayed(&mut net);
        becomes_direct(&mut net, keys, 5 * SECOND).unwrap();
        net.run_for(5 * SECOND);
        let stream = net.send(sender, keys[sender], false, 16 * MIB).unwrap();
        net.run_for(SECOND);
        let now = net.now();
        for (from, to) in [(0, 1), (1, 0)] {
            net.link(from, to).outages = std::iter::once(now..now + 20 * SECOND).collect();
        }
        let receiver = 1 - sender;
        let length = |net: &Simulation| {
            let received = net.received(receiver, keys[receiver], stream);
            received.map_or(0, |received| received.bytes.len())
        };
        net.run_for(50 * MS);
        let before = length(&net);
        let goes_on = net.run_until(10 * SECOND, |net| length(net) > before);
        let gap = (net.now() - now) / MS;
        assert!(goes_on && gap < 1500, "sender {sender}: {gap} ms");
        println!("sender {sender}: data again after {gap} ms");
        let whole = arrives(
            &mut net,
            receiver,
            keys[receiver],
            stream,
            16 * MIB,
            60 * SECOND,
        );
        assert!(whole, "sender {sender}");
        let took = becomes_direct(&mut net, keys, 60 * SECOND);
        assert!(
            took.is_some(),
            "sender {sender}: {:?}",
            steps(&net, 0, keys[0])
        );
    }
}

#[test]
fn a_connection_that_began_directly_has_the_relay_as_a_backup() {
    let mut net = pair(3, Link::default());
    let (id, direct) = (net.id_of(1), net.target(1));
    let peer = net.peer(0);
    let relay = peer
        .relay_target(id, RELAY, Duration::from_millis(250))
        .unwrap();
    let dialled = peer.connect(id, ALPN, &[direct, relay], false).unwrap();
    net.run_for(10 * SECOND);
    let keys = [dialled, accepted(&net, 1)[0]];
    assert!(both_are(&net, keys, State::Direct));
    for host in [0, 1] {
        let stats = net.peer(host).connection_stats(keys[host]).unwrap();
        assert_eq!(stats.paths.len(), 2, "host {host}: {:?}", stats.paths);
    }
    let (relayed, sent) = direct_bytes(&mut net, keys);
    assert!(relayed < 10_000 && sent > MIB, "{relayed} of {sent}");
}

#[test]
fn a_peer_that_tells_no_addresses_is_never_probed_and_probes_nobody() {
    let mut net = pair(4, Link::default());
    net.peer(1).set_local_addresses(&[]);
    let keys = relayed(&mut net);
    assert_eq!(becomes_direct(&mut net, keys, 30 * SECOND), None);
    assert_eq!(net.peer(1).stats().probes_sent, 0);
    assert!(net.peer(1).stats().probes_forbidden > 0);
}

#[test]
fn addresses_where_no_peer_can_be_are_never_sent_to() {
    let mut net = pair(5, Link::default());
    let local: Vec<_> = [[239, 1, 1, 1], [192, 168, 7, 7], [172, 16, 0, 1]]
        .map(|ip| address(ip, 5))
        .to_vec();
    net.peer(1).set_local_addresses(&local);
    net.tap = Some(Vec::new());
    let keys = relayed(&mut net);
    net.run_for(10 * SECOND);
    let tapped = net.tap.take().unwrap();
    let strange = tapped
        .iter()
        .filter(|sent| sent.host == 0 && local.contains(&sent.to));
    assert_eq!(strange.count(), 0);
    assert!(net.peer(0).stats().probes_forbidden > 0);
    assert!(!is_closed(&net, 0, keys[0]));
}

#[test]
fn public_addresses_of_others_get_two_challenges_at_two_of_them_and_small_probes() {
    let mut net = pair(6, Link::default());
    let victims: Vec<_> = (1..=32).map(|at| address([203, 0, 113, at], 53)).collect();
    net.peer(1).set_local_addresses(&victims);
    net.tap = Some(Vec::new());
    let keys = relayed(&mut net);
    net.run_for(4 * SECOND);
    let tapped = net.tap.take().unwrap();
    let sent: Vec<_> = tapped
        .iter()
        .filter(|sent| sent.host == 0 && victims.contains(&sent.to))
        .collect();
    let large: Vec<_> = sent
        .iter()
        .filter(|sent| sent.datagram.len() > 100)
        .collect();
    assert!((1..=2).contains(&large.len()), "{}", large.len());
    for victim in &victims {
        let to_it = sent.iter().filter(|sent| sent.to == *victim);
        let bytes: usize = to_it.map(|sent| sent.datagram.len()).sum();
        assert!(bytes <= 2 * 1200 + 9 * 100, "{victim}: {bytes}");
    }
    assert!(!is_closed(&net, 0, keys[0]));
}

#[test]
fn a_peer_is_reached_where_its_router_was_asked_to_forward_to_it() {
    let mut net = pair(11, Link::default());
    let forwarded = address([203, 0, 113, 9], 5);
    net.move_host(0, address([203, 0, 113, 8], 5), false);
    net.move_host(1, forwarded, false);
    let private = address([192, 168, 1, 2], 5);
    for host in [0, 1] {
        net.peer(host).set_local_addresses(&[private]);
    }
    let keys = relayed(&mut net);
    assert_eq!(becomes_direct(&mut net, keys, 20 * SECOND), None);
    net.peer(1).set_mapped_addresses(&[forwarded]);
    let told = net.peer(1).local_candidates();
    let kinds: Vec<_> = told.iter().map(|candidate| candidate.kind).collect();
    assert_eq!(kinds, [Kind::Host, Kind::Mapped]);
    assert!(becomes_direct(&mut net, keys, 6 * SECOND).is_some());
}

#[test]
fn what_a_router_forwards_behind_another_nat_is_no_candidate_and_few_are_taken() {
    let mut net = pair(12, Link::default());
    let useless = [
        [192, 168, 0, 2],
        [100, 64, 0, 2],
        [127, 0, 0, 1],
        [0, 0, 0, 0],
    ];
    let mut mapped = useless.map(|ip| address(ip, 5)).to_vec();
    mapped.push(address([203, 0, 113, 9], 0));
    let before = net.peer(1).local_candidates();
    net.peer(1).set_mapped_addresses(&mapped);
    assert_eq!(net.peer(1).local_candidates(), before);
    mapped.extend((1..=9).map(|port| address([203, 0, 113, 9], port)));
    net.peer(1).set_mapped_addresses(&mapped);
    assert_eq!(net.peer(1).local_candidates().len(), before.len() + 4);
    net.peer(1).set_mapped_addresses(&[]);
    assert_eq!(net.peer(1).local_candidates(), before);
}

#[test]
fn the_selected_path_is_told_and_the_best_of_several_is_kept() {
    let mut net = pair(6, Link::default());
    let keys = relayed(&mut net);
    becomes_direct(&mut net, keys, 5 * SECOND).unwrap();
    net.run_for(10 * SECOND);
    for host in [0, 1] {
        let events = net.application(host).events.iter();
        let selected = events.filter(|(_, event)| {
            matches!(event, Event::Path { change: PathChange::Selected, route, .. }
                if !route.is_relayed())
        });
        assert_eq!(selected.count(), 1, "host {host}");
        let stats = net.peer(host).connection_stats(keys[host]).unwrap();
        assert_eq!(stats.paths.len(), 2, "host {host}: {:?}", stats.paths);
    }
}

#[test]
fn both_sides_begin_together_where_the_dialler_was_not_at_that_relay_before() {
    const OTHER: &str = "https://other.example/";
    for kinds in [
        ["portrestricted", "linuxopen"],
        ["linuxopen", "portrestricted"],
        ["linuxopen"; 2],
    ] {
        for seed in 1..=3 {
            let cell = Cell {
                kinds,
                condition: Condition::Calm,
                seed,
            };
            let mut net = network(&cell);
            net.add_relay(OTHER, Wire::default());
            net.peer(0).set_relays([OTHER]);
            net.run_for(5 * SECOND);
            let outcome = run_in(&mut net, &cell);
            assert_eq!((outcome.rounds, outcome.fault), (1, None), "{kinds:?}");
        }
    }
}

#[test]
fn a_search_that_ends_in_silence_does_not_say_that_the_remote_is_there() {
    let mut net = pair(8, Link::default());
    for (from, to) in [(0, 1), (1, 0)] {
        net.link(from, to).outages = std::iter::once(0..Micros::MAX).collect();
    }
    let keys = relayed(&mut net);
    net.run_for(SECOND);
    assert_eq!(state(&net, 0, keys[0]), Some(State::Traversing));
    net.set_relay(RELAY, RelayMood::Down);
    net.run_for(60 * SECOND);
    for host in [0, 1] {
        let steps = steps(&net, host, keys[host]);
        let lost = steps.iter().filter(|(_, to, _)| *to == State::Recovering);
        assert_eq!(lost.count(), 1, "host {host}: {steps:?}");
        assert_eq!(state(&net, host, keys[host]), Some(State::Recovering));
    }
}

#[test]
fn nothing_is_left_when_the_connection_ends() {
    let mut net = pair(7, Link::default());
    let keys = relayed(&mut net);
    becomes_direct(&mut net, keys, 5 * SECOND).unwrap();
    net.peer(0).close(keys[0], 0, "");
    net.run_for(10 * SECOND);
    for host in [0, 1] {
        assert_empty(&mut net, host);
    }
}

/// When a host that dials another over the relay is direct to it at both sides, counted from the dial.
fn meets(net: &mut Simulation, from: HostId, to: HostId) -> Option<Micros> {
    let start = net.now();
    let id = net.id_of(to);
    let target = net.peer(from).relay_target(id, RELAY, Duration::ZERO)?;
    let dialled = net.peer(from).connect(id, ALPN, &[target], false).ok()?;
    let known = accepted(net, to);
    let both = |net: &mut Simulation| {
        let accepted = accepted(net, to);
        let new = accepted.iter().find(|key| !known.contains(key));
        let is_direct = |host, key| state(net, host, key) == Some(State::Direct);
        is_direct(from, dialled) && new.is_some_and(|key| is_direct(to, *key))
    };
    net.run_until(5 * SECOND, both).then(|| net.now() - start)
}

/// Remotes, each of which takes a port or two: more in all than are predicted at once.
const MET: usize = 12;

#[test]
fn a_peer_whose_ports_are_in_a_sequence_meets_one_remote_after_another_at_the_first_try() {
    let cell = Cell {
        kinds: ["symseq", "portrestricted"],
        condition: Condition::Calm,
        seed: 1,
    };
    let mut net = network(&cell);
    let first = net.hosts();
    let access = Link {
        delay: 25 * MS,
        ..Link::default()
    };
    let servers = [2, 3].map(|server| net.address_of(server));
    for host in first..first + MET {
        let site = net.add_site("portrestricted".parse().unwrap(), &access);
        let config = anypath_simnet::simulation::config(host, net.seed());
        net.add_host_at(site, config);
        let local = net.address_of(host);
        net.peer(host).set_relays([RELAY]);
        net.peer(host).set_stun_servers(&servers);
        net.peer(host).set_local_addresses(&[local]);
    }
    net.run_for(2 * SECOND);
    // In either direction, some soon after one another, and some after servers were asked anew, which tell of the old mappings.
    for host in first..first + MET {
        net.run_for([0, SECOND, 26 * SECOND][host % 3]);
        let (from, to) = if host % 2 == 0 { (0, host) } else { (host, 0) };
        let met = meets(&mut net, from, to);
        assert!(met.is_some_and(|time| time < SECOND), "{host}: {met:?}");
    }
}
