use std::time::Duration;

use anypath_peer::carrier::MAIN_CARRIER;
use anypath_peer::dial::Target;
use anypath_peer::error::ErrorCode;
use anypath_peer::peer::PeerError;
use anypath_simnet::simulation::{ALPN, MEMORY_CARRIER, secret_key, target};
use anypath_simnet::{Fate, HostId, Link, Simulation, address};

use crate::support::*;

fn nowhere() -> Target {
    target(address([192, 0, 2, 1], 9))
}

fn dial_at(net: &mut Simulation, targets: &[Target]) -> Result<u32, PeerError> {
    let id = net.id_of(1);
    net.peer(0).connect(id, ALPN, targets, false)
}

fn close_and_assert_empty(net: &mut Simulation, key: u32) {
    net.peer(0).close(key, 0, "");
    net.run_for(5 * SECOND);
    for host in [0, 1] {
        assert_empty(net, host);
    }
}

#[test]
fn two_peers_connect_in_one_round_trip_and_name_each_other() {
    let (mut net, client, server) = connected(1, Link::default());
    assert_eq!(connected_at(&net, 0, client), 20 * MS);
    assert_eq!(connected_at(&net, 1, server), 30 * MS);
    let ids: Vec<_> = [(0, client), (1, server)]
        .map(|(host, key): (HostId, _)| {
            let known = net.known(host, key).unwrap();
            known.connected.as_ref().unwrap().1.remote_id
        })
        .to_vec();
    assert_eq!(ids, [net.id_of(1), net.id_of(0)]);
    let stats = net.peer(0).connection_stats(client).unwrap();
    assert_eq!((stats.group, stats.cipher), (0x11ec, 0x1303));
    close_and_assert_empty(&mut net, client);
}

#[test]
fn either_half_of_the_client_hello_may_be_lost_late_or_doubled() {
    for number in [0, 1] {
        for fate in [
            Fate::Lost,
            Fate::Late(3 * MS),
            Fate::Late(700 * MS),
            Fate::Twice,
        ] {
            let mut net = Simulation::pair(2, Link::default());
            net.link(0, 1).fates.insert(number, fate);
            let key = net.dial(0, 1).unwrap();
            net.run_until(0, |_| true);
            assert_eq!(
                net.counts(0, 1).sent,
                2,
                "the ClientHello takes two datagrams"
            );
            let up = net.run_until(4 * SECOND, |net| is_connected(net, 0, key));
            assert!(up, "datagram {number} {fate:?}: {:?}", net.known(0, key));
            net.run_for(SECOND);
            assert_eq!(accepted(&net, 1).len(), 1, "datagram {number} {fate:?}");
            assert_eq!(net.peer(1).census().connections, 1);
            close_and_assert_empty(&mut net, key);
        }
    }
}

#[test]
fn a_server_hello_may_be_lost_too() {
    for number in 0..4 {
        let mut net = Simulation::pair(3, Link::default());
        net.link(1, 0).fates.insert(number, Fate::Lost);
        let key = net.dial(0, 1).unwrap();
        assert!(net.run_until(4 * SECOND, |net| is_connected(net, 0, key)));
        net.run_for(4 * SECOND);
        assert_eq!(accepted(&net, 1).len(), 1);
        close_and_assert_empty(&mut net, key);
    }
}

#[test]
fn a_dead_address_costs_a_dial_no_time_and_the_acceptor_sees_one_connection() {
    let live = Simulation::pair(4, Link::default()).target(1);
    for targets in [[nowhere(), live], [live, nowhere()]] {
        let mut net = Simulation::pair(4, Link::default());
        let key = dial_at(&mut net, &targets).unwrap();
        assert!(net.run_until(SECOND, |net| is_connected(net, 0, key)));
        assert_eq!(connected_at(&net, 0, key), 20 * MS);
        net.run_for(SECOND);
        assert_eq!(accepted(&net, 1).len(), 1);
        assert_eq!(net.peer(1).census().connections, 1);
        let stream = net.send(0, key, false, MIB).unwrap();
        let server = accepted(&net, 1)[0];
        assert!(arrives(&mut net, 1, server, stream, MIB, 5 * SECOND));
        close_and_assert_empty(&mut net, key);
    }
}

#[test]
fn all_addresses_of_one_host_make_one_connection_over_the_quickest() {
    let mut net = Simulation::pair(5, Link::default());
    let memory = net.add_memory(1, 1452);
    net.add_memory(0, 1452);
    let others = [address([10, 9, 0, 1], 1), address([10, 9, 0, 2], 2)];
    let first = net.address_of(1);
    for other in others {
        net.bind(1, MAIN_CARRIER, other);
    }
    let delay = Duration::ZERO;
    let route = memory;
    let mut targets: Vec<_> = others.into_iter().chain([first]).map(target).collect();
    targets.push(Target { route, delay });
    let key = dial_at(&mut net, &targets).unwrap();
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, key)));
    net.run_for(SECOND);
    let known = net.known(0, key).unwrap().connected.clone().unwrap().1;
    assert_eq!(known.route.carrier, MEMORY_CARRIER);
    assert_eq!(accepted(&net, 1).len(), 1);
    assert_eq!(net.peer(1).census().connections, 1);
    close_and_assert_empty(&mut net, key);
}

#[test]
fn a_staggered_address_is_tried_in_its_turn_when_the_first_is_dead() {
    let mut net = Simulation::pair(6, Link::default());
    let mut live = net.target(1);
    live.delay = Duration::from_millis(250);
    let key = dial_at(&mut net, &[nowhere(), live]).unwrap();
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, key)));
    assert_eq!(connected_at(&net, 0, key), 270 * MS);
    close_and_assert_empty(&mut net, key);
}

#[test]
fn a_connection_over_the_memory_carrier_alone_moves_data() {
    let mut net = Simulation::pair(7, Link::default());
    net.add_memory(0, 1300);
    let route = net.add_memory(1, 1300);
    let delay = Duration::ZERO;
    let key = dial_at(&mut net, &[Target { route, delay }]).unwrap();
    assert!(net.run_until(SECOND, |net| accepted(net, 1).len() == 1));
    let server = accepted(&net, 1)[0];
    let stream = net.send(0, key, false, MIB).unwrap();
    assert!(arrives(&mut net, 1, server, stream, MIB, 5 * SECOND));
    assert_eq!(net.counts(0, 1).sent, 0);
    net.run_for(10 * SECOND);
    let mtu = net.peer(0).connection_stats(key).unwrap().mtu_bytes;
    assert!((1200..=1300).contains(&mtu), "{mtu}");
    close_and_assert_empty(&mut net, key);
}

#[test]
fn a_dead_address_alone_is_unreachable_at_the_handshake_timeout() {
    let mut net = Simulation::pair(8, Link::default());
    let key = dial_at(&mut net, &[nowhere()]).unwrap();
    let (at, reason) = end_of(&mut net, 0, key, 11 * SECOND);
    assert_eq!(reason.code, ErrorCode::Unreachable);
    assert_eq!(at, 10 * SECOND);
    assert!(net.known(0, key).unwrap().drained);
    assert_empty(&mut net, 0);
    assert_eq!(net.peer(0).stats().dials_failed, 1);
}

#[test]
fn somebody_elses_key_at_the_address_is_a_wrong_key() {
    let mut net = Simulation::pair(9, Link::default());
    let expected = secret_key(9).public();
    let targets = [net.target(1)];
    let key = net
        .peer(0)
        .connect(expected, ALPN, &targets, false)
        .unwrap();
    let (at, reason) = end_of(&mut net, 0, key, SECOND);
    assert_eq!(reason.code, ErrorCode::WrongKey);
    assert!(at < 100 * MS, "{at}");
    net.run_for(15 * SECOND);
    assert!(accepted(&net, 1).is_empty());
    for host in [0, 1] {
        assert_empty(&mut net, host);
    }
}

#[test]
fn an_application_protocol_that_nobody_serves_is_told() {
    let mut net = Simulation::pair(10, Link::default());
    let (id, targets) = (net.id_of(1), [net.target(1)]);
    let key = net
        .peer(0)
        .connect(id, b"other/1", &targets, false)
        .unwrap();
    let (at, reason) = end_of(&mut net, 0, key, SECOND);
    assert_eq!(reason.code, ErrorCode::AlpnNotServed);
    assert!(at < 100 * MS, "{at}");
    net.run_for(15 * SECOND);
    assert!(accepted(&net, 1).is_empty());
    for host in [0, 1] {
        assert_empty(&mut net, host);
    }
}

#[test]
fn both_sides_may_dial_each_other_at_once_and_have_two_connections() {
    let mut net = Simulation::pair(11, Link::default());
    let (one, other) = (net.dial(0, 1).unwrap(), net.dial(1, 0).unwrap());
    let up = |net: &mut Simulation| is_connected(net, 0, one) && is_connected(net, 1, other);
    assert!(net.run_until(SECOND, up));
    net.run_for(SECOND);
    for host in [0, 1] {
        assert_eq!(accepted(&net, host).len(), 1);
        let census = net.peer(host).census();
        assert_eq!((census.connections, census.sessions), (2, 1));
    }
}

#[test]
fn an_address_that_only_a_carrier_table_may_make_is_not_dialled() {
    let mut net = Simulation::pair(12, Link::default());
    let mut unspecified = net.target(1);
    unspecified.route.address = address([0, 0, 0, 0], 4433).into();
    let mut portless = net.target(1);
    let mut without_port = net.address_of(1);
    without_port.set_port(0);
    portless.route.address = without_port.into();
    let mut unknown = net.target(1);
    unknown.route.carrier = 99;
    for bad in [unspecified, portless, unknown] {
        let error = dial_at(&mut net, &[bad]).unwrap_err();
        assert_eq!(error.code, ErrorCode::NoAddress, "{bad:?}");
    }
    assert_empty(&mut net, 0);
}
