//! What remotes can do to NAT traversal that are authenticated and mean no good.

#[path = "../tls/stock.rs"]
#[allow(dead_code, reason = "the TLS tests use the rest")]
mod stock;
mod stranger;
mod world;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use anypath_peer::error::ErrorCode;
use anypath_peer::event::Event;
use anypath_peer::wire::address::from_mapped;
use anypath_peer::wire::control::CONTROL_ALPN;
use stranger::{Carry, Stranger};
use world::{Stray, World, address};

/// Addresses of one turn, of which 10 are somebody's who has nothing to do with it.
fn named(turn: u32) -> Vec<SocketAddr> {
    let [_, _, high, low] = turn.to_be_bytes();
    let third_parties = (1..=10).map(|last| address([100 + high, low, last, 7], 443));
    let nobody = [
        address([127, 0, 0, 1], 22),
        address([224, 0, 0, 251], 5353),
        address([255, 255, 255, 255], 9),
        address([0, 0, 0, 0], 80),
        address([10, high, low, 1], 80),
        address([192, 168, high, low], 80),
        address([172, 16, high, low], 80),
        address([169, 254, high, low], 80),
        address([203, 0, 113, 1], 4000),
        address([198, 51, 100, 1], 0),
    ];
    let v6 = ["::1", "fe80::1", "ff02::1", "fd00::1", "2001:db8::1"];
    let v6 = v6.map(|ip| SocketAddr::new(ip.parse().expect("an address"), 1000 + low as u16));
    let v4 = third_parties.chain(nobody).map(from_mapped);
    v4.chain(v6).collect()
}

/// The most probes that one connection gets in that time: two rounds of 32 addresses at once, then a round in five seconds.
fn allowance(ms: f64) -> usize {
    2 * 9 * 32 + (ms / 1e3 * 57.0).ceil() as usize
}

fn assert_harmless(strays: &[Stray]) {
    for stray in strays {
        let ip = from_mapped(stray.to).ip();
        let IpAddr::V4(v4) = ip else {
            panic!("a peer without IPv6 sent to {ip}")
        };
        let nobody = v4.is_loopback() || v4.is_multicast() || v4.is_broadcast();
        let here = v4.is_unspecified() || v4.is_private() || v4.is_link_local();
        assert!(!nobody && !here && stray.to.port() != 0, "{stray:?}");
        assert!(stray.bytes < 100, "{stray:?}");
    }
}

/// Most datagrams in any five seconds.
fn most_in_a_round(strays: &[Stray]) -> usize {
    let starts = strays.iter().map(|stray| stray.at_ms);
    let in_round = |start: f64| {
        let within = |stray: &&Stray| (start..start + 5_000.0).contains(&stray.at_ms);
        strays.iter().filter(within).count()
    };
    starts.map(in_round).max().unwrap_or(0)
}

fn rename(stranger: &mut Stranger, turn: u32) {
    let connection = stranger.connection();
    let former = connection.get_local_nat_traversal_addresses();
    for address in former.expect("negotiated") {
        let removed = connection.remove_nat_traversal_address(address);
        removed.expect("negotiated");
    }
    for address in named(turn) {
        let added = connection.add_nat_traversal_address(address);
        added.expect("fewer than a peer takes");
    }
}

fn closed(world: &World) -> Vec<ErrorCode> {
    let reasons = world.events.iter().filter_map(|event| match event {
        Event::Closed(_, reason) => Some(reason.code),
        _ => None,
    });
    reasons.collect()
}

fn attacker(carry: Carry) -> Stranger {
    Stranger::new(1, address([198, 51, 100, 66], 6666), carry)
}

fn honest() -> Stranger {
    Stranger::new(2, address([198, 51, 100, 1], 1111), Carry::Udp)
}

#[test]
fn a_client_that_reaches_out_four_hundred_times_with_ten_thousand_addresses_gets_few_probes() {
    let mut world = World::new(vec![attacker(Carry::Udp), honest()]);
    world.dial_peer(0);
    world.dial_peer(1);
    world.run(100);
    let began = world.now_ms;
    let mut written = 0;
    for turn in 0..400 {
        rename(&mut world.strangers[0], turn);
        let now = world.now();
        let round = world.strangers[0]
            .connection()
            .initiate_nat_traversal_round(now);
        round.expect("a round");
        written += world.strangers[1].write(&[7; 5000]);
        world.run(25);
    }
    world.run(100);
    let stats = world.peer.stats();
    let strays = world.strays.len();
    assert_harmless(&world.strays);
    assert!(
        strays > 0 && strays <= allowance(world.now_ms - began),
        "{strays}"
    );
    assert!(most_in_a_round(&world.strays) <= allowance(5_000.0));
    assert_eq!(stats.probes_sent as usize, strays);
    assert!(stats.probes_forbidden > 4000, "{stats:?}");
    assert!(stats.probes_limited > 1000, "{stats:?}");
    assert_eq!(world.received.values().sum::<usize>(), written);
    assert_eq!(closed(&world), []);
}

#[test]
fn a_relayed_server_that_names_ten_thousand_addresses_is_probed_in_rounds() {
    let mut world = World::new(vec![attacker(Carry::Relay), honest()]);
    let key = world.dial(0);
    world.dial_peer(1);
    world.run(300);
    assert!(world.peer.remote_of(key).is_some() && closed(&world).is_empty());
    let began = world.now_ms;
    let mut written = 0;
    for turn in 0..400 {
        rename(&mut world.strangers[0], turn);
        written += world.strangers[1].write(&[7; 5000]);
        world.run(25);
    }
    // The rounds that follow get the last addresses.
    world.run(10_000);
    let stats = world.peer.stats();
    let elapsed = world.now_ms - began;
    assert_harmless(&world.strays);
    assert!(!world.strays.is_empty());
    assert!(
        world.strays.len() <= allowance(elapsed),
        "{}",
        world.strays.len()
    );
    assert!(most_in_a_round(&world.strays) <= allowance(5_000.0));
    assert!(
        stats.traversal_rounds as f64 <= 2.0 + elapsed / 5_000.0,
        "{stats:?}"
    );
    assert!(stats.probes_forbidden > 0, "{stats:?}");
    assert_eq!(world.received.values().sum::<usize>(), written);
    assert_eq!(closed(&world), []);
}

#[test]
fn nobody_is_probed_for_a_connection_that_is_no_applications() {
    let mut world = World::new(vec![attacker(Carry::Udp), honest()]);
    world.dial_peer(0);
    world.dial_peer(1);
    world.run(100);
    world.dial_service(0, CONTROL_ALPN);
    world.run(100);
    let mut written = 0;
    for turn in 0..100 {
        rename(&mut world.strangers[0], turn);
        let now = world.now();
        let round = world.strangers[0]
            .connection()
            .initiate_nat_traversal_round(now);
        round.expect("a round");
        written += world.strangers[1].write(&[7; 5000]);
        world.run(25);
    }
    assert!(world.strays.is_empty(), "{:?}", world.strays.first());
    let stats = world.peer.stats();
    assert!(stats.probes_limited > 500, "{stats:?}");
    assert_eq!(stats.probes_sent, 0);
    assert_eq!(world.received.values().sum::<usize>(), written);
    assert_eq!(closed(&world), []);
}

#[test]
fn one_address_that_is_named_in_every_round_gets_the_probes_of_two() {
    let mut world = World::new(vec![attacker(Carry::Udp)]);
    world.dial_peer(0);
    world.run(100);
    let victim = from_mapped(address([100, 200, 0, 9], 443));
    for turn in 0..300 {
        rename(&mut world.strangers[0], turn);
        let added = world.strangers[0]
            .connection()
            .add_nat_traversal_address(victim);
        added.expect("fewer than a peer takes");
        let now = world.now();
        let round = world.strangers[0]
            .connection()
            .initiate_nat_traversal_round(now);
        round.expect("a round");
        world.run(25);
    }
    let there = |stray: &&Stray| from_mapped(stray.to) == victim;
    let there = world.strays.iter().filter(there).count();
    assert!((9..=18).contains(&there), "{there}");
}

#[test]
fn nothing_leaves_for_addresses_that_no_remote_can_have() {
    let mut world = World::new(vec![attacker(Carry::Udp)]);
    world.dial_peer(0);
    world.run(100);
    let nobody = named(0).into_iter().skip(10);
    let mut count = 0;
    for address in nobody {
        let added = world.strangers[0]
            .connection()
            .add_nat_traversal_address(address);
        added.expect("fewer than a peer takes");
        count += 1;
    }
    let now = world.now();
    let round = world.strangers[0]
        .connection()
        .initiate_nat_traversal_round(now);
    round.expect("a round");
    world.run(5_000);
    let strays: Vec<&SocketAddrV6> = world.strays.iter().map(|stray| &stray.to).collect();
    assert!(strays.is_empty(), "{strays:?}");
    assert_eq!(world.peer.stats().probes_forbidden, 9 * count);
}

#[test]
fn a_server_that_asks_from_ever_new_addresses_is_left_before_that_fills_the_memory() {
    let mut world = World::new(vec![attacker(Carry::Udp), honest()]);
    world.dial(0);
    world.dial_peer(1);
    world.run(100);
    world.wanderer = Some(0);
    let mut written = 0;
    for turn in 0..1000 {
        if !closed(&world).is_empty() {
            break;
        }
        world.strangers[0].connection().ping();
        if turn % 10 == 0 {
            written += world.strangers[1].write(&[7; 5000]);
        }
        world.run(10);
    }
    assert_eq!(closed(&world), [ErrorCode::ProtocolViolation]);
    assert!(world.peer.stats().probes_limited < 5000);
    written += world.strangers[1].write(&[7; 5000]);
    world.run(100);
    assert_eq!(world.received.values().sum::<usize>(), written);
    assert_eq!(closed(&world).len(), 1);
}

#[test]
fn nothing_leaves_for_where_no_host_is_though_a_handshake_seems_to_come_from_there() {
    for ip in [[224, 0, 0, 251], [255, 255, 255, 255], [0, 0, 0, 0]] {
        let nobody = Stranger::new(1, address(ip, 6666), Carry::Udp);
        let mut world = World::new(vec![nobody, honest()]);
        world.dial_peer(0);
        world.dial_peer(1);
        world.run(300);
        let written = world.strangers[1].write(&[7; 5000]);
        world.run(100);
        assert!(world.strangers[0].connection().is_handshaking(), "{ip:?}");
        assert!(world.peer.stats().unroutable_dropped > 0, "{ip:?}");
        assert_eq!(world.received.values().sum::<usize>(), written);
    }
}

#[test]
fn a_clock_that_jumps_neither_ends_a_connection_nor_sends_more_probes() {
    let mut world = World::new(vec![attacker(Carry::Relay), honest()]);
    world.dial(0);
    world.dial_peer(1);
    world.run(300);
    let began = world.now_ms;
    let mut written = 0;
    for turn in 0..30 {
        rename(&mut world.strangers[0], turn);
        for back in [3.6e6, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            world.peer.advance(world.now_ms - back);
        }
        written += world.strangers[1].write(&[7; 5000]);
        world.run(100);
        // As after a sleep of the machine: nothing ran meanwhile.
        world.now_ms += 60_000.0;
        written += world.strangers[1].write(&[7; 5000]);
        world.run(100);
    }
    let stats = world.peer.stats();
    assert_harmless(&world.strays);
    assert!(!world.strays.is_empty());
    assert!(most_in_a_round(&world.strays) <= allowance(5_000.0));
    let rounds = 2.0 + (world.now_ms - began) / 5_000.0;
    assert!(stats.traversal_rounds as f64 <= rounds, "{stats:?}");
    assert_eq!(world.received.values().sum::<usize>(), written);
    assert_eq!(closed(&world), []);
}
