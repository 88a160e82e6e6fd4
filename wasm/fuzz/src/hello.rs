//! Targets for what arrives at the socket before anyone is authenticated.

use anypath_wire::client_hello::{MAX_CLIENT_HELLO, Progress, progress};
use anypath_wire::quic::{Datagram, Invariants, classify, classify_from_turn_server, invariants};

/// The TLS ClientHello, as gathered CRYPTO bytes.
pub fn client_hello(data: &[u8]) {
    match progress(data) {
        Err(_) => {}
        Ok(Progress::NeedMore { at_least }) => {
            assert!(at_least > data.len(), "would be asked again for nothing");
            assert!(at_least <= MAX_CLIENT_HELLO);
        }
        Ok(Progress::Complete(hello)) => {
            let length = hello.message_len();
            assert!(length <= data.len() && length <= MAX_CLIENT_HELLO);
            for name in hello.alpns() {
                assert!((1..256).contains(&name.len()));
            }
            if let Some(name) = hello.server_name() {
                assert!(!name.is_empty() && name.is_ascii());
            }
            let groups = hello.supported_groups().count() + hello.key_share_groups().count();
            assert!(groups * 2 <= length);
            // Nothing less is complete, and nothing more changes what was read.
            for cut in [0, 1, 3, 4, length / 2, length - 1] {
                let cut = progress(&data[..cut]);
                assert!(matches!(cut, Ok(Progress::NeedMore { .. })));
            }
            let alone = progress(&data[..length]);
            assert!(matches!(alone, Ok(Progress::Complete(_))));
        }
    }
}

/// A datagram on the shared socket.
pub fn datagram(data: &[u8]) {
    let kind = classify(data);
    assert_ne!(kind, Datagram::TurnChannel);
    match classify_from_turn_server(data) {
        Datagram::TurnChannel => assert_eq!(kind, Datagram::Quic),
        from_turn_server => assert_eq!(kind, from_turn_server),
    }
    match (kind, data.first()) {
        (Datagram::Quic, Some(first)) => assert_eq!(first & 0x40, 0x40, "without the fixed bit"),
        (Datagram::Stun, Some(first)) => assert!(*first < 4 && data.len() >= 20),
        (Datagram::Probe, Some(first)) => assert!((4..16).contains(first) && data.len() < 60),
        (Datagram::Unknown, _) => {}
        (_, first) => assert!(first.is_some()),
    }
    match invariants(data) {
        Err(_) => {}
        Ok(Invariants::Short { rest }) => assert_eq!(rest.len() + 1, data.len()),
        Ok(Invariants::Long {
            destination,
            source,
            ..
        }) => assert!(7 + destination.len() + source.len() <= data.len()),
    }
}
