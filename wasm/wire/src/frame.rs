//! The frames in the payload of a QUIC packet [RFC 9000 § 19], with the extensions that peers of iroh's wire
//! use: datagrams [RFC 9221], acknowledgement frequency, multipath, observed addresses, NAT traversal.
//!
//! They are read to be told of, not to be acted upon: of what an application sends only the length is kept, and
//! secrets (stateless reset tokens, address validation tokens) are skipped. Nothing is allocated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

mod ack;
mod body;

pub use ack::{Ack, AckRanges, EcnCounts};
use body::Body;

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// PADDING frames next to each other.
    Padding {
        /// How many.
        length: usize,
    },
    /// PING.
    Ping,
    /// ACK and PATH_ACK, with or without ECN counts.
    Ack(Ack<'a>),
    /// RESET_STREAM.
    ResetStream {
        /// The stream.
        stream: u64,
        /// The application's error code.
        error: u64,
        /// How many bytes the stream had.
        final_size: u64,
    },
    /// STOP_SENDING.
    StopSending {
        /// The stream.
        stream: u64,
        /// The application's error code.
        error: u64,
    },
    /// CRYPTO.
    Crypto {
        /// Where its data belongs.
        offset: u64,
        /// How much there is.
        length: usize,
    },
    /// NEW_TOKEN.
    NewToken {
        /// The length of the token.
        length: usize,
    },
    /// STREAM.
    Stream {
        /// The stream.
        stream: u64,
        /// Where its data belongs.
        offset: u64,
        /// How much there is.
        length: usize,
        /// Whether the stream ends with it.
        fin: bool,
    },
    /// MAX_DATA.
    MaxData {
        /// How much may be sent on all streams together.
        maximum: u64,
    },
    /// MAX_STREAM_DATA.
    MaxStreamData {
        /// The stream.
        stream: u64,
        /// How much may be sent on it.
        maximum: u64,
    },
    /// MAX_STREAMS.
    MaxStreams {
        /// Of which kind.
        bidirectional: bool,
        /// How many may be opened in all.
        maximum: u64,
    },
    /// DATA_BLOCKED.
    DataBlocked {
        /// The limit that was met.
        limit: u64,
    },
    /// STREAM_DATA_BLOCKED.
    StreamDataBlocked {
        /// The stream.
        stream: u64,
        /// The limit that was met.
        limit: u64,
    },
    /// STREAMS_BLOCKED.
    StreamsBlocked {
        /// Of which kind.
        bidirectional: bool,
        /// The limit that was met.
        limit: u64,
    },
    /// NEW_CONNECTION_ID and PATH_NEW_CONNECTION_ID.
    NewConnectionId {
        /// The path, of PATH_NEW_CONNECTION_ID.
        path: Option<u64>,
        /// The number of the connection id.
        sequence: u64,
        /// Below which all are to be retired.
        retire_prior_to: u64,
        /// The connection id.
        id: &'a [u8],
    },
    /// RETIRE_CONNECTION_ID and PATH_RETIRE_CONNECTION_ID.
    RetireConnectionId {
        /// The path, of PATH_RETIRE_CONNECTION_ID.
        path: Option<u64>,
        /// The number of the connection id.
        sequence: u64,
    },
    /// PATH_CHALLENGE.
    PathChallenge([u8; 8]),
    /// PATH_RESPONSE.
    PathResponse([u8; 8]),
    /// CONNECTION_CLOSE by QUIC itself.
    TransportClose {
        /// QUIC's error code.
        error: u64,
        /// The type of the frame at fault; 0: none in particular.
        frame_type: u64,
        /// For people, and meant to be UTF-8.
        reason: &'a [u8],
    },
    /// CONNECTION_CLOSE by the application.
    ApplicationClose {
        /// The application's error code.
        error: u64,
        /// For people, and meant to be UTF-8.
        reason: &'a [u8],
    },
    /// HANDSHAKE_DONE.
    HandshakeDone,
    /// DATAGRAM.
    Datagram {
        /// The length of its data.
        length: usize,
    },
    /// ACK_FREQUENCY [draft-ietf-quic-ack-frequency].
    AckFrequency {
        /// The number of the request.
        sequence: u64,
        /// How many packets may go unacknowledged.
        threshold: u64,
        /// For how many microseconds.
        max_delay_us: u64,
        /// How far packets may be out of order.
        reordering: u64,
    },
    /// IMMEDIATE_ACK [draft-ietf-quic-ack-frequency].
    ImmediateAck,
    /// OBSERVED_ADDRESS [draft-ietf-quic-address-discovery].
    ObservedAddress {
        /// The number of the report.
        sequence: u64,
        /// Where the receiver of the frame was seen.
        address: SocketAddr,
    },
    /// PATH_ABANDON [draft-ietf-quic-multipath].
    PathAbandon {
        /// The path.
        path: u64,
        /// QUIC's error code.
        error: u64,
    },
    /// PATH_STATUS_AVAILABLE and PATH_STATUS_BACKUP [draft-ietf-quic-multipath].
    PathStatus {
        /// The path.
        path: u64,
        /// The number of the status.
        sequence: u64,
        /// Whether it may be used as others are.
        available: bool,
    },
    /// MAX_PATH_ID [draft-ietf-quic-multipath].
    MaxPathId {
        /// The largest number that a path may have.
        maximum: u64,
    },
    /// PATHS_BLOCKED [draft-ietf-quic-multipath].
    PathsBlocked {
        /// The limit that was met.
        limit: u64,
    },
    /// PATH_CIDS_BLOCKED [draft-ietf-quic-multipath].
    PathCidsBlocked {
        /// The path.
        path: u64,
        /// The number of the connection id that is wanted.
        next_sequence: u64,
    },
    /// ADD_ADDRESS of iroh's NAT traversal.
    AddAddress {
        /// The number of the address.
        sequence: u64,
        /// Where the sender may be reached.
        address: SocketAddr,
    },
    /// REACH_OUT of iroh's NAT traversal.
    ReachOut {
        /// The number of the round.
        round: u64,
        /// Where the sender waits.
        address: SocketAddr,
    },
    /// REMOVE_ADDRESS of iroh's NAT traversal.
    RemoveAddress {
        /// The number of the address.
        sequence: u64,
    },
}

/// Why a frame can't be read. Where it ends is not known then, so nothing behind it can be read either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The payload ends within the frame.
    #[error("the payload ends within a frame of type {frame_type:#x}")]
    Truncated {
        /// The frame's type; 0 when it is the type that is cut.
        frame_type: u64,
    },
    /// A type that is not known here.
    #[error("{frame_type:#x} is not a known frame type")]
    Unknown {
        /// The type.
        frame_type: u64,
    },
    /// Fields that contradict each other.
    #[error("a frame of type {frame_type:#x} contradicts itself")]
    Malformed {
        /// The frame's type.
        frame_type: u64,
    },
}

/// Reads a payload frame by frame; the first error ends it.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    payload: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// The frames of a decrypted `payload`.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self {
            payload,
            rest: payload,
        }
    }

    /// How many bytes the frames read so far took. After an error it is where the bad frame begins.
    pub const fn offset(&self) -> usize {
        self.payload.len() - self.rest.len()
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut body = Body::new(self.rest);
        let frame = read(&mut body);
        match frame {
            Ok(_) => self.rest = body.rest(),
            Err(_) => {
                self.payload = &self.payload[..self.offset()];
                self.rest = &[];
            }
        }
        Some(frame)
    }
}

fn read<'a>(body: &mut Body<'a>) -> Result<Frame<'a>, FrameError> {
    let frame_type = body.frame_type()?;
    match frame_type {
        0x00..=0x1e => read_rfc_9000(frame_type, body),
        0x30 => Ok(Frame::Datagram {
            length: body.all().len(),
        }),
        0x31 => Ok(Frame::Datagram {
            length: body.prefixed()?.len(),
        }),
        _ => read_extension(frame_type, body),
    }
}

fn read_rfc_9000<'a>(frame_type: u64, body: &mut Body<'a>) -> Result<Frame<'a>, FrameError> {
    Ok(match frame_type {
        0x00 => Frame::Padding {
            length: 1 + body.zeros(),
        },
        0x01 => Frame::Ping,
        0x02 | 0x03 => Frame::Ack(Ack::read(None, frame_type == 0x03, body)?),
        0x04 => Frame::ResetStream {
            stream: body.number()?,
            error: body.number()?,
            final_size: body.number()?,
        },
        0x05 => Frame::StopSending {
            stream: body.number()?,
            error: body.number()?,
        },
        0x06 => Frame::Crypto {
            offset: body.number()?,
            length: body.prefixed()?.len(),
        },
        0x07 => Frame::NewToken {
            length: body.prefixed()?.len(),
        },
        0x08..=0x0f => read_stream(frame_type, body)?,
        0x10 => Frame::MaxData {
            maximum: body.number()?,
        },
        0x11 => Frame::MaxStreamData {
            stream: body.number()?,
            maximum: body.number()?,
        },
        0x12 | 0x13 => Frame::MaxStreams {
            bidirectional: frame_type == 0x12,
            maximum: body.number()?,
        },
        0x14 => Frame::DataBlocked {
            limit: body.number()?,
        },
        0x15 => Frame::StreamDataBlocked {
            stream: body.number()?,
            limit: body.number()?,
        },
        0x16 | 0x17 => Frame::StreamsBlocked {
            bidirectional: frame_type == 0x16,
            limit: body.number()?,
        },
        0x18 => read_new_connection_id(None, body)?,
        0x19 => Frame::RetireConnectionId {
            path: None,
            sequence: body.number()?,
        },
        0x1a => Frame::PathChallenge(body.array()?),
        0x1b => Frame::PathResponse(body.array()?),
        0x1c => Frame::TransportClose {
            error: body.number()?,
            frame_type: body.number()?,
            reason: body.prefixed()?,
        },
        0x1d => Frame::ApplicationClose {
            error: body.number()?,
            reason: body.prefixed()?,
        },
        0x1e => Frame::HandshakeDone,
        _ => return Err(FrameError::Unknown { frame_type }),
    })
}

fn read_extension<'a>(frame_type: u64, body: &mut Body<'a>) -> Result<Frame<'a>, FrameError> {
    Ok(match frame_type {
        0x1f => Frame::ImmediateAck,
        0xaf => Frame::AckFrequency {
            sequence: body.number()?,
            threshold: body.number()?,
            max_delay_us: body.number()?,
            reordering: body.number()?,
        },
        0x3e | 0x3f => {
            let path = body.number()?;
            Frame::Ack(Ack::read(Some(path), frame_type == 0x3f, body)?)
        }
        0x3e75 => Frame::PathAbandon {
            path: body.number()?,
            error: body.number()?,
        },
        0x3e76 | 0x3e77 => Frame::PathStatus {
            path: body.number()?,
            sequence: body.number()?,
            available: frame_type == 0x3e77,
        },
        0x3e78 => {
            let path = body.number()?;
            read_new_connection_id(Some(path), body)?
        }
        0x3e79 => Frame::RetireConnectionId {
            path: Some(body.number()?),
            sequence: body.number()?,
        },
        0x3e7a => Frame::MaxPathId {
            maximum: body.number()?,
        },
        0x3e7b => Frame::PathsBlocked {
            limit: body.number()?,
        },
        0x3e7c => Frame::PathCidsBlocked {
            path: body.number()?,
            next_sequence: body.number()?,
        },
        0x9f_81a6 | 0x9f_81a7 => Frame::ObservedAddress {
            sequence: body.number()?,
            address: read_address(frame_type == 0x9f_81a7, body)?,
        },
        0x3d_7f90 | 0x3d_7f91 => Frame::AddAddress {
            sequence: body.number()?,
            address: read_address(frame_type == 0x3d_7f91, body)?,
        },
        0x3d_7f92 | 0x3d_7f93 => Frame::ReachOut {
            round: body.number()?,
            address: read_address(frame_type == 0x3d_7f93, body)?,
        },
        0x3d_7f94 => Frame::RemoveAddress {
            sequence: body.number()?,
        },
        _ => return Err(FrameError::Unknown { frame_type }),
    })
}

fn read_stream<'a>(frame_type: u64, body: &mut Body<'a>) -> Result<Frame<'a>, FrameError> {
    const FIN: u64 = 1;
    const LENGTH: u64 = 2;
    const OFFSET: u64 = 4;
    let stream = body.number()?;
    let offset = match frame_type & OFFSET {
        0 => 0,
        _ => body.number()?,
    };
    let data = match frame_type & LENGTH {
        0 => body.all(),
        _ => body.prefixed()?,
    };
    Ok(Frame::Stream {
        stream,
        offset,
        length: data.len(),
        fin: frame_type & FIN != 0,
    })
}

fn read_new_connection_id<'a>(
    path: Option<u64>,
    body: &mut Body<'a>,
) -> Result<Frame<'a>, FrameError> {
    const RESET_TOKEN: usize = 16;
    let sequence = body.number()?;
    let retire_prior_to = body.number()?;
    let [length] = body.array()?;
    if retire_prior_to > sequence || !(1..=20).contains(&length) {
        return Err(body.malformed());
    }
    let id = body.take(usize::from(length))?;
    body.take(RESET_TOKEN)?;
    Ok(Frame::NewConnectionId {
        path,
        sequence,
        retire_prior_to,
        id,
    })
}

fn read_address(v6: bool, body: &mut Body<'_>) -> Result<SocketAddr, FrameError> {
    let ip = match v6 {
        true => IpAddr::V6(Ipv6Addr::from(body.array::<16>()?)),
        false => IpAddr::V4(Ipv4Addr::from(body.array::<4>()?)),
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes(body.array()?)))
}

#[cfg(test)]
mod tests;
