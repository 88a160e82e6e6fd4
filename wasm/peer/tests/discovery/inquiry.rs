//! Peers that ask the service of another for their own address.

use anypath_peer::DiscoveryService;
use anypath_peer::error::ErrorCode;
use anypath_peer::event::Event;

use crate::net::{CERTIFICATES, DIALLER, Net, address, config, discovery, pair};

#[test]
fn a_peer_learns_where_it_is_seen_whatever_the_certificates_key() {
    for kind in CERTIFICATES {
        let mut net = Net::new(config(discovery(kind)));
        net.ask_as_peer(kind, "localhost");
        net.run_for(1000);
        let seen = net.dialler().reflexive_addresses();
        assert_eq!(seen, [address(DIALLER, 1)], "{kind}");
        let stats = net.dialler().stats();
        assert_eq!(
            (stats.discovery_connects, stats.discovery_observations),
            (1, 1)
        );
    }
}

#[test]
fn the_application_hears_of_the_address_only_and_nothing_is_left_of_the_asking() {
    let mut net = Net::new(config(discovery("p256")));
    net.ask_as_peer("p256", "127.0.0.1");
    net.run_for(5000);
    let others = |event: &&Event| !matches!(event, Event::Reflexive | Event::Drained(_));
    assert_eq!(net.told_dialler.iter().find(others), None);
    let census = net.dialler().census();
    assert_eq!(
        (census.connections, census.quic_connections, census.sessions),
        (0, 0, 0)
    );
    let stats = net.dialler().stats();
    assert_eq!(
        (stats.connections, stats.dials_started, stats.dials_failed),
        (0, 0, 0)
    );
}

#[test]
fn a_certificate_that_is_not_trusted_or_for_another_name_tells_nothing() {
    for (trusted, name) in [("ed25519", "localhost"), ("p256", "relay.example")] {
        let mut net = Net::new(config(discovery("p256")));
        net.ask_as_peer(trusted, name);
        net.run_for(20_000);
        assert_eq!(net.dialler().reflexive_addresses(), [], "{name}");
        let stats = net.dialler().stats();
        assert_eq!(
            (stats.discovery_connects, stats.discovery_observations),
            (1, 0)
        );
        assert_eq!(
            (stats.dials_failed, net.dialler().census().connections),
            (0, 0)
        );
    }
}

#[test]
fn where_there_is_no_service_it_is_given_up() {
    let mut net = Net::new(config(None));
    net.ask_as_peer("p256", "localhost");
    net.run_for(8000);
    assert_eq!(net.dialler().reflexive_addresses(), []);
    assert_eq!(net.dialler().census().connections, 0);
}

#[test]
fn after_a_change_of_the_network_it_is_asked_again_and_without_a_connection_not_by_itself() {
    let mut net = Net::new(config(discovery("p256")));
    net.ask_as_peer("p256", "localhost");
    net.run_for(600_000);
    assert_eq!(net.dialler().stats().discovery_connects, 1);
    net.dialler().network_changed();
    assert_eq!(net.dialler().reflexive_addresses(), []);
    net.run_for(1000);
    assert_eq!(net.dialler().stats().discovery_observations, 2);
    assert_eq!(net.dialler().reflexive_addresses(), [address(DIALLER, 1)]);
}

#[test]
fn services_that_are_not_named_any_more_are_not_believed_any_more() {
    let mut net = Net::new(config(discovery("p256")));
    net.ask_as_peer("p256", "localhost");
    net.run_for(1000);
    net.dialler()
        .set_discovery_services(&[], &[])
        .expect("none");
    assert_eq!(net.dialler().reflexive_addresses(), []);
}

#[test]
fn without_a_certificate_to_trust_or_a_name_a_service_is_refused() {
    let mut net = Net::new(config(discovery("p256")));
    net.ask_as_peer("p256", "localhost");
    let service = |name, anchors| DiscoveryService {
        address: address(DIALLER, 1),
        name,
        anchors,
    };
    let good = pair("p256").0;
    for (service, anchors) in [
        (
            service("localhost", 0),
            vec![vec![b"no certificate".to_vec()]],
        ),
        (service("localhost", 1), vec![good.clone()]),
        (service("not a name", 0), vec![good]),
    ] {
        let refused = net.dialler().set_discovery_services(&[service], &anchors);
        assert_eq!(
            refused.map_err(|error| error.code),
            Err(ErrorCode::InvalidConfig)
        );
    }
}

#[test]
fn a_peer_that_closes_does_not_wait_for_an_answer() {
    let mut net = Net::new(config(None));
    net.ask_as_peer("p256", "localhost");
    net.run_for(100);
    net.dialler().shutdown(0, "");
    net.run_for(3000);
    assert_eq!(net.dialler().census().quic_connections, 0);
}
