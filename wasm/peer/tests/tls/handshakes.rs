//! What is negotiated, with whom.

use std::sync::Arc;

use rustls::crypto::{aws_lc_rs, ring};
use rustls::{CipherSuite, HandshakeKind, NamedGroup};

use crate::net::{Clock, Net, Ours, no_parameters};
use crate::stock::Stock;

const CHACHA20: CipherSuite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;

#[test]
fn two_of_us_agree_on_the_hybrid_group_and_chacha20_and_know_each_other() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let mut net = Net::new(clock, bob.server(&["chat/1", "other/1"], false));
    net.connect(alice.client("chat/1", false), bob.id());

    let (client, server) = net.infos();
    assert_eq!(client.remote_id, bob.id());
    assert_eq!(server.remote_id, alice.id());
    for info in [client, server] {
        assert_eq!(info.alpn, b"chat/1");
        assert_eq!(info.group, NamedGroup::X25519MLKEM768);
        assert_eq!(u16::from(info.group), 0x11ec);
        assert_eq!(info.cipher, CHACHA20);
        assert_eq!(info.kind, HandshakeKind::Full);
        assert!(!info.early_data_accepted);
    }
}

#[test]
fn the_server_name_is_not_on_the_wire() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let name = anypath_peer::tls::server_name(&bob.id());
    let mut session = alice
        .client("chat/1", false)
        .start_session(1, &name, &no_parameters())
        .expect("starts");
    let mut hello = Vec::new();
    session.write_handshake(&mut hello);
    let label = &name.as_bytes()[..52];
    assert!(hello.len() > 1200);
    assert!(!hello.windows(52).any(|window| window == label));
}

#[test]
fn a_stock_server_answers_with_x25519_and_no_hello_retry_request() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Stock::new(2));
    let mut net = Net::new(clock, bob.server("chat/1"));
    let handle = net.connect(alice.client("chat/1", false), bob.id());

    assert!(net.client.is_connected(handle));
    let info =
        anypath_peer::tls::HandshakeInfo::of(&net.client.connections[&handle]).expect("finished");
    assert_eq!(info.remote_id, bob.id());
    assert_eq!(info.group, NamedGroup::X25519);
    assert_eq!(info.cipher, CHACHA20);
    assert_eq!(info.kind, HandshakeKind::Full);
}

#[test]
fn a_stock_client_gets_x25519_and_chacha20_although_it_prefers_aes() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Stock::new(1), Ours::new(2, &clock));
    let first = ring::default_provider().cipher_suites[0].suite();
    assert_ne!(first, CHACHA20, "the stock client prefers something else");
    let mut net = Net::new(clock, bob.server(&["chat/1"], false));
    let handle = net.connect(alice.client("chat/1"), bob.id());

    assert!(net.client.is_connected(handle));
    let connection = net.server.connections.values().last().expect("accepted");
    let info = anypath_peer::tls::HandshakeInfo::of(connection).expect("finished");
    assert_eq!(info.remote_id, alice.id());
    assert_eq!(info.group, NamedGroup::X25519);
    assert_eq!(info.cipher, CHACHA20);
    assert_eq!(info.kind, HandshakeKind::Full);
}

#[test]
fn another_implementation_of_the_hybrid_group_agrees_with_ours_both_ways() {
    let clock = Arc::new(Clock::default());
    let ours = Ours::new(1, &clock);
    let mut stock = Stock::new(2);
    stock.provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];

    let mut net = Net::new(clock.clone(), stock.server("chat/1"));
    let handle = net.connect(ours.client("chat/1", false), stock.id());
    let connection = &net.client.connections[&handle];
    let info = anypath_peer::tls::HandshakeInfo::of(connection).expect("finished");
    assert_eq!(info.group, NamedGroup::X25519MLKEM768);

    let mut net = Net::new(clock.clone(), ours.server(&["chat/1"], false));
    net.connect(stock.client("chat/1"), ours.id());
    let connection = net.server.connections.values().last().expect("accepted");
    let info = anypath_peer::tls::HandshakeInfo::of(connection).expect("finished");
    assert_eq!(info.group, NamedGroup::X25519MLKEM768);
}

#[test]
fn a_client_that_shares_no_usable_key_at_first_is_asked_again() {
    let clock = Arc::new(Clock::default());
    let bob = Ours::new(2, &clock);
    let mut alice = Stock::new(1);
    // Its first key share is of a group that we lack.
    alice.provider.kx_groups = vec![ring::kx_group::SECP384R1, ring::kx_group::X25519];
    let mut net = Net::new(clock, bob.server(&["chat/1"], false));
    net.connect(alice.client("chat/1"), bob.id());
    let connection = net.server.connections.values().last().expect("accepted");
    let info = anypath_peer::tls::HandshakeInfo::of(connection).expect("finished");
    assert_eq!(info.group, NamedGroup::X25519);
    assert_eq!(info.kind, HandshakeKind::FullWithHelloRetryRequest);
}

#[test]
fn both_sides_export_the_same_keying_material() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let mut net = Net::new(clock, bob.server(&["chat/1"], false));
    net.connect(alice.client("chat/1", false), bob.id());
    let export = |node: &crate::net::Node| {
        let connection = node.connections.values().last().expect("connected");
        let mut key = [0; 32];
        connection
            .crypto_session()
            .export_keying_material(&mut key, b"test", b"context")
            .expect("exports");
        key
    };
    assert_eq!(export(&net.client), export(&net.server));
    assert_ne!(export(&net.client), [0; 32]);
}
