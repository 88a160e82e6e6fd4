//! What a connection that has become direct survives while data runs both ways, and the gap that the application sees.
//!
//! One site has no NAT, the other one is behind a `portrestricted` one, and each is once the QUIC client.

use std::time::Duration;

use anypath_peer::event::ConnectionKey;
use anypath_peer::session::State;
use anypath_simnet::simulation::{ALPN, config};
use anypath_simnet::traversal::SERVERS;
use anypath_simnet::{Link, Micros, RelayMood, Simulation, SiteId, Wire};

use crate::support::*;

const RELAYS: [&str; 2] = ["https://one.example/", "https://two.example/"];
const BYTES: u64 = 4 * MIB;
const SEED: u64 = 7;
const STEP: Micros = 10 * MS;

/// A connection of host 0, the client, with host 1, each at the site of its number; the router that changes is at `nat`.
struct Pair {
    net: Simulation,
    keys: [ConnectionKey; 2],
    nat: SiteId,
    name: String,
}

/// A stream each way under way: the stream of each sender.
struct Transfer([u64; 2]);

fn access() -> Link {
    Link {
        delay: 25 * MS,
        rate: Some(500_000),
        queue_bytes: 50_000,
        ..Link::default()
    }
}

/// Two peers that met over the first relay; whoever reaches neither of them directly stays there.
fn pair(kinds: [&str; 2], access: &Link, seed: u64) -> Pair {
    let mut net = Simulation::new(seed);
    for url in RELAYS {
        let wire = Wire {
            delay: 0,
            rate: Some(500_000),
            ..Wire::default()
        };
        net.add_relay(url, wire);
    }
    for (host, kind) in kinds.into_iter().enumerate() {
        let site = net.add_site(kind.parse().unwrap(), access);
        net.add_host_at(site, config(host, seed));
    }
    let servers = SERVERS.map(|ip| {
        let mut config = config(kinds.len() + usize::from(ip[3]), seed);
        config.stun = true;
        net.add_server(ip, config)
    });
    let servers = servers.map(|server| net.address_of(server));
    for host in 0..kinds.len() {
        let local = net.address_of(host);
        net.peer(host).set_relays(RELAYS);
        net.peer(host).set_stun_servers(&servers);
        net.peer(host).set_local_addresses(&[local]);
    }
    net.run_for(2 * SECOND);
    let id = net.id_of(1);
    let peer = net.peer(0);
    let targets = RELAYS.map(|url| peer.relay_target(id, url, Duration::ZERO).unwrap());
    let dialled = peer.connect(id, ALPN, &targets, false).unwrap();
    let up = |net: &mut Simulation| is_connected(net, 0, dialled) && !accepted(net, 1).is_empty();
    assert!(net.run_until(5 * SECOND, up), "{:?}", net.known(0, dialled));
    let keys = [dialled, accepted(&net, 1)[0]];
    let nat = usize::from(kinds[1] != "none");
    let name = kinds.join(" > ");
    Pair {
        net,
        keys,
        nat,
        name,
    }
}

impl Pair {
    fn are(&self, wanted: State) -> bool {
        (0..2).all(|host| self.net.application(host).state(self.keys[host]) == Some(wanted))
    }

    fn becomes(&mut self, wanted: State, limit: Micros) -> bool {
        let end = self.net.now() + limit;
        while !self.are(wanted) && self.net.now() < end {
            self.net.run_for(STEP);
        }
        self.are(wanted)
    }

    fn begin(&mut self, bytes: u64) -> Transfer {
        let keys = self.keys;
        Transfer([0, 1].map(|from| self.net.send(from, keys[from], false, bytes).unwrap()))
    }

    /// For so long, these hosts send a little now and then.
    fn trickle(&mut self, senders: &[usize], span: Micros) {
        let end = self.net.now() + span;
        while self.net.now() < end {
            for from in senders.iter().copied() {
                let _ = self.net.send(from, self.keys[from], false, 4096);
            }
            self.net.run_for(20 * MS);
        }
    }

    fn read(&self, transfer: &Transfer) -> [usize; 2] {
        [0, 1].map(|from| {
            let to = 1 - from;
            let received = self.net.received(to, self.keys[to], transfer.0[from]);
            received.map_or(0, |received| received.bytes.len())
        })
    }

    fn assert_under_way(&self, transfer: &Transfer, bytes: u64) {
        let lengths = self.read(transfer);
        let some = lengths
            .iter()
            .all(|length| (1..bytes as usize).contains(length));
        assert!(some, "{}: {lengths:?} of {bytes}", self.name);
    }

    /// Waits for the rest of the transfer, checks every byte of it, and returns the longest time without any, in
    /// milliseconds, of each sender's data.
    fn end(&mut self, transfer: &Transfer, bytes: u64, limit: Micros) -> [Micros; 2] {
        let end = self.net.now() + limit;
        let mut last = [self.net.now(); 2];
        let mut gaps = [0; 2];
        let mut known = self.read(transfer);
        while known.iter().any(|length| (*length as u64) < bytes) && self.net.now() < end {
            self.net.run_for(STEP);
            let now = self.net.now();
            let lengths = self.read(transfer);
            for from in 0..2 {
                if (known[from] as u64) < bytes {
                    gaps[from] = gaps[from].max(now - last[from]);
                }
                if lengths[from] > known[from] {
                    last[from] = now;
                }
            }
            known = lengths;
        }
        self.net.run_for(SECOND);
        for from in 0..2 {
            let to = 1 - from;
            let received = self.net.received(to, self.keys[to], transfer.0[from]);
            let whole = received.is_some_and(|r| r.is_whole(transfer.0[from], bytes));
            assert!(whole, "{}: of {from} {known:?} of {bytes}", self.name);
            assert!(
                !is_closed(&self.net, from, self.keys[from]),
                "{}",
                self.name
            );
        }
        gaps.map(|gap| gap / MS)
    }
}

/// Runs a scenario with each side as the client.
fn with_each_client(what: &str, longest_ms: Micros, change: impl Fn(&mut Simulation, SiteId)) {
    with_seed(SEED, what, longest_ms, change);
}

/// A transfer is under way and on a direct path when `change` comes.
fn with_seed(seed: u64, what: &str, longest_ms: Micros, change: impl Fn(&mut Simulation, SiteId)) {
    for kinds in [["none", "portrestricted"], ["portrestricted", "none"]] {
        let mut pair = pair(kinds, &access(), seed);
        assert!(pair.becomes(State::Direct, 5 * SECOND), "{}", pair.name);
        pair.net.run_for(5 * SECOND);
        let transfer = pair.begin(BYTES);
        pair.net.run_for(SECOND);
        pair.assert_under_way(&transfer, BYTES);
        let nat = pair.nat;
        change(&mut pair.net, nat);
        let gaps = pair.end(&transfer, BYTES, 120 * SECOND);
        println!("{what}, {}: gaps of {gaps:?} ms", pair.name);
        let bounded = gaps.iter().all(|gap| *gap < longest_ms);
        assert!(bounded, "{what}, {}: {gaps:?}", pair.name);
        assert!(
            pair.becomes(State::Direct, 90 * SECOND),
            "{what}, {}: not direct again",
            pair.name
        );
    }
}

#[test]
fn nothing_at_all() {
    with_each_client("nothing", 1_000, |_, _| ());
}

#[test]
fn a_reboot_of_the_nat() {
    with_each_client("reboot", 4_000, |net, nat| net.reboot_site(nat));
}

#[test]
fn another_outside_address() {
    with_each_client("renumbering", 4_000, |net, nat| net.renumber_site(nat));
}

#[test]
fn an_outage_of_five_seconds() {
    with_each_client("outage of 5 s", 6_500, |net, nat| {
        let now = net.now();
        net.cut_off(nat, now..now + 5 * SECOND);
    });
}

#[test]
fn an_outage_of_thirty_seconds() {
    with_each_client("outage of 30 s", 33_000, |net, nat| {
        let now = net.now();
        net.cut_off(nat, now..now + 30 * SECOND);
    });
}

#[test]
fn a_restart_of_the_relay_is_not_noticed_on_a_direct_path() {
    with_each_client("relay restart", 1_000, |net, _| {
        net.restart_relay(RELAYS[0])
    });
}

#[test]
fn the_loss_of_a_relay_for_good_is_not_noticed_on_a_direct_path() {
    with_each_client("relay lost", 1_000, |net, _| {
        net.set_relay(RELAYS[0], RelayMood::Down);
    });
}

#[test]
fn relayed_peers_survive_a_restart_of_their_relay_and_its_loss_for_good() {
    type Change = (&'static str, fn(&mut Simulation));
    let changes: [Change; 2] = [
        ("restart", |net| net.restart_relay(RELAYS[0])),
        ("loss", |net| net.set_relay(RELAYS[0], RelayMood::Down)),
    ];
    for (what, change) in changes {
        for kinds in [["none", "udpblock"], ["udpblock", "none"]] {
            let mut pair = pair(kinds, &access(), SEED);
            let transfer = pair.begin(BYTES);
            pair.net.run_for(SECOND);
            pair.assert_under_way(&transfer, BYTES);
            change(&mut pair.net);
            let gaps = pair.end(&transfer, BYTES, 120 * SECOND);
            println!(
                "{what} of the relay in use, {}: gaps of {gaps:?} ms",
                pair.name
            );
            assert!(gaps.iter().all(|gap| *gap < 2_500), "{what}: {gaps:?}");
        }
    }
}

#[test]
fn an_idle_connection_keeps_a_mapping_of_five_seconds() {
    for kinds in [["none", "portrestricted"], ["portrestricted", "none"]] {
        let mut pair = pair(kinds, &access(), SEED);
        let nat = pair.nat;
        for router in pair.net.nats(nat) {
            router.lifetime = 5 * SECOND;
        }
        assert!(pair.becomes(State::Direct, 5 * SECOND));
        pair.net.run_for(60 * SECOND);
        assert!(pair.are(State::Direct), "{}", pair.name);
        let transfer = pair.begin(MIB);
        let gaps = pair.end(&transfer, MIB, 60 * SECOND);
        println!("after an idle minute, {}: gaps of {gaps:?} ms", pair.name);
        assert!(gaps.iter().all(|gap| *gap < 1_000), "{gaps:?}");
        assert!(pair.are(State::Direct), "{}", pair.name);
    }
}

#[test]
fn a_loss_of_five_and_of_twelve_percent() {
    for percent in [5, 12] {
        for kinds in [["none", "portrestricted"], ["portrestricted", "none"]] {
            let mut pair = pair(kinds, &access(), SEED);
            assert!(pair.becomes(State::Direct, 5 * SECOND));
            let transfer = pair.begin(MIB);
            let lossy = Link {
                loss: f64::from(percent) / 100.0,
                ..access()
            };
            let nat = pair.nat;
            pair.net.set_access(nat, &lossy);
            let gaps = pair.end(&transfer, MIB, 300 * SECOND);
            println!("{percent} % loss, {}: gaps of {gaps:?} ms", pair.name);
            assert!(
                gaps.iter().all(|gap| *gap < 30_000),
                "{percent} %: {gaps:?}"
            );
        }
    }
}

#[test]
fn no_seed_loses_a_connection_to_a_reboot_or_an_outage() {
    for seed in 1..=4 {
        with_seed(seed, "reboot", 4_000, |net, nat| net.reboot_site(nat));
        with_seed(seed, "outage of 30 s", 33_000, |net, nat| {
            let now = net.now();
            net.cut_off(nat, now..now + 30 * SECOND);
        });
    }
}

#[test]
fn between_two_nats_data_goes_on_over_the_relay_until_there_is_a_direct_path_again() {
    for nat in [0, 1] {
        let mut pair = pair(["portrestricted"; 2], &access(), SEED);
        assert!(pair.becomes(State::Direct, 5 * SECOND), "{}", pair.name);
        pair.net.run_for(5 * SECOND);
        let transfer = pair.begin(BYTES);
        pair.net.run_for(SECOND);
        pair.net.reboot_site(nat);
        let start = pair.net.now();
        while pair.are(State::Direct) && pair.net.now() < start + 5 * SECOND {
            pair.net.run_for(STEP);
        }
        let left = pair.net.now() - start;
        assert!(pair.becomes(State::Direct, 8 * SECOND), "{nat}");
        let again = pair.net.now() - start;
        println!(
            "reboot of {nat}: left after {} ms, direct after {} ms",
            left / MS,
            again / MS
        );
        let gaps = pair.end(&transfer, BYTES, 120 * SECOND);
        println!("reboot of {nat}, {}: gaps of {gaps:?} ms", pair.name);
        assert!(gaps.iter().all(|gap| *gap < 4_000), "{gaps:?}");
    }
}

#[test]
fn a_second_connection_over_the_relay_does_not_make_a_direct_session_a_relayed_one() {
    for kinds in [["none", "portrestricted"], ["portrestricted", "none"]] {
        let mut pair = pair(kinds, &access(), SEED);
        assert!(pair.becomes(State::Direct, 5 * SECOND), "{}", pair.name);
        let id = pair.net.id_of(1);
        let peer = pair.net.peer(0);
        let target = peer.relay_target(id, RELAYS[0], Duration::ZERO).unwrap();
        let second = peer.connect(id, ALPN, &[target], false).unwrap();
        let mut connected = false;
        for _ in 0..300 {
            pair.net.run_for(STEP);
            connected |= is_connected(&pair.net, 0, second);
            assert!(pair.are(State::Direct), "{}", pair.name);
        }
        assert!(connected);
        pair.net.peer(0).close(second, 0, "");
        pair.net.run_for(5 * SECOND);
        assert!(pair.are(State::Direct), "{}", pair.name);
    }
}

#[test]
fn idle_peers_with_a_direct_and_a_relayed_path_send_their_keep_alives_and_little_else() {
    let mut pair = pair(["none", "portrestricted"], &access(), SEED);
    assert!(pair.becomes(State::Direct, 5 * SECOND), "{}", pair.name);
    let transfer = pair.begin(1000);
    pair.end(&transfer, 1000, 5 * SECOND);
    // Searches are over by then.
    pair.net.run_for(30 * SECOND);
    let sent = |net: &mut Simulation| {
        [0, 1].map(|host| net.peer(host).stats().datagrams_sent) // over UDP
    };
    let before = (sent(&mut pair.net), pair.net.forwarded(RELAYS[0]));
    pair.net.run_for(60 * SECOND);
    let after = (sent(&mut pair.net), pair.net.forwarded(RELAYS[0]));
    let relayed = after.1 - before.1;
    for (before, after) in before.0.into_iter().zip(after.0) {
        assert!(after - before < 100, "{} datagrams", after - before);
    }
    assert!(relayed < 80, "{relayed} messages over the relay");
    assert!(pair.are(State::Direct));
}

/// Direct paths that were opened and lost, by host.
fn turnover(pair: &mut Pair) -> [[u64; 2]; 2] {
    [0, 1].map(|host| {
        let stats = pair.net.peer(host).stats();
        [stats.direct_paths_opened, stats.direct_paths_lost]
    })
}

#[test]
fn a_path_that_has_taken_the_place_of_another_stays() {
    type Change = fn(&mut Simulation, SiteId);
    let changes: [(&str, Change); 3] = [
        ("reboot", |net, nat| net.reboot_site(nat)),
        ("renumbering", |net, nat| net.renumber_site(nat)),
        ("another network", |net, host| {
            let cellular = net.add_site("portrestricted".parse().unwrap(), &access());
            net.enter_site(host, cellular);
            net.run_for(100 * MS);
            let local = net.address_of(host);
            net.peer(host).set_local_addresses(&[local]);
            net.peer(host).network_changed();
        }),
    ];
    for kinds in [["none", "portrestricted"], ["portrestricted", "none"]] {
        for (what, change) in changes {
            for senders in [&[0][..], &[1], &[0, 1]] {
                let mut pair = pair(kinds, &access(), SEED);
                assert!(pair.becomes(State::Direct, 5 * SECOND));
                pair.trickle(senders, 4 * SECOND);
                change(&mut pair.net, pair.nat);
                pair.trickle(senders, 6 * SECOND);
                let settled = turnover(&mut pair);
                pair.trickle(senders, 10 * SECOND);
                let name = format!("{what}, {}, data of {senders:?}", pair.name);
                assert_eq!(turnover(&mut pair), settled, "{name}");
            }
        }
    }
}

#[test]
fn what_is_written_after_the_loss_of_a_relay_does_not_wait_for_it() {
    for kinds in [["none", "udpblock"], ["udpblock", "none"]] {
        for after in (0..=3_000).step_by(200) {
            for from in [0, 1] {
                let mut pair = pair(kinds, &access(), SEED);
                pair.net.run_for(SECOND);
                pair.net.set_relay(RELAYS[0], RelayMood::Down);
                pair.net.run_for(after * MS);
                let key = pair.keys[from];
                let stream = pair.net.send(from, key, false, 4096).unwrap();
                let begin = pair.net.now();
                let arrives = |net: &mut Simulation| {
                    let received = net.received(1 - from, pair.keys[1 - from], stream);
                    received.is_some_and(|received| received.bytes.len() == 4096)
                };
                let name = format!("{kinds:?}, {from} writes after {after} ms");
                assert!(pair.net.run_until(5 * SECOND, arrives), "{name}");
                let took = pair.net.now() - begin;
                println!("{name}: {} ms", took / MS);
                assert!(took < 2 * SECOND, "{name}: {} ms", took / MS);
            }
        }
    }
}

#[test]
fn a_public_peer_behind_a_firewall_is_found_again_and_again_with_the_relay_as_a_backup() {
    let mut pair = pair(["portrestricted", "fw"], &access(), SEED);
    assert!(pair.becomes(State::Direct, 5 * SECOND), "{}", pair.name);
    for time in 0..5 {
        pair.net.run_for(15 * SECOND);
        for site in [0, 1] {
            pair.net.reboot_site(site);
        }
        pair.net.renumber_site(0);
        pair.trickle(&[0, 1], 10 * SECOND);
        assert!(pair.becomes(State::Direct, 60 * SECOND), "loss {time}");
    }
    pair.net.run_for(30 * SECOND);
    assert!(pair.are(State::Direct));
    let stats = pair.net.peer(0).connection_stats(pair.keys[0]).unwrap();
    assert_eq!(stats.paths.len(), 2, "{:?}", stats.paths);
    let transfer = pair.begin(MIB);
    pair.end(&transfer, MIB, 60 * SECOND);
}
