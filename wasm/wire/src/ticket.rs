//! Endpoint tickets: a peer's id and the addresses at which it may be reached, as text to share.
//!
//! The text is `endpoint` followed by base32 of postcard bytes, the same that the crate
//! `iroh-tickets` 1.0 reads and writes:
//!
//! ```text
//! ticket  = variant(0) id(32 bytes) count address*
//! address = 0 length url                                relay
//!         | 1 0 ipv4(4 bytes) port                      IP, version 4
//!         | 1 1 ipv6(16 bytes) port                     IP, version 6
//!         | 2 transport-id length data                  custom
//! ```
//!
//! Every number is a postcard integer. Addresses are a set: sorted, each one once.
//!
//! **Address kinds of the future.** Postcard does not say how long a value is, so an address of an
//! unknown kind can't be skipped. What can be done is done: from the first unknown kind on, the
//! rest of the list is kept as it is ([`TicketAddress::Unknown`]) and written back byte for byte.
//! Since a sorted set has new kinds last, no known address hides behind them. A ticket with such a
//! rest can't be checked for trailing bytes.
//!
//! **Custom addresses.** iroh-base 1.0 and 1.1 write them in another form than 1.2 and later
//! (an enum with an inline and a heap variant). Only the later form is read here. The one data
//! string that both read alike is a single zero byte, which is why [`Marker`] is one by default.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::base32::{BASE32, Base32Error, encoded_len};
use crate::id::{EndpointId, ID_LENGTH};
use crate::postcard::{Decoder, PostcardError, put_bytes, put_varint};

mod marker;
mod order;

pub use marker::{MARKER_TRANSPORT_ID, Marker};
use order::canonical_order;

/// What the text of a ticket begins with.
pub const TICKET_PREFIX: &str = "endpoint";
/// The most bytes that a ticket may have before base32.
pub const MAX_TICKET_BYTES: usize = 8192;
/// The most characters that the text of a ticket may have.
pub const MAX_TICKET_TEXT: usize = TICKET_PREFIX.len() + encoded_len(MAX_TICKET_BYTES);
/// The most addresses that a ticket may have.
pub const MAX_ADDRESSES: usize = 64;
/// The most bytes that a relay's URL may have.
pub const MAX_RELAY_URL: usize = 2048;
/// The most bytes of data that a custom address may have.
pub const MAX_CUSTOM_DATA: usize = 1024;

const VARIANT_1: u32 = 0;
const KIND_RELAY: u32 = 0;
const KIND_IP: u32 = 1;
const KIND_CUSTOM: u32 = 2;
const FAMILY_V4: u32 = 0;
const FAMILY_V6: u32 = 1;

/// A peer's id and the addresses at which it may be reached.
///
/// The addresses are a set in iroh's order (relays, IP, custom, unknown) and within the limits of
/// this module, so that every ticket can be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    id: EndpointId,
    addresses: Vec<TicketAddress>,
}

/// One address of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketAddress {
    /// The URL of a relay at which the peer listens, in the form of the WHATWG's serializer
    /// (`new URL(text).href`), which is the form that iroh compares and sorts by.
    Relay(String),
    /// A UDP address. The scope id and the flow label of an IPv6 address are not sent.
    Ip(SocketAddr),
    /// An address of another transport.
    Custom {
        /// The transport, from the registry `TRANSPORTS.md` of iroh.
        transport_id: u64,
        /// What that transport makes of it.
        data: Vec<u8>,
    },
    /// The rest of the list from the first address of an unknown kind on, as it was read.
    Unknown {
        /// How many addresses the rest holds.
        count: usize,
        /// Their bytes.
        bytes: Vec<u8>,
    },
}

/// Why a text or a byte string is not a ticket, or an address can't be part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TicketError {
    /// The text does not begin with `endpoint`.
    #[error("a ticket begins with \"{TICKET_PREFIX}\"")]
    Prefix,
    /// More than [`MAX_TICKET_TEXT`] characters or [`MAX_TICKET_BYTES`] bytes.
    #[error("a ticket of {length} characters or bytes is too long")]
    TooLong {
        /// How many there were.
        length: usize,
    },
    /// What follows the prefix is not base32; positions count from behind the prefix.
    #[error("the ticket is not base32: {0}")]
    Base32(#[from] Base32Error),
    /// A ticket format that is not known.
    #[error("ticket format {variant} is not known")]
    Variant {
        /// The number of the format.
        variant: u32,
    },
    /// Fewer than 32 bytes are left for the endpoint id.
    #[error("the endpoint id has {length} bytes instead of {ID_LENGTH}")]
    IdLength {
        /// How many bytes are left.
        length: usize,
    },
    /// The bytes end in the middle of the address list.
    #[error("the ticket is truncated")]
    Truncated,
    /// A number is too wide for its field.
    #[error("a number in the ticket does not fit its field")]
    Number,
    /// Bytes follow the last address.
    #[error("{count} bytes follow the last address of the ticket")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// More than [`MAX_ADDRESSES`] addresses.
    #[error("{count} addresses are more than the {MAX_ADDRESSES} of a ticket")]
    TooManyAddresses {
        /// How many the ticket declares, or would have.
        count: usize,
    },
    /// A relay's URL is longer than [`MAX_RELAY_URL`] bytes.
    #[error("a relay URL of {length} bytes is too long")]
    RelayUrlTooLong {
        /// Its length.
        length: usize,
    },
    /// A relay's URL is not `scheme://host…` in printable ASCII.
    #[error("a relay URL is malformed")]
    RelayUrl,
    /// An IP address of a family that is not known.
    #[error("IP address family {family} is not known")]
    Family {
        /// The number of the family.
        family: u32,
    },
    /// A custom address has more than [`MAX_CUSTOM_DATA`] bytes.
    #[error("a custom address of {length} bytes is too long")]
    CustomTooLong {
        /// Its length.
        length: usize,
    },
    /// A [`TicketAddress::Unknown`] does not begin with an unknown kind, has fewer bytes than
    /// addresses, or the ticket has one already.
    #[error("an address of an unknown kind can't be added")]
    UnknownAddress,
}

impl From<PostcardError> for TicketError {
    fn from(error: PostcardError) -> Self {
        match error {
            PostcardError::Truncated => Self::Truncated,
            PostcardError::Varint => Self::Number,
        }
    }
}

impl Ticket {
    /// A ticket without addresses.
    pub const fn new(id: EndpointId) -> Self {
        Self {
            id,
            addresses: Vec::new(),
        }
    }

    /// The peer's id.
    pub const fn id(&self) -> &EndpointId {
        &self.id
    }

    /// The addresses, in canonical order.
    pub fn addresses(&self) -> &[TicketAddress] {
        &self.addresses
    }

    /// The IP addresses, in canonical order.
    pub fn ip_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().filter_map(|address| match address {
            TicketAddress::Ip(address) => Some(*address),
            _ => None,
        })
    }

    /// The relays' URLs, in canonical order.
    pub fn relay_urls(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().filter_map(|address| match address {
            TicketAddress::Relay(url) => Some(url.as_str()),
            _ => None,
        })
    }

    /// What marks the peer as one of anypath's, if anything does.
    pub fn marker(&self) -> Option<Marker> {
        self.addresses.iter().find_map(|address| match address {
            TicketAddress::Custom { transport_id, data }
                if *transport_id == MARKER_TRANSPORT_ID =>
            {
                Some(Marker::from_bytes(data))
            }
            _ => None,
        })
    }

    /// Marks the peer as one of anypath's, in place of any earlier mark.
    ///
    /// # Errors
    /// [`TicketError::TooManyAddresses`] and [`TicketError::TooLong`] when the ticket is full.
    pub fn set_marker(&mut self, marker: Marker) -> Result<(), TicketError> {
        let mut marked = self.clone();
        marked.addresses.retain(|address| {
            !matches!(address, TicketAddress::Custom { transport_id, .. }
                if *transport_id == MARKER_TRANSPORT_ID)
        });
        marked.insert(TicketAddress::Custom {
            transport_id: MARKER_TRANSPORT_ID,
            data: marker.to_bytes(),
        })?;
        *self = marked;
        Ok(())
    }

    /// Adds an address at its place in the canonical order; false if the ticket has it already.
    ///
    /// # Errors
    /// [`TicketError::RelayUrl`], [`TicketError::RelayUrlTooLong`] and
    /// [`TicketError::CustomTooLong`] for an address that no ticket can have;
    /// [`TicketError::TooManyAddresses`] and [`TicketError::TooLong`] when the ticket is full;
    /// [`TicketError::UnknownAddress`] for a [`TicketAddress::Unknown`] that was not read from a
    /// ticket, or a second one. The ticket is as before.
    pub fn insert(&mut self, address: TicketAddress) -> Result<bool, TicketError> {
        let address = checked(address)?;
        let search = self
            .addresses
            .binary_search_by(|other| canonical_order(other, &address));
        let index = match search {
            Ok(index) if self.addresses[index] == address => return Ok(false),
            Ok(_) => return Err(TicketError::UnknownAddress),
            Err(index) => index,
        };
        let count = self.address_count().saturating_add(address_count(&address));
        if count > MAX_ADDRESSES {
            return Err(TicketError::TooManyAddresses { count });
        }
        self.addresses.insert(index, address);
        let length = self.to_bytes().len();
        if length > MAX_TICKET_BYTES {
            self.addresses.remove(index);
            return Err(TicketError::TooLong { length });
        }
        Ok(true)
    }

    fn address_count(&self) -> usize {
        self.addresses.iter().map(address_count).sum()
    }

    /// The postcard bytes, without prefix and base32.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        put_varint(VARIANT_1.into(), &mut out);
        out.extend_from_slice(self.id.as_bytes());
        put_varint(self.address_count() as u64, &mut out);
        for address in &self.addresses {
            put_address(address, &mut out);
        }
        out
    }

    /// Reads the postcard bytes, without prefix and base32.
    ///
    /// # Errors
    /// Every [`TicketError`] but `Prefix`, `Base32` and `UnknownAddress`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TicketError> {
        let length = bytes.len();
        if length > MAX_TICKET_BYTES {
            return Err(TicketError::TooLong { length });
        }
        let mut decoder = Decoder::new(bytes);
        let variant = decoder.u32()?;
        if variant != VARIANT_1 {
            return Err(TicketError::Variant { variant });
        }
        let length = decoder.rest().len();
        let id = decoder
            .array()
            .map_err(|_| TicketError::IdLength { length })?;
        let addresses = read_addresses(&mut decoder)?;
        match decoder.rest().len() {
            0 => Ok(Self {
                id: EndpointId(id),
                addresses,
            }),
            count => Err(TicketError::TrailingBytes { count }),
        }
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Reads `endpoint` and base32 in either case, as iroh does.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        let length = text.len();
        let base32 = text
            .strip_prefix(TICKET_PREFIX)
            .ok_or(TicketError::Prefix)?;
        if length > MAX_TICKET_TEXT {
            return Err(TicketError::TooLong { length });
        }
        Self::from_bytes(&BASE32.decode(base32.as_bytes())?)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = TICKET_PREFIX.to_owned();
        BASE32.encode_into(&self.to_bytes(), &mut text);
        f.write_str(&text)
    }
}

const fn address_count(address: &TicketAddress) -> usize {
    match address {
        TicketAddress::Unknown { count, .. } => *count,
        _ => 1,
    }
}

fn read_addresses(decoder: &mut Decoder<'_>) -> Result<Vec<TicketAddress>, TicketError> {
    let count = decoder.length()?;
    if count > MAX_ADDRESSES {
        return Err(TicketError::TooManyAddresses { count });
    }
    let mut addresses = Vec::new();
    let mut unknown = None;
    for index in 0..count {
        let start = decoder.rest();
        let Some(address) = read_address(decoder)? else {
            unknown = Some(rest_of_list(start, count - index, decoder)?);
            break;
        };
        addresses.push(checked(address)?);
    }
    addresses.sort_by(canonical_order);
    addresses.dedup();
    addresses.extend(unknown);
    Ok(addresses)
}

fn rest_of_list(
    start: &[u8],
    count: usize,
    decoder: &mut Decoder<'_>,
) -> Result<TicketAddress, TicketError> {
    if start.len() < count {
        return Err(TicketError::Truncated);
    }
    decoder.take(decoder.rest().len())?;
    Ok(TicketAddress::Unknown {
        count,
        bytes: start.to_vec(),
    })
}

fn read_address(decoder: &mut Decoder<'_>) -> Result<Option<TicketAddress>, TicketError> {
    let address = match decoder.u32()? {
        KIND_RELAY => {
            let length = decoder.length()?;
            if length > MAX_RELAY_URL {
                return Err(TicketError::RelayUrlTooLong { length });
            }
            let url = std::str::from_utf8(decoder.take(length)?);
            TicketAddress::Relay(url.map_err(|_| TicketError::RelayUrl)?.to_owned())
        }
        KIND_IP => {
            let ip: IpAddr = match decoder.u32()? {
                FAMILY_V4 => Ipv4Addr::from(decoder.array::<4>()?).into(),
                FAMILY_V6 => Ipv6Addr::from(decoder.array::<16>()?).into(),
                family => return Err(TicketError::Family { family }),
            };
            TicketAddress::Ip(SocketAddr::new(ip, decoder.u16()?))
        }
        KIND_CUSTOM => {
            let transport_id = decoder.u64()?;
            let length = decoder.length()?;
            if length > MAX_CUSTOM_DATA {
                return Err(TicketError::CustomTooLong { length });
            }
            let data = decoder.take(length)?.to_vec();
            TicketAddress::Custom { transport_id, data }
        }
        _ => return Ok(None),
    };
    Ok(Some(address))
}

fn put_address(address: &TicketAddress, out: &mut Vec<u8>) {
    match address {
        TicketAddress::Relay(url) => {
            put_varint(KIND_RELAY.into(), out);
            put_bytes(url.as_bytes(), out);
        }
        TicketAddress::Ip(address) => {
            put_varint(KIND_IP.into(), out);
            match address.ip() {
                IpAddr::V4(ip) => {
                    put_varint(FAMILY_V4.into(), out);
                    out.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    put_varint(FAMILY_V6.into(), out);
                    out.extend_from_slice(&ip.octets());
                }
            }
            put_varint(address.port().into(), out);
        }
        TicketAddress::Custom { transport_id, data } => {
            put_varint(KIND_CUSTOM.into(), out);
            put_varint(*transport_id, out);
            put_bytes(data, out);
        }
        TicketAddress::Unknown { bytes, .. } => out.extend_from_slice(bytes),
    }
}

/// The address as a ticket holds it, or why no ticket can.
fn checked(address: TicketAddress) -> Result<TicketAddress, TicketError> {
    match address {
        TicketAddress::Relay(url) if url.len() > MAX_RELAY_URL => {
            Err(TicketError::RelayUrlTooLong { length: url.len() })
        }
        TicketAddress::Relay(url) if !is_relay_url(&url) => Err(TicketError::RelayUrl),
        TicketAddress::Custom { data, .. } if data.len() > MAX_CUSTOM_DATA => {
            Err(TicketError::CustomTooLong { length: data.len() })
        }
        TicketAddress::Unknown { count, ref bytes } if !is_unknown(count, bytes) => {
            Err(TicketError::UnknownAddress)
        }
        // Without scope id and flow label, which are not sent.
        TicketAddress::Ip(address) => Ok(TicketAddress::Ip(SocketAddr::new(
            address.ip(),
            address.port(),
        ))),
        address => Ok(address),
    }
}

/// Whether `bytes` can be `count` addresses of which the first is of an unknown kind.
fn is_unknown(count: usize, bytes: &[u8]) -> bool {
    let kind = Decoder::new(bytes).u32();
    count > 0 && count <= bytes.len() && kind.is_ok_and(|kind| kind > KIND_CUSTOM)
}

/// Whether `url` has a scheme [RFC 3986 § 3.1] and a host, all in printable ASCII: the WHATWG's
/// serializer writes nothing else. Which schemes can be dialled is the relay transport's affair.
fn is_relay_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let scheme_continues =
        |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"+-.".contains(&c);
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(scheme_continues)
        && !rest.is_empty()
        && !rest.starts_with(['/', '?', '#', ':', '@'])
        && rest.bytes().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
