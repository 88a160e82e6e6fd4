use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::varint::{MAX_VARINT, write_varint};

/// A payload under construction.
#[derive(Debug, Clone, Default)]
struct Payload(Vec<u8>);

impl Payload {
    fn numbers(mut self, numbers: &[u64]) -> Self {
        for number in numbers {
            write_varint(*number, &mut self.0);
        }
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn prefixed(self, bytes: &[u8]) -> Self {
        self.numbers(&[bytes.len() as u64]).bytes(bytes)
    }
}

fn numbers(numbers: &[u64]) -> Payload {
    Payload::default().numbers(numbers)
}

fn read_all(payload: &[u8]) -> Result<Vec<Frame<'_>>, FrameError> {
    Frames::new(payload).collect()
}

#[track_caller]
fn assert_reads(payload: Payload, frame: Frame<'_>) {
    assert_eq!(read_all(&payload.0), Ok(vec![frame]));
}

#[test]
fn the_frames_of_rfc_9000_are_read_with_their_fields() {
    assert_reads(numbers(&[1]), Frame::Ping);
    let reset = Frame::ResetStream {
        stream: 8,
        error: 900,
        final_size: 70_000,
    };
    assert_reads(numbers(&[4, 8, 900, 70_000]), reset);
    let stop = Frame::StopSending {
        stream: 8,
        error: 900,
    };
    assert_reads(numbers(&[5, 8, 900]), stop);
    let crypto = Frame::Crypto {
        offset: 1200,
        length: 3,
    };
    assert_reads(numbers(&[6, 1200]).prefixed(b"tls"), crypto);
    assert_reads(
        numbers(&[7]).prefixed(b"token"),
        Frame::NewToken { length: 5 },
    );
    let close = Frame::TransportClose {
        error: 0x0a,
        frame_type: 6,
        reason: b"no",
    };
    assert_reads(numbers(&[0x1c, 0x0a, 6]).prefixed(b"no"), close);
    let close = Frame::ApplicationClose {
        error: 7,
        reason: b"done",
    };
    assert_reads(numbers(&[0x1d, 7]).prefixed(b"done"), close);
    let challenge = Frame::PathChallenge([9; 8]);
    assert_reads(numbers(&[0x1a]).bytes(&[9; 8]), challenge);
    assert_reads(
        numbers(&[0x13, 5]),
        Frame::MaxStreams {
            bidirectional: false,
            maximum: 5,
        },
    );
    assert_reads(numbers(&[0x1e]), Frame::HandshakeDone);
}

#[test]
fn a_stream_frame_without_a_length_reaches_to_the_end() {
    for (fin, frame_type) in [(false, 0x0c), (true, 0x0d)] {
        let stream = Frame::Stream {
            stream: 4,
            offset: 100,
            length: 5,
            fin,
        };
        assert_reads(numbers(&[frame_type, 4, 100]).bytes(&[0; 5]), stream);
        let with_length = numbers(&[frame_type | 2, 4, 100]).prefixed(&[0; 5]);
        let read = read_all(&with_length.bytes(&[1]).0).map(|frames| frames.len());
        assert_eq!(read, Ok(2));
    }
    assert_reads(
        numbers(&[0x30]).bytes(&[1; 9]),
        Frame::Datagram { length: 9 },
    );
}

#[test]
fn acknowledged_ranges_come_largest_first() {
    // 90..=100, then 80..=85 (4 left out, so a gap of 3), then 78 alone (79 left out).
    let payload = numbers(&[0x03, 100, 12, 2, 10, 3, 5, 0, 0, 1, 2, 3]);
    let frames = read_all(&payload.0).expect("an ACK");
    let [Frame::Ack(ack)] = frames[..] else {
        panic!("{frames:?} is not an ACK");
    };
    assert_eq!((ack.path, ack.delay, ack.ranges.largest()), (None, 12, 100));
    let ranges: Vec<_> = ack.ranges.iter().collect();
    assert_eq!(ranges, [90..=100, 80..=85, 78..=78]);
    let counts = EcnCounts {
        ect0: 1,
        ect1: 2,
        ce: 3,
    };
    assert_eq!(ack.ecn, Some(counts));
}

#[test]
fn an_acknowledgement_of_packets_below_zero_is_malformed() {
    for bad in [
        &[0x02, 4, 0, 0, 5][..],
        &[0x02, 4, 0, 1, 3, 0, 0],
        &[0x02, 9, 0, 1, 3, 2, 3],
    ] {
        let malformed = FrameError::Malformed { frame_type: 2 };
        assert_eq!(read_all(&numbers(bad).0), Err(malformed), "{bad:?}");
    }
}

#[test]
fn the_frames_of_the_extensions_are_read() {
    let v4 = SocketAddr::from(([192, 0, 2, 1], 4433));
    let v4_bytes = [192, 0, 2, 1, 0x11, 0x51];
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 4433));
    let mut v6_bytes = [0; 18];
    v6_bytes[15..].copy_from_slice(&[1, 0x11, 0x51]);
    let sequence = 3;
    let cases = [
        (
            0x9f_81a6,
            Frame::ObservedAddress {
                sequence,
                address: v4,
            },
        ),
        (
            0x3d_7f90,
            Frame::AddAddress {
                sequence,
                address: v4,
            },
        ),
        (
            0x3d_7f92,
            Frame::ReachOut {
                round: 3,
                address: v4,
            },
        ),
        (
            0x9f_81a7,
            Frame::ObservedAddress {
                sequence,
                address: v6,
            },
        ),
        (
            0x3d_7f91,
            Frame::AddAddress {
                sequence,
                address: v6,
            },
        ),
        (
            0x3d_7f93,
            Frame::ReachOut {
                round: 3,
                address: v6,
            },
        ),
    ];
    for (frame_type, frame) in cases {
        let address: &[u8] = if frame_type % 2 == 0 {
            &v4_bytes
        } else {
            &v6_bytes
        };
        // Observed addresses have their odd number for IPv6, as the others do.
        assert_reads(numbers(&[frame_type, 3]).bytes(address), frame);
    }
    assert_reads(numbers(&[0x3d_7f94, 3]), Frame::RemoveAddress { sequence });
    assert_reads(numbers(&[0x1f]), Frame::ImmediateAck);
    let frequency = Frame::AckFrequency {
        sequence,
        threshold: 10,
        max_delay_us: 25_000,
        reordering: 1,
    };
    assert_reads(numbers(&[0xaf, 3, 10, 25_000, 1]), frequency);
    let abandon = Frame::PathAbandon { path: 2, error: 1 };
    assert_reads(numbers(&[0x3e75, 2, 1]), abandon);
    for (frame_type, available) in [(0x3e76, false), (0x3e77, true)] {
        let status = Frame::PathStatus {
            path: 2,
            sequence,
            available,
        };
        assert_reads(numbers(&[frame_type, 2, 3]), status);
    }
    assert_reads(numbers(&[0x3e7a, 8]), Frame::MaxPathId { maximum: 8 });
    assert_reads(numbers(&[0x3e7b, 8]), Frame::PathsBlocked { limit: 8 });
    let blocked = Frame::PathCidsBlocked {
        path: 2,
        next_sequence: 3,
    };
    assert_reads(numbers(&[0x3e7c, 2, 3]), blocked);
    let new_id = Frame::NewConnectionId {
        path: Some(2),
        sequence,
        retire_prior_to: 1,
        id: &[7; 8],
    };
    let payload = numbers(&[0x3e78, 2, 3, 1]).prefixed(&[7; 8]);
    assert_reads(payload.bytes(&[0; 16]), new_id);
}

#[test]
fn an_unknown_or_cut_frame_ends_the_reading_where_it_begins() {
    let payload = numbers(&[1, 0, 0, 0, 0x21, 1, 1]);
    let mut frames = Frames::new(&payload.0);
    assert_eq!(frames.next(), Some(Ok(Frame::Ping)));
    assert_eq!(frames.next(), Some(Ok(Frame::Padding { length: 3 })));
    let unknown = FrameError::Unknown { frame_type: 0x21 };
    assert_eq!(frames.next(), Some(Err(unknown)));
    assert_eq!(frames.offset(), 4);
    assert_eq!(frames.next(), None);

    let payload = numbers(&[6, 0, 4]).bytes(b"tls");
    let truncated = FrameError::Truncated { frame_type: 6 };
    assert_eq!(read_all(&payload.0), Err(truncated));
    assert_eq!(
        read_all(&[0x40]),
        Err(FrameError::Truncated { frame_type: 0 })
    );
}

#[test]
fn a_connection_id_has_1_to_20_bytes_and_is_not_retired_at_once() {
    let malformed = FrameError::Malformed { frame_type: 0x18 };
    for (retire, length) in [(0, 0), (0, 21), (2, 8)] {
        let payload = numbers(&[0x18, 1, retire]).bytes(&[length; 60]);
        assert_eq!(read_all(&payload.0), Err(malformed));
    }
}

/// An ACK with the ranges that it acknowledges.
fn ack() -> impl Strategy<Value = (Payload, Vec<RangePair>)> {
    let others = vec((0..1_u64 << 40, 0..1_u64 << 40), 0..20);
    (0..MAX_VARINT / 2, others).prop_map(|(first, others)| {
        let span: u64 = others.iter().map(|(gap, length)| gap + length + 2).sum();
        let (mut low, count) = (span + 5, others.len() as u64);
        let largest = low + first;
        let mut payload = numbers(&[2, largest, 0, count, first]);
        let mut ranges = vec![(low, largest)];
        for (gap, length) in others {
            payload = payload.numbers(&[gap, length]);
            let high = low - gap - 2;
            low = high - length;
            ranges.push((low, high));
        }
        (payload, ranges)
    })
}

type RangePair = (u64, u64);

proptest! {
    #[test]
    fn every_acknowledgement_tells_its_ranges((payload, expected) in ack()) {
        let frames = read_all(&payload.0).expect("an ACK");
        let [Frame::Ack(ack)] = frames[..] else {
            panic!("{frames:?} is not an ACK");
        };
        let ranges: Vec<_> = ack.ranges.iter().map(|range| range.into_inner()).collect();
        prop_assert_eq!(ranges, expected);
    }

    #[test]
    fn frames_behind_each_other_are_read_in_order(
        parts in vec((0..MAX_VARINT, 0..MAX_VARINT, vec(any::<u8>(), 0..50), any::<bool>()), 1..20),
    ) {
        let mut payload = Payload::default();
        let mut expected = Vec::new();
        for (stream, offset, data, fin) in &parts {
            let frame_type = 0x0e | u64::from(*fin);
            payload = payload.numbers(&[frame_type, *stream, *offset]).prefixed(data);
            expected.push(Frame::Stream {
                stream: *stream,
                offset: *offset,
                length: data.len(),
                fin: *fin,
            });
        }
        prop_assert_eq!(read_all(&payload.0), Ok(expected));
    }

    #[test]
    fn no_payload_panics(payload: Vec<u8>) {
        let mut frames = Frames::new(&payload);
        for frame in frames.by_ref() {
            if let Ok(Frame::Ack(ack)) = frame {
                let _ = ack.ranges.iter().count();
            }
        }
        prop_assert!(frames.offset() <= payload.len());
    }
}
