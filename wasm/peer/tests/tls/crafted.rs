//! A ClientHello in CRYPTO frames of one byte, in any order, as no ordinary client sends it.

use std::sync::Arc;

use noq_proto::Event;
use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{Keys, Version};

use crate::net::{Clock, Net, Ours};

/// As RFC 9001 requires of datagrams with Initial packets.
const INITIAL_DATAGRAM: usize = 1200;
const FRAMES_PER_PACKET: usize = 200;

#[test]
fn a_client_hello_in_shuffled_frames_of_one_byte_is_understood() {
    // Steps that leave more gaps at a time end the connection: `noq_proto` bounds them.
    for step in [1, 3, 7] {
        let clock = Arc::new(Clock::default());
        let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
        let mut net = Net::new(clock, bob.server(&["chat/1"], false));
        let captured = capture_first_flight(&mut net, |net| {
            net.dial(alice.client("chat/1", false), bob.id());
        });

        let mut frames = crypto_bytes(&captured);
        assert!(frames.len() > 1200, "it spans two datagrams");
        let count = frames.len();
        frames.sort_by_key(|(offset, _)| (offset * step % count, *offset));
        frames.reverse();

        for (number, chunk) in frames.chunks(FRAMES_PER_PACKET).enumerate() {
            let last = (number + 1) * FRAMES_PER_PACKET >= count;
            assert!(!net.server.is_handshake_data_ready());
            net.to_server
                .send(initial_packet(&captured[0], number, chunk));
            net.deliver_to_server();
            assert_eq!(net.server.is_handshake_data_ready(), last, "step {step}");
        }
        let lost = |(_, event): &(usize, Event)| matches!(event, Event::ConnectionLost { .. });
        assert!(!net.server.events.iter().any(lost));
    }
}

/// Takes what the client sends first off the wire.
fn capture_first_flight(net: &mut Net, dial: impl FnOnce(&mut Net)) -> Vec<Vec<u8>> {
    let captured = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let taken = captured.clone();
    net.to_server.mangle = Box::new(move |_, datagram| {
        taken.borrow_mut().push(datagram);
        Vec::new()
    });
    dial(net);
    while captured.borrow().len() < 2 {
        net.step();
    }
    net.to_server.mangle = Box::new(|_, datagram| vec![datagram]);
    captured.take()
}

/// The parts of a client's Initial packet ([RFC 9000 § 17.2.2]).
///
/// [RFC 9000 § 17.2.2]: https://www.rfc-editor.org/rfc/rfc9000#section-17.2.2
struct Initial {
    destination: Vec<u8>,
    /// From the version to the token.
    invariant: Vec<u8>,
    payload: Vec<u8>,
}

fn keys(destination: &[u8], side: Side) -> Keys {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("TLS 1.3");
    let suite = suite.quic_suite().expect("QUIC");
    suite.keys(destination, side, Version::V1)
}

/// Reads a variable-length integer and moves past it.
fn varint(bytes: &[u8], at: &mut usize) -> usize {
    let length = 1 << (bytes[*at] >> 6);
    let mut value = usize::from(bytes[*at] & 0x3f);
    for byte in &bytes[*at + 1..*at + length] {
        value = value << 8 | usize::from(*byte);
    }
    *at += length;
    value
}

fn open(datagram: &[u8]) -> Initial {
    let destination_len = usize::from(datagram[5]);
    let destination = datagram[6..6 + destination_len].to_vec();
    let mut at = 6 + destination_len;
    at += 1 + usize::from(datagram[at]);
    let token_len = varint(datagram, &mut at);
    at += token_len;
    let invariant = datagram[1..at].to_vec();
    let length = varint(datagram, &mut at);

    let keys = keys(&destination, Side::Server).remote;
    let mut packet = datagram[..at + length].to_vec();
    let (header, sample) = packet.split_at_mut(at + 4);
    let (first, rest) = header.split_at_mut(1);
    let sample = sample[..keys.header.sample_len()].to_vec();
    keys.header
        .decrypt_in_place(&sample, &mut first[0], &mut rest[at - 1..])
        .expect("header protection");
    let number_len = usize::from(packet[0] & 3) + 1;
    let (header, payload) = packet.split_at_mut(at + number_len);
    let number = header[at..].iter().fold(0, |n, b| n << 8 | u64::from(*b));
    let payload = keys
        .packet
        .decrypt_in_place(number, header, payload)
        .expect("a genuine packet")
        .to_vec();
    Initial {
        destination,
        invariant,
        payload,
    }
}

/// Every byte of the CRYPTO stream with its offset.
fn crypto_bytes(datagrams: &[Vec<u8>]) -> Vec<(usize, u8)> {
    let mut bytes = Vec::new();
    for datagram in datagrams {
        let payload = open(datagram).payload;
        let mut at = 0;
        while at < payload.len() {
            at += 1;
            match payload[at - 1] {
                0 | 1 => {}
                6 => {
                    let offset = varint(&payload, &mut at);
                    let length = varint(&payload, &mut at);
                    let data = &payload[at..at + length];
                    bytes.extend((offset..).zip(data.iter().copied()));
                    at += length;
                }
                other => panic!("frame {other:#x} in a first flight"),
            }
        }
    }
    bytes.sort();
    bytes.dedup();
    bytes
}

/// An Initial packet with the ids of `model` and a CRYPTO frame for each byte.
fn initial_packet(model: &[u8], number: usize, frames: &[(usize, u8)]) -> Vec<u8> {
    let model = open(model);
    let keys = keys(&model.destination, Side::Client).local;
    let tag_len = keys.packet.tag_len();
    let header_len = 1 + model.invariant.len() + 2 + 4;

    let mut payload = Vec::new();
    for &(offset, byte) in frames {
        let offset = u16::try_from(offset).expect("short") | 0x4000;
        payload.push(6);
        payload.extend_from_slice(&offset.to_be_bytes());
        payload.extend_from_slice(&[1, byte]);
    }
    payload.resize(INITIAL_DATAGRAM - header_len - tag_len, 0);

    let length = u16::try_from(4 + payload.len() + tag_len).expect("short") | 0x4000;
    let mut header = vec![0xc3];
    header.extend_from_slice(&model.invariant);
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&u32::try_from(number).expect("few").to_be_bytes());
    let tag = keys
        .packet
        .encrypt_in_place(number as u64, &header, &mut payload)
        .expect("encrypts");
    payload.extend_from_slice(tag.as_ref());

    let sample = payload[..keys.header.sample_len()].to_vec();
    let (first, rest) = header.split_at_mut(1);
    let number_at = rest.len() - 4;
    keys.header
        .encrypt_in_place(&sample, &mut first[0], &mut rest[number_at..])
        .expect("header protection");
    [header, payload].concat()
}
