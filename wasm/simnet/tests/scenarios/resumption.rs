use anypath_peer::error::ErrorCode;
use anypath_peer::event::ConnectionKey;
use anypath_simnet::simulation::{ALPN, config};
use anypath_simnet::{Link, Simulation};

use crate::support::*;

/// Two hosts that take early data, of which 0 holds a ticket of 1.
fn acquainted(seed: u64) -> Simulation {
    let mut net = Simulation::pair(seed, Link::default());
    for host in [0, 1] {
        let mut config = config(host, seed);
        config.early_data = true;
        net.restart(host, config);
    }
    let client = dial_early(&mut net);
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, client)));
    net.run_for(SECOND);
    net.peer(0).close(client, 0, "");
    net.run_for(5 * SECOND);
    net
}

fn dial_early(net: &mut Simulation) -> ConnectionKey {
    let (id, targets) = (net.id_of(1), [net.target(1)]);
    net.peer(0).connect(id, ALPN, &targets, true).unwrap()
}

fn opened(net: &Simulation) -> usize {
    net.application(1).received.len()
}

#[test]
fn early_data_arrives_with_the_first_flight() {
    let mut net = acquainted(1);
    let start = net.now();
    let client = dial_early(&mut net);
    let stream = net.send(0, client, true, 5000).unwrap();
    assert!(net.run_until(SECOND, |net| opened(net) == 1));
    assert_eq!(net.now() - start, 10 * MS);
    let (server, _) = *net.application(1).received.keys().next().unwrap();
    assert!(arrives(&mut net, 1, server, stream, 5000, 0) || net.now() - start == 10 * MS);
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, client)));
    let known = net.known(0, client).unwrap();
    assert!(known.early.is_some());
    assert_eq!(known.early_data, Some(true));
    assert!(known.connected.as_ref().unwrap().1.resumed);
    assert!(arrives(&mut net, 1, server, stream, 5000, SECOND));
    let early = &net.known(1, server).unwrap().early.as_ref().unwrap().1;
    assert_eq!(early.remote_id, net.id_of(0));
}

#[test]
fn a_restarted_server_rejects_early_data_and_the_connection_goes_on() {
    let mut net = acquainted(2);
    let mut config = config(1, 77);
    config.early_data = true;
    net.restart(1, config);
    let client = dial_early(&mut net);
    let lost = net.send(0, client, true, 5000).unwrap();
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, client)));
    net.run_for(100 * MS);
    let known = net.known(0, client).unwrap();
    assert_eq!(known.early_data, Some(false));
    assert!(!known.connected.as_ref().unwrap().1.resumed);
    assert_eq!(opened(&net), 0);
    let error = net.peer(0).write(client, lost, b"x").unwrap_err();
    assert_eq!(error.code, ErrorCode::StreamClosed);
    let server = accepted(&net, 1)[0];
    let stream = net.send(0, client, true, 5000).unwrap();
    assert!(arrives(&mut net, 1, server, stream, 5000, SECOND));
}

#[test]
fn a_server_that_does_not_take_early_data_rejects_it() {
    let mut net = acquainted(3);
    net.restart(1, config(1, 3));
    let client = dial_early(&mut net);
    net.send(0, client, true, 5000).unwrap();
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, client)));
    net.run_for(SECOND);
    assert_eq!(net.known(0, client).unwrap().early_data, Some(false));
    assert_eq!(opened(&net), 0);
}

#[test]
fn a_replayed_first_flight_delivers_nothing() {
    let mut net = acquainted(4);
    net.tap = Some(Vec::new());
    let start = net.now();
    let client = dial_early(&mut net);
    net.send(0, client, true, 5000).unwrap();
    net.run_for(SECOND);
    assert_eq!(opened(&net), 1);
    let tap = net.tap.take().unwrap();
    let first_flight: Vec<_> = tap
        .into_iter()
        .filter(|t| t.host == 0 && t.at == start)
        .collect();
    assert!(first_flight.len() > 2);
    net.peer(0).close(client, 0, "");
    net.run_for(5 * SECOND);
    assert_empty(&mut net, 1);
    for tapped in &first_flight {
        net.inject(tapped.from, tapped.to, tapped.datagram.clone());
    }
    net.run_for(15 * SECOND);
    assert_eq!(opened(&net), 1);
    assert_eq!(accepted(&net, 1).len(), 2);
    assert_empty(&mut net, 1);
}

#[test]
fn without_a_ticket_early_data_waits_for_the_handshake() {
    let mut net = acquainted(5);
    let mut fresh = config(0, 55);
    fresh.early_data = true;
    net.restart(0, fresh);
    let client = dial_early(&mut net);
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, client)));
    let known = net.known(0, client).unwrap();
    assert!(known.early.is_none() && known.early_data.is_none());
}

#[test]
fn a_first_flight_with_early_data_survives_loss_and_a_retry() {
    for lost in 0..4 {
        let mut net = acquainted(6);
        let number = net.counts(0, 1).sent + lost;
        net.link(0, 1)
            .fates
            .insert(number, anypath_simnet::Fate::Lost);
        let client = dial_early(&mut net);
        let stream = net.send(0, client, true, 5000).unwrap();
        assert!(net.run_until(5 * SECOND, |net| opened(net) == 1));
        let (server, _) = *net.application(1).received.keys().next().unwrap();
        assert!(arrives(&mut net, 1, server, stream, 5000, 5 * SECOND));
        assert!(net.run_until(5 * SECOND, |net| is_connected(net, 0, client)));
    }
}
