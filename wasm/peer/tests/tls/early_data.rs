//! 0-RTT: only on request, only once, and not across a restart.

use std::sync::Arc;

use anypath_peer::tls::server_name;
use rustls::HandshakeKind;

use crate::net::{Clock, Net, Ours, no_parameters};

#[test]
fn a_second_connection_sends_early_data_that_the_server_accepts() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let mut net = Net::new(clock, bob.server(&["chat/1"], true));
    let first = net.connect(alice.client("chat/1", true), bob.id());
    assert!(!net.client.connections[&first].has_0rtt());

    // The configuration may be another one: the sessions belong to the peer.
    let second = net.dial(alice.client("chat/1", true), bob.id());
    assert!(net.client.connections[&second].has_0rtt());
    net.client.write(second, b"early");
    net.settle();
    assert_eq!(net.server.read().as_deref(), Some(&b"early"[..]));
    assert!(net.client.connections[&second].accepted_0rtt());
    let (client, server) = net.infos();
    assert_eq!(client.kind, HandshakeKind::Resumed);
    assert!(client.early_data_accepted);
    assert_eq!(client.remote_id, bob.id());
    assert_eq!(server.kind, HandshakeKind::Resumed);
    assert_eq!(server.remote_id, alice.id());
}

#[test]
fn a_restarted_server_rejects_early_data_and_the_connection_goes_on() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let mut net = Net::new(clock.clone(), bob.server(&["chat/1"], true));
    net.connect(alice.client("chat/1", true), bob.id());

    let restarted = Ours::new(2, &clock);
    net.restart_server(restarted.server(&["chat/1"], true));
    let handle = net.dial(alice.client("chat/1", true), bob.id());
    assert!(net.client.connections[&handle].has_0rtt());
    net.client.write(handle, b"early");
    net.run_until(|net| net.client.is_connected(handle));
    net.settle();

    assert!(!net.client.connections[&handle].accepted_0rtt());
    let (client, server) = net.infos();
    assert_eq!(client.kind, HandshakeKind::Full);
    assert!(!client.early_data_accepted);
    assert_eq!(server.remote_id, alice.id());
    assert_eq!(net.server.read(), None);
    net.client.write(handle, b"again");
    net.settle();
    assert_eq!(net.server.read().as_deref(), Some(&b"again"[..]));
}

#[test]
fn without_opting_in_there_is_no_early_data_on_either_side() {
    for (client_wants, server_wants) in [(false, false), (true, false), (false, true)] {
        let clock = Arc::new(Clock::default());
        let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
        let mut net = Net::new(clock, bob.server(&["chat/1"], server_wants));
        net.connect(alice.client("chat/1", client_wants), bob.id());
        let second = net.connect(alice.client("chat/1", client_wants), bob.id());
        assert!(!net.client.connections[&second].has_0rtt());
        assert_eq!(net.infos().0.kind, HandshakeKind::Full);
    }
}

#[test]
fn a_session_serves_only_the_alpn_and_the_peer_that_it_was_made_with() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let mut net = Net::new(clock.clone(), bob.server(&["chat/1", "other/1"], true));
    net.connect(alice.client("chat/1", true), bob.id());

    let other = net.connect(alice.client("other/1", true), bob.id());
    assert!(!net.client.connections[&other].has_0rtt());
    assert_eq!(net.infos().0.kind, HandshakeKind::Full);

    let stranger = Ours::new(3, &clock).id();
    let handle = net.dial(alice.client("chat/1", true), stranger);
    assert!(!net.client.connections[&handle].has_0rtt());
}

#[test]
fn a_replayed_hello_gets_no_early_data_keys() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let server = bob.server(&["chat/1"], true);
    let mut net = Net::new(clock, server.clone());
    net.connect(alice.client("chat/1", true), bob.id());

    let params = no_parameters();
    let mut hello = Vec::new();
    alice
        .client("chat/1", true)
        .start_session(1, &server_name(&bob.id()), &params)
        .expect("starts")
        .write_handshake(&mut hello);
    let gives_keys = || {
        let mut session = server.start_session(1, &params);
        session.read_handshake(&hello).expect("a genuine hello");
        session.early_crypto().is_some()
    };
    assert!(gives_keys());
    assert!(!gives_keys(), "the session was used");
}
