use proptest::prelude::*;

use super::*;

const ID: &str = "ae58ff8833241ac82d6ff7611046ed67b5072d142c588d0063e942d9a75502b6";

fn id() -> EndpointId {
    ID.parse().expect("hex")
}

fn relay(url: &str) -> TicketAddress {
    TicketAddress::Relay(url.to_owned())
}

fn ip(address: &str) -> TicketAddress {
    TicketAddress::Ip(address.parse().expect("an address"))
}

fn custom(transport_id: u64, data: &[u8]) -> TicketAddress {
    TicketAddress::Custom {
        transport_id,
        data: data.to_vec(),
    }
}

fn ticket(addresses: impl IntoIterator<Item = TicketAddress>) -> Ticket {
    let mut ticket = Ticket::new(id());
    for address in addresses {
        ticket.insert(address).expect("within the limits");
    }
    ticket
}

/// The bytes of a ticket whose address list is `list`.
fn bytes_with(list: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(id().as_bytes());
    bytes.extend_from_slice(list);
    bytes
}

fn read(list: &[u8]) -> Result<Ticket, TicketError> {
    Ticket::from_bytes(&bytes_with(list))
}

#[test]
fn the_bytes_are_those_of_iroh_tickets() {
    let ticket = ticket([ip("127.0.0.1:1024"), relay("http://derp.me./")]);
    let mut expected = vec![0x00];
    expected.extend_from_slice(id().as_bytes());
    expected.extend_from_slice(&[0x02, 0x00, 0x10]);
    expected.extend_from_slice(b"http://derp.me./");
    expected.extend_from_slice(&[0x01, 0x00, 0x7f, 0x00, 0x00, 0x01, 0x80, 0x08]);
    assert_eq!(ticket.to_bytes(), expected);
    assert_eq!(Ticket::from_bytes(&expected), Ok(ticket));
}

#[test]
fn a_ticket_printed_by_iroh_tickets_with_every_kind_of_address_reads_and_prints_the_same() {
    let text = [
        "endpointacxfr74igmsbvsbnn73wcecg5vt3kbzncqwfrdiampuufwnhkublmcyacjuhi5dqom5c6l3b",
        "fzsxqylnobwgklyacjuhi5dqom5c6l3cfzsxqylnobwgklybaaeqaaabaeaqacqaaaa777ydaeasaain",
        "xaaaaaaaaaaaaaaaaaaadoydaidqcayca4baeaica4paqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcai",
        "baeaqcaibaeaebziaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaib",
        "aidr6cijbeeqscijbeeqscijbeeqscijbeeqscijbeeqscijbeeqscic2czltcqeaeaa",
    ]
    .concat();
    let expected = ticket([
        relay("https://b.example/"),
        relay("https://a.example/"),
        ip("10.0.0.1:65535"),
        ip("9.0.0.1:1"),
        ip("[2001:db8::1]:443"),
        custom(MARKER_TRANSPORT_ID, &[0]),
        custom(7, &[1; 40]),
        custom(7, &[9; 31]),
        custom(7, &[8; 30]),
        custom(7, &[2, 1]),
        custom(7, &[3]),
    ]);
    assert_eq!(text.parse(), Ok(expected.clone()));
    assert_eq!(expected.to_string(), text);
}

#[test]
fn addresses_are_sorted_as_iroh_sorts_them_and_each_is_there_once() {
    let sorted = [
        relay("https://a.example/"),
        relay("https://b.example/"),
        ip("9.0.0.1:1"),
        ip("10.0.0.1:1"),
        ip("10.0.0.1:2"),
        ip("[::1]:1"),
        custom(1, &[9]),
        custom(1, &[1, 1]),
        custom(1, &[8; 30]),
        custom(1, &[1; 40]),
        custom(1, &[7; 31]),
        custom(2, &[]),
    ];
    let backwards = ticket(sorted.iter().rev().cloned());
    assert_eq!(backwards.addresses(), sorted);
    let mut again = backwards.clone();
    for address in sorted {
        assert_eq!(again.insert(address), Ok(false));
    }
    assert_eq!(again, backwards);
}

#[test]
fn an_unsorted_list_with_doubles_is_put_in_order() {
    let double = [2, 1, 0, 10, 0, 0, 1, 1, 1, 0, 10, 0, 0, 1, 1];
    assert_eq!(read(&double), Ok(ticket([ip("10.0.0.1:1")])));
}

#[test]
fn addresses_of_an_unknown_kind_are_kept_byte_for_byte() {
    let list = [4, 1, 0, 10, 0, 0, 1, 1, 3, 1, 2, 3, 99, 0, 5, 5];
    let read = read(&list).expect("a ticket");
    let unknown = TicketAddress::Unknown {
        count: 3,
        bytes: list[8..].to_vec(),
    };
    assert_eq!(read.addresses(), [ip("10.0.0.1:1"), unknown.clone()]);
    assert_eq!(read.to_bytes(), bytes_with(&list));

    let mut grown = read;
    assert_eq!(grown.insert(ip("10.0.0.2:1")), Ok(true));
    assert_eq!(grown.addresses().last(), Some(&unknown));
    assert_eq!(grown.to_bytes()[33], 5);
    assert_eq!(Ticket::from_bytes(&grown.to_bytes()), Ok(grown.clone()));

    let mut moved = ticket([ip("10.0.0.1:1"), ip("10.0.0.2:1")]);
    assert_eq!(moved.insert(unknown.clone()), Ok(true));
    assert_eq!(moved, grown);
    assert_eq!(moved.insert(unknown), Ok(false));
}

#[test]
fn an_unknown_address_is_taken_only_where_it_can_be_one() {
    let unknown = |count, bytes: &[u8]| TicketAddress::Unknown {
        count,
        bytes: bytes.to_vec(),
    };
    let mut ticket = ticket([unknown(1, &[3, 9])]);
    let faults = [
        (0, &[3][..]),
        (2, &[3]),
        (1, &[2, 1, 0]),
        (1, &[]),
        (1, &[4]),
    ];
    for (count, bytes) in faults {
        let refused = ticket.insert(unknown(count, bytes));
        assert_eq!(refused, Err(TicketError::UnknownAddress), "{bytes:?}");
    }
}

#[test]
fn the_marker_is_found_replaced_and_absent_from_stock_tickets() {
    let mut ticket = ticket([ip("10.0.0.1:1")]);
    assert_eq!(ticket.marker(), None);
    assert_eq!(ticket.set_marker(Marker::default()), Ok(()));
    assert_eq!(ticket.marker(), Some(Marker::default()));
    let marked = custom(MARKER_TRANSPORT_ID, &[0]);
    assert_eq!(ticket.addresses().last(), Some(&marked));
    assert_eq!(ticket.set_marker(Marker { flags: 300 }), Ok(()));
    assert_eq!(ticket.addresses().len(), 2);
    let read: Ticket = ticket.to_string().parse().expect("a ticket");
    assert_eq!(read.marker(), Some(Marker { flags: 300 }));
}

#[test]
fn the_prefix_is_lower_case_and_the_rest_of_any_case() {
    let text = ticket([ip("10.0.0.1:1")]).to_string();
    let rest = text.strip_prefix(TICKET_PREFIX).expect("the prefix");
    let upper = format!("{TICKET_PREFIX}{}", rest.to_uppercase());
    assert_eq!(upper.parse(), Ok(ticket([ip("10.0.0.1:1")])));
    let all_upper = text.to_uppercase();
    assert_eq!(all_upper.parse::<Ticket>(), Err(TicketError::Prefix));
}

#[test]
fn each_fault_of_the_text_has_its_own_error() {
    let parse = |text: &str| text.parse::<Ticket>();
    assert_eq!(parse(""), Err(TicketError::Prefix));
    assert_eq!(parse("blobaa"), Err(TicketError::Prefix));
    assert_eq!(parse("endpoint"), Err(TicketError::Truncated));
    let character = Base32Error::Character { position: 1 };
    assert_eq!(parse("endpointa-aa"), Err(TicketError::Base32(character)));
    let long = format!("endpoint{}", "a".repeat(MAX_TICKET_TEXT));
    let length = long.len();
    assert_eq!(parse(&long), Err(TicketError::TooLong { length }));
}

#[test]
fn each_fault_of_the_bytes_has_its_own_error() {
    let variant = TicketError::Variant { variant: 1 };
    assert_eq!(Ticket::from_bytes(&[1]), Err(variant));
    let id_length = TicketError::IdLength { length: 31 };
    assert_eq!(Ticket::from_bytes(&[0; 32]), Err(id_length));
    let faults: [(&[u8], TicketError); 13] = [
        (&[], TicketError::Truncated),
        (&[1], TicketError::Truncated),
        (&[1, 1, 0, 127, 0], TicketError::Truncated),
        (&[2, 3], TicketError::Truncated),
        (&[1, 2, 1, 5, 0], TicketError::Truncated),
        (&[0, 9, 9], TicketError::TrailingBytes { count: 2 }),
        (&[65], TicketError::TooManyAddresses { count: 65 }),
        (&[1, 1, 2], TicketError::Family { family: 2 }),
        (&[1, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 4], TicketError::Number),
        (&[1, 0, 2, 0xff, 0xff], TicketError::RelayUrl),
        (&[1, 0, 3, b'a', b':', b'b'], TicketError::RelayUrl),
        (
            &[1, 0, 0x81, 0x10],
            TicketError::RelayUrlTooLong { length: 2049 },
        ),
        (
            &[1, 2, 1, 0x81, 8],
            TicketError::CustomTooLong { length: 1025 },
        ),
    ];
    for (list, error) in faults {
        assert_eq!(read(list), Err(error), "{list:?}");
    }
    let length = MAX_TICKET_BYTES + 1;
    let long = Ticket::from_bytes(&vec![0; length]);
    assert_eq!(long, Err(TicketError::TooLong { length }));
}

#[test]
fn a_malformed_relay_url_is_refused() {
    let long = format!("https://{}/", "a".repeat(MAX_RELAY_URL));
    let length = long.len();
    let refused = Ticket::new(id()).insert(relay(&long));
    assert_eq!(refused, Err(TicketError::RelayUrlTooLong { length }));
    for url in [
        "",
        "https://",
        "https:///x",
        "1ab://x/",
        "https://a b/",
        "https://\u{e9}/",
        "x",
    ] {
        let refused = Ticket::new(id()).insert(relay(url));
        assert_eq!(refused, Err(TicketError::RelayUrl), "{url}");
    }
}

#[test]
fn a_full_ticket_takes_no_more_and_stays_as_it_was() {
    let addresses = (0..64).map(|port| TicketAddress::Ip(([10, 0, 0, 1], port).into()));
    let mut full = ticket(addresses);
    let before = full.clone();
    let count = TicketError::TooManyAddresses { count: 65 };
    assert_eq!(full.insert(ip("10.0.0.2:1")), Err(count));
    assert_eq!(full.set_marker(Marker::default()), Err(count));
    assert_eq!(full, before);
    assert_eq!(full.insert(ip("10.0.0.1:5")), Ok(false));

    let data = [0; MAX_CUSTOM_DATA];
    let mut large = ticket((0..7).map(|transport| custom(transport, &data)));
    let before = large.clone();
    let refused = large.insert(custom(7, &data));
    assert!(matches!(refused, Err(TicketError::TooLong { .. })));
    assert_eq!(large, before);
}

#[test]
fn scope_and_flow_label_are_not_part_of_an_address() {
    let mut ticket = ticket([ip("[fe80::1%3]:1")]);
    assert_eq!(ticket.insert(ip("[fe80::1]:1")), Ok(false));
    assert_eq!(ticket.to_string().parse(), Ok(ticket));
}

fn any_address() -> impl Strategy<Value = TicketAddress> {
    prop_oneof![
        "https?://[a-z0-9.]{1,20}(:[0-9]{1,5})?/[!-~]{0,20}".prop_map(TicketAddress::Relay),
        any::<(std::net::IpAddr, u16)>().prop_map(|a| TicketAddress::Ip(a.into())),
        (any::<u64>(), prop::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(transport_id, data)| TicketAddress::Custom { transport_id, data }),
    ]
}

proptest! {
    #[test]
    fn every_ticket_reads_back(
        id: [u8; 32],
        addresses in prop::collection::vec(any_address(), 0..20),
    ) {
        let mut ticket = Ticket::new(EndpointId(id));
        for address in addresses {
            prop_assert!(ticket.insert(address).is_ok());
        }
        prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }

    #[test]
    fn every_cut_of_a_ticket_is_an_error(
        addresses in prop::collection::vec(any_address(), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = ticket(addresses).to_bytes();
        prop_assert!(Ticket::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn whatever_is_read_is_written_so_that_it_reads_the_same(list: Vec<u8>) {
        if let Ok(ticket) = read(&list) {
            prop_assert_eq!(Ticket::from_bytes(&ticket.to_bytes()), Ok(ticket));
        }
    }
}
