//! Targets for what peers publish about themselves.

use anypath_wire::EndpointId;
use anypath_wire::dns::{MAX_LABEL, MAX_NAME, TxtAnswers, txt_response};
use anypath_wire::id::ID_LENGTH;
use anypath_wire::info::{EndpointInfo, MAX_UNKNOWN, MAX_USER_DATA};
use anypath_wire::pkarr::{MAX_DNS, MAX_PACKET, SignedPacket};

/// A signed packet: the id and what an HTTP relay gives for it.
pub fn signed_packet(data: &[u8]) {
    let Ok(packet) = SignedPacket::decode(data) else {
        assert!(data.len() < MAX_PACKET - MAX_DNS || data.len() > MAX_PACKET);
        return;
    };
    assert!(packet.dns.len() <= MAX_DNS);
    assert_eq!(packet.to_bytes(), data);
    let payload = &data[ID_LENGTH..];
    assert_eq!(SignedPacket::decode_payload(packet.id, payload), Ok(packet));
    assert!(packet.signed_bytes().ends_with(packet.dns));
    assert!(!packet.is_newer_than(&packet));
    if let Ok(info) = EndpointInfo::from_dns(packet.id, packet.dns) {
        info_holds(info);
    }
}

/// A DNS message.
pub fn dns_message(data: &[u8]) {
    let Ok(records) = TxtAnswers::new(data) else {
        return;
    };
    let mut whole = true;
    for record in records {
        assert!(whole, "a record after an error");
        let Ok(record) = record else {
            whole = false;
            continue;
        };
        let labels: Vec<_> = record.name.labels().collect();
        let length: usize = labels.iter().map(|label| 1 + label.len()).sum();
        assert!(length < MAX_NAME);
        assert!(
            labels
                .iter()
                .all(|label| (1..=MAX_LABEL).contains(&label.len()))
        );
        let value = record.value();
        assert!(value.len() <= data.len());
        // What was read can be written, under names that are text, and reads the same.
        let text: Option<Vec<_>> = labels.iter().map(|l| std::str::from_utf8(l).ok()).collect();
        let Some(text) = text else { continue };
        let written = txt_response(&text, record.ttl, [value.as_slice()].into_iter());
        let written = written.expect("a name and a value that were read");
        let again = TxtAnswers::new(&written).expect("a header").next();
        let again = again.expect("a record").expect("well-formed");
        assert!(again.name.is(&text) && again.value() == value && again.ttl == record.ttl);
    }
}

/// The attributes of a peer's TXT records, one a line.
pub fn endpoint_info(data: &[u8]) {
    let id = EndpointId([7; ID_LENGTH]);
    if let Ok(text) = std::str::from_utf8(data) {
        info_holds(EndpointInfo::from_attributes(id, text.lines()));
    }
}

fn info_holds(info: EndpointInfo) {
    assert!(info.unknown().len() <= MAX_UNKNOWN);
    assert!(
        info.user_data()
            .is_none_or(|data| data.len() <= MAX_USER_DATA)
    );
    let Ok(message) = info.to_dns(30) else { return };
    assert!(message.len() <= MAX_DNS);
    let id = *info.endpoint.id();
    let read = EndpointInfo::from_dns(id, &message).expect("what was written");
    assert_eq!(read.user_data(), info.user_data());
    assert!(read.unknown().is_empty());
    // Addresses that did not fit are missing, none is added, and nothing is lost a second time.
    let listed = info.endpoint.addresses();
    assert!(read.endpoint.addresses().iter().all(|address| {
        listed.contains(address) || info.endpoint.marker() == read.endpoint.marker()
    }));
    assert!(info.endpoint.relay_urls().eq(read.endpoint.relay_urls()));
    assert_eq!(read.to_dns(30).as_ref(), Ok(&message));
}
