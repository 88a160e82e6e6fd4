//! What a network does to the two datagrams of a post-quantum ClientHello.

use std::sync::Arc;

use crate::net::{Clock, Mangle, Net, Ours, no_parameters};

/// The ways to treat the datagrams number `first` and `first + 1`.
fn treatments(first: usize) -> Vec<(&'static str, Mangle)> {
    let lost = |which: usize| -> Mangle {
        Box::new(move |number, datagram| {
            if number == which {
                Vec::new()
            } else {
                vec![datagram]
            }
        })
    };
    let mut held = None;
    let swapped: Mangle = Box::new(move |number, datagram| {
        if number == first {
            held = Some(datagram);
            return Vec::new();
        }
        let mut arriving = vec![datagram];
        arriving.extend(held.take());
        arriving
    });
    let doubled: Mangle = Box::new(|_, datagram| vec![datagram.clone(), datagram]);
    vec![
        ("untouched", Box::new(|_, datagram| vec![datagram])),
        ("first lost", lost(first)),
        ("second lost", lost(first + 1)),
        ("swapped", swapped),
        ("every datagram doubled", doubled),
    ]
}

#[test]
fn the_handshake_completes_whatever_happens_to_the_hello() {
    for retry in [false, true] {
        // After a Retry the client sends its two datagrams again.
        for (name, mangle) in treatments(if retry { 2 } else { 0 }) {
            let clock = Arc::new(Clock::default());
            let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
            let mut net = Net::new(clock, bob.server(&["chat/1"], false));
            net.server.retry = retry;
            net.to_server.mangle = mangle;
            let handle = net.connect(alice.client("chat/1", false), bob.id());
            net.run_until(|net| {
                net.server
                    .connections
                    .keys()
                    .any(|&handle| net.server.is_connected(handle))
            });

            assert!(net.client.is_connected(handle), "{name}, retry {retry}");
            let (client, server) = net.infos();
            assert_eq!(client.remote_id, bob.id(), "{name}, retry {retry}");
            assert_eq!(server.remote_id, alice.id(), "{name}, retry {retry}");
            assert_eq!(net.server.connections.len(), 1, "{name}, retry {retry}");
        }
    }
}

#[test]
fn zero_rtt_data_arrives_whatever_happens_to_the_hello() {
    for retry in [false, true] {
        for swap_from in [0, 2] {
            for (name, mangle) in treatments(swap_from) {
                let clock = Arc::new(Clock::default());
                let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
                let mut net = Net::new(clock, bob.server(&["chat/1"], true));
                net.connect(alice.client("chat/1", true), bob.id());
                net.server.retry = retry;
                net.to_server.sent.clear();
                net.to_server.mangle = mangle;

                let handle = net.dial(alice.client("chat/1", true), bob.id());
                assert!(net.client.connections[&handle].has_0rtt());
                net.client.write(handle, b"early");
                let case = format!("{name} from {swap_from}, retry {retry}");
                let mut received = None;
                for _ in 0..100 {
                    received = net.server.read();
                    if received.is_some() {
                        break;
                    }
                    net.step();
                }
                assert_eq!(received.as_deref(), Some(&b"early"[..]), "{case}");
                net.run_until(|net| net.client.is_connected(handle));
                assert!(net.client.connections[&handle].accepted_0rtt(), "{case}");
            }
        }
    }
}

#[test]
fn every_way_to_cut_the_hello_in_two_is_understood_and_so_are_single_bytes() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let params = no_parameters();
    let name = anypath_peer::tls::server_name(&bob.id());
    let mut hello = Vec::new();
    alice
        .client("chat/1", false)
        .start_session(1, &name, &params)
        .expect("starts")
        .write_handshake(&mut hello);
    let config = bob.server(&["chat/1"], false);

    for cut in (0..hello.len()).step_by(41) {
        let mut session = config.start_session(1, &params);
        let (head, tail) = hello.split_at(cut);
        assert!(!session.read_handshake(head).expect("a good start"));
        // Before the hello is whole there is nothing to say, and nothing goes wrong.
        assert!(session.write_handshake(&mut Vec::new()).is_none());
        assert!(session.transport_parameters().expect("no error").is_none());
        assert!(session.handshake_data().is_none());
        assert!(session.peer_identity().is_none());
        assert!(session.early_crypto().is_none());
        assert!(session.next_1rtt_keys().is_none());
        assert!(session.is_handshaking());
        assert!(
            session
                .export_keying_material(&mut [0; 32], b"", b"")
                .is_err()
        );
        assert!(session.read_handshake(tail).expect("the rest"));
        assert!(session.transport_parameters().expect("no error").is_some());
        assert!(session.write_handshake(&mut Vec::new()).is_some());
    }

    let mut session = config.start_session(1, &params);
    for (at, byte) in hello.iter().enumerate() {
        let ready = session.read_handshake(&[*byte]).expect("a good byte");
        assert_eq!(ready, at + 1 == hello.len());
    }
}

#[test]
fn what_is_not_a_client_hello_ends_the_session_at_its_first_bytes() {
    let clock = Arc::new(Clock::default());
    let config = Ours::new(2, &clock).server(&["chat/1"], false);
    let code_of = |bytes: &[u8]| {
        let mut session = config.start_session(1, &no_parameters());
        session.read_handshake(bytes).expect_err("refused").code
    };
    use noq_proto::TransportErrorCode as Code;
    // A ServerHello, a hello of 64 KiB, and one whose fields don't fit.
    assert_eq!(code_of(&[2]), Code::crypto(10));
    assert_eq!(code_of(&[1, 1, 0, 0]), Code::CRYPTO_BUFFER_EXCEEDED);
    assert_eq!(code_of(&[1, 0, 0, 2, 3, 3]), Code::crypto(50));
}
