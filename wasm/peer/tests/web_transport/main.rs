//! The listener for browsers, with HTTP/3 clients over stock QUIC.

mod carrier;
mod chaos;
mod misuse;
mod net;

use anypath_peer::error::ErrorCode;
use anypath_peer::event::Event;
use anypath_peer::peer::ReadOutcome;
use anypath_peer::web_transport::CertificateHash;
use anypath_wire::http3::{capsule, error, frame};
use noq_proto::{Dir, Event as QuicEvent, StreamEvent, VarInt};

use net::{Mangle, Net, config};

fn has(net: &Net, wanted: impl Fn(&Event) -> bool) -> bool {
    net.events.iter().any(wanted)
}

/// Everything that can be read of a session's stream.
fn read(net: &mut Net, session: u32, stream: u64) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match net.peer.read(session, stream, 1 << 20, &mut bytes) {
            Ok(ReadOutcome::Data(_)) => {}
            Ok(outcome) => return (bytes, outcome == ReadOutcome::Finished),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn opened(net: &Net, session: u32) -> Vec<(u64, bool)> {
    let events = net.events.iter();
    events
        .filter_map(|event| match event {
            Event::StreamOpened(key, id, both) if *key == session => Some((*id, *both)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_session_is_asked_for_with_what_the_client_says_and_accepted() {
    let mut net = Net::new(config(10));
    let (client, connect, session) = net.session("/room?x=1");
    let request = net.events.iter().find_map(|event| match event {
        Event::SessionRequested { request, .. } => Some(request.clone()),
        _ => None,
    });
    let request = request.expect("a request");
    assert_eq!(request.path, "/room?x=1");
    assert_eq!(request.origin, "https://example.com");
    assert_eq!(request.authority, "192.0.2.1:1");
    assert_eq!(net.clients[client].status(connect).as_deref(), Some("200"));
    assert!(!net.peer.answer_session(session, 200), "it is answered");
    let stats = net.peer.stats().web_transport;
    assert_eq!((stats.sessions, stats.accepted, stats.faults), (1, 1, 0));
}

#[test]
fn streams_carry_data_both_ways_whoever_opens_them() {
    let mut net = Net::new(config(10));
    let (client, connect, session) = net.session("/");
    let theirs = net.clients[client].stream_of(connect, Dir::Bi, b"hello");
    let one_way = net.clients[client].stream_of(connect, Dir::Uni, b"one way");
    net.clients[client].finish(one_way);
    net.run_for(200);
    let expected = vec![(theirs.into(), true), (one_way.into(), false)];
    assert_eq!(opened(&net, session), expected);
    assert_eq!(
        read(&mut net, session, theirs.into()),
        (b"hello".to_vec(), false)
    );
    assert_eq!(
        read(&mut net, session, one_way.into()),
        (b"one way".to_vec(), true)
    );
    assert_eq!(net.peer.write(session, theirs.into(), b"and back"), Ok(8));
    net.peer.finish(session, theirs.into()).expect("open");
    net.clients[client].finish(theirs);
    for (both, head) in [(true, 0x41), (false, 0x54)] {
        let ours = net.peer.open_stream(session, both).expect("open");
        let ours = ours.expect("allowed");
        assert_eq!(net.peer.write(session, ours, b"from the server"), Ok(15));
        net.peer.finish(session, ours).expect("open");
        net.run_for(200);
        let id = VarInt::from_u64(ours).expect("an id").into();
        let (bytes, over) = &net.clients[client].received[&id];
        let expected = [&[0x40, head, 0][..], b"from the server"].concat();
        assert_eq!((bytes, over), (&expected, &true));
    }
    assert_eq!(
        net.clients[client].received[&theirs],
        (b"and back".to_vec(), true)
    );
    assert_eq!(read(&mut net, session, theirs.into()), (Vec::new(), true));
    assert!(has(&net, |event| *event
        == Event::StreamFinished(session, theirs.into())));
}

#[test]
fn datagrams_carry_the_sessions_number() {
    let mut net = Net::new(config(10));
    let (client, _, session) = net.session("/");
    net.clients[client].datagram(b"\x00ping");
    net.clients[client].datagram(b"\x07nobody's");
    net.run_for(200);
    assert!(has(&net, |event| *event
        == Event::Datagram(session, (&b"ping"[..]).into())));
    assert_eq!(net.peer.stats().web_transport.datagrams_dropped, 1);
    net.peer.send_datagram(session, b"pong").expect("sent");
    net.run_for(200);
    let received = net.clients[client].quic.datagrams().recv();
    assert_eq!(received.as_deref(), Some(&b"\x00pong"[..]));
    let most = net.peer.max_datagram_bytes(session);
    assert!(net.peer.send_datagram(session, &vec![0; most]).is_ok());
    let too_large = net.peer.send_datagram(session, &vec![0; most + 1]);
    assert_eq!(
        too_large.expect_err("too large").code,
        ErrorCode::DatagramTooLarge
    );
}

#[test]
fn codes_of_applications_go_both_ways() {
    let mut net = Net::new(config(10));
    let (client, connect, session) = net.session("/");
    let [first, second] = [(); 2].map(|()| net.clients[client].stream_of(connect, Dir::Bi, b"x"));
    net.run_for(200);
    net.peer.reset(session, first.into(), 77).expect("open");
    net.peer.stop(session, second.into(), 1000).expect("open");
    net.run_for(200);
    assert_eq!(
        net.clients[client].resets[&first],
        error::from_application(77)
    );
    let code = VarInt::from_u64(error::from_application(1000)).expect("a code");
    let stopped = |event: &QuicEvent| {
        matches!(event, QuicEvent::Stream(StreamEvent::Stopped { id, error_code })
            if *id == second && *error_code == code)
    };
    assert!(net.clients[client].events.iter().any(stopped));
    let quic = &mut net.clients[client].quic;
    let code = VarInt::from_u64(error::from_application(5)).expect("a code");
    quic.send_stream(first).reset(code).expect("open");
    quic.recv_stream(second).stop(code).expect("open");
    net.run_for(200);
    assert!(has(&net, |event| *event
        == Event::StreamStopped(session, second.into(), 5)));
    // A stream that was stopped is reset by the same code, so that it is over for both sides.
    assert_eq!(net.clients[client].quic.stats().frame_rx.reset_stream, 2);
    let mut bytes = Vec::new();
    let reset = net.peer.read(session, first.into(), 100, &mut bytes);
    assert_eq!(
        reset.map_err(|error| (error.code, error.detail)),
        Err((ErrorCode::StreamReset, 5))
    );
}

#[test]
fn either_side_closes_a_session_with_a_code_and_a_reason() {
    let mut net = Net::new(config(10));
    let (client, connect, session) = net.session("/");
    let stream = net.clients[client].stream_of(connect, Dir::Bi, b"unread");
    net.run_for(200);
    net.peer.close(session, 9, "bye");
    net.run_for(200);
    let (bytes, over) = net.clients[client].received[&connect].clone();
    let (mut told, mut expected) = (Vec::new(), Vec::new());
    capsule::Close {
        code: 9,
        reason: "bye",
    }
    .write(&mut told);
    frame::write(frame::DATA, &told, &mut expected);
    assert!(bytes.ends_with(&expected) && over);
    assert_eq!(net.clients[client].resets[&stream], error::SESSION_GONE);
    assert!(has(
        &net,
        |event| matches!(event, Event::Closed(key, reason)
        if *key == session && reason.code == ErrorCode::ClosedLocally && reason.wire_code == 9)
    ));

    let (client, connect, session) = net.session("/");
    let (mut told, mut bytes) = (Vec::new(), Vec::new());
    capsule::Close {
        code: 4,
        reason: "enough",
    }
    .write(&mut told);
    frame::write(frame::DATA, &told, &mut bytes);
    net.clients[client].write(connect, &bytes);
    net.clients[client].finish(connect);
    net.run_for(200);
    assert!(has(
        &net,
        |event| matches!(event, Event::Closed(key, reason)
        if *key == session && reason.code == ErrorCode::ClosedByPeer
            && reason.wire_code == 4 && reason.reason == "enough")
    ));
    assert!(
        net.clients[client].received[&connect].1,
        "it is answered by an end"
    );
    assert_eq!(net.peer.stats().web_transport.sessions, 0);
    net.run_for(30_000);
    assert_eq!(net.clients[client].closed_by(), Some(error::NO_ERROR));
    assert_eq!(net.peer.census().connections, 0, "nothing is left");
}

#[test]
fn a_connection_that_dies_ends_its_sessions() {
    let mut net = Net::new(config(10));
    let (client, _, session) = net.session("/");
    net.clients[client].close();
    net.run_for(5000);
    assert!(has(
        &net,
        |event| matches!(event, Event::Closed(key, reason)
        if *key == session && reason.code == ErrorCode::TransportClosedByPeer)
    ));
    assert!(has(&net, |event| *event == Event::Drained(session)));
    assert_eq!(net.peer.census().connections, 0);
    // The application has heard of the session alone.
    let keys = net
        .events
        .iter()
        .filter(|event| matches!(event, Event::Closed(..)));
    assert_eq!(keys.count(), 1);
}

#[test]
fn a_refused_session_is_told_the_status() {
    let mut net = Net::new(config(10));
    net.accepts = false;
    let (client, connect, session) = net.session("/");
    let early = net.clients[client].stream_of(connect, Dir::Bi, b"too early");
    net.run_for(100);
    assert!(net.peer.answer_session(session, 403));
    net.run_for(200);
    assert_eq!(net.clients[client].status(connect).as_deref(), Some("403"));
    assert!(net.clients[client].received[&connect].1);
    assert_eq!(net.clients[client].resets[&early], error::SESSION_GONE);
    let (client, connect, session) = net.session("/");
    net.run_for(11_000);
    assert_eq!(
        net.clients[client].status(connect).as_deref(),
        Some("503"),
        "nobody answered"
    );
    assert!(!net.peer.answer_session(session, 200));
    assert_eq!(net.peer.stats().web_transport.refused, 2);
}

#[test]
fn streams_that_are_ahead_of_their_session_wait_for_it() {
    let mut net = Net::new(config(10));
    net.accepts = false;
    let client = net.client(false, net.hash());
    net.run_for(200);
    // The request, a stream of the session and a datagram arrive before the settings.
    let connect = net.clients[client].request("/");
    let stream = net.clients[client].stream_of(connect, Dir::Bi, b"early");
    net.run_for(200);
    assert!(net.events.is_empty(), "{:?}", net.events);
    net.clients[client].greet();
    net.run_for(200);
    let [Event::SessionRequested { session, .. }] = net.events[..] else {
        panic!("{:?}", net.events);
    };
    assert!(net.peer.answer_session(session, 200));
    net.run_for(200);
    assert_eq!(opened(&net, session), [(stream.into(), true)]);
    assert_eq!(
        read(&mut net, session, stream.into()),
        (b"early".to_vec(), false)
    );
}

#[test]
fn browsers_and_peers_share_the_port_whatever_happens_to_the_hello() {
    let lost: fn(usize) -> Mangle = |which| {
        Box::new(move |number, datagram| match number == which {
            true => Vec::new(),
            false => vec![datagram],
        })
    };
    let mut held = None;
    let swapped: Mangle = Box::new(move |number, datagram| match number {
        0 => {
            held = Some(datagram);
            Vec::new()
        }
        _ => [datagram].into_iter().chain(held.take()).collect(),
    });
    let doubled: Mangle = Box::new(|_, datagram| vec![datagram.clone(), datagram]);
    for mangle in [lost(0), lost(1), swapped, doubled] {
        let mut net = Net::new(config(10));
        let client = net.client(true, net.hash());
        net.clients[client].mangle = mangle;
        net.dial_by_key();
        net.run_for(3000);
        net.clients[client].greet();
        let connect = net.clients[client].request("/");
        net.run_for(1000);
        assert_eq!(net.clients[client].status(connect).as_deref(), Some("200"));
        let stats = net.peer.stats();
        assert_eq!((stats.accepted, stats.web_transport.accepted), (1, 1));
        assert!(has(&net, |event| matches!(event, Event::Connected(..))));
    }
}

#[test]
fn a_client_that_expects_another_certificate_fails_and_leaves_nothing() {
    let mut net = Net::new(config(10));
    net.client(false, [0; 32]);
    net.run_for(40_000);
    assert!(!has(&net, |event| matches!(
        event,
        Event::SessionRequested { .. }
    )));
    assert_eq!(net.peer.census(), Default::default());
}

#[test]
fn the_next_certificate_takes_its_place_in_a_running_peer() {
    const PERIOD_MS: f64 = 12.0 * 86_400_000.0;
    let mut config = config(10);
    config.epoch_ms = 1740.0 * PERIOD_MS - 5000.0;
    let mut net = Net::new(config);
    let [now, next] = net.peer.web_transport_certificates().expect("a listener");
    let until = |hash: &CertificateHash| hash.shown_until.as_millis() as f64;
    assert_eq!(until(&now), 1740.0 * PERIOD_MS);
    let before = net.client(false, now.sha256);
    net.run_for(2000);
    assert!(!net.clients[before].quic.is_handshaking());
    net.run_for(4000);
    assert_eq!(net.hash(), next.sha256);
    let [late, after] = [now, next].map(|hash| net.client(false, hash.sha256));
    net.run_for(2000);
    assert!(net.clients[late].quic.is_closed());
    assert!(!net.clients[after].quic.is_handshaking());
    // Whoever is connected notices nothing.
    assert!(!net.clients[before].quic.is_closed());
}

#[test]
fn a_peer_that_is_not_to_listen_serves_no_browsers() {
    let mut config = config(10);
    config.web_transport = None;
    let mut net = Net::new(config);
    assert!(net.peer.web_transport_certificates().is_none());
    let client = net.client(false, [0; 32]);
    net.run_for(5000);
    let refused = |event: &QuicEvent| matches!(event, QuicEvent::ConnectionLost { .. });
    assert!(net.clients[client].events.iter().any(refused));
    assert!(net.events.is_empty());
}

#[test]
fn a_peer_that_shuts_down_says_goodbye_to_sessions() {
    let mut net = Net::new(config(10));
    let (client, connect, session) = net.session("/");
    let idle = net.greeted();
    net.peer.shutdown(3, "going");
    net.run_for(200);
    assert!(net.clients[client].received[&connect].1);
    assert_eq!(net.clients[idle].closed_by(), Some(error::NO_ERROR));
    assert!(has(
        &net,
        |event| matches!(event, Event::Closed(key, reason)
        if *key == session && reason.wire_code == 3)
    ));
}
