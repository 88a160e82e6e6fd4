use anypath_wire::id::ID_LENGTH;
use anypath_wire::pkarr::{MAX_DNS, MAX_PACKET};
use anypath_wire::ticket::{Marker, Ticket, TicketAddress};

use super::*;

const TIMESTAMP: u64 = 1_764_000_000_000_000;

fn key() -> SecretKey {
    SecretKey::from_bytes([42; 32])
}

fn info(addresses: &[TicketAddress]) -> EndpointInfo {
    let mut ticket = Ticket::new(key().public());
    for address in addresses {
        ticket.insert(address.clone()).expect("within the limits");
    }
    EndpointInfo::new(ticket)
}

fn everything() -> EndpointInfo {
    let ip = |text: &str| TicketAddress::Ip(text.parse().expect("an address"));
    let mut info = info(&[
        TicketAddress::Relay("https://relay.example/".to_owned()),
        ip("192.0.2.1:4433"),
        ip("[2001:db8::1]:4433"),
        TicketAddress::Custom {
            transport_id: 1,
            data: vec![0xa1, 0xb2],
        },
    ]);
    info.endpoint.set_marker(Marker { flags: 5 }).expect("room");
    info.set_user_data(Some("room 7".to_owned()))
        .expect("short");
    info
}

// Packets that `iroh-dns` 1.4.1 made, with their timestamps, of the key of 32 times 42.
/// A relay alone.
const RELAY: (u64, &[&str]) = (
    1_795_563_370_008_435,
    &[
        "197f6b23e16c8532c6abc838facd5ea789be0c76b2920334039bfa8b3d368d61b5279b186c96d4ec0ed90b7a",
        "601c75b41b0f5b602f02dd223ce6edf805c1f24dbb01892d16cdd290b610da94fe783279c976653346a21b5e",
        "c11b6dc67bbb330f0006610e2cd74f73000080000000000100000000055f69726f6834646639737365396270",
        "316e756674696d3379687869756b367736723568646473736b6a79677079647578376573786a7374696f6f00",
        "001000010000001e001d1c72656c61793d68747470733a2f2f72656c61792e6578616d706c652f",
    ],
);
/// Everything that a record can say.
const ALL: (u64, &[&str]) = (
    1_795_563_370_008_761,
    &[
        "197f6b23e16c8532c6abc838facd5ea789be0c76b2920334039bfa8b3d368d61741aa35286c5b97ff55a4403",
        "d98627eda6e16727035e081e70ed3185727e1859121a60e68935edc4c9874185a025792a3d5146d3f4db229a",
        "a6c82a46bbe6940f0006610e2cd750b9000080000000000500000000055f69726f6834646639737365396270",
        "316e756674696d3379687869756b367736723568646473736b6a79677079647578376573786a7374696f6f00",
        "001000010000001e001d1c72656c61793d68747470733a2f2f72656c61792e6578616d706c652fc00c001000",
        "010000001e001413616464723d3139322e302e322e313a34343333c00c001000010000001e00181761646472",
        "3d5b323030313a6462383a3a315d3a34343333c00c001000010000001e000c0b616464723d315f61316232c0",
        "0c001000010000001e001b1a757365722d646174613d616e79706174683a353b726f6f6d2037",
    ],
);
/// Nothing.
const EMPTY: (u64, &[&str]) = (
    1_795_563_370_009_052,
    &[
        "197f6b23e16c8532c6abc838facd5ea789be0c76b2920334039bfa8b3d368d61e7d32ace2a761b6abcc330f4",
        "6fe7cb47c28eeb8f4b2dc859a1dec17f817b3010a17ec064c3e4f7c88201fe4120b3f3c1e25ee4f18775affc",
        "80e907594c098d0f0006610e2cd751dc000080000000000000000000",
    ],
);

fn unhex(parts: &[&str]) -> Vec<u8> {
    let digits = parts.concat();
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|pair| byte(pair).expect("hex")).collect()
}

#[test]
fn a_record_has_the_bytes_of_iroh() {
    let relay = TicketAddress::Relay("https://relay.example/".to_owned());
    let cases = [
        (RELAY, info(&[relay])),
        (ALL, everything()),
        (EMPTY, info(&[])),
    ];
    for ((timestamp, packet), info) in cases {
        let packet = unhex(packet);
        assert_eq!(sign(&key(), &info, 30, timestamp), Ok(packet.clone()));
        assert_eq!(read(&packet), Ok(Record { timestamp, info }));
    }
}

#[test]
fn a_signed_record_reads_back() {
    let packet = sign(&key(), &everything(), 30, TIMESTAMP).expect("a record");
    assert_eq!(packet[..ID_LENGTH], key().public().0);
    let record = Record {
        timestamp: TIMESTAMP,
        info: everything(),
    };
    assert_eq!(read(&packet), Ok(record));
}

#[test]
fn a_record_that_was_changed_anywhere_is_refused() {
    let packet = sign(&key(), &everything(), 30, TIMESTAMP).expect("a record");
    for at in 0..packet.len() {
        let mut bent = packet.clone();
        bent[at] ^= 1;
        assert_eq!(read(&bent), Err(RecordError::Signature), "byte {at}");
    }
    let cut = &packet[..packet.len() - 1];
    assert_eq!(read(cut), Err(RecordError::Signature));
    let longer = [&packet[..], &[0]].concat();
    assert_eq!(read(&longer), Err(RecordError::Signature));
}

#[test]
fn a_record_found_under_another_id_is_refused() {
    let packet = sign(&key(), &everything(), 30, TIMESTAMP).expect("a record");
    let other = SecretKey::from_bytes([1; 32]).public();
    let moved = [&other.0[..], &packet[ID_LENGTH..]].concat();
    assert_eq!(read(&moved), Err(RecordError::Signature));
    // All zeros are a point of the curve of small order, for which anybody can sign.
    let weak = [&[0; ID_LENGTH + 64][..], &packet[ID_LENGTH + 64..]].concat();
    assert_eq!(read(&weak), Err(RecordError::Signature));
}

#[test]
fn a_record_about_another_peer_is_not_signed() {
    let refused = sign(
        &SecretKey::from_bytes([1; 32]),
        &everything(),
        30,
        TIMESTAMP,
    );
    assert_eq!(refused, Err(RecordError::OtherPeer));
}

#[test]
fn an_empty_record_is_small_and_says_nothing() {
    let packet = sign(&key(), &info(&[]), 30, TIMESTAMP).expect("a record");
    assert_eq!(packet.len(), MAX_PACKET - MAX_DNS + 12);
    let record = read(&packet).expect("signed");
    assert!(record.info.endpoint.addresses().is_empty());
}

#[test]
fn signed_bytes_that_are_no_dns_message_are_an_error() {
    let dns = b"not a message, but signed: for twelve bytes and more";
    let packet = SignedPacket {
        id: key().public(),
        signature: key().sign(&signed_bytes(TIMESTAMP, dns)),
        timestamp: TIMESTAMP,
        dns,
    };
    assert!(matches!(
        read(&packet.to_bytes()),
        Err(RecordError::Info(_))
    ));
}
