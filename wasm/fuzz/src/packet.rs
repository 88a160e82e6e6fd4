//! Targets for what a packet holds once it is opened.

use anypath_wire::frame::{Ack, Frame, Frames};

/// The payload of a QUIC packet.
pub fn frame(data: &[u8]) {
    let mut frames = Frames::new(data);
    let mut whole = true;
    loop {
        let start = frames.offset();
        let Some(frame) = frames.next() else { break };
        assert!(whole, "a frame after an error");
        let Ok(frame) = frame else {
            assert_eq!(frames.offset(), start, "consumed by a failure");
            whole = false;
            continue;
        };
        let taken = frames.offset() - start;
        assert!(taken > 0 && frames.offset() <= data.len());
        check(&frame, &data[start..frames.offset()]);
        // The bytes of a frame are that frame when they are alone, too.
        let mut alone = Frames::new(&data[start..frames.offset()]);
        assert_eq!(alone.next(), Some(Ok(frame)));
        assert_eq!(alone.next(), None);
    }
    assert_eq!(frames.offset() == data.len(), whole || data.is_empty());
}

fn check(frame: &Frame<'_>, bytes: &[u8]) {
    match *frame {
        Frame::Ack(ack) => check_ack(&ack),
        // A type may be encoded in more bytes than it needs.
        Frame::Padding { length } => assert!((1..=bytes.len()).contains(&length)),
        Frame::Crypto { length, .. }
        | Frame::Stream { length, .. }
        | Frame::NewToken { length }
        | Frame::Datagram { length } => assert!(length < bytes.len()),
        Frame::NewConnectionId {
            sequence,
            retire_prior_to,
            id,
            ..
        } => {
            assert!(retire_prior_to <= sequence);
            assert!((1..=20).contains(&id.len()));
        }
        _ => {}
    }
}

fn check_ack(ack: &Ack<'_>) {
    let mut above = None;
    for range in ack.ranges.iter() {
        assert!(range.start() <= range.end());
        match above {
            None => assert_eq!(*range.end(), ack.ranges.largest()),
            Some(above) => assert!(range.end() + 1 < above, "ranges touch"),
        }
        above = Some(*range.start());
    }
    assert!(above.is_some(), "nothing is acknowledged");
}
