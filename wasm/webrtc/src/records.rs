//! What the module says to its host: records of `[kind u8][agent u32][length u32][payload]`, little-endian.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a record tells of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An address as in [`put_address`], and a datagram that is to be sent there.
    Datagram = 1,
    /// The session description that the remote is to take as an offer, or as an answer.
    Offer = 2,
    /// The same, as an answer.
    Answer = 3,
    /// The channel is open.
    Open = 4,
    /// A message: a byte that is 1 if it is binary, and its bytes.
    Message = 5,
    /// The channel has room again.
    Room = 6,
    /// Packets come through, as far as ICE knows.
    Through = 7,
    /// They do not any more.
    Interrupted = 8,
    /// The agent is gone; it is not there any more.
    Closed = 9,
}

/// Bytes of an address: its family (4 or 6), 16 bytes (the first 4 of them for IPv4), and its port, big-endian.
pub const ADDRESS_BYTES: usize = 19;

/// Appends a record.
pub fn put(out: &mut Vec<u8>, kind: Kind, agent: u32, payload: &[&[u8]]) {
    let len = payload.iter().map(|part| part.len()).sum::<usize>();
    out.push(kind as u8);
    out.extend_from_slice(&agent.to_le_bytes());
    out.extend_from_slice(&(len as u32).to_le_bytes());
    for part in payload {
        out.extend_from_slice(part);
    }
}

/// An address as bytes.
pub fn put_address(address: SocketAddr) -> [u8; ADDRESS_BYTES] {
    let mut out = [0; ADDRESS_BYTES];
    match address.ip() {
        IpAddr::V4(ip) => {
            out[0] = 4;
            out[1..5].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out[0] = 6;
            out[1..17].copy_from_slice(&ip.octets());
        }
    }
    out[17..].copy_from_slice(&address.port().to_be_bytes());
    out
}

/// The address that the bytes begin with, and what follows it; `None` where they are no address.
pub fn take_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (address, rest) = bytes.split_at_checked(ADDRESS_BYTES)?;
    let ip = match address[0] {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&address[1..5]).ok()?)),
        6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&address[1..17]).ok()?)),
        _ => return None,
    };
    let port = u16::from_be_bytes([address[17], address[18]]);
    Some((SocketAddr::new(ip, port), rest))
}
