//! What the post-quantum group costs.

use std::sync::Arc;

use anypath_peer::tls::HandshakeInfo;
use rustls::NamedGroup;

use crate::net::{Clock, Net, Ours, no_parameters};
use crate::stock::Stock;

#[test]
fn the_hybrid_group_costs_at_most_two_datagrams_to_the_server_and_one_back() {
    let clock = Arc::new(Clock::default());
    let (ours, stock) = (Ours::new(1, &clock), Stock::new(2));
    let hello = |config: Arc<dyn noq_proto::crypto::ClientConfig>| {
        let name = anypath_peer::tls::server_name(&ours.id());
        let mut bytes = Vec::new();
        config
            .start_session(1, &name, &no_parameters())
            .expect("starts")
            .write_handshake(&mut bytes);
        bytes.len()
    };
    let hybrid = hello(ours.client("chat/1", false));
    let classical = hello(stock.client("chat/1"));
    println!("ClientHello: {hybrid} bytes, {classical} with X25519 alone");
    // The share and its header of four bytes, within what else differs between the two configurations.
    assert!((1100..1300).contains(&(hybrid - classical)));
    assert!(hybrid < 2 * 1150, "two datagrams of 1,200 bytes hold it");

    let flights = |client, group| {
        let bob = Ours::new(3, &clock);
        let mut net = Net::new(clock.clone(), bob.server(&["chat/1"], false));
        net.connect(client, bob.id());
        let accepted = net.server.connections.values().last().expect("accepted");
        assert_eq!(HandshakeInfo::of(accepted).expect("finished").group, group);
        let sum = |sent: &[usize]| sent.iter().sum::<usize>();
        (sum(&net.to_server.sent), sum(&net.to_client.sent))
    };
    let hybrid = flights(ours.client("chat/1", false), NamedGroup::X25519MLKEM768);
    let classical = flights(stock.client("chat/1"), NamedGroup::X25519);
    println!(
        "datagrams of a handshake, bytes to server and client: {hybrid:?}, {classical:?} with X25519"
    );
    // One more datagram with an Initial packet each way, and one more from the client to acknowledge.
    assert!(hybrid.0 <= classical.0 + 2450);
    assert!(hybrid.1 <= classical.1 + 1300);
}
