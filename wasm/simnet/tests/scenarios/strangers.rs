use anypath_peer::error::ErrorCode;
use anypath_peer::session::State;
use anypath_simnet::simulation::{ALPN, config, secret_key, target};
use anypath_simnet::{Link, Simulation, Spoofer, address};

use crate::support::*;

#[test]
fn a_thousand_spoofed_initials_bring_retries_while_an_honest_client_connects() {
    let mut net = Simulation::pair(1, Link::default());
    let mut spoofer = Spoofer::new(1);
    let (id, to) = (net.id_of(1), net.address_of(1));
    for flight in spoofer.first_flights(id, 1000) {
        let from = spoofer.source();
        for datagram in flight {
            net.inject(from, to, datagram);
        }
    }
    net.run_until(0, |_| false);
    let before = net.peer(1).stats();
    assert!(before.retries_sent >= 900, "{before:?}");
    let (client, server) = connect(&mut net, 0, 1);
    assert!(connected_at(&net, 0, client) < 100 * MS);
    let stream = net.send(0, client, false, MIB).unwrap();
    assert!(arrives(&mut net, 1, server, stream, MIB, 5 * SECOND));
    net.run_for(15 * SECOND);
    let census = net.peer(1).census();
    assert_eq!((census.connections, census.handshakes), (1, 0));
    assert_eq!((census.addresses, census.incoming_bytes), (1, 0));
}

#[test]
fn strangers_are_sent_three_times_what_they_send_and_one_datagram_at_most() {
    let mut net = Simulation::pair(2, Link::default());
    let mut spoofer = Spoofer::new(2);
    let (id, to) = (net.id_of(1), net.address_of(1));
    for flight in spoofer.first_flights(id, 40) {
        let from = spoofer.source();
        for datagram in flight {
            net.inject(from, to, datagram);
        }
    }
    net.run_for(15 * SECOND);
    let stats = net.peer(1).stats();
    assert!(stats.bytes_sent > 0);
    // noq lets a datagram out while any of the allowance of RFC 9000 § 8.1 is left.
    let allowance = 3 * stats.bytes_received + 40 * 1200;
    assert!(stats.bytes_sent <= allowance, "{stats:?}");
    assert_empty(&mut net, 1);
}

#[test]
fn a_hundred_thousand_random_datagrams_do_not_disturb_a_transfer() {
    let link = Link {
        rate: Some(2_000_000),
        ..Link::default()
    };
    let (mut net, client, server) = connected(3, link);
    let stream = net.send(0, client, false, 2 * MIB).unwrap();
    let mut spoofer = Spoofer::new(3);
    let (to, other) = (net.address_of(1), net.address_of(0));
    for _ in 0..100 {
        for number in 0..1000 {
            // Every tenth comes, as it seems, from the other end of the connection.
            let from = match number % 10 {
                0 => other,
                _ => spoofer.source(),
            };
            let noise = spoofer.noise();
            net.inject(from, to, noise);
        }
        net.run_for(5 * MS);
    }
    assert!(arrives(&mut net, 1, server, stream, 2 * MIB, 10 * SECOND));
    let stats = net.peer(1).stats();
    assert!(stats.datagrams_received > 100_000);
    assert!(stats.malformed_dropped > 10_000, "{stats:?}");
    let census = net.peer(1).census();
    assert_eq!((census.connections, census.incoming_bytes), (1, 0));
}

#[test]
fn ten_thousand_failed_dials_leave_nothing() {
    let mut net = Simulation::new(4);
    let mut hasty = config(0, 4);
    hasty.handshake_timeout = std::time::Duration::from_millis(900);
    net.add_host_with(hasty);
    let remote = secret_key(9).public();
    for round in 0..100_u8 {
        let keys: Vec<_> = (0..100_u8)
            .map(|number| {
                let targets = [target(address(
                    [192, 0, 2, round],
                    1000 + u16::from(number),
                ))];
                net.peer(0).connect(remote, ALPN, &targets, false).unwrap()
            })
            .collect();
        net.run_for(SECOND);
        for key in keys {
            let (_, reason) = net.known(0, key).unwrap().closed.clone().unwrap();
            assert_eq!(reason.code, ErrorCode::Unreachable);
        }
        net.application_mut(0).connections.clear();
        net.application_mut(0).events.clear();
        assert_empty(&mut net, 0);
    }
    assert_eq!(net.peer(0).stats().dials_failed, 10_000);
}

#[test]
fn five_hundred_refused_dials_leave_nothing_on_either_side() {
    let mut net = Simulation::pair(5, Link::default());
    let (id, targets) = (net.id_of(1), [net.target(1)]);
    for _ in 0..10 {
        for _ in 0..50 {
            net.peer(0)
                .connect(id, b"other/1", &targets, false)
                .unwrap();
        }
        net.run_for(15 * SECOND);
        for host in [0, 1] {
            assert_empty(&mut net, host);
        }
    }
    assert_eq!(net.peer(0).stats().dials_failed, 500);
}

#[test]
fn a_thousand_connections_opened_and_closed_leave_nothing() {
    let mut net = Simulation::pair(6, Link::default());
    net.application_mut(1).echoes = true;
    for round in 0..50 {
        let keys: Vec<_> = (0..20).map(|_| net.dial(0, 1).unwrap()).collect();
        net.run_for(100 * MS);
        for key in &keys {
            let stream = net.send(0, *key, true, 1000).unwrap();
            assert!(arrives(&mut net, 0, *key, stream, 1000, SECOND));
        }
        for (number, key) in keys.iter().enumerate() {
            // Each side closes half of them.
            if number % 2 == 0 {
                net.peer(0).close(*key, 7, "done");
            }
        }
        let open: Vec<_> = accepted(&net, 1);
        for key in open {
            net.peer(1).close(key, 8, "done");
        }
        net.run_for(5 * SECOND);
        for host in [0, 1] {
            assert_empty(&mut net, host);
            let application = net.application_mut(host);
            application.connections.clear();
            application.received.clear();
            application.events.clear();
        }
        assert_eq!(net.peer(1).stats().accepted, 20 * (round + 1));
    }
}

#[test]
fn a_packet_of_a_forgotten_connection_is_answered_with_a_reset_and_noise_is_not() {
    let mut net = Simulation::pair(7, Link::default());
    let mut spoofer = Spoofer::new(7);
    let to = net.address_of(1);
    for _ in 0..1000 {
        let (from, noise) = (spoofer.source(), spoofer.noise());
        net.inject(from, to, noise);
    }
    net.run_for(SECOND);
    let stats = net.peer(1).stats();
    assert_eq!(stats.resets_sent, stats.datagrams_sent);
    // What looks like another version of QUIC is told which ones there are (RFC 9000 § 6).
    assert!(stats.datagrams_sent < 300, "{stats:?}");
}

#[test]
fn strangers_on_a_second_carrier_do_not_push_a_quiet_connection_out() {
    let mut net = Simulation::pair(8, Link::default());
    let route = net.add_memory(1, 1452);
    net.add_memory(0, 1452);
    let target = anypath_peer::dial::Target {
        route,
        delay: std::time::Duration::ZERO,
    };
    let id = net.id_of(1);
    let client = net.peer(0).connect(id, ALPN, &[target], false).unwrap();
    let mut spoofer = Spoofer::new(8);
    let mut flood = |net: &mut Simulation| {
        for _ in 0..20_000 {
            let (from, mut noise) = (spoofer.source(), spoofer.noise());
            noise[0] |= 0x40;
            net.inject(from, route.address.socket().unwrap(), noise);
        }
    };
    // While the handshake is under way, and when nothing more is being said.
    net.run_for(MS / 2);
    flood(&mut net);
    net.run_for(SECOND);
    let server = accepted(&net, 1)[0];
    net.run_for(SECOND);
    flood(&mut net);
    net.run_until(0, |_| false);
    let before = net.peer(1).stats().unroutable_dropped;
    let stream = net.send(1, server, false, MIB).unwrap();
    assert!(arrives(&mut net, 0, client, stream, MIB, SECOND));
    assert_eq!(net.peer(1).stats().unroutable_dropped, before);
}

#[test]
fn forged_packets_with_a_connections_id_are_not_taken_for_its_remote() {
    let (mut net, client, server) = connected(9, Link::default());
    net.tap = Some(Vec::new());
    net.send(0, client, true, 100_000).unwrap();
    net.run_for(SECOND);
    let real = net.tap.take().unwrap();
    let from_now = net.now()..u64::MAX;
    for (one, other) in [(0, 1), (1, 0)] {
        net.link(one, other).outages.push(from_now.clone());
    }
    let mut spoofer = Spoofer::new(9);
    for _ in 0..11 {
        for packet in &real {
            // The first 30 bytes have the connection's id whole; and a true packet said again is no news.
            let mut forged = packet.datagram.clone();
            net.inject(packet.from, packet.to, forged.clone());
            for byte in forged.iter_mut().skip(30) {
                *byte = spoofer.noise()[0];
            }
            net.inject(packet.from, packet.to, forged);
        }
        net.run_for(SECOND / 2);
    }
    for (host, key) in [(0, client), (1, server)] {
        assert_eq!(net.application(host).state(key), Some(State::Recovering));
    }
    for (host, key) in [(0, client), (1, server)] {
        let (_, reason) = end_of(&mut net, host, key, 130 * SECOND);
        assert_eq!(reason.code, ErrorCode::IdleTimeout);
    }
}
