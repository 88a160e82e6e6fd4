//! The target for STUN.

use std::net::{Ipv4Addr, SocketAddr};

use anypath_wire::quic::{Datagram, classify};
use anypath_wire::stun::{Class, HEADER_LENGTH, MAX_AMPLIFICATION, Message, MessageWriter, answer};

/// A STUN message, request or answer, and what a server says to it.
pub fn stun(data: &[u8]) {
    let source = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 4433));
    let answer = answer(data, source);
    let Ok(message) = Message::parse(data) else {
        assert!(answer.is_err(), "answers what it can't read");
        return;
    };
    // On a shared socket only methods below 256 are told from other protocols (RFC 7983 § 7).
    assert_eq!(classify(data) == Datagram::Stun, message.method < 256);
    let attributes = message.attributes();
    let read: usize = attributes
        .map(|attribute| 4 + attribute.value.len().next_multiple_of(4))
        .sum();
    assert_eq!(read + HEADER_LENGTH, data.len(), "an attribute is lost");
    read_values(&message);

    // Written again it is the same but for padding, which says nothing.
    let mut writer = MessageWriter::new(message.class, message.method, message.transaction);
    for attribute in message.attributes() {
        writer = writer.attribute(attribute.kind, attribute.value);
    }
    let written = writer.finish();
    assert_eq!(written.len(), data.len());

    if let Ok(Some(answer)) = answer {
        assert_eq!(message.class, Class::Request);
        assert!(answer.len() <= MAX_AMPLIFICATION * data.len());
        let answer = Message::parse(&answer).expect("a server's own answer");
        assert_eq!(answer.transaction, message.transaction);
        assert!(answer.has_fingerprint());
        match answer.class {
            Class::Success => assert_eq!(answer.xor_mapped_address(), Ok(Some(source))),
            Class::Error => assert!(answer.unknown_attributes().is_ok_and(|list| list.is_some())),
            class => panic!("answers with {class:?}"),
        }
    }
}

fn read_values(message: &Message<'_>) {
    let rewrite = || MessageWriter::new(message.class, message.method, message.transaction);
    if let Ok(Some(address)) = message.xor_mapped_address() {
        let again = rewrite().xor_mapped_address(address).finish();
        let again = Message::parse(&again).expect("our own");
        assert_eq!(again.xor_mapped_address(), Ok(Some(address)));
    }
    if let Ok(Some((code, reason))) = message.error_code() {
        assert!((300..700).contains(&code));
        let again = rewrite().error_code(code, reason).finish();
        let again = Message::parse(&again).expect("our own");
        assert_eq!(again.error_code(), Ok(Some((code, reason))));
    }
    if let Ok(Some(software)) = message.software() {
        let again = rewrite().software(software).finish();
        let again = Message::parse(&again).expect("our own");
        assert_eq!(again.software(), Ok(Some(software)));
    }
    if let Ok(Some(kinds)) = message.unknown_attributes() {
        assert!(kinds.count() * 2 <= message.attributes().map(|a| a.value.len()).sum());
    }
}
