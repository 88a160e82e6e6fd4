//! The targets for HTTP/3.

use anypath_wire::http3::capsule::{CLOSE_SESSION, Close, MAX_CLOSE};
use anypath_wire::http3::{frame, qpack, settings};

/// The most that a section of fields may expand to.
const MAX_FIELDS: usize = 4096;

/// Frames one after another, of which some are capsules that end a session.
pub fn http3_frame(data: &[u8]) {
    let mut rest = data;
    while let Some((head, taken)) = frame::read_head(rest) {
        assert!((2..=16).contains(&taken));
        let after = &rest[taken..];
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        let Some((payload, following)) = after.split_at_checked(length) else {
            break;
        };
        let mut written = Vec::new();
        frame::write(head.kind, payload, &mut written);
        let (again, _) = frame::read_head(&written).expect("our own");
        assert_eq!(again, head);
        close_session(payload);
        rest = following;
    }
}

fn close_session(payload: &[u8]) {
    let Ok(close) = Close::read(payload) else {
        return;
    };
    assert!(payload.len() <= MAX_CLOSE);
    let mut written = Vec::new();
    close.write(&mut written);
    let (head, taken) = frame::read_head(&written).expect("our own");
    assert_eq!(head.kind, CLOSE_SESSION);
    assert_eq!(&written[taken..], payload);
}

/// The settings of a client.
pub fn http3_settings(data: &[u8]) {
    let Ok(read) = settings::read_client(data) else {
        return;
    };
    // What is there once more contradicts itself.
    if !data.is_empty() {
        assert!(settings::read_client(&[data, data].concat()).is_err());
    }
    let mut written = Vec::new();
    settings::write(
        &[(settings::H3_DATAGRAM, read.datagrams.into())],
        &mut written,
    );
    assert_eq!(settings::read_client(&written), Ok(read));
}

/// A section of fields.
pub fn qpack_fields(data: &[u8]) {
    let Ok(fields) = qpack::read(data, MAX_FIELDS) else {
        return;
    };
    let size = |field: &qpack::Field| field.name.len() + field.value.len() + 32;
    assert!(fields.iter().map(size).sum::<usize>() <= MAX_FIELDS);
    let texts: Option<Vec<_>> = fields
        .iter()
        .map(|field| {
            let name = std::str::from_utf8(&field.name).ok()?;
            Some((name, std::str::from_utf8(&field.value).ok()?))
        })
        .collect();
    if let Some(texts) = texts {
        let mut written = Vec::new();
        qpack::write(&texts, &mut written);
        assert_eq!(qpack::read(&written, MAX_FIELDS), Ok(fields));
    }
}
