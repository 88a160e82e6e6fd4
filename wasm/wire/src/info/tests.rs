use proptest::prelude::*;

use super::*;

fn id() -> EndpointId {
    "197f6b23e16c8532c6abc838facd5ea789be0c76b2920334039bfa8b3d368d61"
        .parse()
        .expect("hex")
}

fn relay(url: &str) -> TicketAddress {
    TicketAddress::Relay(url.to_owned())
}

fn ip(address: &str) -> TicketAddress {
    TicketAddress::Ip(address.parse().expect("an address"))
}

fn info(addresses: impl IntoIterator<Item = TicketAddress>) -> EndpointInfo {
    let mut ticket = Ticket::new(id());
    for address in addresses {
        ticket.insert(address).expect("within the limits");
    }
    EndpointInfo::new(ticket)
}

fn everything() -> EndpointInfo {
    let custom = TicketAddress::Custom {
        transport_id: 1,
        data: vec![0xa1, 0xb2],
    };
    let mut info = info([
        relay("https://relay.example/"),
        ip("192.0.2.1:4433"),
        ip("[2001:db8::1]:4433"),
        custom,
    ]);
    info.endpoint.set_marker(Marker { flags: 5 }).expect("room");
    info.set_user_data(Some("room 7".to_owned()))
        .expect("short");
    info
}

#[test]
fn the_attributes_are_those_of_iroh() {
    let expected = [
        "relay=https://relay.example/",
        "addr=192.0.2.1:4433",
        "addr=[2001:db8::1]:4433",
        "addr=1_a1b2",
        "user-data=anypath:5;room 7",
    ];
    let info = everything();
    assert_eq!(
        info.attributes().as_deref(),
        Ok(&expected.map(str::to_owned)[..])
    );
    assert_eq!(EndpointInfo::from_attributes(id(), expected), info);
}

#[test]
fn the_mark_and_the_data_of_the_application_share_user_data() {
    let read = |text: &str| {
        let info = EndpointInfo::from_attributes(id(), [format!("user-data={text}")]);
        let flags = info.endpoint.marker().map(|marker| marker.flags);
        (flags, info.user_data().map(str::to_owned))
    };
    let own = |text: &str| Some(text.to_owned());
    assert_eq!(read("foobar"), (None, own("foobar")));
    assert_eq!(read(""), (None, own("")));
    assert_eq!(read("anypath:0"), (Some(0), None));
    assert_eq!(read("anypath:ff;"), (Some(255), own("")));
    assert_eq!(read("anypath:0;a;b"), (Some(0), own("a;b")));
    assert_eq!(read("anypath:+1;a"), (Some(0), own("a")));
    assert_eq!(read("anypath:future form;a"), (Some(0), own("a")));
    assert_eq!(read("anypath"), (None, own("anypath")));
}

#[test]
fn a_mark_in_a_ticket_is_published_in_user_data_alone() {
    let mut info = info([]);
    info.endpoint.set_marker(Marker::default()).expect("room");
    assert_eq!(
        info.attributes(),
        Ok(vec!["user-data=anypath:0".to_owned()])
    );
    let message = info.to_dns(30).expect("small");
    assert_eq!(EndpointInfo::from_dns(id(), &message), Ok(info));
}

#[test]
fn what_is_not_understood_is_left_out_or_kept_apart() {
    let attributes = [
        "relay=not a url",
        "relay=https://a.example/",
        "addr=10.0.0.1",
        "addr=10.0.0.1:1",
        "addr=10.0.0.1:1",
        "addr=zz_00",
        "addr=1_0",
        "addr=1_A0",
        "addr=+1_00",
        "user-data=first",
        "user-data=second",
        "future=x=y",
        "without a value",
    ];
    let read = EndpointInfo::from_attributes(id(), attributes);
    let known = [relay("https://a.example/"), ip("10.0.0.1:1")];
    assert_eq!(read.endpoint.addresses(), known);
    assert_eq!(read.user_data(), Some("first"));
    assert_eq!(read.unknown(), ["future=x=y", "without a value"]);
    // iroh refuses a record with a key that it does not know.
    let attributes = read.attributes().expect("attributes");
    assert!(!attributes.iter().any(|text| text.starts_with("future")));
    let many = (0..100).map(|index| format!("key{index}=x"));
    let read = EndpointInfo::from_attributes(id(), many);
    assert_eq!(read.unknown().len(), MAX_UNKNOWN);
}

#[test]
fn records_of_other_names_are_not_read() {
    let label = id().to_z_base_32();
    let other = EndpointId([1; 32]).to_z_base_32();
    let value = [&b"addr=10.0.0.1:1"[..]];
    let read = |labels: &[&str]| {
        let message = txt_response(labels, 30, value.into_iter()).expect("small");
        let info = EndpointInfo::from_dns(id(), &message).expect("well-formed");
        info.endpoint.addresses().len()
    };
    assert_eq!(read(&["_iroh", &label]), 1);
    assert_eq!(read(&["_IROH", &label.to_uppercase()]), 1);
    assert_eq!(read(&["_iroh", &other]), 0);
    assert_eq!(read(&["_other", &label]), 0);
    assert_eq!(read(&["_iroh"]), 0);
    assert_eq!(read(&["_iroh", &label, "dns", "example"]), 0);
    assert_eq!(read(&[&label]), 0);
}

#[test]
fn user_data_that_is_too_long_or_would_read_as_the_mark_is_refused() {
    let mut info = info([]);
    let long = "x".repeat(MAX_USER_DATA);
    assert_eq!(info.set_user_data(Some(long.clone())), Ok(()));
    let length = MAX_USER_DATA + 1;
    let refused = info.set_user_data(Some(format!("{long}x")));
    assert_eq!(refused, Err(InfoError::UserDataTooLong { length }));
    let refused = info.set_user_data(Some("anypath:0".to_owned()));
    assert_eq!(refused, Err(InfoError::UserDataReserved));
    assert_eq!(info.user_data(), Some(&long[..]));
    // The mark that comes later takes room, too.
    info.endpoint.set_marker(Marker::default()).expect("room");
    let length = MAX_USER_DATA + "anypath:0;".len();
    assert_eq!(
        info.attributes(),
        Err(InfoError::UserDataTooLong { length })
    );
}

#[test]
fn a_relay_url_that_iroh_would_cut_short_is_refused() {
    let info = info([relay("https://a.example/?token=x")]);
    assert_eq!(info.to_dns(30), Err(InfoError::RelayUrl));
}

#[test]
fn addresses_that_do_not_fit_are_left_out_and_relays_are_not() {
    let addresses = (0..60).map(|port| TicketAddress::Ip(([10, 0, 0, 1], 60_000 + port).into()));
    let mut crowded = info(addresses.chain([relay("https://relay.example/")]));
    crowded
        .endpoint
        .set_marker(Marker::default())
        .expect("room");
    let message = crowded.to_dns(30).expect("what fits");
    assert!(message.len() <= MAX_DNS && message.len() > MAX_DNS - 40);
    let read = EndpointInfo::from_dns(id(), &message).expect("well-formed");
    assert_eq!(read.endpoint.relay_urls().count(), 1);
    assert_eq!(read.endpoint.marker(), Some(Marker::default()));
    let kept: Vec<_> = read.endpoint.ip_addresses().collect();
    let all: Vec<_> = crowded.endpoint.ip_addresses().collect();
    assert_eq!(kept, all[..kept.len()]);

    let url = format!("https://{}/", "a".repeat(990));
    let refused = info([relay(&url)]).to_dns(30);
    assert!(matches!(refused, Err(InfoError::TooLarge { length }) if length > MAX_DNS));
}

#[test]
fn a_long_relay_url_is_spread_over_character_strings() {
    let url = format!("https://{}/", "a".repeat(600));
    let expected = info([relay(&url)]);
    let message = expected.to_dns(30).expect("fits");
    assert_eq!(EndpointInfo::from_dns(id(), &message), Ok(expected));
}

#[test]
fn the_dns_message_is_that_of_iroh() {
    // Made by `iroh-dns` 1.4.1.
    let digits = [
        "000080000000000500000000055f69726f6834646639737365396270316e756674696d3379687869",
        "756b367736723568646473736b6a79677079647578376573786a7374696f6f00001000010000001e",
        "001d1c72656c61793d68747470733a2f2f72656c61792e6578616d706c652fc00c00100001000000",
        "1e001413616464723d3139322e302e322e313a34343333c00c001000010000001e00181761646472",
        "3d5b323030313a6462383a3a315d3a34343333c00c001000010000001e000c0b616464723d315f61",
        "316232c00c001000010000001e001b1a757365722d646174613d616e79706174683a353b726f6f6d",
        "2037",
    ]
    .concat();
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    let message: Vec<u8> = pairs.map(|pair| byte(pair).expect("hex")).collect();
    assert_eq!(everything().to_dns(30).as_ref(), Ok(&message));
    assert_eq!(EndpointInfo::from_dns(id(), &message), Ok(everything()));
}

fn any_address() -> impl Strategy<Value = TicketAddress> {
    prop_oneof![
        "https?://[a-z0-9.]{1,20}(:[0-9]{1,5})?/[!-<>-~]{0,20}".prop_map(TicketAddress::Relay),
        any::<(std::net::IpAddr, u16)>().prop_map(|a| TicketAddress::Ip(a.into())),
        (0..1000u64, prop::collection::vec(any::<u8>(), 0..10))
            .prop_map(|(transport_id, data)| TicketAddress::Custom { transport_id, data }),
    ]
}

proptest! {
    #[test]
    fn every_information_reads_back(
        addresses in prop::collection::vec(any_address(), 0..8),
        flags in prop::option::of(any::<u64>()),
        user_data in prop::option::of("[a-z=;: ]{0,60}"),
        ttl: u32,
    ) {
        let mut info = info(addresses);
        if let Some(flags) = flags {
            info.endpoint.set_marker(Marker { flags }).expect("room");
        }
        let _ = info.set_user_data(user_data);
        let message = info.to_dns(ttl).expect("fits");
        prop_assert_eq!(EndpointInfo::from_dns(id(), &message), Ok(info));
    }

    #[test]
    fn any_attributes_are_read_and_what_is_written_of_them_reads_the_same(
        attributes in prop::collection::vec("(relay|addr|user-data|x)=[ -~]{0,40}", 0..20),
    ) {
        let mut read = EndpointInfo::from_attributes(id(), attributes);
        if let Ok(message) = read.to_dns(30) {
            read.unknown.clear();
            prop_assert_eq!(EndpointInfo::from_dns(id(), &message), Ok(read));
        }
    }
}
