//! Clients that send anything, and many of them.

use anypath_peer::event::Event;
use anypath_wire::http3::{capsule, frame};
use noq_proto::{Dir, StreamId, VarInt};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::net::{Net, config, request};

/// What a client without sense does next.
#[derive(Debug, Clone)]
enum Step {
    Open(bool, Vec<u8>),
    Write(usize, Vec<u8>),
    Finish(usize),
    Reset(usize, u32),
    Stop(usize, u32),
    Datagram(Vec<u8>),
    Wait(u16),
    /// The peer's application does something to one of its sessions.
    Application(u8),
}

/// Beginnings that lead somewhere, and what is none.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let framed = |kind: u64| {
        vec(any::<u8>(), 0..40).prop_map(move |payload| {
            let mut bytes = Vec::new();
            frame::write(kind, &payload, &mut bytes);
            bytes
        })
    };
    let close = |reason: String| {
        let (mut told, mut bytes) = (Vec::new(), Vec::new());
        let reason = reason.as_str();
        capsule::Close { code: 5, reason }.write(&mut told);
        frame::write(frame::DATA, &told, &mut bytes);
        bytes
    };
    let one = prop_oneof![
        Just(request("/")),
        Just(vec![0x40, 0x41, 0x00]),
        Just(vec![0x40, 0x54, 0x00]),
        Just(vec![0x40, 0x41, 0x40, 0x50]),
        Just(vec![0x02, 0x20]),
        Just(vec![0x03]),
        framed(frame::DATA),
        framed(frame::HEADERS),
        framed(frame::SETTINGS),
        framed(0x21),
        "[a-z]{0,20}".prop_map(close),
        vec(any::<u8>(), 0..30),
    ];
    vec(one, 1..4).prop_map(|parts| parts.concat())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), bytes()).prop_map(|(both, bytes)| Step::Open(both, bytes)),
        3 => (0_usize..8, bytes()).prop_map(|(at, bytes)| Step::Write(at, bytes)),
        1 => (0_usize..8).prop_map(Step::Finish),
        1 => (0_usize..8, any::<u32>()).prop_map(|(at, code)| Step::Reset(at, code)),
        1 => (0_usize..8, any::<u32>()).prop_map(|(at, code)| Step::Stop(at, code)),
        1 => vec(any::<u8>(), 0..20).prop_map(Step::Datagram),
        2 => (1_u16..400).prop_map(Step::Wait),
        2 => any::<u8>().prop_map(Step::Application),
    ]
}

fn take(net: &mut Net, client: usize, streams: &mut Vec<StreamId>, step: Step) {
    let code = VarInt::from_u32;
    let quic = &mut net.clients[client].quic;
    match step {
        Step::Open(both, bytes) => {
            let dir = if both { Dir::Bi } else { Dir::Uni };
            if let Some(id) = quic.streams().open(dir) {
                let _ = quic.send_stream(id).write(&bytes);
                streams.push(id);
            }
        }
        Step::Write(at, bytes) => {
            if let Some(id) = streams.get(at) {
                let _ = quic.send_stream(*id).write(&bytes);
            }
        }
        Step::Finish(at) => {
            if let Some(id) = streams.get(at) {
                let _ = quic.send_stream(*id).finish();
            }
        }
        Step::Reset(at, number) => {
            if let Some(id) = streams.get(at) {
                let _ = quic.send_stream(*id).reset(code(number));
            }
        }
        Step::Stop(at, number) => {
            let both = streams.get(at).filter(|id| id.dir() == Dir::Bi);
            if let Some(id) = both {
                let _ = quic.recv_stream(*id).stop(code(number));
            }
        }
        Step::Datagram(bytes) => {
            let _ = quic.datagrams().send(bytes.into(), true);
        }
        Step::Wait(ms) => net.run_for(ms.into()),
        Step::Application(what) => use_session(net, what),
    }
}

/// The application reads, writes, opens or closes.
fn use_session(net: &mut Net, what: u8) {
    let session = net.events.iter().rev().find_map(|event| match event {
        Event::SessionRequested { session, .. } => Some(*session),
        _ => None,
    });
    let Some(session) = session else { return };
    let stream = net.events.iter().rev().find_map(|event| match event {
        Event::StreamOpened(key, id, _) if *key == session => Some(*id),
        _ => None,
    });
    let stream = stream.unwrap_or(what.into());
    match what % 8 {
        0 => drop(net.peer.open_stream(session, what > 127)),
        1 => drop(net.peer.write(session, stream, b"something")),
        2 => drop(net.peer.read(session, stream, 50, &mut Vec::new())),
        3 => drop(net.peer.finish(session, stream)),
        4 => drop(net.peer.reset(session, stream, what.into())),
        5 => drop(net.peer.stop(session, stream, what.into())),
        6 => drop(net.peer.send_datagram(session, &[what])),
        _ => net.peer.close(session, what.into(), "so it is"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_a_client_sends_nothing_is_left_and_others_are_served(steps in vec(step(), 1..25), greets: bool) {
        let mut net = Net::new(config(10));
        let client = match greets {
            true => net.greeted(),
            false => net.client(false, net.hash()),
        };
        net.run_for(300);
        let mut streams = Vec::new();
        for step in steps {
            take(&mut net, client, &mut streams, step);
        }
        net.run_for(300);
        let (other, connect, _) = net.session("/unharmed");
        let status = net.clients[other].status(connect);
        prop_assert_eq!(status.as_deref(), Some("200"));
        for client in &mut net.clients {
            client.close();
        }
        net.run_for(80_000);
        prop_assert_eq!(net.peer.census(), Default::default());
        prop_assert_eq!(net.peer.stats().web_transport.sessions, 0);
        // Every session that was asked for has ended, once.
        let asked = net.events.iter().filter(|event| matches!(event, Event::SessionRequested { .. }));
        let drained = net.events.iter().filter(|event| matches!(event, Event::Drained(_)));
        prop_assert_eq!(asked.count(), drained.count());
    }
}

#[test]
fn a_thousand_half_open_handshakes_keep_no_browser_out() {
    let mut config = config(10);
    config.limits.handshakes = 100;
    config.limits.retry_above = 20;
    let mut net = Net::new(config);
    for _ in 0..1000 {
        let client = net.client(false, net.hash());
        // Only its first datagram leaves: it proves no address and ends no handshake.
        net.clients[client].mangle = Box::new(|number, datagram| match number {
            0 => vec![datagram],
            _ => Vec::new(),
        });
    }
    net.run_for(500);
    let stats = net.peer.stats();
    assert!(stats.handshakes <= 100, "{} handshakes", stats.handshakes);
    assert!(stats.retries_sent + stats.refused >= 900, "{stats:?}");
    let (client, connect, _) = net.session("/");
    assert_eq!(net.clients[client].status(connect).as_deref(), Some("200"));
}
