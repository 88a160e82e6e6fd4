//! The frames of a control connection, on which two anypath peers agree on what their application never hears of.
//!
//! A frame is a type, a length and as many bytes, the first two variable-length integers [RFC 9000 § 16]. A type that is
//! unknown is passed over, which is how later versions say more; what a known type holds never changes.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::varint::{read_varint, write_varint};

/// The application protocol of control connections.
pub const CONTROL_ALPN: &[u8] = b"anypath/1";

/// The version that this module speaks.
pub const VERSION: u64 = 1;

/// The longest frame, its type and its length included.
pub const MAX_FRAME_BYTES: usize = 512;

/// How many addresses a [`Frame::Mapping`] may have.
pub const MAX_ADDRESSES: usize = 8;

const HELLO: u64 = 0;
const MAPPING: u64 = 1;
const PROPOSE: u64 = 2;
const ACCEPT: u64 = 3;
const START: u64 = 4;
const END: u64 = 5;

/// What a peer knows of the NAT before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Nat {
    /// Too little to take part in the birthday scheme.
    Unknown = 0,
    /// Its mappings are endpoint-independent [RFC 4787 § 4.1]: one address for every destination.
    Easy = 1,
    /// Its mappings depend on the destination [RFC 4787 § 4.1], so that the remote's is not known beforehand.
    Hard = 2,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// A pair of ports was found.
    Hit = 0,
    /// None was found in time.
    Missed = 1,
    /// The other side will not take part now: its limits forbid it, or its NAT calls for something else.
    Refused = 2,
}

/// Something that one peer tells the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of either side.
    Hello {
        /// The highest version that the sender speaks.
        version: u64,
    },
    /// The sender's NAT, told again when it is known better.
    Mapping {
        /// Of which kind it is.
        nat: Nat,
        /// How others see the sender: [`MAX_ADDRESSES`] at most, IPv4 as such, no scope, no port 0.
        addresses: Vec<SocketAddr>,
    },
    /// Asks for an attempt.
    Propose {
        /// The attempt's number, which the sender never uses again on this connection.
        attempt: u64,
        /// Whether the sender is the side with the hard NAT.
        hard: bool,
    },
    /// Agrees to an attempt.
    Accept {
        /// Its number.
        attempt: u64,
    },
    /// The receiver begins the attempt at once, and the sender when this has arrived.
    Start {
        /// Its number.
        attempt: u64,
    },
    /// The attempt is over.
    End {
        /// Its number.
        attempt: u64,
        /// Why.
        outcome: Outcome,
    },
}

/// Why bytes are no frame. The connection can't be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ControlError {
    /// The frame is longer than [`MAX_FRAME_BYTES`].
    #[error("a control frame of {length} bytes is too long")]
    TooLong {
        /// How many bytes it would have, without its type.
        length: u64,
    },
    /// The frame ends before what it says does, or goes on after it.
    #[error("a control frame of type {kind} has the wrong length")]
    Length {
        /// The frame's type.
        kind: u64,
    },
    /// A field has a value that it can't have.
    #[error("a control frame of type {kind} has a field of an unknown value")]
    Value {
        /// The frame's type.
        kind: u64,
    },
}

impl Frame {
    /// Appends the frame. Addresses beyond [`MAX_ADDRESSES`] and numbers beyond 2^62 - 1 are not written.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let kind = match self {
            Self::Hello { version } => {
                write_varint(*version, &mut body);
                HELLO
            }
            Self::Mapping { nat, addresses } => {
                body.push(*nat as u8);
                let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
                body.push(addresses.len() as u8);
                for address in addresses {
                    write_address(address, &mut body);
                }
                MAPPING
            }
            Self::Propose { attempt, hard } => {
                write_varint(*attempt, &mut body);
                body.push(u8::from(*hard));
                PROPOSE
            }
            Self::Accept { attempt } => {
                write_varint(*attempt, &mut body);
                ACCEPT
            }
            Self::Start { attempt } => {
                write_varint(*attempt, &mut body);
                START
            }
            Self::End { attempt, outcome } => {
                write_varint(*attempt, &mut body);
                body.push(*outcome as u8);
                END
            }
        };
        write_varint(kind, out);
        write_varint(body.len() as u64, out);
        out.extend_from_slice(&body);
    }
}

/// A frame, `None` when its type is unknown, and the bytes after it.
pub type Parsed<'a> = (Option<Frame>, &'a [u8]);

/// The frame at the start of `bytes`, `None` in its place when its type is unknown, and what follows it; `None` when the
/// bytes end within the frame and more are needed, of which [`MAX_FRAME_BYTES`] are always enough.
///
/// # Errors
/// [`ControlError`] when no further bytes can make it a frame.
pub fn parse(bytes: &[u8]) -> Result<Option<Parsed<'_>>, ControlError> {
    let Some((kind, rest)) = read_varint(bytes) else {
        return Ok(None);
    };
    let Some((length, rest)) = read_varint(rest) else {
        return Ok(None);
    };
    let header = bytes.len() - rest.len();
    let body = match usize::try_from(length) {
        Ok(body) if body <= MAX_FRAME_BYTES - header => body,
        _ => return Err(ControlError::TooLong { length }),
    };
    let Some((body, rest)) = rest.split_at_checked(body) else {
        return Ok(None);
    };
    Ok(Some((Body { kind, bytes: body }.frame()?, rest)))
}

/// What is left of a frame.
struct Body<'a> {
    kind: u64,
    bytes: &'a [u8],
}

impl Body<'_> {
    fn frame(mut self) -> Result<Option<Frame>, ControlError> {
        let frame = match self.kind {
            HELLO => Frame::Hello {
                version: self.number()?,
            },
            MAPPING => self.mapping()?,
            PROPOSE => Frame::Propose {
                attempt: self.number()?,
                hard: match self.byte()? {
                    0 => false,
                    1 => true,
                    _ => return Err(self.value()),
                },
            },
            ACCEPT => Frame::Accept {
                attempt: self.number()?,
            },
            START => Frame::Start {
                attempt: self.number()?,
            },
            END => Frame::End {
                attempt: self.number()?,
                outcome: match self.byte()? {
                    0 => Outcome::Hit,
                    1 => Outcome::Missed,
                    2 => Outcome::Refused,
                    _ => return Err(self.value()),
                },
            },
            _ => return Ok(None),
        };
        match self.bytes {
            [] => Ok(Some(frame)),
            _ => Err(self.length()),
        }
    }

    fn mapping(&mut self) -> Result<Frame, ControlError> {
        let nat = match self.byte()? {
            0 => Nat::Unknown,
            1 => Nat::Easy,
            2 => Nat::Hard,
            _ => return Err(self.value()),
        };
        let count = usize::from(self.byte()?);
        if count > MAX_ADDRESSES {
            return Err(self.value());
        }
        let addresses: Result<_, _> = (0..count).map(|_| self.address()).collect();
        Ok(Frame::Mapping {
            nat,
            addresses: addresses?,
        })
    }

    fn address(&mut self) -> Result<SocketAddr, ControlError> {
        let ip = match self.byte()? {
            4 => IpAddr::from(self.array::<4>()?),
            6 => IpAddr::from(self.array::<16>()?),
            _ => return Err(self.value()),
        };
        // One address has one form.
        if ip.to_canonical() != ip {
            return Err(self.value());
        }
        match u16::from_be_bytes(self.array()?) {
            0 => Err(self.value()),
            port => Ok(SocketAddr::new(ip, port)),
        }
    }

    fn number(&mut self) -> Result<u64, ControlError> {
        let (number, rest) = read_varint(self.bytes).ok_or(self.length())?;
        self.bytes = rest;
        Ok(number)
    }

    fn byte(&mut self) -> Result<u8, ControlError> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ControlError> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(self.length())?;
        self.bytes = rest;
        Ok(*array)
    }

    fn length(&self) -> ControlError {
        ControlError::Length { kind: self.kind }
    }

    fn value(&self) -> ControlError {
        ControlError::Value { kind: self.kind }
    }
}

fn write_address(address: &SocketAddr, out: &mut Vec<u8>) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(frame: &Frame) -> Vec<u8> {
        let mut out = Vec::new();
        frame.write(&mut out);
        out
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let number = 0..=crate::varint::MAX_VARINT;
        let nat = prop_oneof![Just(Nat::Unknown), Just(Nat::Easy), Just(Nat::Hard)];
        let outcome = prop_oneof![
            Just(Outcome::Hit),
            Just(Outcome::Missed),
            Just(Outcome::Refused)
        ];
        let address = (any::<IpAddr>(), 1_u16..)
            .prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port));
        let addresses = proptest::collection::vec(address, 0..=MAX_ADDRESSES);
        prop_oneof![
            number.clone().prop_map(|version| Frame::Hello { version }),
            (nat, addresses).prop_map(|(nat, addresses)| Frame::Mapping { nat, addresses }),
            (number.clone(), any::<bool>())
                .prop_map(|(attempt, hard)| Frame::Propose { attempt, hard }),
            number.clone().prop_map(|attempt| Frame::Accept { attempt }),
            number.clone().prop_map(|attempt| Frame::Start { attempt }),
            (number, outcome).prop_map(|(attempt, outcome)| Frame::End { attempt, outcome }),
        ]
    }

    #[test]
    fn an_unknown_type_is_passed_over() {
        let mut bytes = vec![0x40, 0x77, 3, 1, 2, 3];
        let start = Frame::Start { attempt: 5 };
        start.write(&mut bytes);
        let (unknown, rest) = parse(&bytes).expect("well-formed").expect("whole");
        assert_eq!(unknown, None);
        assert_eq!(parse(rest), Ok(Some((Some(start), &[][..]))));
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_is_there() {
        let length = MAX_FRAME_BYTES as u64 - 2;
        let mut bytes = vec![1];
        write_varint(length, &mut bytes);
        assert_eq!(parse(&bytes), Err(ControlError::TooLong { length }));
        assert_eq!(parse(&[0x77, 0x41, 0xfc]), Ok(None), "508 bytes are not");
    }

    #[test]
    fn a_malformed_frame_is_an_error() {
        let length = |kind| Err(ControlError::Length { kind });
        let value = |kind| Err(ControlError::Value { kind });
        assert_eq!(parse(&[0, 0]), length(0));
        assert_eq!(parse(&[0, 2, 1, 1]), length(0));
        assert_eq!(parse(&[1, 2, 3, 0]), value(1));
        assert_eq!(parse(&[1, 2, 1, 9]), value(1));
        assert_eq!(parse(&[1, 3, 1, 1, 5]), value(1));
        assert_eq!(parse(&[1, 9, 1, 1, 4, 192, 0, 2, 1, 0, 0]), value(1));
        assert_eq!(parse(&[2, 2, 5, 2]), value(2));
        assert_eq!(parse(&[5, 2, 5, 3]), value(5));
    }

    #[test]
    fn an_ipv4_address_has_one_form() {
        let mut bytes = vec![1, 21, 1, 1, 6];
        bytes.extend(
            "::ffff:192.0.2.1"
                .parse::<std::net::Ipv6Addr>()
                .expect("an address")
                .octets(),
        );
        bytes.extend([1, 1]);
        assert_eq!(parse(&bytes), Err(ControlError::Value { kind: 1 }));
    }

    proptest! {
        #[test]
        fn every_frame_reads_back_whole_and_waits_when_cut(frame in frames(), after: Vec<u8>) {
            let mut bytes = written(&frame);
            let length = bytes.len();
            prop_assert!(length <= MAX_FRAME_BYTES);
            for cut in 0..length {
                prop_assert_eq!(parse(&bytes[..cut]), Ok(None));
            }
            bytes.extend(&after);
            prop_assert_eq!(parse(&bytes), Ok(Some((Some(frame), &after[..]))));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
