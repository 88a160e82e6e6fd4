//! Peers of which one's NAT draws a port at random for every destination, and the other's lets in only whom it wrote to.

use anypath_peer::error::ErrorCode;
use anypath_peer::event::{ConnectionKey, Event};
use anypath_peer::peer::Peer;
use anypath_peer::session::State;
use anypath_peer::stats::BirthdayStats;
use anypath_simnet::simulation::config;
use anypath_simnet::traversal::{Cell, Condition, connect, direct_route, network};
use anypath_simnet::{HostId, Micros, Simulation, address};

use crate::support::*;

const HARD: &str = "symmetric";
const EASY: &str = "portrestricted";

fn cell(kinds: [&'static str; 2], seed: u64) -> Cell {
    Cell {
        kinds,
        condition: Condition::Calm,
        seed,
    }
}

/// Two hosts behind such NATs with a relayed connection, which host 0 dialled; the keys by host.
fn relayed(kinds: [&'static str; 2], seed: u64) -> (Simulation, [ConnectionKey; 2]) {
    let mut net = network(&cell(kinds, seed));
    let keys = connect(&mut net).expect("a relayed connection");
    (net, keys)
}

fn becomes_direct(net: &mut Simulation, keys: [ConnectionKey; 2], limit: Micros) -> bool {
    net.run_until(limit, |net| {
        (0..2).all(|host| direct_route(net, host, keys[host]).is_some())
    })
}

fn birthday(net: &mut Simulation, host: HostId) -> BirthdayStats {
    net.peer(host).stats().birthday
}

#[test]
fn the_two_meet_whichever_of_them_dials() {
    for kinds in [[HARD, EASY], [EASY, HARD]] {
        for seed in 1..=5 {
            let (mut net, keys) = relayed(kinds, seed);
            let direct = becomes_direct(&mut net, keys, 15 * SECOND);
            let stats = [0, 1].map(|host| birthday(&mut net, host));
            assert!(direct, "{kinds:?} {seed}: {stats:?}");
            for stats in stats {
                assert_eq!(
                    (stats.attempts, stats.hits),
                    (1, 1),
                    "{kinds:?} {seed}: {stats:?}"
                );
                assert_eq!((stats.probes_forged, stats.sockets_failed), (0, 0));
            }
            let hard = kinds.iter().position(|kind| *kind == HARD).unwrap();
            assert_eq!(stats[hard].sockets_opened, 256);
            assert!(stats[1 - hard].probes_sent <= 2048 + 256, "{stats:?}");
            net.run_for(20 * SECOND);
            assert_eq!(
                net.sockets_of(hard),
                1,
                "only that which the path leads over"
            );
            assert_eq!(net.sockets_of(1 - hard), 0);
            for from in [0, 1] {
                let stream = net.send(from, keys[from], false, MIB).unwrap();
                let to = 1 - from;
                assert!(arrives(&mut net, to, keys[to], stream, MIB, 30 * SECOND));
            }
        }
    }
}

#[test]
fn the_application_hears_nothing_of_the_control_connection() {
    let (mut net, keys) = relayed([HARD, EASY], 1);
    assert!(becomes_direct(&mut net, keys, 15 * SECOND));
    net.run_for(60 * SECOND);
    for host in [0, 1] {
        let application = net.application(host);
        assert_eq!(application.connections.len(), 1, "host {host}");
        let made = application.events.iter().filter(|(_, event)| {
            matches!(
                event,
                Event::Connected(..)
                    | Event::StreamOpened(..)
                    | Event::Drained(..)
                    | Event::Closed(..)
            )
        });
        assert_eq!(made.count(), 1, "host {host}");
        let stats = net.peer(host).stats();
        assert_eq!(stats.connections, 1);
        assert_eq!(stats.dials_started + stats.accepted, 1);
        assert_eq!(stats.refused + stats.dials_failed, 0);
    }
}

#[test]
fn the_control_connection_is_closed_half_a_minute_after_its_last_use() {
    let (mut net, keys) = relayed([EASY, HARD], 2);
    assert!(becomes_direct(&mut net, keys, 15 * SECOND));
    net.run_for(28 * SECOND);
    for host in [0, 1] {
        assert_eq!(net.peer(host).census().connections, 2, "host {host}");
    }
    net.run_for(5 * SECOND);
    for host in [0, 1] {
        assert_eq!(net.peer(host).census().connections, 1, "host {host}");
    }
}

#[test]
fn it_does_not_count_against_the_limits_of_connections() {
    let mut net = network(&cell([HARD, EASY], 3));
    for host in [0, 1] {
        let mut config = config(host, net.seed());
        config.limits.connections = 1;
        config.limits.per_remote = 1;
        let local = net.address_of(host);
        let servers = [2, 3].map(|server| net.address_of(server));
        net.restart(host, config);
        net.peer(host)
            .set_relays([anypath_simnet::traversal::RELAY]);
        net.peer(host).set_stun_servers(&servers);
        net.peer(host).set_local_addresses(&[local]);
    }
    net.run_for(2 * SECOND);
    let keys = connect(&mut net).expect("a relayed connection");
    assert!(becomes_direct(&mut net, keys, 15 * SECOND));
    let second = net.dial(0, 1).unwrap_err();
    assert_eq!(second.code, ErrorCode::TooManyConnections);
}

#[test]
fn a_peer_that_serves_no_control_connections_is_asked_once() {
    let mut net = network(&cell([HARD, EASY], 4));
    let mut config = config(1, net.seed());
    config.control = false;
    let local = net.address_of(1);
    net.restart(1, config);
    net.peer(1).set_relays([anypath_simnet::traversal::RELAY]);
    net.peer(1).set_local_addresses(&[local]);
    net.run_for(2 * SECOND);
    for _ in 0..2 {
        let keys = connect(&mut net).expect("a relayed connection");
        net.run_for(60 * SECOND);
        let stats = birthday(&mut net, 0);
        assert_eq!((stats.controls_dialled, stats.controls_refused), (1, 1));
        assert_ne!(net.application(0).state(keys[0]), Some(State::Direct));
        net.peer(0).close(keys[0], 0, "");
        net.run_for(10 * SECOND);
    }
}

#[test]
fn two_hard_nats_and_a_pool_of_addresses_are_not_tried() {
    for kinds in [[HARD, HARD], [EASY, "sympool"], [EASY, "symseq"]] {
        let (mut net, _) = relayed(kinds, 5);
        net.run_for(30 * SECOND);
        for host in [0, 1] {
            let stats = birthday(&mut net, host);
            assert_eq!(
                (stats.attempts, stats.probes_sent),
                (0, 0),
                "{kinds:?}: {stats:?}"
            );
        }
    }
}

#[test]
fn a_machine_that_gives_too_few_sockets_ends_the_attempt_and_keeps_none() {
    let (mut net, keys) = relayed([HARD, EASY], 6);
    net.set_max_sockets(0, 100);
    net.run_for(60 * SECOND);
    let stats = birthday(&mut net, 0);
    assert_eq!(
        (stats.attempts, stats.misses, stats.hits),
        (1, 1, 0),
        "{stats:?}"
    );
    assert!(stats.sockets_failed > 0);
    assert_eq!(net.sockets_of(0), 0);
    assert!(!is_closed(&net, 0, keys[0]) && !is_closed(&net, 1, keys[1]));
}

#[test]
fn forged_and_reflected_probes_are_counted_and_change_nothing() {
    let (mut net, keys) = relayed([EASY, HARD], 7);
    net.tap = Some(Vec::new());
    let begun = net.run_until(15 * SECOND, |net| {
        net.peer(0).stats().birthday.probes_sent > 10
    });
    assert!(begun);
    let sent = net.tap.take().unwrap();
    let probe = sent
        .iter()
        .rfind(|sent| sent.host == 0 && sent.datagram.len() == 50);
    let probe = probe.unwrap().datagram.clone();
    let stranger = address([203, 0, 113, 1], 9);
    let easy = net.address_of(0);
    let mut wrong = probe.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for datagram in [&probe, &wrong] {
        net.peer(0).receive(
            anypath_peer::carrier::Route::socket(0, stranger),
            0,
            datagram,
        );
    }
    assert_eq!(birthday(&mut net, 0).probes_forged, 2);
    assert!(becomes_direct(&mut net, keys, 15 * SECOND));
    let way = direct_route(&net, 0, keys[0]).unwrap();
    assert_ne!(way, stranger);
    assert_ne!(way, easy);
}

#[test]
fn strangers_do_not_get_in_by_the_socket_of_a_hit() {
    let (mut net, keys) = relayed([HARD, EASY], 8);
    assert!(becomes_direct(&mut net, keys, 15 * SECOND));
    net.run_for(20 * SECOND);
    let carriers = net.peer(0).connection_stats(keys[0]).unwrap();
    let carrier = carriers.paths.iter().map(|path| path.route.carrier);
    let carrier = carrier
        .filter(|carrier| *carrier < 0x8000_0000)
        .max()
        .unwrap();
    let stranger = address([203, 0, 113, 1], 9);
    let before = net.peer(0).census();
    net.peer(0).receive(
        anypath_peer::carrier::Route::socket(carrier, stranger),
        0,
        &[0xc0; 1200],
    );
    assert_eq!(birthday(&mut net, 0).foreign_dropped, 1);
    assert_eq!(net.peer(0).census(), before);
}

#[test]
fn nothing_is_left_when_the_connection_ends_with_an_attempt_under_way_or_after_one() {
    for after in [false, true] {
        let (mut net, keys) = relayed([HARD, EASY], 9);
        let sending = |net: &mut Simulation| net.peer(0).stats().birthday.sockets_opened == 256;
        assert!(net.run_until(15 * SECOND, sending));
        if after {
            assert!(becomes_direct(&mut net, keys, 15 * SECOND));
        }
        net.peer(0).close(keys[0], 0, "");
        net.run_for(15 * SECOND);
        for host in [0, 1] {
            assert_empty(&mut net, host);
            assert_eq!(net.sockets_of(host), 0);
        }
    }
}

#[test]
fn a_network_change_ends_an_attempt_and_another_one_follows() {
    let (mut net, keys) = relayed([HARD, EASY], 10);
    let sending = |net: &mut Simulation| net.peer(0).stats().birthday.sockets_opened == 256;
    assert!(net.run_until(15 * SECOND, sending));
    net.peer(0).network_changed();
    net.run_for(SECOND / 10);
    assert_eq!(net.sockets_of(0), 0);
    assert!(becomes_direct(&mut net, keys, 30 * SECOND));
}

#[test]
fn its_protocol_is_no_applications() {
    let mut own = config(0, 1);
    own.alpns = vec![b"anypath/1".to_vec()];
    let refused = Peer::new(own, anypath_peer::clock::Instant::now())
        .err()
        .unwrap();
    assert_eq!(refused.code, ErrorCode::InvalidConfig);
    let mut net = Simulation::pair(1, anypath_simnet::Link::default());
    let (id, target) = (net.id_of(1), net.target(1));
    let refused = net.peer(0).connect(id, b"anypath/1", &[target], false);
    assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidArgument);
}
