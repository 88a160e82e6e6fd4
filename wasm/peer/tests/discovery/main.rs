//! The address-discovery service of a peer, asked by stock QUIC clients that check its certificate.

mod bold;
mod inquiry;
mod net;

use std::time::Duration;

use anypath_peer::config::PeerConfig;
use anypath_peer::discovery::{DiscoveryConfig, DiscoveryLimits};
use anypath_peer::event::Event;
use anypath_peer::peer::CLOSE_LIMIT;
use anypath_peer::tls::{Certificate, CertificateError};
use noq_proto::{ApplicationClose, ConnectionError, Dir, VarInt};

use net::{APPLICATION, Asks, CERTIFICATES, Net, config, discovery, source};

#[test]
fn a_client_learns_its_address_whatever_the_certificates_key() {
    for kind in CERTIFICATES {
        let mut net = Net::new(config(discovery(kind)));
        let client = net.ask(source(1), Asks::Classical, kind);
        net.run_for(1000);
        let seen = net.clients[client].observed().expect(kind);
        assert_eq!(seen, source(1).into(), "{kind}");
        assert_eq!(net.peer.stats().discovery_clients, 1);
    }
}

#[test]
fn a_post_quantum_client_whose_hello_takes_two_datagrams_learns_its_address() {
    let mut net = Net::new(config(discovery("p256")));
    let client = net.ask(source(1), Asks::PostQuantum, "p256");
    net.run_for(1000);
    assert_eq!(net.clients[client].observed(), Some(source(1).into()));
}

#[test]
fn a_client_that_moves_is_told_its_new_address() {
    let mut net = Net::new(config(discovery("p256")));
    let client = net.ask(source(1), Asks::Classical, "p256");
    net.run_for(1000);
    net.clients[client].address = source(2);
    net.clients[client].ping();
    net.run_for(3000);
    assert_eq!(net.clients[client].observed(), Some(source(2).into()));
}

#[test]
fn the_application_hears_nothing_of_clients_and_its_peers_connect_beside_them() {
    let mut net = Net::new(config(discovery("p256")));
    let client = net.ask(source(1), Asks::Classical, "p256");
    net.run_for(1000);
    net.clients[client].close();
    net.run_for(20_000);
    let told = |event: &&Event| !matches!(event, Event::Drained(_));
    assert_eq!(net.events.iter().find(told), None);
    net.dial_by_key();
    net.ask(source(2), Asks::Classical, "p256");
    net.run_for(1000);
    let connected = |event: &Event| matches!(event, Event::Connected(..));
    assert_eq!(
        net.events.iter().filter(|event| connected(event)).count(),
        1
    );
    let census = net.peer.census();
    assert_eq!((census.sessions, census.discovery_clients), (1, 1));
    assert_eq!(net.peer.stats().accepted, 1);
}

#[test]
fn clients_that_have_gone_leave_nothing() {
    let mut net = Net::new(config(discovery("p256")));
    for number in 1..=5 {
        let client = net.ask(source(number), Asks::Classical, "p256");
        net.run_for(500);
        match number % 2 {
            0 => net.clients[client].close(),
            _ => net.clients[client].vanish(),
        }
    }
    net.run_for(60_000);
    assert_eq!(net.peer.census(), Default::default());
    let stats = net.peer.stats();
    assert_eq!((stats.discoveries, stats.discovery_clients), (5, 0));
}

#[test]
fn a_client_is_allowed_no_streams_and_no_datagrams() {
    let mut net = Net::new(config(discovery("p256")));
    let client = net.ask(source(1), Asks::Classical, "p256");
    net.run_for(1000);
    let quic = net.clients[client].quic();
    assert_eq!(quic.streams().open(Dir::Bi), None);
    assert_eq!(quic.streams().open(Dir::Uni), None);
    assert_eq!(quic.datagrams().max_size(), None);
}

#[test]
fn a_client_that_sends_data_all_the_same_is_closed() {
    for send in [bold::stream, bold::datagram] {
        let mut net = Net::new(config(discovery("p256")));
        let client = net.ask(source(1), Asks::Boldly, "p256");
        net.run_for(1000);
        send(net.clients[client].quic());
        net.run_for(1000);
        assert_eq!(closed_by_limit(&net, client), "this service takes no data");
        net.run_for(10_000);
        assert_eq!(net.peer.census(), Default::default());
    }
}

#[test]
fn too_many_clients_cost_the_oldest_its_place_and_too_many_of_one_address_the_newest() {
    let mut config = config(discovery("p256"));
    limits(&mut config).connections = 3;
    limits(&mut config).per_address = 2;
    let mut net = Net::new(config);
    for number in 1..=4 {
        net.ask(source(number), Asks::Classical, "p256");
        net.run_for(200);
    }
    assert_eq!(closed_by_limit(&net, 0), "others are waiting");
    for _ in 0..3 {
        net.ask(source(9), Asks::Classical, "p256");
        net.run_for(200);
    }
    assert_eq!(
        closed_by_limit(&net, 6),
        "too many connections of one address"
    );
    let learnt = net
        .clients
        .iter()
        .filter(|client| client.observed().is_some());
    assert!(
        learnt.count() >= 6,
        "those that were let go had their answer"
    );
    assert_eq!(net.peer.stats().discovery_clients, 3);
}

#[test]
fn a_client_may_not_stay_for_ever() {
    let mut config = config(discovery("p256"));
    limits(&mut config).age = Duration::from_secs(90);
    let mut net = Net::new(config);
    let client = net.ask(source(1), Asks::Classical, "p256");
    net.run_for(85_000);
    assert_eq!(net.clients[client].loss(), None);
    net.run_for(10_000);
    assert_eq!(closed_by_limit(&net, client), "served long enough");
}

#[test]
fn without_the_service_nobody_is_served_and_its_protocol_is_no_applications() {
    let mut net = Net::new(config(None));
    let client = net.ask(source(1), Asks::Classical, "p256");
    net.run_for(1000);
    assert_eq!(net.clients[client].observed(), None);
    assert!(net.clients[client].loss().is_some());
    let mut config = config(None);
    config.alpns.push(b"/iroh-qad/0".to_vec());
    assert!(anypath_peer::peer::Peer::new(config, std::time::Instant::now()).is_err());
}

#[test]
fn a_certificate_does_not_open_the_applications_protocols() {
    let mut net = Net::new(config(discovery("p256")));
    let client = net.ask_for(APPLICATION, source(1), Asks::Classical, "p256");
    net.run_for(1000);
    assert!(net.clients[client].loss().is_some());
    assert_eq!(net.peer.stats().accepted, 0);
}

#[test]
fn certificates_and_keys_that_do_not_fit_are_refused() {
    let (chain, key) = net::pair("p256");
    let (_, other) = net::pair("ed25519");
    let refused = |chain: Vec<Vec<u8>>, key: &[u8]| Certificate::new(chain, key).err();
    assert_eq!(refused(vec![], &key), Some(CertificateError::NoCertificate));
    assert_eq!(
        refused(chain.clone(), &key[1..]),
        Some(CertificateError::Key)
    );
    assert_eq!(
        refused(chain.clone(), &other),
        Some(CertificateError::Mismatch)
    );
    let cut = vec![chain[0][..100].to_vec()];
    assert_eq!(refused(cut, &key), Some(CertificateError::Malformed));
    assert_eq!(refused(chain, &key), None);
}

fn limits(config: &mut PeerConfig) -> &mut DiscoveryLimits {
    let service: Option<&mut DiscoveryConfig> = config.discovery.as_mut();
    &mut service.expect("the service is on").limits
}

/// Why a client was closed by a limit of the service.
fn closed_by_limit(net: &Net, client: usize) -> &str {
    match net.clients[client].loss() {
        Some(ConnectionError::ApplicationClosed(ApplicationClose { error_code, reason }))
            if *error_code == VarInt::from_u32(CLOSE_LIMIT) =>
        {
            std::str::from_utf8(reason).expect("text")
        }
        other => panic!("{other:?}"),
    }
}
