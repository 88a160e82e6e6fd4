//! Clients that do not keep to the rules, and those that want too much.

use anypath_peer::event::Event;
use anypath_wire::http3::{capsule, error, frame, settings};
use anypath_wire::varint::write_varint;
use noq_proto::{Dir, VarInt};

use crate::net::{Net, config, fields, request};

fn frame_of(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(kind, payload, &mut bytes);
    bytes
}

fn control_with(frames: &[Vec<u8>]) -> Vec<u8> {
    [&[0][..], &frames.concat()].concat()
}

fn settings_of(pairs: &[(u64, u64)]) -> Vec<u8> {
    let mut payload = Vec::new();
    settings::write(pairs, &mut payload);
    frame_of(frame::SETTINGS, &payload)
}

/// What a client sends first, on which kind of stream, and the code that closes the connection for it.
fn faults() -> Vec<(&'static str, Dir, Vec<u8>, u64)> {
    let good = settings_of(&[(settings::H3_DATAGRAM, 1)]);
    let garbled = fields(&[("x", "y")]).len();
    let mut section = frame_of(frame::HEADERS, &[0x02, 0x00, 0xff]);
    section.truncate(section.len().min(garbled + 10));
    vec![
        ("a push", Dir::Uni, vec![1], error::STREAM_CREATION_ERROR),
        (
            "no settings first",
            Dir::Uni,
            control_with(&[frame_of(frame::GOAWAY, &[0])]),
            error::MISSING_SETTINGS,
        ),
        (
            "settings twice",
            Dir::Uni,
            control_with(&[good.clone(), good.clone()]),
            error::FRAME_UNEXPECTED,
        ),
        (
            "data among control frames",
            Dir::Uni,
            control_with(&[good.clone(), frame_of(frame::DATA, b"x")]),
            error::FRAME_UNEXPECTED,
        ),
        (
            "a frame of HTTP/2",
            Dir::Uni,
            control_with(&[good.clone(), frame_of(0x06, &[0; 8])]),
            error::FRAME_UNEXPECTED,
        ),
        (
            "a setting of HTTP/2",
            Dir::Uni,
            control_with(&[settings_of(&[(0x04, 1)])]),
            error::SETTINGS_ERROR,
        ),
        (
            "settings that are cut off",
            Dir::Uni,
            control_with(&[frame_of(frame::SETTINGS, &[0x06])]),
            error::FRAME_ERROR,
        ),
        (
            "no datagrams",
            Dir::Uni,
            control_with(&[settings_of(&[(0x06, 100)])]),
            error::SETTINGS_ERROR,
        ),
        (
            "settings without end",
            Dir::Uni,
            control_with(&[vec![0x04, 0x80, 0xff, 0xff, 0xff]]),
            error::EXCESSIVE_LOAD,
        ),
        (
            "an entry of a dynamic table",
            Dir::Uni,
            vec![2, 0xc0, 1, b'x'],
            error::QPACK_ENCODER_STREAM_ERROR,
        ),
        (
            "data before fields",
            Dir::Bi,
            frame_of(frame::DATA, b"x"),
            error::FRAME_UNEXPECTED,
        ),
        (
            "settings in a request",
            Dir::Bi,
            good,
            error::FRAME_UNEXPECTED,
        ),
        (
            "fields of a dynamic table",
            Dir::Bi,
            section,
            error::QPACK_DECOMPRESSION_FAILED,
        ),
        (
            "fields without end",
            Dir::Bi,
            vec![0x01, 0x80, 0xff, 0xff, 0xff],
            error::EXCESSIVE_LOAD,
        ),
        (
            "a stream of a session that can't be one",
            Dir::Bi,
            vec![0x40, 0x41, 0x02],
            error::ID_ERROR,
        ),
    ]
}

#[test]
fn each_fault_closes_the_connection_with_its_code() {
    for (name, dir, bytes, code) in faults() {
        let mut net = Net::new(config(10));
        let client = net.client(false, net.hash());
        net.run_for(200);
        net.clients[client].send(dir, &bytes);
        net.run_for(500);
        assert_eq!(net.clients[client].closed_by(), Some(code), "{name}");
        assert_eq!(net.peer.stats().web_transport.faults, 1, "{name}");
        assert!(net.events.is_empty(), "{name}: {:?}", net.events);
        net.run_for(20_000);
        assert_eq!(net.peer.census(), Default::default(), "{name}");
    }
}

#[test]
fn a_critical_stream_that_ends_or_comes_twice_closes_the_connection() {
    let mut net = Net::new(config(10));
    let client = net.client(false, net.hash());
    net.run_for(200);
    let control = net.clients[client].greet();
    net.run_for(200);
    net.clients[client].finish(control);
    net.run_for(200);
    assert_eq!(
        net.clients[client].closed_by(),
        Some(error::CLOSED_CRITICAL_STREAM)
    );
    let twice = net.greeted();
    net.clients[twice].greet();
    net.run_for(200);
    assert_eq!(
        net.clients[twice].closed_by(),
        Some(error::STREAM_CREATION_ERROR)
    );
}

#[test]
fn a_datagram_without_a_session_number_closes_the_connection() {
    for bytes in [&[0x40][..], &[0xff; 8]] {
        let mut net = Net::new(config(10));
        let client = net.greeted();
        net.clients[client].datagram(bytes);
        net.run_for(200);
        assert_eq!(net.clients[client].closed_by(), Some(error::DATAGRAM_ERROR));
    }
}

#[test]
fn a_request_that_arrives_with_what_ends_its_connection_begins_no_session() {
    let mut net = Net::new(config(10));
    let client = net.greeted();
    net.clients[client].datagram(&[]);
    net.clients[client].request("/");
    net.run_for(200);
    assert_eq!(net.clients[client].closed_by(), Some(error::DATAGRAM_ERROR));
    let asked = |event: &Event| matches!(event, Event::SessionRequested { .. });
    assert!(!net.events.iter().any(asked));
    assert_eq!(net.peer.stats().web_transport.sessions, 0);
}

#[test]
fn malformed_requests_end_their_stream_and_nothing_else() {
    let mut net = Net::new(config(10));
    let client = net.greeted();
    let malformed = net.clients[client].send(Dir::Bi, &fields(&[("no", "method")]));
    let short = net.clients[client].send(Dir::Bi, &[]);
    net.clients[client].finish(short);
    let get = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
    ];
    let other = net.clients[client].send(Dir::Bi, &fields(&get));
    let tunnel = [(":method", "CONNECT"), (":authority", "example.com:443")];
    let tunnel = net.clients[client].send(Dir::Bi, &fields(&tunnel));
    let ignored = net.clients[client].send(Dir::Uni, &[0x21, 1, 2, 3]);
    net.run_for(500);
    assert_eq!(net.clients[client].closed_by(), None);
    assert_eq!(net.clients[client].resets[&malformed], error::MESSAGE_ERROR);
    assert_eq!(
        net.clients[client].resets[&short],
        error::REQUEST_INCOMPLETE
    );
    assert_eq!(net.clients[client].status(other).as_deref(), Some("404"));
    assert_eq!(net.clients[client].status(tunnel).as_deref(), Some("501"));
    let stopped = net.clients[client].quic.send_stream(ignored).stopped();
    let code = VarInt::from_u64(error::STREAM_CREATION_ERROR).expect("a code");
    assert_eq!(stopped, Ok(Some(code)));
    let connect = net.clients[client].request("/");
    net.run_for(200);
    assert_eq!(net.clients[client].status(connect).as_deref(), Some("200"));
}

#[test]
fn malformed_capsules_end_their_session_and_nothing_else() {
    let cases = [
        frame_of(capsule::CLOSE_SESSION, &[1, 2]),
        frame_of(capsule::CLOSE_SESSION, &[0, 0, 0, 0, 0xff]),
        vec![0x68, 0x43, 0x50, 0],
    ];
    for case in cases {
        let mut net = Net::new(config(10));
        let (client, connect, session) = net.session("/");
        net.clients[client].write(connect, &frame_of(0x21, b"unknown frames are skipped"));
        let unknown = frame_of(0x1234, b"unknown capsules are skipped");
        net.clients[client].write(connect, &frame_of(frame::DATA, &unknown));
        net.run_for(200);
        assert_eq!(net.peer.stats().web_transport.sessions, 1);
        net.clients[client].write(connect, &frame_of(frame::DATA, &case));
        net.run_for(200);
        assert_eq!(net.clients[client].resets[&connect], error::MESSAGE_ERROR);
        assert_eq!(net.clients[client].closed_by(), None);
        let ended = |event: &Event| matches!(event, Event::Closed(key, _) if *key == session);
        assert!(net.events.iter().any(ended));
    }
}

#[test]
fn everything_may_come_byte_by_byte() {
    let mut net = Net::new(config(10));
    let client = net.client(false, net.hash());
    net.run_for(200);
    let control = net.clients[client].send(Dir::Uni, &[]);
    for byte in control_with(&[settings_of(&[(settings::H3_DATAGRAM, 1)])]) {
        net.clients[client].write(control, &[byte]);
        net.run_for(10);
    }
    let connect = net.clients[client].send(Dir::Bi, &[]);
    for byte in request("/slow") {
        net.clients[client].write(connect, &[byte]);
        net.run_for(10);
    }
    net.run_for(200);
    assert_eq!(net.clients[client].status(connect).as_deref(), Some("200"));
    let mut bytes = Vec::new();
    write_varint(0x41, &mut bytes);
    write_varint(connect.into(), &mut bytes);
    let stream = net.clients[client].send(Dir::Bi, &[]);
    for byte in bytes {
        net.clients[client].write(stream, &[byte]);
        net.run_for(10);
    }
    let opened = |event: &Event| matches!(event, Event::StreamOpened(..));
    assert!(net.events.iter().any(opened));
    let closing = frame_of(
        frame::DATA,
        &frame_of(capsule::CLOSE_SESSION, b"\0\0\0\x07so"),
    );
    for byte in closing {
        net.clients[client].write(connect, &[byte]);
        net.run_for(10);
    }
    let closed = |event: &Event| matches!(event, Event::Closed(_, reason) if reason.wire_code == 7 && reason.reason == "so");
    assert!(net.events.iter().any(closed));
}

#[test]
fn there_are_no_more_sessions_than_are_allowed() {
    let mut net = Net::new(config(2));
    let (_, _, first) = net.session("/");
    net.session("/");
    let third = net.greeted();
    let connect = net.clients[third].request("/");
    net.run_for(200);
    assert_eq!(net.clients[third].status(connect).as_deref(), Some("503"));
    net.peer.close(first, 0, "");
    net.run_for(200);
    let connect = net.clients[third].request("/");
    net.run_for(200);
    assert_eq!(net.clients[third].status(connect).as_deref(), Some("200"));
    assert_eq!(net.peer.stats().web_transport.refused, 1);
}

#[test]
fn one_connection_has_so_many_sessions_and_streams_that_wait() {
    let mut net = Net::new(config(100));
    let client = net.greeted();
    let requests: Vec<_> = (0..17).map(|_| net.clients[client].request("/")).collect();
    net.run_for(300);
    assert_eq!(net.peer.stats().web_transport.sessions, 16);
    assert_eq!(
        net.clients[client].resets[&requests[16]],
        error::REQUEST_REJECTED
    );

    let other = net.greeted();
    let unborn = VarInt::from_u32(4 * 100).into();
    let waiting: Vec<_> = (0..20)
        .map(|_| net.clients[other].stream_of(unborn, Dir::Bi, b"?"))
        .collect();
    net.run_for(300);
    let rejected = |id| net.clients[other].resets.get(id) == Some(&error::BUFFERED_STREAM_REJECTED);
    assert_eq!(waiting.iter().filter(|id| rejected(id)).count(), 4);
}

#[test]
fn requests_that_never_end_are_few() {
    let mut net = Net::new(config(10));
    let client = net.greeted();
    let endless = [vec![0x01, 0x7f, 0xff], vec![0; 10_000]].concat();
    let requests: Vec<_> = (0..20)
        .map(|_| net.clients[client].send(Dir::Bi, &endless))
        .collect();
    net.run_for(300);
    let rejected = |id| net.clients[client].resets.get(id) == Some(&error::REQUEST_REJECTED);
    assert_eq!(requests.iter().filter(|id| rejected(id)).count(), 4);
    assert_eq!(net.peer.stats().web_transport.refused, 4);
}

#[test]
fn connections_without_a_session_are_closed() {
    let mut net = Net::new(config(10));
    let silent = net.client(false, net.hash());
    let greeted = net.greeted();
    net.run_for(11_000);
    for client in [silent, greeted] {
        assert_eq!(net.clients[client].closed_by(), Some(error::NO_ERROR));
    }
    net.run_for(20_000);
    assert_eq!(net.peer.census(), Default::default());
}

#[test]
fn a_session_that_has_gone_takes_its_late_streams_with_it() {
    let mut net = Net::new(config(10));
    let (client, connect, session) = net.session("/");
    net.peer.close(session, 0, "");
    net.run_for(200);
    let late = net.clients[client].stream_of(connect, Dir::Bi, b"late");
    net.run_for(200);
    assert_eq!(net.clients[client].resets[&late], error::SESSION_GONE);
    assert!(net.peer.open_stream(session, true).is_err());
}
