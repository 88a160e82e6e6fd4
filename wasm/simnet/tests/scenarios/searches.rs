//! What connections tell of the searches for a direct path.

use anypath_peer::event::{Event, Found, Search};
use anypath_simnet::Simulation;
use anypath_simnet::traversal::{Cell, Condition, Outcome, network, run_in};

/// A run of two kinds that dial one another, and the searches that the dialling side told of.
fn searches(kinds: [&'static str; 2]) -> (Simulation, Outcome, Vec<Search>) {
    let cell = Cell {
        kinds,
        condition: Condition::Calm,
        seed: 1,
    };
    let mut net = network(&cell);
    let outcome = run_in(&mut net, &cell);
    let events = net.application(0).events.iter();
    let told = events.filter_map(|(_, event)| match event {
        Event::Search(_, search) => Some(*search),
        _ => None,
    });
    let told = told.collect();
    (net, outcome, told)
}

#[test]
fn a_public_peer_is_found_at_an_address_that_it_told_without_a_probe() {
    for kind in ["none", "portrestricted", "symmetric"] {
        let (mut net, outcome, told) = searches([kind, "none"]);
        let [search] = told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((search.found, search.round), (Found::Told, 0));
        let listener = net.address_of(1);
        let at = search.route.and_then(|route| route.address.socket());
        assert_eq!(at, Some(listener));
        assert!(search.addresses > 0 && search.probes == 0);
        for host in [0, 1] {
            let stats = net.peer(host).stats();
            let searched = (stats.traversal_rounds, stats.probes_sent);
            assert_eq!(searched, (0, 0), "host {host}, {kind}");
        }
        let stats = net.peer(0).stats();
        assert_eq!(stats.traversals_succeeded, 1);
        assert!(search.elapsed.as_micros() < u128::from(outcome.direct.unwrap()));
    }
}

#[test]
fn a_public_peer_behind_a_firewall_is_found_by_the_round_that_follows() {
    let (_, outcome, told) = searches(["portrestricted", "fw"]);
    let [search] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((search.found, search.round), (Found::Told, 1));
    assert!(
        search.probes > 0 && outcome.direct.unwrap() < 1_000_000,
        "{search:?} {outcome:?}"
    );
}

#[test]
fn a_peer_behind_a_nat_is_found_in_the_first_round() {
    let (_, _, told) = searches(["portrestricted", "linux"]);
    let [search] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((search.found, search.round), (Found::Told, 1));
}

#[test]
fn a_peer_whose_nat_has_another_port_for_each_is_found_where_its_packets_come_from() {
    let (_, _, told) = searches(["none", "symmetric"]);
    let found: Vec<_> = told.iter().map(|search| search.found).collect();
    assert_eq!(found, [Found::PeerReflexive]);
}

#[test]
fn rounds_that_come_to_nothing_are_told_with_their_number() {
    let (_, outcome, told) = searches(["symmetric", "udpblock"]);
    assert_eq!(outcome.direct, None);
    assert!(told.len() >= 2, "{told:?}");
    for (i, search) in told.iter().enumerate() {
        assert_eq!(search.found, Found::Nothing);
        assert_eq!(search.round as usize, i + 1);
        assert_eq!(search.route, None);
    }
    assert!(told.is_sorted_by_key(|search| (search.elapsed, search.probes)));
}

#[test]
fn a_pair_of_ports_that_was_met_by_chance_is_told_as_a_collision() {
    let (_, _, told) = searches(["symmetric", "portrestricted"]);
    let last = told.last().expect("a search");
    assert_eq!((last.found, last.by_collision), (Found::Collision, true));
}
