use anypath_peer::event::{Event, PathChange};
use anypath_simnet::simulation::config;
use anypath_simnet::{Link, Simulation, address};

use crate::support::*;

fn slow() -> Link {
    Link {
        rate: Some(2_000_000),
        ..Link::default()
    }
}

fn migrations(net: &Simulation, host: usize) -> usize {
    let migrated = |event: &&(u64, Event)| {
        matches!(
            event.1,
            Event::Path {
                change: PathChange::Migrated,
                ..
            }
        )
    };
    net.application(host).events.iter().filter(migrated).count()
}

#[test]
fn a_clients_socket_is_replaced_in_mid_transfer_in_either_direction() {
    for told in [true, false] {
        for sender in [0, 1] {
            let (mut net, client, server) = connected(1, slow());
            let keys = [client, server];
            let receiver = 1 - sender;
            let stream = net.send(sender, keys[sender], false, 4 * MIB).unwrap();
            net.run_for(500 * MS);
            net.move_host(0, address([10, 99, 0, 1], 777), told);
            let at = net.now();
            let whole = arrives(
                &mut net,
                receiver,
                keys[receiver],
                stream,
                4 * MIB,
                30 * SECOND,
            );
            assert!(whole, "told {told}, sender {sender}");
            let took = (net.now() - at) / MS;
            let limit = if told || sender == 0 { 5_000 } else { 9_000 };
            assert!(took < limit, "told {told}, sender {sender}: {took} ms");
            assert_eq!(migrations(&net, 1), 1);
            assert!(!is_closed(&net, 0, client) && !is_closed(&net, 1, server));
        }
    }
}

#[test]
fn a_client_may_move_again_and_again() {
    let (mut net, client, server) = connected(2, slow());
    let stream = net.send(0, client, false, 8 * MIB).unwrap();
    for place in 1..=10 {
        net.run_for(300 * MS);
        net.move_host(0, address([10, 99, 0, place], 1000), true);
    }
    assert!(arrives(&mut net, 1, server, stream, 8 * MIB, 60 * SECOND));
    net.run_for(10 * SECOND);
    net.peer(0).close(client, 0, "");
    net.run_for(5 * SECOND);
    for host in [0, 1] {
        assert_empty(&mut net, host);
    }
}

#[test]
fn keys_are_updated_in_mid_transfer_by_either_side() {
    let (mut net, client, server) = connected(3, slow());
    let up = net.send(0, client, false, 3 * MIB).unwrap();
    let down = net.send(1, server, false, 3 * MIB).unwrap();
    for _ in 0..5 {
        net.run_for(200 * MS);
        net.peer(0).key_update(client);
        net.run_for(100 * MS);
        net.peer(1).key_update(server);
    }
    assert!(arrives(&mut net, 1, server, up, 3 * MIB, 30 * SECOND));
    assert!(arrives(&mut net, 0, client, down, 3 * MIB, 30 * SECOND));
    assert_eq!(net.peer(0).connection_stats(client).unwrap().key_updates, 5);
}

#[test]
fn two_key_updates_at_once_from_both_sides_do_no_harm() {
    let (mut net, client, server) = connected(4, slow());
    let stream = net.send(0, client, false, 2 * MIB).unwrap();
    net.run_for(100 * MS);
    for _ in 0..3 {
        net.peer(0).key_update(client);
        net.peer(1).key_update(server);
    }
    assert!(arrives(&mut net, 1, server, stream, 2 * MIB, 30 * SECOND));
}

#[test]
fn links_of_every_mtu_down_to_quics_minimum_carry_a_transfer() {
    for (mtu, payload) in [(1500, 1452), (1400, 1372), (1280, 1252), (1228, 1200)] {
        let link = Link { mtu, ..slow() };
        let (mut net, client, server) = connected(5, link);
        let stream = net.send(0, client, false, 4 * MIB).unwrap();
        assert!(arrives(&mut net, 1, server, stream, 4 * MIB, 30 * SECOND));
        net.run_for(10 * SECOND);
        let found = net.peer(0).connection_stats(client).unwrap().mtu_bytes;
        // The search halves what is left, and ends when a step would be less than 20 bytes.
        assert!((payload - 39..=payload).contains(&found), "{mtu}: {found}");
    }
}

#[test]
fn nothing_above_the_minimum_is_sent_where_the_mtu_is_not_probed() {
    let mut net = Simulation::pair(
        6,
        Link {
            mtu: 1228,
            ..slow()
        },
    );
    for host in [0, 1] {
        let mut config = config(host, 6);
        config.mtu_discovery = false;
        net.restart(host, config);
    }
    let (client, server) = connect(&mut net, 0, 1);
    let stream = net.send(0, client, false, MIB).unwrap();
    assert!(arrives(&mut net, 1, server, stream, MIB, 10 * SECOND));
    assert_eq!(net.counts(0, 1).oversized + net.counts(1, 0).oversized, 0);
}

#[test]
fn a_black_hole_that_appears_in_mid_transfer_is_found() {
    for mtu in [1280, 1228] {
        let (mut net, client, server) = connected(7, slow());
        let stream = net.send(0, client, false, 8 * MIB).unwrap();
        net.run_for(2 * SECOND);
        let before = net.peer(0).connection_stats(client).unwrap();
        assert!(before.mtu_bytes > 1400);
        net.link(0, 1).mtu = mtu;
        net.link(1, 0).mtu = mtu;
        let at = net.now();
        assert!(arrives(&mut net, 1, server, stream, 8 * MIB, 60 * SECOND));
        let took = (net.now() - at) / MS;
        let stats = net.peer(0).connection_stats(client).unwrap();
        assert!(stats.mtu_bytes as usize + 28 <= mtu, "{}", stats.mtu_bytes);
        assert!(stats.black_holes >= 1);
        assert!(took < 15_000, "{took} ms");
    }
}

#[test]
fn a_remote_learns_its_own_address_as_the_other_side_sees_it() {
    let (mut net, _, _) = connected(8, Link::default());
    net.run_for(SECOND);
    for host in [0, 1] {
        let own = net.address_of(host);
        let told = net.application(host).events.iter().any(|(_, event)| {
            matches!(event, Event::Path { change: PathChange::Observed, route, .. }
                if route.address == own.into())
        });
        assert!(told, "host {host}");
    }
}
