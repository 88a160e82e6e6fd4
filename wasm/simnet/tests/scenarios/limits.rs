use anypath_peer::admission::Admission;
use anypath_peer::config::PeerConfig;
use anypath_peer::error::ErrorCode;
use anypath_peer::peer::CLOSE_LIMIT;
use anypath_simnet::simulation::config;
use anypath_simnet::{Link, Simulation, address};

use crate::support::*;

/// Host 1 with a changed configuration, and two hosts that dial it.
fn served_with(change: impl FnOnce(&mut PeerConfig)) -> Simulation {
    let mut net = Simulation::pair(1, Link::default());
    net.add_host();
    let mut config = config(1, 1);
    change(&mut config);
    net.restart(1, config);
    net
}

#[test]
fn one_address_has_only_so_many_connections_and_a_place_comes_back() {
    let mut net = served_with(|config| config.limits.per_address = 2);
    let (first, _) = connect(&mut net, 0, 1);
    connect(&mut net, 0, 1);
    let refused = net.dial(0, 1).unwrap();
    let (code, _) = code_of(&mut net, 0, refused, SECOND);
    assert_eq!(code, ErrorCode::Refused);
    connect(&mut net, 2, 1);
    net.peer(0).close(first, 0, "");
    net.run_for(SECOND);
    connect(&mut net, 0, 1);
}

#[test]
fn one_remote_has_only_so_many_connections_wherever_it_comes_from() {
    let mut net = served_with(|config| config.limits.per_remote = 2);
    let (first, _) = connect(&mut net, 0, 1);
    net.move_host(0, address([10, 7, 0, 1], 1), true);
    connect(&mut net, 0, 1);
    net.move_host(0, address([10, 7, 0, 2], 1), true);
    let refused = net.dial(0, 1).unwrap();
    let end = code_of(&mut net, 0, refused, SECOND);
    assert_eq!(end, (ErrorCode::ClosedByPeer, u64::from(CLOSE_LIMIT)));
    connect(&mut net, 2, 1);
    net.peer(0).close(first, 0, "");
    net.run_for(SECOND);
    connect(&mut net, 0, 1);
}

#[test]
fn a_peer_has_only_so_many_connections_and_dials_count() {
    let mut net = served_with(|config| config.limits.connections = 2);
    connect(&mut net, 0, 1);
    connect(&mut net, 1, 2);
    let refused = net.dial(0, 1).unwrap();
    let (code, _) = code_of(&mut net, 0, refused, SECOND);
    assert_eq!(code, ErrorCode::Refused);
    let error = net.dial(1, 0).unwrap_err();
    assert_eq!(error.code, ErrorCode::TooManyConnections);
}

#[test]
fn above_the_limit_of_handshakes_strangers_hear_nothing() {
    let mut net = served_with(|config| config.limits.handshakes = 0);
    let ignored = net.dial(0, 1).unwrap();
    net.run_for(5 * SECOND);
    assert!(!is_connected(&net, 0, ignored) && !is_closed(&net, 0, ignored));
    assert_eq!(net.counts(1, 0).sent, 0);
    let (code, _) = code_of(&mut net, 0, ignored, 6 * SECOND);
    assert_eq!(code, ErrorCode::Unreachable);
    for host in [0, 1] {
        assert_empty(&mut net, host);
    }
}

#[test]
fn a_peer_that_accepts_nobody_can_still_dial() {
    let mut net = served_with(|config| config.accept = false);
    let unheard = net.dial(0, 1).unwrap();
    connect(&mut net, 1, 0);
    let (code, _) = code_of(&mut net, 0, unheard, 11 * SECOND);
    assert_eq!(code, ErrorCode::Unreachable);
}

#[test]
fn the_hook_accepts_and_refuses() {
    for (admission, expected) in [
        (Admission::Accept, None),
        (Admission::Refuse, Some(ErrorCode::Refused)),
        (Admission::Ignore, Some(ErrorCode::Unreachable)),
    ] {
        let mut net = served_with(|config| config.ask = true);
        net.application_mut(1).admits = Some(admission);
        let key = net.dial(0, 1).unwrap();
        net.run_until(15 * SECOND, |net| {
            is_connected(net, 0, key) || is_closed(net, 0, key)
        });
        let closed = net.known(0, key).unwrap().closed.clone();
        assert_eq!(
            closed.map(|(_, reason)| reason.code),
            expected,
            "{admission:?}"
        );
        assert_eq!(is_connected(&net, 0, key), expected.is_none());
    }
}

#[test]
fn the_hook_is_asked_again_when_the_address_has_been_validated() {
    let mut net = served_with(|config| config.ask = true);
    let key = net.dial(0, 1).unwrap();
    assert!(net.run_until(SECOND, |net| net.application(1).asked.len() == 1));
    let first = net.application(1).asked[0];
    assert!(net.peer(1).admit(first, Admission::Retry));
    assert!(net.run_until(SECOND, |net| net.application(1).asked.len() == 2));
    let second = net.application(1).asked[1];
    assert!(net.peer(1).admit(second, Admission::Accept));
    assert!(!net.peer(1).admit(second, Admission::Accept));
    assert!(net.run_until(SECOND, |net| is_connected(net, 0, key)));
    assert_eq!(net.peer(1).stats().retries_sent, 1);
    let validated: Vec<bool> = net
        .application(1)
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            anypath_peer::event::Event::Incoming { validated, .. } => Some(*validated),
            _ => None,
        })
        .collect();
    assert_eq!(validated, [false, true]);
}

#[test]
fn a_question_that_nobody_answers_expires_and_leaves_nothing() {
    let mut net = served_with(|config| config.ask = true);
    let key = net.dial(0, 1).unwrap();
    assert!(net.run_until(SECOND, |net| net.application(1).asked.len() == 1));
    let (code, _) = code_of(&mut net, 0, key, 11 * SECOND);
    assert_eq!(code, ErrorCode::Unreachable);
    net.run_for(SECOND);
    for host in [0, 1] {
        assert_empty(&mut net, host);
    }
    let question = net.application(1).asked[0];
    assert!(!net.peer(1).admit(question, Admission::Accept));
}

#[test]
fn every_connection_above_a_remotes_limit_is_refused() {
    let mut net = served_with(|config| config.limits.per_remote = 2);
    let mut open = 0;
    for _ in 0..5 {
        let key = net.dial(0, 1).unwrap();
        net.run_for(SECOND);
        open += usize::from(is_connected(&net, 0, key) && !is_closed(&net, 0, key));
    }
    assert_eq!(open, 2);
}
