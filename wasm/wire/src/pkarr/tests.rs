use proptest::prelude::*;

use super::*;

#[test]
fn what_is_signed_has_the_form_of_bep_44() {
    assert_eq!(signed_bytes(1, b"dns"), b"3:seqi1e1:v3:dns");
    let max = signed_bytes(u64::MAX, &[0; 12]);
    assert!(max.starts_with(b"3:seqi18446744073709551615e1:v12:\0"));
}

#[test]
fn a_packet_is_the_id_and_the_payload() {
    let packet = SignedPacket {
        id: EndpointId([1; 32]),
        signature: [2; 64],
        timestamp: 0x0102_0304_0506_0708,
        dns: b"dns",
    };
    let expected = [&[1; 32][..], &[2; 64], &[1, 2, 3, 4, 5, 6, 7, 8], b"dns"];
    assert_eq!(packet.to_bytes(), expected.concat());
    assert_eq!(SignedPacket::decode(&expected.concat()), Ok(packet));
    let mut payload = Vec::new();
    packet.put_payload(&mut payload);
    assert_eq!(payload, expected[1..].concat());
    assert_eq!(
        SignedPacket::decode_payload(packet.id, &payload),
        Ok(packet)
    );
}

#[test]
fn a_cut_packet_and_one_beyond_the_limit_are_refused() {
    for length in [0, 31, 32, 95, 103] {
        let cut = vec![0; length];
        assert!(matches!(
            SignedPacket::decode(&cut),
            Err(PacketError::Truncated { .. })
        ));
    }
    assert!(SignedPacket::decode(&[0; 104]).is_ok());
    assert!(SignedPacket::decode(&[0; MAX_PACKET]).is_ok());
    let length = MAX_DNS + 1;
    let refused = SignedPacket::decode(&[0; MAX_PACKET + 1]);
    assert_eq!(refused, Err(PacketError::TooLarge { length }));
}

#[test]
fn the_later_packet_counts_and_of_the_same_time_the_greater() {
    let packet = |timestamp, dns| SignedPacket {
        id: EndpointId([1; 32]),
        signature: [2; 64],
        timestamp,
        dns,
    };
    assert!(packet(2, b"a").is_newer_than(&packet(1, b"b")));
    assert!(!packet(1, b"b").is_newer_than(&packet(2, b"a")));
    assert!(packet(1, b"b").is_newer_than(&packet(1, b"a")));
    assert!(!packet(1, b"a").is_newer_than(&packet(1, b"a")));
}

proptest! {
    #[test]
    fn every_packet_reads_back(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        if let Ok(packet) = SignedPacket::decode(&bytes) {
            prop_assert_eq!(packet.to_bytes(), bytes);
        }
    }
}
