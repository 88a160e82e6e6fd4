use std::num::NonZeroU16;

use proptest::prelude::*;

use super::handshake::{ClientAuth, ServerHandshake};
use super::*;
use crate::id::ID_LENGTH;

/// The public key of the Ed25519 seed of 32 times 42, in which iroh's own byte vectors are.
const ID: &str = "197f6b23e16c8532c6abc838facd5ea789be0c76b2920334039bfa8b3d368d61";

fn id() -> EndpointId {
    ID.parse().expect("hex")
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|pair| byte(pair).expect("hex")).collect()
}

fn datagrams(segment_size: u16) -> Datagrams<'static> {
    Datagrams {
        ecn: Ecn::Ce,
        segment_size: NonZeroU16::new(segment_size),
        contents: b"Hello World!",
    }
}

fn from_client(message: &ClientMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out).expect("within the limits");
    out
}

fn from_relay(version: Version, message: &RelayMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message
        .encode(version, &mut out)
        .expect("within the limits");
    out
}

fn handshake(message: &ServerHandshake<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out).expect("within the limits");
    out
}

#[test]
fn what_a_client_sends_has_the_bytes_of_iroh() {
    let destination = id();
    let to = |segment_size| ClientMessage::Datagrams {
        destination,
        datagrams: datagrams(segment_size),
    };
    let vectors = [
        (
            ClientMessage::Ping([42; 8]),
            "09 2a 2a 2a 2a 2a 2a 2a 2a".to_owned(),
        ),
        (
            ClientMessage::Pong([42; 8]),
            "0a 2a 2a 2a 2a 2a 2a 2a 2a".to_owned(),
        ),
        (to(6), format!("05 {ID} 03 0006 48656c6c6f20576f726c6421")),
        (to(0), format!("04 {ID} 03 48656c6c6f20576f726c6421")),
    ];
    for (message, bytes) in vectors {
        let bytes = hex(&bytes);
        assert_eq!(from_client(&message), bytes);
        assert_eq!(ClientMessage::decode(&bytes), Ok(message));
        assert_eq!(message.encoded_len(), bytes.len());
    }
}

#[test]
fn what_a_relay_sends_has_the_bytes_of_iroh() {
    let source = id();
    let of = |segment_size| RelayMessage::Datagrams {
        source,
        datagrams: datagrams(segment_size),
    };
    let problem = "Hello? Yes this is dog.";
    let restarting = RelayMessage::Restarting {
        reconnect_in_ms: 10,
        try_for_ms: 20,
    };
    let vectors = [
        (
            RelayMessage::Health { problem },
            "0b 48656c6c6f3f2059657320746869732069 7320646f672e".to_owned(),
        ),
        (RelayMessage::EndpointGone(source), format!("08 {ID}")),
        (
            RelayMessage::Ping([42; 8]),
            "09 2a2a2a2a 2a2a2a2a".to_owned(),
        ),
        (
            RelayMessage::Pong([42; 8]),
            "0a 2a2a2a2a 2a2a2a2a".to_owned(),
        ),
        (of(6), format!("07 {ID} 03 0006 48656c6c6f20576f726c6421")),
        (of(0), format!("06 {ID} 03 48656c6c6f20576f726c6421")),
        (restarting, "0c 0000000a 00000014".to_owned()),
        (
            RelayMessage::Status(Status::SameEndpointConnected),
            "0d 01".to_owned(),
        ),
        (
            RelayMessage::Status(Status::RateLimited),
            "0d 02".to_owned(),
        ),
    ];
    for (message, bytes) in vectors {
        let bytes = hex(&bytes);
        for version in Version::ALL {
            let kind = message.kind();
            if kind.is_in(version) {
                assert_eq!(from_relay(version, &message), bytes);
                assert_eq!(RelayMessage::decode(version, &bytes), Ok(message));
                assert_eq!(message.encoded_len(), bytes.len());
            } else {
                let refused = DecodeError::NotInVersion { kind, version };
                assert_eq!(RelayMessage::decode(version, &bytes), Err(refused));
                let mut out = vec![7];
                let refused = EncodeError::NotInVersion { kind, version };
                assert_eq!(message.encode(version, &mut out), Err(refused));
                assert_eq!(out, [7]);
            }
        }
    }
}

#[test]
fn the_handshake_is_a_type_and_postcard() {
    let challenge = ServerHandshake::Challenge([0xab; 16]);
    let mut bytes = vec![0];
    bytes.extend([0xab; 16]);
    assert_eq!(handshake(&challenge), bytes);
    assert_eq!(ServerHandshake::decode(&bytes), Ok(challenge));

    assert_eq!(handshake(&ServerHandshake::Confirms), [2]);
    assert_eq!(ServerHandshake::decode(&[2]), Ok(ServerHandshake::Confirms));

    let denial = ServerHandshake::Denies { reason: "not you" };
    assert_eq!(handshake(&denial), b"\x03\x07not you");
    assert_eq!(ServerHandshake::decode(b"\x03\x07not you"), Ok(denial));

    let auth = ClientAuth {
        id: id(),
        signature: [0x5a; 64],
    };
    let bytes = hex(&format!("01 {ID} 40 {}", "5a".repeat(64)));
    let mut out = Vec::new();
    auth.encode(&mut out);
    assert_eq!(out, bytes);
    assert_eq!(ClientAuth::decode(&bytes), Ok(auth));
}

#[test]
fn what_follows_a_handshake_body_or_a_status_is_left_for_the_future() {
    assert_eq!(
        ServerHandshake::decode(&[2, 1, 2]),
        Ok(ServerHandshake::Confirms)
    );
    let denial = ServerHandshake::Denies { reason: "no" };
    assert_eq!(ServerHandshake::decode(b"\x03\x02no more"), Ok(denial));
    assert_eq!(
        ServerHandshake::decode(&[0; 18]),
        Ok(ServerHandshake::Challenge([0; 16]))
    );
    let auth = hex(&format!("01 {ID} 40 {} ff", "5a".repeat(64)));
    assert!(ClientAuth::decode(&auth).is_ok());
    assert_eq!(
        RelayMessage::decode(Version::V2, &[13, 9, 1]),
        Ok(RelayMessage::Status(Status::Other(9)))
    );
}

#[test]
fn a_batch_splits_into_packets_of_which_the_last_may_be_shorter() {
    let split = |segment_size| datagrams(segment_size).packets().collect::<Vec<_>>();
    assert_eq!(split(5), [&b"Hello"[..], b" Worl", b"d!"]);
    assert_eq!(split(6), [&b"Hello "[..], b"World!"]);
    assert_eq!(split(12), [b"Hello World!"]);
    assert_eq!(split(u16::MAX), [b"Hello World!"]);
    assert_eq!(split(0), [b"Hello World!"]);
    assert_eq!(datagrams(5).packets().len(), 3);
    assert_eq!(Datagrams::one(b"").packets().next(), None);
}

#[test]
fn what_is_not_canonical_reads_as_iroh_reads_it() {
    // A type in two bytes, ECN bits above the two, segment size 0.
    let message = hex(&format!("4005 {ID} ff 0000 01"));
    let expected = ClientMessage::Datagrams {
        destination: id(),
        datagrams: Datagrams {
            ecn: Ecn::Ce,
            segment_size: None,
            contents: &[1],
        },
    };
    assert_eq!(ClientMessage::decode(&message), Ok(expected));
    assert_eq!(from_client(&expected), hex(&format!("04 {ID} 03 01")));
}

#[test]
fn each_fault_has_its_own_error_and_says_whose_it_is() {
    let misbehaved = [
        (&[][..], DecodeError::NoType),
        (&[0x40], DecodeError::NoType),
        (
            &[0],
            DecodeError::UnexpectedType(MessageType::ServerChallenge),
        ),
        (&[4], wrong_length(MessageType::ClientDatagram, 0)),
        (&[5], wrong_length(MessageType::ClientDatagrams, 0)),
        (
            &[6],
            DecodeError::UnexpectedType(MessageType::RelayDatagram),
        ),
        (
            &[9, 1, 2, 3, 4, 5, 6, 7],
            wrong_length(MessageType::Ping, 7),
        ),
        (
            &[10, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            wrong_length(MessageType::Pong, 9),
        ),
        (&[13, 0], DecodeError::UnexpectedType(MessageType::Status)),
    ];
    for (message, error) in misbehaved {
        assert_eq!(ClientMessage::decode(message), Err(error));
        assert_eq!(error.fault(), Fault::Misbehaved);
    }
    for message in [&[14][..], &[0x3f], &[0xff; 8]] {
        let (number, _) = read_varint(message).expect("a number");
        let error = DecodeError::UnknownType(number);
        assert_eq!(ClientMessage::decode(message), Err(error));
        assert_eq!(ServerHandshake::decode(message), Err(error));
        assert_eq!(error.fault(), Fault::Incompatible);
    }
}

#[test]
fn a_short_body_of_each_type_is_an_error() {
    let cases = [
        (MessageType::RelayDatagram, 32),
        (MessageType::RelayDatagrams, 34),
        (MessageType::EndpointGone, 31),
        (MessageType::EndpointGone, 33),
        (MessageType::Restarting, 7),
        (MessageType::Restarting, 9),
        (MessageType::Status, 0),
    ];
    for (kind, length) in cases {
        let mut message = vec![kind as u8];
        message.resize(1 + length, 0);
        let read = RelayMessage::decode(Version::V2, &message);
        assert_eq!(read, Err(wrong_length(kind, length)));
    }
    assert_eq!(
        RelayMessage::decode(Version::V1, &[11, 0xff]),
        Err(DecodeError::Utf8(MessageType::Health))
    );
    assert_eq!(
        ServerHandshake::decode(&[0; 16]),
        Err(wrong_length(MessageType::ServerChallenge, 15))
    );
    assert_eq!(
        ServerHandshake::decode(b"\x03\x03no"),
        Err(wrong_length(MessageType::ServerDeniesAuth, 3))
    );
    assert_eq!(
        ServerHandshake::decode(b"\x03\x01\xff"),
        Err(DecodeError::Utf8(MessageType::ServerDeniesAuth))
    );
    let auth = hex(&format!("01 {ID} 3f {}", "5a".repeat(64)));
    assert_eq!(
        ClientAuth::decode(&auth),
        Err(wrong_length(MessageType::ClientAuth, 97))
    );
    assert_eq!(
        ClientAuth::decode(&[2]),
        Err(DecodeError::UnexpectedType(MessageType::ServerConfirmsAuth))
    );
}

#[test]
fn the_largest_message_is_written_and_read_and_a_larger_one_is_neither() {
    let contents = vec![7; MAX_CONTENTS + 1];
    let batch = |contents| ClientMessage::Datagrams {
        destination: id(),
        datagrams: Datagrams {
            ecn: Ecn::Ect0,
            segment_size: NonZeroU16::new(1200),
            contents,
        },
    };
    let mut bytes = from_client(&batch(&contents[1..]));
    assert_eq!(bytes.len(), 1 + MAX_BODY);
    assert_eq!(ClientMessage::decode(&bytes), Ok(batch(&contents[1..])));

    bytes.push(7);
    let length = MAX_BODY + 1;
    let too_large = DecodeError::TooLarge { length };
    assert_eq!(ClientMessage::decode(&bytes), Err(too_large));
    assert_eq!(RelayMessage::decode(Version::V2, &bytes), Err(too_large));

    let mut out = Vec::new();
    let refused = batch(&contents).encode(&mut out);
    assert_eq!(refused, Err(EncodeError::TooLarge { length }));
    let reason = &"x".repeat(MAX_BODY - 2);
    let refused = ServerHandshake::Denies { reason }.encode(&mut out);
    assert_eq!(refused, Err(EncodeError::TooLarge { length }));
    assert!(out.is_empty());
}

#[test]
fn the_newest_version_that_is_offered_is_chosen() {
    assert_eq!(
        Version::choose("iroh-relay-v2, iroh-relay-v1"),
        Some(Version::V2)
    );
    assert_eq!(
        Version::choose("iroh-relay-v1,iroh-relay-v2"),
        Some(Version::V2)
    );
    assert_eq!(
        Version::choose("iroh-relay-v3, iroh-relay-v1"),
        Some(Version::V1)
    );
    assert_eq!(Version::choose("iroh-relay-v3"), None);
    assert_eq!(Version::choose(""), None);
    for version in Version::ALL {
        assert_eq!(Version::choose(version.subprotocol()), Some(version));
    }
}

#[test]
fn the_table_of_types_is_in_the_order_of_their_numbers() {
    for (number, kind) in MessageType::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, number);
    }
}

const fn wrong_length(kind: MessageType, length: usize) -> DecodeError {
    DecodeError::Length { kind, length }
}

/// Bytes that are often nearly a message: a type, perhaps an id, and a rest.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let rest = prop::collection::vec(any::<u8>(), 0..80);
    (0u8..16, any::<bool>(), rest).prop_map(|(kind, with_id, rest)| {
        let mut message = vec![kind];
        message.extend_from_slice(if with_id { &[9; ID_LENGTH] } else { &[] });
        message.extend(rest);
        message
    })
}

prop_compose! {
    fn any_datagrams()(
        bits in 0u8..4,
        segment_size: u16,
        contents in prop::collection::vec(any::<u8>(), 0..3000),
    ) -> (Ecn, Option<NonZeroU16>, Vec<u8>) {
        (Ecn::from_bits(bits), NonZeroU16::new(segment_size), contents)
    }
}

proptest! {
    #[test]
    fn datagrams_of_either_side_read_back(
        key: [u8; 32],
        (ecn, segment_size, contents) in any_datagrams(),
    ) {
        let id = EndpointId(key);
        let datagrams = Datagrams { ecn, segment_size, contents: &contents };
        let sent = ClientMessage::Datagrams { destination: id, datagrams };
        let bytes = from_client(&sent);
        prop_assert_eq!(bytes.len(), sent.encoded_len());
        prop_assert_eq!(ClientMessage::decode(&bytes), Ok(sent));

        let relayed = RelayMessage::Datagrams { source: id, datagrams };
        let bytes = from_relay(Version::V1, &relayed);
        prop_assert_eq!(bytes.len(), relayed.encoded_len());
        prop_assert_eq!(RelayMessage::decode(Version::V1, &bytes), Ok(relayed));
        prop_assert_eq!(RelayMessage::decode(Version::V2, &bytes), Ok(relayed));

        prop_assert_eq!(datagrams.packets().collect::<Vec<_>>().concat(), &contents[..]);
        prop_assert!(datagrams.packets().all(|packet| !packet.is_empty()));
    }

    #[test]
    fn every_other_message_reads_back(
        key: [u8; 32],
        payload: [u8; 8],
        problem: String,
        status: u8,
        times: (u32, u32),
    ) {
        let both = [
            RelayMessage::EndpointGone(EndpointId(key)),
            RelayMessage::Ping(payload),
            RelayMessage::Pong(payload),
            RelayMessage::Restarting { reconnect_in_ms: times.0, try_for_ms: times.1 },
        ];
        let health = RelayMessage::Health { problem: &problem };
        let status = [13, status];
        let status = RelayMessage::decode(Version::V2, &status).expect("a status");
        let v1 = both.iter().chain([&health]).map(|message| (Version::V1, message));
        let v2 = both.iter().chain([&status]).map(|message| (Version::V2, message));
        for (version, message) in v1.chain(v2) {
            let bytes = from_relay(version, message);
            prop_assert_eq!(bytes.len(), message.encoded_len());
            prop_assert_eq!(RelayMessage::decode(version, &bytes), Ok(*message));
        }
        for message in [ClientMessage::Ping(payload), ClientMessage::Pong(payload)] {
            let bytes = from_client(&message);
            prop_assert_eq!(ClientMessage::decode(&bytes), Ok(message));
        }
    }

    #[test]
    fn every_handshake_message_reads_back(key: [u8; 32], half: [u8; 32], reason: String) {
        let [head, tail] = [&half[..16], &half[16..]].map(|half| <[u8; 16]>::try_from(half).expect("16"));
        for message in [
            ServerHandshake::Challenge(head),
            ServerHandshake::Challenge(tail),
            ServerHandshake::Confirms,
            ServerHandshake::Denies { reason: &reason },
        ] {
            let bytes = handshake(&message);
            prop_assert_eq!(ServerHandshake::decode(&bytes), Ok(message));
        }
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&half);
        let auth = ClientAuth { id: EndpointId(key), signature };
        let mut out = Vec::new();
        auth.encode(&mut out);
        prop_assert_eq!(ClientAuth::decode(&out), Ok(auth));
    }

    #[test]
    fn any_bytes_are_an_error_or_are_written_so_that_they_read_the_same(message in any_message()) {
        if let Ok(read) = ClientMessage::decode(&message) {
            let bytes = from_client(&read);
            prop_assert_eq!(ClientMessage::decode(&bytes), Ok(read));
            prop_assert!(bytes.len() < message.len() || differs_in_ecn_only(&bytes, &message));
        }
        for version in Version::ALL {
            if let Ok(read) = RelayMessage::decode(version, &message) {
                let bytes = from_relay(version, &read);
                prop_assert_eq!(RelayMessage::decode(version, &bytes), Ok(read));
                prop_assert!(bytes.len() < message.len() || differs_in_ecn_only(&bytes, &message));
            }
        }
        if let Ok(read) = ServerHandshake::decode(&message) {
            prop_assert!(message.starts_with(&handshake(&read)) || message[0] == 3);
        }
    }
}

/// Whether two messages of the same length are the same but for the unused bits of the ECN byte.
fn differs_in_ecn_only(written: &[u8], read: &[u8]) -> bool {
    const ECN: usize = 1 + ID_LENGTH;
    let has_ecn = matches!(read.first(), Some(4..=7));
    written.len() == read.len()
        && written
            .iter()
            .zip(read)
            .enumerate()
            .all(|(at, (w, r))| w == r || (has_ecn && at == ECN && *w == r & 0b11))
}
