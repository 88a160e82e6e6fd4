use proptest::prelude::*;

use super::*;

const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae\
    802200105354554e207465737420636c69656e74\
    002400046e0001ff\
    80290008932ff9b151263b36\
    000600096576746a3a68367659202020\
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2\
    80280004e57a3bcf";
const IPV4_ANSWER: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae\
    8022000b7465737420766563746f7220\
    002000080001a147e112a643\
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7\
    80280004c07d4c96";
const IPV6_ANSWER: &str = "010100482112a442b7e7a701bc34d686fa87dfae\
    8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9\
    00080014a382954e4be67bf11784c97c8292c275bfe3ed41\
    80280004c8fb0b4c";
const LONG_TERM_REQUEST: &str = "000100602112a44278ad3433c6ad72c029da412e\
    00060012e3839ee38388e383aae38383e382afe382b90000\
    0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341\
    0014000b6578616d706c652e6f726700\
    00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";
const TRANSACTION: TransactionId = TransactionId([
    0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
]);

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
        .collect()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn answered(request: &[u8], source: &str) -> Vec<u8> {
    let answer = answer(request, address(source)).expect("well formed");
    answer.expect("a Binding request")
}

#[test]
fn the_request_of_rfc_5769_is_read() {
    let request = bytes(REQUEST);
    let message = Message::parse(&request).expect("the RFC's own");
    assert_eq!((message.class, message.method), (Class::Request, BINDING));
    assert_eq!(message.transaction, TRANSACTION);
    assert_eq!(message.software(), Ok(Some("STUN test client")));
    assert_eq!(message.value(attribute::USERNAME), Some(&b"evtj:h6vY"[..]));
    assert!(message.has_fingerprint());
    assert_eq!(message.not_understood(), [0x0024]);
}

#[test]
fn the_answers_of_rfc_5769_are_read() {
    for (hex, seen) in [
        (IPV4_ANSWER, "192.0.2.1:32853"),
        (IPV6_ANSWER, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let answer = bytes(hex);
        let message = Message::parse(&answer).expect("the RFC's own");
        assert_eq!((message.class, message.method), (Class::Success, BINDING));
        assert_eq!(message.software(), Ok(Some("test vector")));
        assert_eq!(message.xor_mapped_address(), Ok(Some(address(seen))));
        assert!(message.has_fingerprint());
    }
}

#[test]
fn the_request_with_long_term_credentials_of_rfc_5769_is_answered_as_if_it_had_none() {
    let request = bytes(LONG_TERM_REQUEST);
    let message = Message::parse(&request).expect("the RFC's own");
    assert_eq!(message.value(attribute::REALM), Some(&b"example.org"[..]));
    assert!(!message.has_fingerprint());
    let answer = answered(&request, "192.0.2.1:32853");
    let answer = Message::parse(&answer).expect("well formed");
    let seen = address("192.0.2.1:32853");
    assert_eq!(answer.xor_mapped_address(), Ok(Some(seen)));
}

#[test]
fn what_is_written_is_what_rfc_5769_has() {
    // The padding of the RFC's text is spaces, and its HMAC is not ours to make: the rest is the same.
    let ours = MessageWriter::new(Class::Success, BINDING, TRANSACTION)
        .xor_mapped_address(address("192.0.2.1:32853"))
        .finish();
    assert_eq!(ours[20..], bytes(IPV4_ANSWER)[36..48]);
    let theirs = bytes(IPV6_ANSWER);
    let ours = MessageWriter::new(Class::Success, BINDING, TRANSACTION)
        .xor_mapped_address(address("[2001:db8:1234:5678:11:2233:4455:6677]:32853"))
        .finish();
    assert_eq!(ours[20..], theirs[36..60]);
    let (message, sum) = theirs.split_at(theirs.len() - 4);
    let (message, _) = message.split_at(message.len() - 4);
    assert_eq!(fingerprint(message).to_be_bytes(), sum);
}

#[test]
fn a_plain_request_is_told_its_address_and_an_ipv4_client_of_a_dual_stack_socket_an_ipv4_one() {
    let request = MessageWriter::binding_request(TRANSACTION).finish();
    for (source, seen, length) in [
        ("192.0.2.7:4000", "192.0.2.7:4000", 40),
        ("[::ffff:192.0.2.7]:4000", "192.0.2.7:4000", 40),
        ("[2001:db8::7]:4000", "[2001:db8::7]:4000", 52),
    ] {
        let answer = answered(&request, source);
        assert_eq!(answer.len(), length);
        let answer = Message::parse(&answer).expect("well formed");
        assert_eq!(answer.class, Class::Success);
        assert_eq!(answer.transaction, TRANSACTION);
        assert_eq!(answer.xor_mapped_address(), Ok(Some(address(seen))));
        assert!(answer.has_fingerprint());
    }
}

#[test]
fn attributes_that_must_be_understood_and_are_not_are_named_in_error_420() {
    let request = MessageWriter::binding_request(TRANSACTION)
        .attribute(0x0003, &[0, 0, 0, 6])
        .attribute(0x0024, &[0; 4])
        .attribute(0x0003, &[0; 4])
        .attribute(0x8888, &[1])
        .fingerprint();
    let answer = answered(&request, "192.0.2.7:4000");
    let answer = Message::parse(&answer).expect("well formed");
    assert_eq!(answer.class, Class::Error);
    assert_eq!(answer.error_code(), Ok(Some((420, "Unknown Attribute"))));
    let unknown = answer.unknown_attributes().expect("whole").expect("there");
    assert_eq!(unknown.collect::<Vec<_>>(), [0x0003, 0x0024]);
    assert_eq!(answer.xor_mapped_address(), Ok(None));
}

#[test]
fn what_follows_an_hmac_is_not_looked_at() {
    let request = MessageWriter::binding_request(TRANSACTION)
        .attribute(attribute::MESSAGE_INTEGRITY, &[0; 20])
        .attribute(0x0003, &[0; 4])
        .finish();
    let answer = answered(&request, "192.0.2.7:4000");
    assert_eq!(Message::parse(&answer).map(|m| m.class), Ok(Class::Success));
}

#[test]
fn nothing_but_a_binding_request_of_a_sane_size_is_answered() {
    let source = address("192.0.2.7:4000");
    for class in [Class::Indication, Class::Success, Class::Error] {
        let message = MessageWriter::new(class, BINDING, TRANSACTION).fingerprint();
        assert_eq!(answer(&message, source), Ok(None), "{class:?}");
    }
    let allocate = MessageWriter::new(Class::Request, 3, TRANSACTION).finish();
    assert_eq!(answer(&allocate, source), Ok(None));
    for (length, answers) in [(524, true), (528, false)] {
        let request = MessageWriter::binding_request(TRANSACTION)
            .attribute(attribute::SOFTWARE, &vec![b'x'; length])
            .finish();
        let answered = answer(&request, source).map(|answer| answer.is_some());
        assert_eq!(answered, Ok(answers), "{} bytes", request.len());
    }
}

#[test]
fn a_message_that_is_cut_or_lies_about_its_length_is_an_error() {
    let request = bytes(REQUEST);
    for cut in 0..request.len() {
        assert!(Message::parse(&request[..cut]).is_err(), "{cut} bytes");
    }
    let mut longer = request.clone();
    longer.extend([0; 4]);
    let length = StunError::Length {
        told: 88,
        actual: 92,
    };
    assert_eq!(Message::parse(&longer), Err(length));
    let mut beyond = MessageWriter::binding_request(TRANSACTION)
        .attribute(attribute::SOFTWARE, b"four")
        .finish();
    beyond[23] = 5;
    let kind = attribute::SOFTWARE;
    assert_eq!(Message::parse(&beyond), Err(StunError::Bounds { kind }));
}

#[test]
fn a_wrong_or_misplaced_fingerprint_is_an_error() {
    let request = bytes(REQUEST);
    for index in 20..request.len() {
        let mut broken = request.clone();
        broken[index] ^= 1;
        // Without its type it is no fingerprint any more.
        let sealed = Message::parse(&broken).is_ok_and(|message| message.has_fingerprint());
        assert!(!sealed, "byte {index}");
    }
    let mut sealed = MessageWriter::binding_request(TRANSACTION).fingerprint();
    sealed.extend([0x80, 0x22, 0, 0]);
    sealed[3] = 12;
    let sum = fingerprint(&sealed[..20]).to_be_bytes();
    sealed[24..28].copy_from_slice(&sum);
    assert_eq!(Message::parse(&sealed), Err(StunError::Fingerprint));
}

#[test]
fn a_value_that_is_not_what_its_type_says_is_an_error() {
    let with = |kind, value: &[u8]| {
        MessageWriter::new(Class::Error, BINDING, TRANSACTION)
            .attribute(kind, value)
            .finish()
    };
    for value in [
        &[0, 1, 0, 0, 1, 2, 3][..],
        &[0, 2, 0, 0, 1, 2, 3, 4],
        &[0, 3, 0, 0],
        &[],
    ] {
        let message = with(attribute::XOR_MAPPED_ADDRESS, value);
        let message = Message::parse(&message).expect("whole");
        assert!(message.xor_mapped_address().is_err(), "{value:?}");
    }
    for value in [
        &[0, 0, 2, 0][..],
        &[0, 0, 4, 100],
        &[0, 0, 7, 0],
        &[4, 20],
        &[0, 0, 4, 0, 0xff],
    ] {
        let message = with(attribute::ERROR_CODE, value);
        let message = Message::parse(&message).expect("whole");
        assert!(message.error_code().is_err(), "{value:?}");
    }
    let message = with(attribute::UNKNOWN_ATTRIBUTES, &[0, 1, 2]);
    let message = Message::parse(&message).expect("whole");
    assert!(message.unknown_attributes().is_err());
    let message = with(attribute::SOFTWARE, &vec![b'x'; 764]);
    let message = Message::parse(&message).expect("whole");
    assert!(message.software().is_err());
}

proptest! {
    #[test]
    fn every_class_and_method_reads_back(method in 0_u16..0x1000, number in 0_u8..4, id: [u8; 12]) {
        let classes = [Class::Request, Class::Indication, Class::Success, Class::Error];
        let class = classes[usize::from(number)];
        let written = MessageWriter::new(class, method, TransactionId(id)).fingerprint();
        let message = Message::parse(&written).expect("our own");
        prop_assert_eq!((message.class, message.method), (class, method));
        prop_assert_eq!(message.transaction, TransactionId(id));
    }

    #[test]
    fn every_address_reads_back(ip: IpAddr, port: u16, id: [u8; 12]) {
        let address = SocketAddr::new(ip, port);
        let written = MessageWriter::new(Class::Success, BINDING, TransactionId(id))
            .xor_mapped_address(address)
            .fingerprint();
        let message = Message::parse(&written).expect("our own");
        prop_assert_eq!(message.xor_mapped_address(), Ok(Some(address)));
    }

    #[test]
    fn no_request_is_answered_with_more_than_three_times_its_bytes(
        attributes in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..8)), 0..60),
        source: SocketAddr,
    ) {
        let mut writer = MessageWriter::binding_request(TRANSACTION);
        for (kind, value) in &attributes {
            writer = writer.attribute(*kind, value);
        }
        let request = writer.finish();
        if let Ok(Some(answer)) = answer(&request, source) {
            prop_assert!(answer.len() <= MAX_AMPLIFICATION * request.len());
            prop_assert!(Message::parse(&answer).is_ok());
        }
    }

    #[test]
    fn no_datagram_panics(datagram: Vec<u8>, source: SocketAddr) {
        let _ = answer(&datagram, source);
    }
}

#[test]
fn the_port_that_an_answer_is_wanted_at_is_read_and_is_no_unknown_attribute() {
    let request = |value: &[u8]| {
        MessageWriter::binding_request(TRANSACTION)
            .attribute(attribute::RESPONSE_PORT, value)
            .finish()
    };
    assert_eq!(response_port(&request(&[0x9c, 0x40, 0, 0])), Some(40_000));
    assert_eq!(response_port(&request(&[0, 0, 0, 0])), None);
    assert_eq!(response_port(&request(&[7])), None);
    let plain = MessageWriter::binding_request(TRANSACTION).finish();
    assert_eq!(response_port(&plain), None);
    let source = address("192.0.2.7:4000");
    let answer = answer(&request(&[0x9c, 0x40, 0, 0]), source)
        .expect("well formed")
        .expect("answered");
    let answer = Message::parse(&answer).expect("well formed");
    assert_eq!(answer.class, Class::Success);
    assert_eq!(answer.xor_mapped_address(), Ok(Some(source)));
}
