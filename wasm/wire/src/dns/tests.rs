use proptest::prelude::*;

use super::*;

fn response(labels: &[&str], values: &[&[u8]]) -> Vec<u8> {
    txt_response(labels, 30, values.iter().copied()).expect("within the limits")
}

/// The labels, the time to live and the value of a record.
type Owned = (Vec<Vec<u8>>, u32, Vec<u8>);

fn read(message: &[u8]) -> Result<Vec<Owned>, DnsError> {
    let owned = |txt: Txt<'_>| {
        let labels = txt.name.labels().map(<[u8]>::to_vec).collect();
        (labels, txt.ttl, txt.value())
    };
    let records = TxtAnswers::new(message)?;
    records.map(|record| record.map(owned)).collect()
}

/// A message with one question and one answer, whose names are `question` and `answer`.
fn message(question: &[u8], answer: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    out.extend(question);
    out.extend([0, 16, 0, 1]);
    out.extend(answer);
    out.extend([0, 16, 0, 1, 0, 0, 0, 30, 0, 2, 1, b'x']);
    out
}

#[test]
fn a_response_is_written_as_rfc_1035_section_4_says() {
    let bytes = response(&["_a", "b"], &[b"k=v", b""]);
    let expected = [
        &[0, 0, 0x80, 0, 0, 0, 0, 2, 0, 0, 0, 0][..],
        b"\x02_a\x01b\0",
        &[0, 16, 0, 1, 0, 0, 0, 30, 0, 4, 3],
        b"k=v",
        &[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 30, 0, 1, 0],
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(txt_record_len(3), 12 + 4);
    assert_eq!(txt_record_len(0), 12 + 1);
}

#[test]
fn a_question_is_stepped_over_and_compressed_names_are_followed() {
    // The answer's name is "c" and a pointer to "b" within the question's.
    let bytes = message(b"\x01a\x01b\0", &[1, b'c', 0xc0, 14]);
    let records = read(&bytes).expect("a message");
    let name = vec![b"c".to_vec(), b"b".to_vec()];
    assert_eq!(records, [(name, 30, b"x".to_vec())]);
    let first = TxtAnswers::new(&bytes).expect("a message").next();
    let txt = first.expect("a record").expect("well-formed");
    assert!(txt.name.is(&["C", "b"]));
    assert!(!txt.name.is(&["c"]) && !txt.name.is(&["c", "b", "a"]));
}

#[test]
fn records_of_other_types_and_classes_are_skipped() {
    let mut bytes = response(&["a"], &[b"1", b"2", b"3"]);
    let second = 12 + 3 + 12 + 2;
    assert_eq!(bytes[second..second + 4], [0, 16, 0, 1]);
    bytes[second + 1] = 1;
    let values = |bytes: &[u8]| {
        let records = read(bytes).expect("a message");
        records
            .into_iter()
            .map(|(_, _, value)| value)
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&bytes), [b"1", b"3"]);
    bytes[second + 1] = 16;
    bytes[second + 3] = 3;
    assert_eq!(values(&bytes), [b"1", b"3"]);
    // The class with the cache-flush bit of multicast DNS.
    bytes[second + 2..second + 4].copy_from_slice(&[0x80, 1]);
    assert_eq!(values(&bytes), [b"1", b"2", b"3"]);
}

#[test]
fn a_pointer_that_does_not_lead_backwards_is_refused() {
    let at = |offset| Err(DnsError::NamePointer { offset });
    // To itself, forwards, and one to the start of the name that is being read.
    assert_eq!(read(&message(&[0xc0, 12], &[0])), at(12));
    assert_eq!(read(&message(&[0xc0, 20], &[0])), at(12));
    assert_eq!(read(&message(&[1, b'a', 0xc0, 12], &[0])), at(14));
    // Two that point at each other.
    assert_eq!(read(&message(&[0], &[0xc0, 19, 0xc0, 17])), at(17));
    // A pointer to a pointer is fine as long as each leads backwards.
    let mut bytes = response(&["a"], &[b"1", b"2", b"3"]);
    let third = 41;
    assert_eq!(bytes[third..third + 2], [0xc0, 12]);
    bytes[third + 1] = 27;
    let records = read(&bytes).expect("a message");
    assert!(records.iter().all(|(name, ..)| *name == [b"a"]));
    bytes[third + 1] = third as u8;
    assert_eq!(read(&bytes), at(third));
    assert_eq!(read(&message(&[0x40, b'a', 0], &[0])), at(12));
    assert_eq!(read(&message(&[0x80, b'a', 0], &[0])), at(12));
}

#[test]
fn a_name_of_more_than_255_bytes_is_refused_even_when_pointers_make_it_so() {
    let label = [&[63][..], &[b'x'; 63]].concat();
    let longest = [&label[..], &label, &label, &[61], &[b'x'; 61], &[0]].concat();
    assert_eq!(longest.len(), MAX_NAME);
    assert!(read(&message(&longest, &[0xc0, 12])).is_ok());
    assert_eq!(
        read(&message(&longest, &[1, b'y', 0xc0, 12])),
        Err(DnsError::NameLength)
    );
    let text = "x".repeat(63);
    let four = [&text[..], &text, &text, &text];
    let values = [&b"v"[..]];
    let refused = txt_response(&four, 30, values.into_iter());
    assert_eq!(refused, Err(DnsError::NameLength));
    for label in ["", &"x".repeat(64)] {
        let refused = txt_response(&[label], 30, values.into_iter());
        assert_eq!(refused, Err(DnsError::NameLength));
    }
}

#[test]
fn a_long_value_is_spread_over_character_strings_and_put_together_again() {
    for length in [0, 1, 255, 256, 510, 511] {
        let value = vec![b'v'; length];
        let bytes = response(&["a"], &[&value]);
        assert_eq!(bytes.len(), 12 + 3 - 2 + txt_record_len(length));
        assert_eq!(read(&bytes).expect("a message")[0].2, value);
    }
}

#[test]
fn a_record_whose_strings_do_not_fill_it_is_an_error_and_the_last() {
    let mut bytes = response(&["a"], &[b"xy", b"z"]);
    let length = 12 + 3 + 10;
    bytes[length] = 3;
    let mut records = TxtAnswers::new(&bytes).expect("a header");
    assert!(matches!(records.next(), Some(Err(DnsError::Text))));
    assert!(records.next().is_none());
}

#[test]
fn counts_that_the_message_does_not_hold_are_an_error() {
    let mut bytes = response(&["a"], &[b"x"]);
    bytes[7] = 2;
    assert_eq!(read(&bytes), Err(DnsError::Truncated));
    bytes[4..6].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(read(&bytes), Err(DnsError::Truncated));
    assert_eq!(read(&[0; 11]), Err(DnsError::Truncated));
    assert_eq!(read(&[0; 12]), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn every_response_reads_back(
        labels in prop::collection::vec("[a-z0-9_-]{1,20}", 0..5),
        ttl: u32,
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..6),
    ) {
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        let bytes = txt_response(&labels, ttl, values.iter().map(Vec::as_slice)).expect("small");
        let read = read(&bytes).expect("well-formed");
        prop_assert_eq!(read.len(), values.len());
        for ((name, read_ttl, value), expected) in read.iter().zip(&values) {
            prop_assert_eq!(*read_ttl, ttl);
            prop_assert_eq!(value, expected);
            prop_assert!(name.iter().map(Vec::as_slice).eq(labels.iter().map(|l| l.as_bytes())));
        }
    }

    #[test]
    fn no_message_panics_or_goes_on_for_ever(mut bytes: Vec<u8>, questions in 0u8..3, answers in 0u8..5) {
        if let Some(counts) = bytes.get_mut(4..8) {
            counts.copy_from_slice(&[0, questions, 0, answers]);
        }
        if let Ok(records) = TxtAnswers::new(&bytes) {
            for record in records.flatten() {
                prop_assert!(record.name.labels().map(|l| 1 + l.len()).sum::<usize>() < MAX_NAME);
                prop_assert!(record.value().len() <= bytes.len());
            }
        }
    }
}
