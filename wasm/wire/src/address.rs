//! Socket addresses: as bytes for the boundary, in the IPv4-mapped form, and as virtual addresses.
//!
//! Inside the QUIC core every address is IPv6; IPv4 is written `::ffff:a.b.c.d` [RFC 4291 § 2.5.5.2]
//! and converted both ways where UDP enters and leaves the core. Carriers other than the main UDP
//! socket have virtual addresses under a Unique Local prefix [RFC 4193] that each peer draws for
//! itself; they never leave the process.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use thiserror::Error;

/// How many bytes an address has across the boundary: 16 of IPv6 (IPv4 mapped), the port as u16, the
/// segment size as u16, the scope id as u32; the numbers are little-endian, as all of the boundary's.
pub const ADDRESS_LENGTH: usize = 24;

/// Why bytes are not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not [`ADDRESS_LENGTH`] bytes.
    #[error("an address has {ADDRESS_LENGTH} bytes, this has {length}")]
    Length {
        /// How many there were.
        length: usize,
    },
}

/// The address in the form for the boundary, with a segment size of 0. The flow label is not kept.
pub fn encode(address: SocketAddr) -> [u8; ADDRESS_LENGTH] {
    encode_with_segment_size(address, 0)
}

/// The destination of a transmit: how many bytes each packet but the last has, or 0 for one packet.
pub fn encode_with_segment_size(address: SocketAddr, segment_size: u16) -> [u8; ADDRESS_LENGTH] {
    let address = to_mapped(address);
    let mut out = [0; ADDRESS_LENGTH];
    out[..16].copy_from_slice(&address.ip().octets());
    out[16..18].copy_from_slice(&address.port().to_le_bytes());
    out[18..20].copy_from_slice(&segment_size.to_le_bytes());
    out[20..].copy_from_slice(&address.scope_id().to_le_bytes());
    out
}

/// Reads the form for the boundary. IPv4 stays mapped; a mapped address has no scope; the segment
/// size is not looked at.
///
/// # Errors
/// [`AddressError::Length`] unless there are [`ADDRESS_LENGTH`] bytes.
pub fn decode(bytes: &[u8]) -> Result<SocketAddrV6, AddressError> {
    let length = bytes.len();
    let fixed: &[u8; ADDRESS_LENGTH] = bytes
        .try_into()
        .map_err(|_| AddressError::Length { length })?;
    let mut ip = [0; 16];
    ip.copy_from_slice(&fixed[..16]);
    let port = u16::from_le_bytes([fixed[16], fixed[17]]);
    let scope = u32::from_le_bytes([fixed[20], fixed[21], fixed[22], fixed[23]]);
    let address = SocketAddrV6::new(ip.into(), port, 0, scope);
    Ok(to_mapped(address.into()))
}

/// The address as the core has it: IPv4 mapped, no flow label, and no scope on a mapped address.
pub const fn to_mapped(address: SocketAddr) -> SocketAddrV6 {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0),
        SocketAddr::V6(v6) => {
            let scope = if v6.ip().to_ipv4_mapped().is_some() {
                0
            } else {
                v6.scope_id()
            };
            SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope)
        }
    }
}

/// The address as a socket has it: a mapped one as IPv4, any other unchanged.
pub const fn from_mapped(address: SocketAddrV6) -> SocketAddr {
    match address.ip().to_ipv4_mapped() {
        Some(v4) => SocketAddr::V4(SocketAddrV4::new(v4, address.port())),
        None => SocketAddr::V6(address),
    }
}

/// A /48 of Unique Local addresses [RFC 4193 § 3], within which one peer's carriers are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualPrefix([u8; 6]);

impl VirtualPrefix {
    /// The prefix `fd` followed by a global id, which must be random [RFC 4193 § 3.2.2]: a
    /// guessable one would let a peer name a virtual address.
    pub const fn new(global_id: [u8; 5]) -> Self {
        let [a, b, c, d, e] = global_id;
        Self([0xfd, a, b, c, d, e])
    }

    /// The prefix's bytes.
    pub const fn as_bytes(&self) -> &[u8; 6] {
        &self.0
    }

    /// Whether `ip` lies within the prefix. What comes from outside and does is to be dropped.
    pub fn contains(&self, ip: IpAddr) -> bool {
        matches!(ip, IpAddr::V6(v6) if v6.octets().starts_with(&self.0))
    }

    /// The virtual address number `index`, with six random bytes at its end.
    pub fn address(&self, index: u32, random: [u8; 6]) -> Ipv6Addr {
        let [p0, p1, p2, p3, p4, p5] = self.0;
        let [i0, i1, i2, i3] = index.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5] = random;
        Ipv6Addr::from([
            p0, p1, p2, p3, p4, p5, i0, i1, i2, i3, r0, r1, r2, r3, r4, r5,
        ])
    }

    /// The number within an address made by [`VirtualPrefix::address`]; none for other addresses.
    ///
    /// The random bytes are not checked: compare the whole address with the one in the table.
    pub fn index(&self, ip: &Ipv6Addr) -> Option<u32> {
        let [_, _, _, _, _, _, i0, i1, i2, i3, ..] = ip.octets();
        self.contains((*ip).into())
            .then(|| u32::from_be_bytes([i0, i1, i2, i3]))
    }
}

/// Whether `address` is a virtual one of the peer that drew `prefix`.
pub fn is_virtual(address: SocketAddr, prefix: VirtualPrefix) -> bool {
    prefix.contains(address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn ipv4_crosses_as_its_mapped_form() {
        let bytes = encode_with_segment_size(parse("192.0.2.1:4433"), 0x0102);
        let expected = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1, 0x51, 0x11, 2, 1, 0, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
        let decoded = decode(&bytes).expect("24 bytes");
        assert_eq!(decoded.to_string(), "[::ffff:192.0.2.1]:4433");
        assert_eq!(from_mapped(decoded), parse("192.0.2.1:4433"));
    }

    #[test]
    fn a_link_local_scope_survives_and_a_mapped_address_has_none() {
        let link_local = parse("[fe80::1%7]:1");
        let decoded = decode(&encode(link_local)).expect("24 bytes");
        assert_eq!(SocketAddr::V6(decoded), link_local);
        let mut bytes = encode(parse("192.0.2.1:1"));
        bytes[20] = 9;
        assert_eq!(decode(&bytes).map(|a| a.scope_id()), Ok(0));
    }

    #[test]
    fn a_wrong_length_is_an_error() {
        for length in [0, 18, 23, 25] {
            let error = AddressError::Length { length };
            assert_eq!(decode(&vec![0; length]), Err(error));
        }
    }

    #[test]
    fn a_virtual_address_is_known_by_its_prefix() {
        let prefix = VirtualPrefix::new([1, 2, 3, 4, 5]);
        let ip = prefix.address(0x0102_0304, [6; 6]);
        assert_eq!(ip.to_string(), "fd01:203:405:102:304:606:606:606");
        assert!(is_virtual(SocketAddr::new(ip.into(), 1), prefix));
        assert_eq!(prefix.index(&ip), Some(0x0102_0304));
        let other = VirtualPrefix::new([1, 2, 3, 4, 6]);
        assert!(!other.contains(ip.into()));
        assert_eq!(other.index(&ip), None);
        assert!(!is_virtual(parse("192.0.2.1:1"), prefix));
    }

    proptest! {
        #[test]
        fn every_address_reads_back(ip: IpAddr, port: u16, scope: u32) {
            let address = match ip {
                IpAddr::V4(_) => SocketAddr::new(ip, port),
                IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, scope).into(),
            };
            let mapped = to_mapped(address);
            prop_assert_eq!(decode(&encode(address)), Ok(mapped));
            prop_assert_eq!(to_mapped(from_mapped(mapped)), mapped);
        }

        #[test]
        fn every_24_bytes_are_an_address(bytes: [u8; ADDRESS_LENGTH]) {
            let address = decode(&bytes).expect("24 bytes");
            prop_assert_eq!(decode(&encode(address.into())), Ok(address));
        }

        #[test]
        fn every_virtual_address_has_its_index(id: [u8; 5], index: u32, random: [u8; 6]) {
            let prefix = VirtualPrefix::new(id);
            prop_assert_eq!(prefix.index(&prefix.address(index, random)), Some(index));
        }
    }
}
