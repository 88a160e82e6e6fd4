use proptest::prelude::*;

use super::*;

/// One extension: its type, its length and its data.
fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(vector(data));
    out
}

/// Data behind its length in two bytes.
fn vector(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("a short vector");
    let mut out = length.to_be_bytes().to_vec();
    out.extend_from_slice(data);
    out
}

/// A handshake message of type 1 with this body.
fn message(body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(body.len())
        .expect("a short body")
        .to_be_bytes();
    let mut out = vec![1, a, b, c];
    out.extend_from_slice(body);
    out
}

fn body(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(vector(&[0x13, 0x03, 0x13, 0x01]));
    body.extend([1, 0]);
    body.extend(vector(extensions));
    body
}

fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    message(&body(&extensions.concat()))
}

fn alpn(names: &[&[u8]]) -> Vec<u8> {
    let mut list = Vec::new();
    for name in names {
        list.push(u8::try_from(name.len()).expect("a short name"));
        list.extend_from_slice(name);
    }
    extension(EXTENSION_ALPN, &vector(&list))
}

fn server_name(host: &[u8]) -> Vec<u8> {
    let mut entry = vec![0];
    entry.extend(vector(host));
    extension(EXTENSION_SERVER_NAME, &vector(&entry))
}

fn key_share(shares: &[(u16, usize)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (group, length) in shares {
        list.extend(group.to_be_bytes());
        list.extend(vector(&vec![0; *length]));
    }
    extension(EXTENSION_KEY_SHARE, &vector(&list))
}

fn complete(bytes: &[u8]) -> ClientHello<'_> {
    match progress(bytes) {
        Ok(Progress::Complete(hello)) => hello,
        other => panic!("not complete: {other:?}"),
    }
}

fn fault(bytes: &[u8]) -> ClientHelloError {
    progress(bytes).expect_err("a fault")
}

fn typical() -> Vec<u8> {
    hello(&[
        extension(0x002b, &[2, 3, 4]),
        server_name(b"peer.example"),
        extension(EXTENSION_SUPPORTED_GROUPS, &vector(&[0x11, 0xec, 0, 0x1d])),
        key_share(&[(0x11ec, 1216), (0x001d, 32)]),
        alpn(&[b"chat/1", b"h3"]),
    ])
}

#[test]
fn a_post_quantum_client_hello_shows_its_protocols_name_and_groups() {
    let mut bytes = typical();
    let length = bytes.len();
    bytes.extend([1, 2, 3]);
    let hello = complete(&bytes);
    assert_eq!(hello.message_len(), length);
    let alpns: Vec<&[u8]> = hello.alpns().collect();
    assert_eq!(alpns, [&b"chat/1"[..], b"h3"]);
    assert_eq!(hello.server_name(), Some("peer.example"));
    let supported: Vec<u16> = hello.supported_groups().collect();
    assert_eq!(supported, [0x11ec, 0x001d]);
    let keys: Vec<u16> = hello.key_share_groups().collect();
    assert_eq!(keys, [0x11ec, 0x001d]);
}

#[test]
fn the_client_hello_of_openssl_3_is_understood() {
    let bytes = include_bytes!("../../../fuzz/corpus/client_hello/openssl-alpn-and-name");
    let hello = complete(bytes);
    assert_eq!(hello.message_len(), bytes.len());
    let alpns: Vec<&[u8]> = hello.alpns().collect();
    assert_eq!(alpns, [&b"chat/1"[..], b"h3"]);
    assert_eq!(hello.server_name(), Some("peer.example"));
    let supported: Vec<u16> = hello.supported_groups().collect();
    assert_eq!(supported[..2], [0x001d, 0x0017]);
    assert_eq!(hello.key_share_groups().collect::<Vec<_>>(), [0x001d]);
}

#[test]
fn a_client_hello_in_pieces_says_how_much_it_needs() {
    let bytes = typical();
    for cut in 0..bytes.len() {
        let needed = if cut < 4 { 4 } else { bytes.len() };
        match progress(&bytes[..cut]) {
            Ok(Progress::NeedMore { at_least }) => assert_eq!(at_least, needed),
            other => panic!("{cut}: {other:?}"),
        }
    }
}

#[test]
fn without_extensions_there_is_nothing_to_see() {
    let bytes = hello(&[]);
    let hello = complete(&bytes);
    assert_eq!(hello.alpns().count(), 0);
    assert_eq!(hello.server_name(), None);
    assert_eq!(hello.supported_groups().count(), 0);
    assert_eq!(hello.key_share_groups().count(), 0);
    // An empty key_share asks for a HelloRetryRequest [RFC 8446 § 4.2.8].
    let bytes = self::hello(&[key_share(&[])]);
    assert_eq!(complete(&bytes).key_share_groups().count(), 0);
}

#[test]
fn the_header_is_judged_before_the_message_is_there() {
    assert_eq!(fault(&[2]), ClientHelloError::MessageType { found: 2 });
    let length = MAX_CLIENT_HELLO + 1;
    assert_eq!(
        fault(&[1, 0, 0x3f, 0xfd]),
        ClientHelloError::TooLong { length }
    );
    let largest = progress(&[1, 0, 0x3f, 0xfc]);
    assert!(matches!(
        largest,
        Ok(Progress::NeedMore {
            at_least: MAX_CLIENT_HELLO
        })
    ));
}

#[test]
fn each_wrong_length_names_its_field() {
    let fixed = body(&[]);
    let with = |index: usize, value: u8| {
        let mut body = fixed.clone();
        body[index] = value;
        message(&body)
    };
    let cases = [
        (message(&fixed[..33]), Field::Random),
        (with(34, 33), Field::SessionId),
        (
            message(&[&fixed[..34], &[33], &[0; 60]].concat()),
            Field::SessionId,
        ),
        (with(36, 3), Field::CipherSuites),
        (with(36, 0), Field::CipherSuites),
        (with(35, 1), Field::CipherSuites),
        (with(41, 0), Field::CompressionMethods),
        (with(44, 1), Field::Extensions),
        (message(&fixed[..43]), Field::Extensions),
        (hello(&[vec![0, 0, 0]]), Field::Extensions),
        (
            hello(&[extension(10, &vector(&[0, 1, 2]))]),
            Field::SupportedGroups,
        ),
        (
            hello(&[extension(10, &vector(&[]))]),
            Field::SupportedGroups,
        ),
        (
            hello(&[extension(10, &[0, 2, 0, 1, 9])]),
            Field::SupportedGroups,
        ),
        (hello(&[alpn(&[])]), Field::Alpn),
        (hello(&[alpn(&[b"a", b""])]), Field::Alpn),
        (hello(&[extension(16, &vector(&[5, b'a']))]), Field::Alpn),
        (
            hello(&[extension(51, &vector(&[0, 29, 0, 9, 1]))]),
            Field::KeyShare,
        ),
        (hello(&[key_share(&[(29, 0)])]), Field::KeyShare),
        (hello(&[extension(0, &[])]), Field::ServerName),
        (hello(&[extension(0, &vector(&[]))]), Field::ServerName),
    ];
    for (index, (bytes, field)) in cases.iter().enumerate() {
        let error = fault(bytes);
        assert_eq!(error, ClientHelloError::Length(*field), "case {index}");
    }
}

#[test]
fn doubles_and_leftovers_are_refused() {
    let twice = hello(&[alpn(&[b"a"]), alpn(&[b"b"])]);
    assert_eq!(fault(&twice), ClientHelloError::Duplicate(Field::Alpn));
    let trailing = [body(&[]), vec![0; 2]].concat();
    assert_eq!(
        fault(&message(&trailing)),
        ClientHelloError::TrailingBytes { count: 2 }
    );
}

#[test]
fn a_server_name_is_one_printable_host_name() {
    for host in [&b""[..], b"a b", b"\xff", "é".as_bytes()] {
        let bytes = hello(&[server_name(host)]);
        assert_eq!(fault(&bytes), ClientHelloError::ServerName, "{host:?}");
    }
    let two = vector(&[0, 0, 1, b'a', 0, 0, 1, b'b']);
    let bytes = hello(&[extension(0, &two)]);
    assert_eq!(fault(&bytes), ClientHelloError::ServerName);
    let other_kind = vector(&[9, 0, 1, 0xff]);
    let bytes = hello(&[extension(0, &other_kind)]);
    assert_eq!(complete(&bytes).server_name(), None);
}

proptest! {
    #[test]
    fn every_client_hello_reads_back(
        names in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..6),
        shares in prop::collection::vec((any::<u16>(), 1usize..100), 0..6),
        host in "[!-~]{1,40}",
    ) {
        let views: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let bytes = hello(&[alpn(&views), server_name(host.as_bytes()), key_share(&shares)]);
        let hello = complete(&bytes);
        prop_assert_eq!(hello.alpns().collect::<Vec<_>>(), views);
        prop_assert_eq!(hello.server_name(), Some(host.as_str()));
        let groups: Vec<u16> = shares.iter().map(|(group, _)| *group).collect();
        prop_assert_eq!(hello.key_share_groups().collect::<Vec<_>>(), groups);
    }

    #[test]
    fn a_flipped_byte_never_panics(
        index in any::<prop::sample::Index>(),
        value: u8,
    ) {
        let mut bytes = typical();
        let index = index.index(bytes.len());
        bytes[index] = value;
        let _ = progress(&bytes);
    }
}
