use std::net::SocketAddrV6;

use anypath_peer::carrier::MAIN_CARRIER;
use anypath_peer::event::Event;
use anypath_peer::mapping::{Mapping, Ports};
use anypath_peer::wire::address::from_mapped;
use anypath_peer::wire::stun::{BINDING, Class, MessageWriter, TransactionId};
use anypath_simnet::simulation::config;
use anypath_simnet::{HostId, Link, Simulation, address};

use crate::support::*;

/// Two hosts that want to know where they are, and two that answer STUN.
fn with_servers(seed: u64, link: Link) -> (Simulation, [SocketAddrV6; 2]) {
    let mut net = Simulation::pair(seed, link);
    let servers = [2, 3].map(|host| {
        let mut config = config(host, seed);
        config.stun = true;
        let host = net.add_host_with(config);
        net.address_of(host)
    });
    (net, servers)
}

/// What a host behind a NAT has: an address of its own network, which nobody else sees.
fn behind_nat(net: &mut Simulation, host: HostId) {
    let private = address([192, 168, 1, 2], net.address_of(host).port());
    net.peer(host).set_local_addresses(&[private]);
}

fn knows_address(net: &mut Simulation, host: HostId) -> bool {
    !net.peer(host).reflexive_addresses().is_empty()
}

fn changes(net: &Simulation, host: HostId) -> usize {
    let events = net.application(host).events.iter();
    events
        .filter(|(_, event)| matches!(event, Event::Reflexive))
        .count()
}

#[test]
fn a_peer_learns_from_two_servers_where_it_is_seen_and_how_its_nat_maps() {
    let (mut net, servers) = with_servers(1, Link::default());
    behind_nat(&mut net, 0);
    net.peer(0).set_stun_servers(&servers);
    net.run_for(SECOND);
    let own = net.address_of(0);
    assert_eq!(net.peer(0).reflexive_addresses(), [own]);
    let found = net.peer(0).nat_report();
    assert_eq!(found.ipv4.public, Some(false));
    assert_eq!(found.ipv4.mapping, Mapping::EndpointIndependent);
    assert_eq!(found.ipv4.ports, Ports::Preserved);
    assert_eq!(found.ipv6.public, None);
    assert_eq!(found.udp_blocked, Some(false));
    assert_eq!(found.observations.len(), 2);
    assert_eq!(changes(&net, 0), 1);
    let candidates = net.peer(0).local_candidates();
    assert!(candidates.iter().any(|candidate| candidate.address == own));
    let stats = net.peer(0).stats();
    assert_eq!(
        (stats.stun_requests_sent, stats.stun_requests_answered),
        (2, 2)
    );
    assert_eq!(net.peer(2).stats().stun_answered, 1);
}

#[test]
fn a_peer_that_is_seen_at_its_own_address_has_no_nat() {
    let (mut net, servers) = with_servers(2, Link::default());
    let own = net.address_of(0);
    net.peer(0).set_local_addresses(&[own]);
    net.peer(0).set_stun_servers(&servers);
    net.run_for(SECOND);
    assert_eq!(net.peer(0).nat_report().ipv4.public, Some(true));
    assert!(net.peer(0).reflexive_addresses().is_empty());
    assert_eq!(changes(&net, 0), 0);
}

#[test]
fn requests_are_repeated_over_a_link_that_loses_many() {
    let lossy = Link {
        loss: 0.4,
        ..Link::default()
    };
    for seed in 0..20 {
        let (mut net, servers) = with_servers(seed, lossy.clone());
        behind_nat(&mut net, 0);
        net.peer(0).set_stun_servers(&servers);
        // Two servers with seven requests each: one in 500 tries finds nobody.
        net.run_until(40 * SECOND, |net| knows_address(net, 0));
        let own = net.address_of(0);
        assert_eq!(net.peer(0).reflexive_addresses(), [own], "seed {seed}");
    }
}

#[test]
fn servers_that_never_answer_are_given_up_and_udp_is_called_blocked() {
    let mut net = Simulation::pair(3, Link::default());
    behind_nat(&mut net, 0);
    let nobody = [
        address([203, 0, 113, 1], 3478),
        address([203, 0, 113, 2], 3478),
    ];
    net.peer(0).set_stun_servers(&nobody);
    net.run_for(3 * SECOND);
    assert_eq!(net.peer(0).nat_report().udp_blocked, None);
    net.run_for(SECOND);
    assert_eq!(net.peer(0).nat_report().udp_blocked, Some(true));
    net.run_for(600 * SECOND);
    assert_eq!(net.peer(0).stats().stun_requests_sent, 14);
    assert_eq!(net.peer(0).next_wake(), None);
}

#[test]
fn mappings_are_kept_fresh_while_there_is_a_connection_and_nothing_is_sent_otherwise() {
    let (mut net, servers) = with_servers(4, Link::default());
    behind_nat(&mut net, 0);
    net.peer(0).set_stun_servers(&servers);
    net.run_for(600 * SECOND);
    assert_eq!(net.peer(0).stats().stun_requests_sent, 2);
    let (dialled, _) = connect(&mut net, 0, 1);
    net.run_for(101 * SECOND);
    let asked = net.peer(0).stats().stun_requests_sent;
    assert_eq!(asked, 2 + 2 * 5, "at once, and after 25, 50, 75 and 100 s");
    net.peer(0).close(dialled, 0, "");
    net.run_for(600 * SECOND);
    let after = net.peer(0).stats().stun_requests_sent;
    assert!(after <= asked + 2, "{after}");
}

#[test]
fn another_network_is_asked_about_at_once_and_the_old_address_is_forgotten() {
    let (mut net, servers) = with_servers(5, Link::default());
    behind_nat(&mut net, 0);
    net.peer(0).set_stun_servers(&servers);
    net.run_for(SECOND);
    let elsewhere = address([10, 99, 0, 1], 777);
    net.move_host(0, elsewhere, true);
    assert!(net.peer(0).reflexive_addresses().is_empty());
    net.run_for(SECOND);
    assert_eq!(net.peer(0).reflexive_addresses(), [elsewhere]);
    let moved = address([10, 99, 0, 2], 778);
    net.bind(0, MAIN_CARRIER, moved);
    behind_nat(&mut net, 0);
    net.run_for(SECOND);
    assert_eq!(net.peer(0).reflexive_addresses(), [moved]);
}

#[test]
fn a_forged_answer_is_counted_and_moves_nothing() {
    let (mut net, servers) = with_servers(6, Link::default());
    behind_nat(&mut net, 0);
    net.peer(0).set_stun_servers(&servers);
    let own = net.address_of(0);
    let elsewhere = from_mapped(address([203, 0, 113, 66], 666));
    for number in 0..200 {
        let forged = MessageWriter::new(Class::Success, BINDING, TransactionId([number; 12]))
            .xor_mapped_address(elsewhere)
            .fingerprint();
        net.inject(servers[0], own, forged);
    }
    net.run_for(SECOND);
    assert_eq!(net.peer(0).stats().stun_forged, 200);
    assert_eq!(net.peer(0).reflexive_addresses(), [own]);
}

#[test]
fn an_answer_is_not_accepted_again_nor_from_where_it_was_not_asked() {
    let (mut net, servers) = with_servers(7, Link::default());
    behind_nat(&mut net, 0);
    net.tap = Some(Vec::new());
    net.peer(0).set_stun_servers(&servers[..1]);
    net.run_for(SECOND);
    let tapped = net.tap.take().unwrap();
    let answer = tapped.iter().find(|tapped| tapped.host == 2).unwrap();
    let own = net.address_of(0);
    for source in [servers[0], servers[1], own] {
        net.inject(source, own, answer.datagram.clone());
    }
    net.run_for(SECOND);
    assert_eq!(net.peer(0).stats().stun_forged, 3);
    assert_eq!(net.peer(0).stats().stun_requests_answered, 1);
}

#[test]
fn a_server_that_is_not_one_any_more_says_nothing() {
    let (mut net, servers) = with_servers(8, Link::default());
    behind_nat(&mut net, 0);
    net.peer(0).set_stun_servers(&servers);
    net.run_for(SECOND);
    net.peer(0).set_stun_servers(&[]);
    assert!(net.peer(0).reflexive_addresses().is_empty());
    net.run_for(SECOND);
    assert_eq!(changes(&net, 0), 2);
    assert_eq!(net.peer(0).next_wake(), None);
}

#[test]
fn a_peer_without_servers_learns_from_its_remote_where_it_is_seen() {
    let mut net = Simulation::pair(9, Link::default());
    behind_nat(&mut net, 0);
    connect(&mut net, 0, 1);
    assert!(net.run_until(10 * SECOND, |net| knows_address(net, 0)));
    let own = net.address_of(0);
    assert_eq!(net.peer(0).reflexive_addresses(), [own]);
    assert_eq!(net.peer(0).stats().stun_requests_sent, 0);
}
