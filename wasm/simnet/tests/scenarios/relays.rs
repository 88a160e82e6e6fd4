use std::time::Duration;

use anypath_peer::carrier::FIRST_RELAY;
use anypath_peer::error::ErrorCode;
use anypath_peer::event::{ConnectionKey, Event, PathChange};
use anypath_peer::relay::{RelayCause, RelayState, RelayStatus};
use anypath_peer::session::State;
use anypath_simnet::simulation::ALPN;
use anypath_simnet::{HostId, Link, Micros, RelayMood, Simulation, Wire, address};
use anypath_wire::relay::{RelayMessage, Version};

use crate::support::*;

const HOME: &str = "https://home.example/";
const OTHER: &str = "https://other.example/";
const THIRD: &str = "https://third.example/";

/// Two hosts without UDP between them, and the relays, which both are configured with.
fn relayed(seed: u64, relays: &[(&str, Micros)]) -> Simulation {
    let mut net = Simulation::pair(seed, Link::default());
    cut_udp(&mut net);
    for (url, delay) in relays {
        let delay = *delay;
        net.add_relay(
            url,
            Wire {
                delay,
                ..Wire::default()
            },
        );
    }
    for host in [0, 1] {
        let urls: Vec<_> = relays.iter().map(|(url, _)| *url).collect();
        net.peer(host).set_relays(urls);
    }
    net
}

fn cut_udp(net: &mut Simulation) {
    for (from, to) in [(0, 1), (1, 0)] {
        net.link(from, to).outages = std::iter::once(0..Micros::MAX).collect();
    }
}

/// Everything that a host was told of a relay.
fn told(net: &Simulation, host: HostId, url: &str) -> Vec<(Micros, RelayStatus)> {
    let events = net.application(host).events.iter();
    events
        .filter_map(|(at, event)| match event {
            Event::Relay(_, status) if status.url == url => Some((*at, (**status).clone())),
            _ => None,
        })
        .collect()
}

fn last(net: &Simulation, host: HostId, url: &str) -> RelayStatus {
    told(net, host, url).pop().expect("something was told").1
}

fn state(net: &Simulation, host: HostId, url: &str) -> RelayState {
    last(net, host, url).state
}

fn home_is(net: &Simulation, host: HostId, url: &str) -> bool {
    let status = told(net, host, url).pop();
    status.is_some_and(|(_, status)| status.home && status.state == RelayState::Connected)
}

/// Dials the other host over a relay alone.
fn dial_over(net: &mut Simulation, from: HostId, url: &str) -> ConnectionKey {
    let id = net.id_of(1 - from);
    let peer = net.peer(from);
    let target = peer.relay_target(id, url, Duration::ZERO).unwrap();
    peer.connect(id, ALPN, &[target], false).unwrap()
}

/// A connection over that relay, dialled by that host; its keys by host.
fn connect_over(net: &mut Simulation, from: HostId, url: &str) -> [ConnectionKey; 2] {
    let both = |net: &mut Simulation| [0, 1].iter().all(|host| home_is(net, *host, url));
    assert!(net.run_until(5 * SECOND, both));
    let dialled = dial_over(net, from, url);
    let up = |net: &mut Simulation| {
        is_connected(net, from, dialled) && !accepted(net, 1 - from).is_empty()
    };
    assert!(
        net.run_until(5 * SECOND, up),
        "{:?}",
        net.known(from, dialled)
    );
    let mut keys = [dialled; 2];
    keys[1 - from] = accepted(net, 1 - from)[0];
    keys
}

fn transfers(net: &mut Simulation, keys: [ConnectionKey; 2], limit: Micros) {
    for from in [0, 1] {
        let stream = net.send(from, keys[from], false, MIB / 4).unwrap();
        let whole = arrives(net, 1 - from, keys[1 - from], stream, MIB / 4, limit);
        assert!(whole, "from {from}");
    }
}

/// The relays over which the connection's paths go.
fn relays_of(net: &mut Simulation, host: HostId, key: ConnectionKey) -> Vec<String> {
    let stats = net.peer(host).connection_stats(key).unwrap();
    let names: Vec<_> = net
        .application(host)
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Relay(id, status) => Some((*id, status.url.clone())),
            _ => None,
        })
        .collect();
    let name = |id| {
        names
            .iter()
            .find(|(of, _)| *of == id)
            .map(|(_, url)| url.clone())
    };
    stats
        .paths
        .iter()
        .filter_map(|path| name(path.route.carrier))
        .collect()
}

fn discovers(net: &Simulation, host: HostId) -> usize {
    let events = net.application(host).events.iter();
    events
        .filter(|(_, event)| matches!(event, Event::Discover(_)))
        .count()
}

#[test]
fn two_peers_connect_over_a_relay_alone_and_move_data_both_ways() {
    for (from, version) in [(0, Version::V2), (1, Version::V1)] {
        let mut net = relayed(1, &[(HOME, 10 * MS)]);
        let wire = Wire {
            version,
            ..Wire::default()
        };
        net.rewire_relay(HOME, wire);
        let keys = connect_over(&mut net, from, HOME);
        for host in [0, 1] {
            let known = net.known(host, keys[host]).unwrap();
            let (_, connected) = known.connected.clone().unwrap();
            assert_eq!(connected.route.carrier, FIRST_RELAY);
            assert!(connected.route.is_relayed());
            assert_eq!(
                net.application(host).state(keys[host]),
                Some(State::Relayed)
            );
        }
        transfers(&mut net, keys, 20 * SECOND);
        net.run_for(5 * SECOND);
        let stats = net.peer(from).connection_stats(keys[from]).unwrap();
        assert_eq!(stats.rtt, Duration::from_millis(40));
        assert!(stats.mtu_bytes > 1400, "{}", stats.mtu_bytes);
        let stats = net.peer(from).stats();
        assert_eq!((stats.relays_connected, stats.relay_dropped), (1, 0));
        assert!(stats.relay_bytes_sent > MIB / 4 && stats.relay_bytes_received > MIB / 4);
        let elsewhere = [
            stats.datagrams_sent,
            stats.datagrams_received,
            stats.bytes_sent,
            stats.bytes_received,
        ];
        assert_eq!(elsewhere, [0; 4]);
    }
}

#[test]
fn a_dial_begins_before_its_relay_is_connected_and_takes_one_round_trip_from_then_on() {
    let mut net = relayed(2, &[(HOME, 10 * MS)]);
    net.run_for(SECOND);
    net.add_relay(OTHER, Wire::default());
    let id = net.id_of(0);
    net.peer(1).relay_target(id, OTHER, Duration::ZERO).unwrap();
    net.run_for(SECOND);
    let start = net.now();
    let key = dial_over(&mut net, 0, OTHER);
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, key)));
    // Two round trips open the WebSocket, one authenticates, and one of twice the length is QUIC's.
    let took = connected_at(&net, 0, key) - start;
    assert!((100 * MS..105 * MS).contains(&took), "{took}");
    net.run_for(SECOND);
    assert_eq!(accepted(&net, 1).len(), 1);
}

#[test]
fn neither_a_dead_address_nor_a_dead_relay_delays_a_dial() {
    for relay_works in [true, false] {
        let mut net = relayed(3, &[(HOME, 10 * MS)]);
        if !relay_works {
            net.link(0, 1).outages.clear();
            net.link(1, 0).outages.clear();
            net.set_relay(HOME, RelayMood::Mute);
        }
        net.run_for(SECOND);
        let (id, udp) = (net.id_of(1), net.target(1));
        let peer = net.peer(0);
        let relay = peer.relay_target(id, HOME, Duration::ZERO).unwrap();
        let key = peer.connect(id, ALPN, &[udp, relay], false).unwrap();
        let start = net.now();
        assert!(net.run_until(SECOND, |net| is_connected(net, 0, key)));
        let took = connected_at(&net, 0, key) - start;
        assert!(
            took <= if relay_works { 41 * MS } else { 20 * MS },
            "{took}"
        );
        net.run_for(SECOND);
        assert_eq!(accepted(&net, 1).len(), 1);
        let expected = if relay_works {
            State::Relayed
        } else {
            State::Direct
        };
        assert_eq!(net.application(0).state(key), Some(expected));
    }
}

#[test]
fn relays_that_only_a_ticket_names_are_used_where_any_is_configured_and_left_when_idle() {
    let mut net = relayed(4, &[(HOME, 10 * MS)]);
    net.add_relay(OTHER, Wire::default());
    let id = net.id_of(1);
    let bare = Simulation::pair(4, Link::default())
        .peer(0)
        .relay_target(id, OTHER, Duration::ZERO);
    assert_eq!(bare, None);
    net.run_for(SECOND);
    for bad in ["", "other.example", "ftp://other.example"] {
        assert_eq!(net.peer(0).relay_target(id, bad, Duration::ZERO), None);
    }
    net.peer(0).relay_target(id, OTHER, Duration::ZERO).unwrap();
    net.run_for(10 * SECOND);
    assert_eq!(state(&net, 0, OTHER), RelayState::Connected);
    net.run_for(60 * SECOND);
    let status = last(&net, 0, OTHER);
    assert_eq!(
        (status.state, status.cause),
        (RelayState::Closed, RelayCause::Unused)
    );
    assert_eq!(net.clients_of(OTHER), 0);
}

#[test]
fn a_relay_in_use_by_a_connection_is_not_left() {
    let mut net = relayed(5, &[(HOME, 10 * MS)]);
    net.add_relay(OTHER, Wire::default());
    net.peer(1).set_relays([OTHER]);
    net.run_for(2 * SECOND);
    let key = dial_over(&mut net, 0, OTHER);
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, key)));
    net.run_for(300 * SECOND);
    assert_eq!(state(&net, 0, OTHER), RelayState::Connected);
    net.peer(0).close(key, 0, "");
    net.run_for(130 * SECOND);
    assert_eq!(state(&net, 0, OTHER), RelayState::Closed);
}

#[test]
fn strangers_tickets_cannot_make_relays_without_end() {
    let mut net = relayed(6, &[(HOME, 10 * MS)]);
    let id = net.id_of(1);
    let made = (0..100)
        .filter_map(|number| {
            let url = format!("https://relay-{number}.example/");
            net.peer(0).relay_target(id, &url, Duration::ZERO)
        })
        .count();
    assert_eq!(made, 15);
    net.run_for(180 * SECOND);
    assert!(
        net.peer(0)
            .relay_target(id, OTHER, Duration::ZERO)
            .is_some()
    );
}

#[test]
fn a_relay_restarts_in_mid_transfer_and_the_connection_goes_on_over_it() {
    for from in [0, 1] {
        let mut net = relayed(7, &[(HOME, 10 * MS)]);
        let wire = Wire {
            rate: Some(1_000_000),
            ..Wire::default()
        };
        net.rewire_relay(HOME, wire);
        let keys = connect_over(&mut net, from, HOME);
        let stream = net.send(0, keys[0], false, 2 * MIB).unwrap();
        net.run_for(500 * MS);
        net.restart_relay(HOME);
        let at = net.now();
        assert!(arrives(&mut net, 1, keys[1], stream, 2 * MIB, 20 * SECOND));
        let took = net.now() - at;
        assert!(took < 6 * SECOND, "{took}");
        assert_eq!(relays_of(&mut net, 0, keys[0]), [HOME]);
        assert!(
            [0, 1]
                .iter()
                .all(|host| !is_closed(&net, *host, keys[*host]))
        );
    }
}

#[test]
fn a_connection_recovers_within_a_round_trip_of_its_relays_return() {
    let mut net = relayed(8, &[(HOME, 10 * MS)]);
    let keys = connect_over(&mut net, 0, HOME);
    net.set_relay(HOME, RelayMood::Down);
    net.run_for(60 * SECOND);
    assert_eq!(net.application(0).state(keys[0]), Some(State::Recovering));
    net.set_relay(HOME, RelayMood::Well);
    let back = |net: &mut Simulation| [0, 1].iter().all(|host| home_is(net, *host, HOME));
    assert!(net.run_until(31 * SECOND, back));
    let at = net.now();
    let recovered = |net: &mut Simulation| {
        [0, 1]
            .iter()
            .all(|host| net.application(*host).state(keys[*host]) == Some(State::Relayed))
    };
    assert!(net.run_until(SECOND, recovered));
    assert!(net.now() - at <= 60 * MS, "{}", net.now() - at);
    transfers(&mut net, keys, 10 * SECOND);
}

#[test]
fn a_relay_that_was_away_for_seconds_does_not_cost_a_connection_twice_that() {
    for (seed, seconds) in (20..).zip([2, 3, 5, 8]) {
        let mut net = relayed(seed, &[(HOME, 20)]);
        let keys = connect_over(&mut net, 0, HOME);
        net.set_relay(HOME, RelayMood::Down);
        let stream = net.send(0, keys[0], false, 1000).unwrap();
        net.run_for(seconds * SECOND);
        net.set_relay(HOME, RelayMood::Well);
        let back = net.now();
        assert!(arrives(&mut net, 1, keys[1], stream, 1000, 10 * SECOND));
        let took = net.now() - back;
        assert!(took < 1_750 * MS, "{seconds} s: {took} µs after its return");
    }
}

#[test]
fn a_mute_relay_is_left_within_fifteen_seconds() {
    let mut net = relayed(9, &[(HOME, 10 * MS), (OTHER, 50 * MS)]);
    assert!(net.run_until(5 * SECOND, |net| home_is(net, 0, HOME)));
    net.run_for(7 * SECOND);
    net.set_relay(HOME, RelayMood::Mute);
    let at = net.now();
    assert!(net.run_until(20 * SECOND, |net| home_is(net, 0, OTHER)));
    let took = net.now() - at;
    assert!(took < 15 * SECOND, "{took}");
    assert!(!last(&net, 0, HOME).home);
    let causes: Vec<_> = told(&net, 0, HOME)
        .iter()
        .map(|(_, status)| status.cause)
        .collect();
    assert!(causes.contains(&RelayCause::Timeout), "{causes:?}");
}

#[test]
fn the_nearest_relay_becomes_home_and_the_others_are_closed_with_their_latency_kept() {
    let mut net = relayed(10, &[(OTHER, 50 * MS), (HOME, 10 * MS), (THIRD, 90 * MS)]);
    assert!(net.run_until(5 * SECOND, |net| home_is(net, 0, HOME)));
    net.run_for(SECOND);
    assert_eq!(last(&net, 0, HOME).latency, Some(Duration::from_millis(20)));
    for (url, latency) in [(OTHER, 100), (THIRD, 180)] {
        let status = last(&net, 0, url);
        assert_eq!(
            (status.state, status.cause),
            (RelayState::Closed, RelayCause::Unused)
        );
        assert_eq!(status.latency, Some(Duration::from_millis(latency)));
    }
    assert_eq!(net.peer(0).stats().relays_connected, 1);
}

#[test]
fn a_relay_that_has_become_nearer_becomes_home_at_the_next_measurement() {
    let mut net = relayed(11, &[(HOME, 40 * MS), (OTHER, 50 * MS)]);
    assert!(net.run_until(5 * SECOND, |net| home_is(net, 0, HOME)));
    net.rewire_relay(
        OTHER,
        Wire {
            delay: 10 * MS,
            ..Wire::default()
        },
    );
    assert!(net.run_until(3000 * SECOND, |net| home_is(net, 0, OTHER)));
    net.run_for(2 * SECOND);
    assert_eq!(state(&net, 0, HOME), RelayState::Closed);
}

#[test]
fn a_connection_stays_at_the_relay_that_is_no_longer_home() {
    let mut net = relayed(27, &[(HOME, 40 * MS), (OTHER, 50 * MS)]);
    let keys = connect_over(&mut net, 0, HOME);
    net.rewire_relay(
        OTHER,
        Wire {
            delay: 10 * MS,
            ..Wire::default()
        },
    );
    let moved = |net: &mut Simulation| [0, 1].iter().all(|host| home_is(net, *host, OTHER));
    assert!(net.run_until(3000 * SECOND, moved));
    net.run_for(200 * SECOND);
    assert_eq!(relays_of(&mut net, 0, keys[0]), [HOME]);
    transfers(&mut net, keys, 10 * SECOND);
    net.peer(0).close(keys[0], 0, "");
    net.run_for(130 * SECOND);
    assert_eq!(net.clients_of(HOME), 0);
}

#[test]
fn a_dead_relay_does_not_keep_another_from_becoming_home() {
    for mood in [
        RelayMood::Down,
        RelayMood::Mute,
        RelayMood::Denying,
        RelayMood::Babbling,
    ] {
        let mut net = relayed(12, &[(OTHER, 5 * MS), (HOME, 10 * MS)]);
        net.set_relay(OTHER, mood);
        assert!(
            net.run_until(4 * SECOND, |net| home_is(net, 0, HOME)),
            "{mood:?}"
        );
    }
}

#[test]
fn a_denied_peer_says_so_and_tries_again_only_when_told() {
    let mut net = relayed(13, &[(HOME, 10 * MS)]);
    net.set_relay(HOME, RelayMood::Denying);
    net.run_for(20 * SECOND);
    let status = last(&net, 0, HOME);
    assert_eq!(
        (status.state, status.cause),
        (RelayState::Waiting, RelayCause::Denied)
    );
    assert_eq!(status.detail, "the token is not valid");
    assert!(status.retry_in.unwrap() >= Duration::from_secs(30));
    assert_eq!(
        net.attempts(HOME)
            .iter()
            .filter(|(_, host)| *host == 0)
            .count(),
        1
    );
    net.set_relay(HOME, RelayMood::Well);
    net.peer(0).set_relays([HOME]);
    assert!(net.run_until(SECOND, |net| home_is(net, 0, HOME)));
}

#[test]
fn a_dial_that_only_a_relay_which_denies_could_carry_says_so() {
    let mut net = relayed(26, &[(HOME, 10 * MS), (OTHER, 20 * MS), (THIRD, 30 * MS)]);
    net.set_relay(OTHER, RelayMood::Denying);
    net.set_relay(THIRD, RelayMood::Down);
    net.run_for(SECOND);
    for (url, code) in [
        (OTHER, ErrorCode::RelayDenied),
        (THIRD, ErrorCode::Unreachable),
    ] {
        let dialled = dial_over(&mut net, 0, url);
        assert_eq!(code_of(&mut net, 0, dialled, 11 * SECOND).0, code);
    }
}

#[test]
fn of_two_processes_with_one_key_the_later_stays_and_the_earlier_does_not_fight() {
    for version in [Version::V1, Version::V2] {
        let mut net = relayed(14, &[(HOME, 10 * MS)]);
        net.rewire_relay(
            HOME,
            Wire {
                version,
                ..Wire::default()
            },
        );
        assert!(net.run_until(5 * SECOND, |net| home_is(net, 0, HOME)));
        let twin = net.add_host_with(anypath_simnet::config(0, 14));
        net.peer(twin).set_relays([HOME]);
        net.run_for(60 * SECOND);
        let status = last(&net, 0, HOME);
        assert_eq!(
            (status.state, status.cause),
            (RelayState::Waiting, RelayCause::SameEndpoint)
        );
        assert!(home_is(&net, twin, HOME));
        assert_eq!(net.attempts(HOME).len(), 3);
        net.peer(0).resumed();
        assert!(net.run_until(SECOND, |net| home_is(net, 0, HOME)));
    }
}

#[test]
fn clients_of_a_relay_that_restarts_come_back_at_different_times() {
    let mut net = Simulation::new(15);
    net.add_relay(HOME, Wire::default());
    for _ in 0..40 {
        let host = net.add_host();
        net.peer(host).set_relays([HOME]);
    }
    net.run_for(15 * SECOND);
    assert_eq!(net.clients_of(HOME), 40);
    let before = net.attempts(HOME).len();
    net.restart_relay(HOME);
    net.run_for(SECOND);
    assert_eq!(net.clients_of(HOME), 40);
    let mut times: Vec<_> = net.attempts(HOME)[before..]
        .iter()
        .map(|(at, _)| *at)
        .collect();
    times.sort_unstable();
    times.dedup();
    assert!(times.len() >= 38, "{}", times.len());
    assert!(times[times.len() - 1] - times[0] > 150 * MS);
}

#[test]
fn a_relay_that_announces_its_restart_is_left_and_come_back_to() {
    let mut net = relayed(16, &[(HOME, 10 * MS)]);
    let keys = connect_over(&mut net, 0, HOME);
    let mut message = Vec::new();
    let restarting = RelayMessage::Restarting {
        reconnect_in_ms: 2000,
        try_for_ms: 5000,
    };
    restarting.encode(Version::V2, &mut message).unwrap();
    net.relay_says(HOME, &message);
    net.run_for(100 * MS);
    let status = last(&net, 0, HOME);
    assert_eq!(
        (status.state, status.cause),
        (RelayState::Waiting, RelayCause::Restarting)
    );
    net.run_for(1900 * MS);
    assert_eq!(net.clients_of(HOME), 0);
    net.run_for(SECOND);
    assert_eq!(net.clients_of(HOME), 2);
    transfers(&mut net, keys, 10 * SECOND);
}

#[test]
fn messages_that_cannot_be_read_are_counted_and_end_in_a_reconnect_at_most() {
    let mut net = relayed(17, &[(HOME, 10 * MS)]);
    let keys = connect_over(&mut net, 0, HOME);
    let large = vec![6; 65_538];
    for message in [&[][..], &[6, 1, 2], &[63, 1], &large] {
        net.relay_says(HOME, message);
    }
    net.run_for(SECOND);
    assert_eq!(net.peer(0).stats().malformed_dropped, 4);
    assert_eq!(state(&net, 0, HOME), RelayState::Connected);
    for _ in 0..20 {
        net.relay_says(HOME, &[8, 1, 2]);
    }
    net.run_for(3 * SECOND);
    let causes: Vec<_> = told(&net, 0, HOME)
        .iter()
        .map(|(_, status)| status.cause)
        .collect();
    assert!(causes.contains(&RelayCause::Protocol), "{causes:?}");
    transfers(&mut net, keys, 10 * SECOND);
}

#[test]
fn a_lossy_relay_carries_a_transfer() {
    let mut net = relayed(18, &[(HOME, 10 * MS)]);
    let keys = connect_over(&mut net, 0, HOME);
    net.rewire_relay(
        HOME,
        Wire {
            loss: 0.05,
            ..Wire::default()
        },
    );
    transfers(&mut net, keys, 60 * SECOND);
}

#[test]
fn a_relay_that_reorders_duplicates_and_drops_carries_a_transfer_and_costs_bounded_work() {
    let harms = [
        (0.0, 0.0, 0.3),
        (0.0, 0.5, 0.0),
        (0.02, 0.3, 0.3),
        (0.0, 1.0, 0.5),
    ];
    for (loss, duplicates, reordered) in harms {
        let mut net = relayed(18, &[(HOME, 10 * MS)]);
        let keys = connect_over(&mut net, 0, HOME);
        let harm = Wire {
            loss,
            duplicates,
            reordered,
            ..Wire::default()
        };
        net.rewire_relay(HOME, harm);
        let before = net.forwarded(HOME);
        transfers(&mut net, keys, 60 * SECOND);
        let forwarded = net.forwarded(HOME) - before;
        assert!(forwarded < 1_000, "{harm:?}: {forwarded} messages");
        for host in [0, 1] {
            assert_eq!(
                net.application(host).state(keys[host]),
                Some(State::Relayed)
            );
        }
        // What the relay did is forgotten when it is well again.
        net.rewire_relay(HOME, Wire::default());
        let before = net.forwarded(HOME);
        transfers(&mut net, keys, 20 * SECOND);
        let forwarded = net.forwarded(HOME) - before;
        assert!(
            forwarded < 250,
            "{harm:?}, afterwards: {forwarded} messages"
        );
    }
}

#[test]
fn a_peer_whose_relay_died_is_found_at_another_by_either_side_as_the_client() {
    for from in [0, 1] {
        let mut net = relayed(19, &[(HOME, 10 * MS), (OTHER, 30 * MS)]);
        let keys = connect_over(&mut net, from, HOME);
        net.run_for(5 * SECOND);
        net.set_relay(HOME, RelayMood::Down);
        let at = net.now();
        let moved = |net: &mut Simulation| relays_of(net, from, keys[from]) == [OTHER];
        assert!(
            net.run_until(30 * SECOND, moved),
            "from {from}: {:?}",
            relays_of(&mut net, from, keys[from])
        );
        let took = net.now() - at;
        assert!(took < 10 * SECOND, "from {from}: {took}");
        transfers(&mut net, keys, 20 * SECOND);
        assert!(discovers(&net, from) >= 1);
        assert_eq!(discovers(&net, 1 - from), 0);
        for host in [0, 1] {
            let established = net.application(host).events.iter().any(|(_, event)| {
                matches!(event, Event::Path { change: PathChange::Established, path, .. } if *path > 0)
            });
            assert!(established, "host {host} was not told of the path");
            assert_eq!(
                net.application(host).state(keys[host]),
                Some(State::Relayed)
            );
        }
    }
}

#[test]
fn a_relay_that_dies_before_paths_can_be_opened_is_left_too() {
    for from in [0, 1] {
        let mut net = relayed(24, &[(HOME, 10 * MS), (OTHER, 30 * MS)]);
        let keys = connect_over(&mut net, from, HOME);
        net.set_relay(HOME, RelayMood::Down);
        net.run_for(10 * SECOND);
        assert_eq!(relays_of(&mut net, from, keys[from]), [OTHER]);
        transfers(&mut net, keys, 20 * SECOND);
        let migrated = net.application(from).events.iter().any(|(_, event)| {
            matches!(event, Event::Path { change: PathChange::Migrated, route, .. }
                if route.is_relayed())
        });
        assert!(migrated);
    }
}

#[test]
fn a_relay_that_dies_before_the_last_flight_has_passed_does_not_take_the_connection_along() {
    for from in [0, 1] {
        let mut net = relayed(25, &[(HOME, 10 * MS), (OTHER, 30 * MS)]);
        let both = |net: &mut Simulation| [0, 1].iter().all(|host| home_is(net, *host, HOME));
        assert!(net.run_until(5 * SECOND, both));
        let dialled = dial_over(&mut net, from, HOME);
        assert!(net.run_until(5 * SECOND, |net| is_connected(net, from, dialled)));
        assert!(accepted(&net, 1 - from).is_empty());
        net.set_relay(HOME, RelayMood::Down);
        let up = |net: &mut Simulation| !accepted(net, 1 - from).is_empty();
        assert!(net.run_until(10 * SECOND, up), "from {from}");
        let mut keys = [dialled; 2];
        keys[1 - from] = accepted(&net, 1 - from)[0];
        transfers(&mut net, keys, 20 * SECOND);
        assert_eq!(relays_of(&mut net, from, keys[from]), [OTHER]);
    }
}

#[test]
fn one_side_loses_its_relay_and_the_other_side_does_not() {
    // Whoever loses it, and whoever dialled: the two meet at the other relay that both know.
    for (client, loser) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut net = relayed(20, &[(HOME, 10 * MS), (OTHER, 30 * MS)]);
        let keys = connect_over(&mut net, client, HOME);
        net.run_for(5 * SECOND);
        net.bar(HOME, loser);
        let at = net.now();
        let moved = |net: &mut Simulation| relays_of(net, client, keys[client]) == [OTHER];
        assert!(
            net.run_until(30 * SECOND, moved),
            "client {client}, loser {loser}"
        );
        let took = net.now() - at;
        assert!(took < 15 * SECOND, "client {client}, loser {loser}: {took}");
        transfers(&mut net, keys, 20 * SECOND);
    }
}

#[test]
fn a_remote_that_leaves_its_relay_without_a_farewell_is_recovering_within_two_seconds() {
    for client in [0, 1] {
        let mut net = relayed(27, &[(HOME, 10 * MS)]);
        let keys = connect_over(&mut net, client, HOME);
        net.run_for(30 * SECOND);
        net.bar(HOME, 1);
        let at = net.now();
        let missed =
            |net: &mut Simulation| net.application(0).state(keys[0]) == Some(State::Recovering);
        assert!(net.run_until(5 * SECOND, missed), "client {client}");
        let took = net.now() - at;
        assert!(
            (SECOND..2 * SECOND).contains(&took),
            "client {client}: {took}"
        );
    }
}

#[test]
fn a_remote_whose_websocket_just_broke_is_not_recovering() {
    for client in [0, 1] {
        let mut net = relayed(28, &[(HOME, 10 * MS)]);
        let keys = connect_over(&mut net, client, HOME);
        net.run_for(30 * SECOND);
        net.disconnect(HOME, 1);
        net.run_for(10 * SECOND);
        let missed = |(_, event): &(Micros, Event)| matches!(event, Event::State(_, step) if step.to == State::Recovering);
        assert!(
            !net.application(0).events.iter().any(missed),
            "client {client}"
        );
        transfers(&mut net, keys, 20 * SECOND);
    }
}

#[test]
fn a_remote_that_moved_to_a_relay_unknown_here_is_found_by_what_discovery_gives() {
    let mut net = relayed(21, &[(HOME, 10 * MS)]);
    net.add_relay(OTHER, Wire::default());
    let keys = connect_over(&mut net, 0, HOME);
    net.run_for(5 * SECOND);
    net.peer(1).set_relays([OTHER]);
    net.bar(HOME, 1);
    assert!(net.run_until(20 * SECOND, |net| discovers(net, 0) > 0));
    let id = net.id_of(1);
    let target = net.peer(0).relay_target(id, OTHER, Duration::ZERO).unwrap();
    net.peer(0).add_addresses(keys[0], &[target]);
    let moved = |net: &mut Simulation| relays_of(net, 0, keys[0]) == [OTHER];
    assert!(net.run_until(10 * SECOND, moved));
    transfers(&mut net, keys, 20 * SECOND);
}

#[test]
fn a_direct_connection_that_lost_udp_goes_on_over_a_relay() {
    let mut net = relayed(22, &[(HOME, 10 * MS)]);
    net.link(0, 1).outages.clear();
    net.link(1, 0).outages.clear();
    net.run_for(SECOND);
    let (client, server) = connect(&mut net, 0, 1);
    assert_eq!(net.application(0).state(client), Some(State::Direct));
    net.run_for(5 * SECOND);
    cut_udp(&mut net);
    let relayed = |net: &mut Simulation| net.application(0).state(client) == Some(State::Relayed);
    assert!(net.run_until(15 * SECOND, relayed));
    transfers(&mut net, [client, server], 20 * SECOND);
}

#[test]
fn a_peer_that_shuts_down_says_goodbye_over_its_relay_and_then_leaves_it() {
    let mut net = relayed(25, &[(HOME, 10 * MS)]);
    let keys = connect_over(&mut net, 0, HOME);
    net.run_for(SECOND);
    net.peer(0).shutdown(7, "bye");
    let (code, _) = code_of(&mut net, 1, keys[1], SECOND);
    assert_eq!(code, anypath_peer::error::ErrorCode::ClosedByPeer);
    net.run_for(5 * SECOND);
    assert_eq!(state(&net, 0, HOME), RelayState::Closed);
    assert_eq!(net.clients_of(HOME), 1);
    net.run_for(600 * SECOND);
    assert_eq!(
        net.attempts(HOME)
            .iter()
            .filter(|(_, host)| *host == 0)
            .count(),
        1
    );
}

#[test]
fn many_peers_behind_one_relay_do_not_share_the_limit_of_one_address() {
    let mut net = Simulation::new(26);
    net.add_relay(HOME, Wire::default());
    let mut config = anypath_simnet::config(0, 26);
    config.limits.per_address = 2;
    config.mtu_discovery = false;
    net.add_host_with(config);
    net.peer(0).set_relays([HOME]);
    let id = net.id_of(0);
    let mut keys = Vec::new();
    for _ in 0..5 {
        let host = net.add_host();
        net.peer(host).set_relays([HOME]);
        net.run_for(SECOND);
        let peer = net.peer(host);
        let target = peer.relay_target(id, HOME, Duration::ZERO).unwrap();
        keys.push((host, peer.connect(id, ALPN, &[target], false).unwrap()));
    }
    net.run_for(2 * SECOND);
    assert!(
        keys.iter()
            .all(|(host, key)| is_connected(&net, *host, *key))
    );
}

#[test]
fn an_address_added_in_mid_dial_is_dialled() {
    let mut net = relayed(23, &[(HOME, 10 * MS)]);
    net.run_for(SECOND);
    let (id, dead) = (
        net.id_of(1),
        anypath_simnet::simulation::target(address([192, 0, 2, 1], 9)),
    );
    let key = net.peer(0).connect(id, ALPN, &[dead], false).unwrap();
    net.run_for(SECOND);
    let relay = net.peer(0).relay_target(id, HOME, Duration::ZERO).unwrap();
    net.peer(0).add_addresses(key, &[relay]);
    assert!(net.run_until(3 * SECOND, |net| is_connected(net, 0, key)));
}

#[test]
fn one_seed_gives_one_run_with_relays() {
    let run = |seed| {
        let mut net = relayed(seed, &[(HOME, 10 * MS), (OTHER, 30 * MS)]);
        net.transcript.keep_lines();
        let keys = connect_over(&mut net, 0, HOME);
        net.run_for(SECOND);
        net.set_relay(HOME, RelayMood::Down);
        net.run_for(20 * SECOND);
        transfers(&mut net, keys, 20 * SECOND);
        net
    };
    let (one, other) = (run(24), run(24));
    let pairs = one.transcript.lines().iter().zip(other.transcript.lines());
    for (number, (a, b)) in pairs.enumerate() {
        assert_eq!(a, b, "parts at line {number}");
    }
    assert_eq!(one.transcript.hash(), other.transcript.hash());
    assert_ne!(one.transcript.hash(), run(25).transcript.hash());
}
