//! Peers behind NATs: what their datagrams and their WebSockets meet on the way.

use anypath_peer::event::{Event, PathChange};
use anypath_simnet::simulation::config;
use anypath_simnet::{HostId, Link, Micros, Simulation, SiteId, Wire};

use crate::support::*;

const KINDS: [&str; 11] = [
    "none",
    "fullcone",
    "adf",
    "portrestricted",
    "linux",
    "linuxopen",
    "symadm",
    "symmetric",
    "symseq",
    "portrestricted/fullcone",
    "linux/symmetric",
];
const DELAY: Micros = 25 * MS;

fn access() -> Link {
    Link {
        delay: DELAY,
        ..Link::default()
    }
}

fn add_site(net: &mut Simulation, kind: &str) -> SiteId {
    net.add_site(kind.parse().unwrap(), &access())
}

fn add_host(net: &mut Simulation, site: SiteId) -> HostId {
    let config = config(net.hosts(), net.seed());
    net.add_host_at(site, config)
}

/// The host, at a site of that kind, and the server: 0 and 1.
fn with_server(kind: &str) -> Simulation {
    let mut net = Simulation::new(1);
    let site = add_site(&mut net, kind);
    add_host(&mut net, site);
    let config = config(1, 1);
    net.add_server([203, 0, 113, 1], config);
    net
}

/// What a host is told of its own address as the other side sees it.
fn observed(net: &Simulation, host: HostId) -> Option<String> {
    let events = net.application(host).events.iter().rev();
    let mut observed = events.filter_map(|(_, event)| match event {
        Event::Path {
            change: PathChange::Observed,
            route,
            ..
        } => route.address.socket(),
        _ => None,
    });
    let address = observed.next()?;
    Some(anypath_wire::address::from_mapped(address).to_string())
}

#[test]
fn a_peer_behind_every_kind_of_nat_reaches_a_server_which_sees_the_outside_address() {
    for kind in KINDS {
        let mut net = with_server(kind);
        let (client, server) = connect(&mut net, 0, 1);
        let handshake = connected_at(&net, 0, client);
        assert_eq!(handshake, 2 * DELAY, "{kind}");
        net.run_for(SECOND);
        let seen = observed(&net, 0).unwrap();
        let expected = if kind == "none" {
            "198.51.100.200:4433"
        } else {
            "198.51.100.10:"
        };
        assert!(seen.starts_with(expected), "{kind}: {seen}");
        let keeps = ["none", "linux", "linuxopen"].contains(&kind);
        assert_eq!(seen.ends_with(":4433"), keeps, "{kind}: {seen}");
        let stream = net.send(1, server, false, MIB).unwrap();
        assert!(arrives(&mut net, 0, client, stream, MIB, 30 * SECOND));
    }
}

#[test]
fn a_server_can_not_dial_a_peer_behind_a_nat_that_has_not_written_to_it() {
    for kind in ["fullcone", "adf", "portrestricted", "linux", "linuxopen"] {
        let mut net = with_server(kind);
        let (client, _) = connect(&mut net, 0, 1);
        net.run_for(SECOND);
        let seen = observed(&net, 0).unwrap();
        net.add_server([203, 0, 113, 2], config(2, 1));
        let seen = anypath_wire::address::to_mapped(seen.parse().unwrap());
        let id = net.id_of(0);
        let target = anypath_simnet::simulation::target(seen);
        let dialled = net
            .peer(2)
            .connect(id, anypath_simnet::simulation::ALPN, &[target], false)
            .unwrap();
        net.run_for(5 * SECOND);
        assert_eq!(is_connected(&net, 2, dialled), kind == "fullcone", "{kind}");
        assert!(!is_closed(&net, 0, client));
    }
}

#[test]
fn nothing_gets_out_where_udp_is_blocked() {
    let mut net = with_server("udpblock");
    let dialled = net.dial(0, 1).unwrap();
    net.run_for(5 * SECOND);
    assert!(!is_connected(&net, 0, dialled));
    assert_eq!(net.access_counts(0)[0].sent, 0);
}

#[test]
fn peers_of_one_site_reach_each_other_without_their_router() {
    let mut net = Simulation::new(2);
    let site = add_site(&mut net, "symmetric");
    let hosts = [0, 1].map(|_| add_host(&mut net, site));
    let addresses = hosts.map(|host| net.address_of(host).to_string());
    assert_eq!(
        addresses,
        ["[::ffff:192.168.1.100]:4433", "[::ffff:192.168.1.101]:4433"]
    );
    let (client, _) = connect(&mut net, 0, 1);
    assert!(connected_at(&net, 0, client) < 2 * MS);
    assert_eq!(net.access_counts(site)[0].sent, 0);
}

#[test]
fn private_addresses_of_another_site_lead_nowhere() {
    let mut net = Simulation::new(3);
    for kind in ["fullcone", "fullcone"] {
        let site = add_site(&mut net, kind);
        add_host(&mut net, site);
    }
    let dialled = net.dial(0, 1).unwrap();
    net.run_for(5 * SECOND);
    assert!(!is_connected(&net, 0, dialled));
}

#[test]
fn an_outside_address_leads_back_into_the_site_only_where_the_router_hairpins() {
    for (kind, turns) in [("fullcone", false), ("fullcone+hairpin", true)] {
        let mut net = Simulation::new(4);
        let site = add_site(&mut net, kind);
        add_host(&mut net, site);
        add_host(&mut net, site);
        net.add_server([203, 0, 113, 1], config(2, 4));
        connect(&mut net, 1, 2);
        net.run_for(SECOND);
        let seen = observed(&net, 1).unwrap().parse().unwrap();
        let target = anypath_simnet::simulation::target(anypath_wire::address::to_mapped(seen));
        let id = net.id_of(1);
        let dialled = net
            .peer(0)
            .connect(id, anypath_simnet::simulation::ALPN, &[target], false)
            .unwrap();
        net.run_for(5 * SECOND);
        assert_eq!(is_connected(&net, 0, dialled), turns, "{kind}");
    }
}

#[test]
fn a_connection_survives_a_reboot_of_the_router_and_a_new_outside_address() {
    for kind in ["portrestricted", "symmetric", "portrestricted/fullcone"] {
        for sender in [0, 1] {
            let mut net = with_server(kind);
            let (client, server) = connect(&mut net, 0, 1);
            let keys = [client, server];
            let stream = net.send(sender, keys[sender], false, 4 * MIB).unwrap();
            net.run_for(200 * MS);
            net.reboot_site(0);
            net.run_for(3 * SECOND);
            net.renumber_site(0);
            let to = 1 - sender;
            let whole = arrives(&mut net, to, keys[to], stream, 4 * MIB, 60 * SECOND);
            assert!(whole, "{kind}, sender {sender}");
            net.run_for(5 * SECOND);
            let seen = observed(&net, 0).unwrap();
            assert!(seen.starts_with("198.51.100.11:"), "{kind}: {seen}");
        }
    }
}

#[test]
fn a_websocket_is_as_far_as_its_site_and_waits_while_that_is_cut_off() {
    const RELAY: &str = "https://relay.example/";
    let mut net = with_server("linux");
    let wire = Wire {
        delay: 5 * MS,
        ..Wire::default()
    };
    net.add_relay(RELAY, wire);
    net.cut_off(0, 100 * MS..SECOND);
    net.peer(0).set_relays([RELAY]);
    // A round trip each for TCP and HTTP, the challenge with the second's answer, and the answer to that.
    let up = net.run_until(10 * SECOND, |net| net.clients_of(RELAY) == 1);
    // The answer to the challenge is sent at 120 ms, again at 320, 720 and 1,520 ms.
    assert!(
        up && net.now() == 1_520 * MS + DELAY + 5 * MS,
        "{}",
        net.now()
    );
}
