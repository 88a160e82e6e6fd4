use std::time::Duration;

use anypath_peer::error::{ClosedBy, ErrorCode};
use anypath_peer::event::ConnectionKey;
use anypath_peer::session::{Cause, State};
use anypath_simnet::simulation::config;
use anypath_simnet::{HostId, Link, Micros, Simulation};

use crate::support::*;

fn cut(net: &mut Simulation, from: Micros, until: Micros) {
    for (one, other) in [(0, 1), (1, 0)] {
        net.link(one, other).outages.push(from..until);
    }
}

fn states(net: &Simulation, host: HostId, key: ConnectionKey) -> Vec<(Micros, State, Cause)> {
    let known = net.known(host, key).unwrap();
    known
        .states
        .iter()
        .map(|(at, step)| (*at, step.to, step.cause))
        .collect()
}

#[test]
fn a_close_arrives_with_its_code_and_reason_and_both_sides_forget() {
    for closing in [0, 1] {
        let (mut net, client, server) = connected(1, Link::default());
        let keys = [client, server];
        net.peer(closing).close(keys[closing], 4321, "enough");
        let at = net.now();
        let (closed_at, local) = end_of(&mut net, closing, keys[closing], SECOND);
        assert_eq!((closed_at, local.code), (at, ErrorCode::ClosedLocally));
        let other = 1 - closing;
        let (heard_at, remote) = end_of(&mut net, other, keys[other], SECOND);
        assert_eq!(
            (remote.code, remote.wire_code),
            (ErrorCode::ClosedByPeer, 4321)
        );
        assert_eq!(
            (remote.by, remote.reason.as_str()),
            (ClosedBy::Remote, "enough")
        );
        assert_eq!(heard_at, at + 10 * MS);
        net.run_for(SECOND);
        for host in [0, 1] {
            assert!(net.known(host, keys[host]).unwrap().drained);
            assert_eq!(
                states(&net, host, keys[host]).last().unwrap().1,
                State::Closed
            );
            assert_empty(&mut net, host);
        }
    }
}

#[test]
fn a_close_is_heard_although_its_first_packet_is_lost() {
    let (mut net, client, server) = connected(2, Link::default());
    net.run_for(SECOND);
    let stream = net.send(1, server, false, 20 * MIB).unwrap();
    net.run_for(100 * MS);
    let number = net.counts(0, 1).sent;
    net.link(0, 1)
        .fates
        .insert(number, anypath_simnet::Fate::Lost);
    net.peer(0).close(client, 5, "");
    // What the server sends on is answered with the close again (RFC 9000 § 10.2.1).
    let (code, detail) = code_of(&mut net, 1, server, SECOND);
    assert_eq!((code, detail), (ErrorCode::ClosedByPeer, 5));
    let _ = stream;
}

#[test]
fn nothing_can_be_done_with_a_connection_after_its_end() {
    let (mut net, client, server) = connected(3, Link::default());
    let stream = net.send(0, client, true, 1000).unwrap();
    net.run_for(SECOND);
    net.peer(0).close(client, 0, "");
    net.run_for(50 * MS);
    for (host, key) in [(0, client), (1, server)] {
        let peer = net.peer(host);
        assert!(peer.open_stream(key, true).is_err());
        assert!(peer.write(key, stream, b"x").is_err());
        assert!(peer.read(key, stream, 1, &mut Vec::new()).is_err());
        assert!(peer.send_datagram(key, b"x").is_err());
        peer.close(key, 9, "again");
        peer.key_update(key);
    }
    let events = |net: &Simulation| [0, 1].map(|host| net.application(host).events.len());
    let before = events(&net);
    net.run_for(10 * SECOND);
    // Only that each is forgotten is told.
    assert_eq!(events(&net), before.map(|count| count + 1));
}

#[test]
fn a_shutdown_closes_every_connection_and_refuses_new_ones() {
    let mut net = Simulation::pair(4, Link::default());
    net.add_host();
    let (to_1, from_0) = connect(&mut net, 0, 1);
    let (from_2, to_2) = (connect(&mut net, 1, 2).0, connect(&mut net, 2, 1).0);
    net.peer(1).shutdown(3, "bye");
    assert_eq!(net.dial(1, 0).unwrap_err().code, ErrorCode::PeerClosed);
    for (host, key) in [(0, to_1), (2, to_2)] {
        let end = code_of(&mut net, host, key, SECOND);
        assert_eq!(end, (ErrorCode::ClosedByPeer, 3));
    }
    for key in [from_0, from_2] {
        assert!(is_closed(&net, 1, key));
    }
    let late = net.dial(0, 1).unwrap();
    assert_eq!(code_of(&mut net, 0, late, SECOND).0, ErrorCode::Refused);
    net.run_for(5 * SECOND);
    assert_empty(&mut net, 1);
}

#[test]
fn a_dial_can_be_given_up_and_the_other_side_forgets_it_too() {
    for wait in [0, 5 * MS, 15 * MS, 25 * MS] {
        let mut net = Simulation::pair(5, Link::default());
        let key = net.dial(0, 1).unwrap();
        net.run_for(wait);
        net.peer(0).close(key, 0, "changed my mind");
        net.run_for(15 * SECOND);
        for host in [0, 1] {
            assert_empty(&mut net, host);
        }
    }
}

#[test]
fn silence_without_keep_alives_ends_at_the_idle_timeout() {
    let mut net = Simulation::pair(6, Link::default());
    for host in [0, 1] {
        let mut quiet = config(host, 6);
        quiet.keep_alive = None;
        quiet.idle_timeout = Duration::from_secs(5 + host as u64);
        net.restart(host, quiet);
    }
    let (client, server) = connect(&mut net, 0, 1);
    let start = net.now();
    for (host, key) in [(0, client), (1, server)] {
        let (at, reason) = end_of(&mut net, host, key, 10 * SECOND);
        assert_eq!(reason.code, ErrorCode::IdleTimeout);
        // The smaller of the two counts for both.
        assert!((4900 * MS..5200 * MS).contains(&(at - start)), "{at}");
        assert_empty(&mut net, host);
    }
}

#[test]
fn keep_alives_hold_an_idle_connection_for_ten_minutes() {
    let (mut net, client, server) = connected(7, Link::default());
    net.run_for(SECOND);
    let before = net.counts(0, 1).sent;
    net.run_for(600 * SECOND);
    for (host, key) in [(0, client), (1, server)] {
        assert!(!is_closed(&net, host, key));
        assert_eq!(net.application(host).state(key), Some(State::Direct));
        assert!(
            states(&net, host, key)
                .iter()
                .all(|(_, to, _)| *to != State::Recovering)
        );
    }
    let sent = net.counts(0, 1).sent - before;
    assert!(
        (200..1000).contains(&sent),
        "{sent} packets in ten idle minutes"
    );
}

#[test]
fn a_silent_remote_shows_within_five_seconds_and_is_gone_at_the_idle_timeout() {
    let (mut net, client, server) = connected(8, Link::default());
    net.run_for(SECOND);
    let start = net.now();
    cut(&mut net, start, Micros::MAX);
    net.run_for(5 * SECOND);
    for (host, key) in [(0, client), (1, server)] {
        assert_eq!(net.application(host).state(key), Some(State::Recovering));
    }
    for (host, key) in [(0, client), (1, server)] {
        let (at, reason) = end_of(&mut net, host, key, 130 * SECOND);
        assert_eq!(reason.code, ErrorCode::IdleTimeout);
        assert!(at - start < 125 * SECOND, "{at}");
        assert_eq!(net.application(host).state(key), Some(State::Failed));
        assert_empty(&mut net, host);
    }
}

#[test]
fn an_outage_in_a_transfer_shows_and_passes_with_every_byte_in_order() {
    for length in [6, 20, 60, 100] {
        let link = Link {
            rate: Some(1_000_000),
            ..Link::default()
        };
        let (mut net, client, server) = connected(9, link);
        let stream = net.send(0, client, false, 3 * MIB).unwrap();
        net.run_for(SECOND);
        let start = net.now();
        let end = start + length * SECOND;
        cut(&mut net, start, end);
        net.run_for(5 * SECOND);
        for (host, key) in [(0, client), (1, server)] {
            assert_eq!(net.application(host).state(key), Some(State::Recovering));
        }
        assert!(arrives(
            &mut net,
            1,
            server,
            stream,
            3 * MIB,
            (length + 30) * SECOND
        ));
        for (host, key) in [(0, client), (1, server)] {
            let (at, to, cause) = *states(&net, host, key).last().unwrap();
            assert_eq!((to, cause), (State::Direct, Cause::Answer));
            assert!(
                at < end + 2 * SECOND,
                "{length} s: {} ms late",
                (at - end) / MS
            );
        }
    }
}

#[test]
fn a_restarted_peer_is_noticed_at_the_next_packet() {
    let (mut net, client, _) = connected(10, Link::default());
    net.run_for(SECOND);
    net.restart(1, config(1, 999));
    net.send(0, client, false, 100).unwrap();
    let at = net.now();
    let (closed_at, reason) = end_of(&mut net, 0, client, SECOND);
    assert_eq!(reason.code, ErrorCode::PeerRestarted);
    assert_eq!(closed_at, at + 20 * MS);
    net.run_for(SECOND);
    assert_empty(&mut net, 0);
    connect(&mut net, 0, 1);
}

#[test]
fn a_restarted_client_is_noticed_by_an_idle_server() {
    let (mut net, _, server) = connected(11, Link::default());
    net.run_for(SECOND);
    net.restart(0, config(0, 999));
    let at = net.now();
    let (closed_at, reason) = end_of(&mut net, 1, server, 10 * SECOND);
    assert_eq!(reason.code, ErrorCode::PeerRestarted);
    assert!(closed_at - at <= 2600 * MS, "{}", closed_at - at);
}

#[test]
fn a_peer_that_restarts_after_a_long_outage_is_noticed_all_the_same() {
    for told in [true, false] {
        let (mut net, client, _) = connected(12, Link::default());
        net.run_for(SECOND);
        let start = net.now();
        cut(&mut net, start, start + 30 * SECOND);
        net.run_for(29 * SECOND);
        net.restart(1, config(1, 999));
        if told {
            net.peer(0).network_changed();
        }
        let (at, reason) = end_of(&mut net, 0, client, 10 * SECOND);
        assert_eq!(reason.code, ErrorCode::PeerRestarted);
        assert!(at - start < 32_100 * MS, "{}", at - start);
        net.run_for(SECOND);
        assert_empty(&mut net, 0);
    }
}
