//! The targets for what two peers say to each other to get through their NATs.

use anypath_wire::control::{self, MAX_FRAME_BYTES, Parsed};
use anypath_wire::quic::{Datagram, classify};

/// A probe.
pub fn probe(data: &[u8]) {
    let Ok(received) = anypath_wire::probe::parse(data) else {
        return;
    };
    assert_eq!(classify(data), Datagram::Probe);
    let written = received.probe.write(|covered| {
        assert_eq!(covered, received.covered);
        *received.code
    });
    assert_eq!(written, data);
}

/// The frames of a control connection, one after another.
pub fn control_frame(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((frame, after))) = control::parse(rest) {
        assert!(after.len() < rest.len(), "a frame takes no bytes");
        rest = after;
        let Some(frame) = frame else { continue };
        let mut written = Vec::new();
        frame.write(&mut written);
        assert!(written.len() <= MAX_FRAME_BYTES);
        let whole: Option<Parsed<'_>> = Some((Some(frame), &[]));
        assert_eq!(control::parse(&written), Ok(whole));
    }
}
