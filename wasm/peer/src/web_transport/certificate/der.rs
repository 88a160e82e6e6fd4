//! The few structures of X.509 that a self-signed certificate has ([RFC 5280 § 4.1]), in DER.
//!
//! [RFC 5280 § 4.1]: https://www.rfc-editor.org/rfc/rfc5280#section-4.1

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// A context-specific tag, constructed.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A `dNSName` among alternative names: context-specific, primitive.
const DNS_NAME: u8 = 0x82;

/// 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// 2.5.29.17
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// Nobody looks at it: the page knows the certificate by its hash.
const NAME: &str = "anypath.invalid";

/// What is signed of a certificate for the uncompressed point `key` and the times in `validity`, in seconds since 1970.
pub(super) fn certificate_body(serial: &[u8; 16], validity: [u64; 2], key: &[u8]) -> Vec<u8> {
    let version = element(VERSION, &[element(INTEGER, &[&[2]])]);
    let times = validity.map(time);
    let names = element(SEQUENCE, &[element(DNS_NAME, &[NAME.as_bytes()])]);
    let alternative = element(
        SEQUENCE,
        &[
            element(OBJECT_ID, &[SUBJECT_ALT_NAME]),
            element(OCTET_STRING, &[names]),
        ],
    );
    let parts = [
        version,
        unsigned(serial),
        algorithm(),
        name(),
        element(SEQUENCE, &times),
        name(),
        public_key(key),
        element(EXTENSIONS, &[element(SEQUENCE, &[alternative])]),
    ];
    element(SEQUENCE, &parts)
}

/// The certificate of a body and the signature over it.
pub(super) fn certificate(body: &[u8], signature: &[u8]) -> Vec<u8> {
    let parts = [body.to_vec(), algorithm(), bit_string(signature)];
    element(SEQUENCE, &parts)
}

/// The two numbers of an ECDSA signature ([RFC 3279 § 2.2.3](https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3)).
pub(super) fn signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[unsigned(r), unsigned(s)])
}

fn algorithm() -> Vec<u8> {
    element(SEQUENCE, &[element(OBJECT_ID, &[ECDSA_WITH_SHA256])])
}

fn name() -> Vec<u8> {
    let parts = [
        element(OBJECT_ID, &[COMMON_NAME]),
        element(UTF8_STRING, &[NAME.as_bytes()]),
    ];
    element(SEQUENCE, &[element(SET, &[element(SEQUENCE, &parts)])])
}

fn public_key(point: &[u8]) -> Vec<u8> {
    let algorithm = [
        element(OBJECT_ID, &[EC_PUBLIC_KEY]),
        element(OBJECT_ID, &[P256]),
    ];
    element(
        SEQUENCE,
        &[element(SEQUENCE, &algorithm), bit_string(point)],
    )
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes])
}

/// A number without a sign, from its bytes, the most significant first.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[zeros..];
    match digits.first() {
        Some(first) if *first < 0x80 => element(INTEGER, &[digits]),
        _ => element(INTEGER, &[&[0], digits]),
    }
}

/// A time in seconds since 1970: in two forms, for the years before and after 2050.
fn time(seconds: u64) -> Vec<u8> {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{:02}Z", second % 60);
    match year {
        ..2050 => element(UTC_TIME, &[format!("{:02}{rest}", year % 100).into_bytes()]),
        _ => element(GENERALIZED_TIME, &[format!("{year:04}{rest}").into_bytes()]),
    }
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // Counted from the first of March of the year 0, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted / DAYS_OF_400_YEARS;
    let of_era = shifted % DAYS_OF_400_YEARS;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = match shifted_month {
        ..10 => shifted_month + 3,
        _ => shifted_month - 9,
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Tag, length and content; every content here is shorter than 64 KiB.
fn element<T: AsRef<[u8]>>(tag: u8, content: &[T]) -> Vec<u8> {
    let length: usize = content.iter().map(|part| part.as_ref().len()).sum();
    let mut out = vec![tag];
    match length {
        ..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    for part in content {
        out.extend_from_slice(part.as_ref());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_786, (2026, 11, 29)),
            (29_220, (2050, 1, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn a_time_has_the_form_that_its_year_takes() {
        assert_eq!(time(0), b"\x17\x0d700101000000Z");
        assert_eq!(time(2_524_607_999), b"\x17\x0d491231235959Z");
        assert_eq!(time(2_524_608_000), b"\x18\x0f20500101000000Z");
    }

    #[test]
    fn a_number_is_as_short_as_it_can_be_and_never_negative() {
        assert_eq!(unsigned(&[0, 0, 0x7f]), [INTEGER, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [INTEGER, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0, 0]), [INTEGER, 1, 0]);
    }

    #[test]
    fn lengths_have_one_two_or_three_bytes() {
        for (length, head) in [
            (127, &[4, 127][..]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
        ] {
            let content = vec![7; length];
            let whole = element(OCTET_STRING, &[&content]);
            assert_eq!(whole, [head, &content].concat());
        }
    }
}
