//! What a peer publishes about itself: the attributes of iroh's TXT records, and a typed form.
//!
//! The records stand under `_iroh.<z-base-32 id>` and hold one attribute each, as `key=value`
//! [RFC 1464]:
//!
//! | key | value | how often |
//! |---|---|---|
//! | `relay` | the URL of a relay | any |
//! | `addr` | `ip:port`, or `transport_data`, both in hexadecimal, for another transport | any |
//! | `user-data` | what the application likes, at most 245 bytes | once |
//!
//! iroh's reader takes a record with any other key for broken as a whole, so none is ever written;
//! those that are read are kept apart. It also ends a value at its second `=`.
//!
//! **The mark of anypath peers** stands at the start of `user-data`: `anypath:`, the flags of the
//! [`Marker`] in hexadecimal, and, when the application has data of its own, `;` and that.

use std::net::SocketAddr;

use thiserror::Error;

use crate::dns::{DnsError, TxtAnswers, txt_record_len, txt_response};
use crate::id::EndpointId;
use crate::pkarr::MAX_DNS;
use crate::ticket::{MARKER_TRANSPORT_ID, Marker, Ticket, TicketAddress};

/// The first label of the name under which the records stand.
pub const LABEL: &str = "_iroh";
/// The most bytes of `user-data`, the mark included: one character string less the key.
pub const MAX_USER_DATA: usize = 245;
/// The most attributes of other keys that are kept.
pub const MAX_UNKNOWN: usize = 16;

const RELAY: &str = "relay";
const ADDRESS: &str = "addr";
const USER_DATA: &str = "user-data";
const MARK: &str = "anypath:";
/// The header, the name written out, less the pointer that stands for it in a record.
const RESPONSE_OVERHEAD: usize = 12 + (1 + LABEL.len() + 1 + 52 + 1) - 2;

/// What a peer publishes about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointInfo {
    /// Who it is, where it may be reached, and whether it is one of anypath's.
    pub endpoint: Ticket,
    user_data: Option<String>,
    unknown: Vec<String>,
}

/// Why a peer's information can't be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InfoError {
    /// The DNS message is faulty.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// More than [`MAX_USER_DATA`] bytes of user data, the mark included.
    #[error("user data of {length} bytes is too long")]
    UserDataTooLong {
        /// Its length.
        length: usize,
    },
    /// User data that would read as the mark of an anypath peer.
    #[error("user data must not begin with \"{MARK}\"")]
    UserDataReserved,
    /// A relay's URL that iroh would cut short at its `=`.
    #[error("a relay URL with \"=\" can't be published")]
    RelayUrl,
    /// The relays and the user data alone make more than [`MAX_DNS`] bytes.
    #[error("a record of {length} bytes is too large to be published")]
    TooLarge {
        /// The length of the DNS message.
        length: usize,
    },
}

impl EndpointInfo {
    /// The information that consists of a ticket's.
    pub const fn new(endpoint: Ticket) -> Self {
        Self {
            endpoint,
            user_data: None,
            unknown: Vec::new(),
        }
    }

    /// The application's data, without the mark.
    pub fn user_data(&self) -> Option<&str> {
        self.user_data.as_deref()
    }

    /// Attributes of keys that are not known, as `key=value`, or whatever else was read.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Sets the application's data.
    ///
    /// # Errors
    /// [`InfoError::UserDataTooLong`]; [`InfoError::UserDataReserved`]. Nothing is changed then.
    pub fn set_user_data(&mut self, user_data: Option<String>) -> Result<(), InfoError> {
        if let Some(data) = &user_data {
            if data.starts_with(MARK) {
                return Err(InfoError::UserDataReserved);
            }
            let length = marked(self.endpoint.marker(), Some(data)).map_or(0, |text| text.len());
            if length > MAX_USER_DATA {
                return Err(InfoError::UserDataTooLong { length });
            }
        }
        self.user_data = user_data;
        Ok(())
    }

    /// Reads the records of `id` in a DNS message; those of other names are skipped, and so are
    /// addresses that can't be part of a ticket or are too many for it.
    ///
    /// # Errors
    /// [`InfoError::Dns`].
    pub fn from_dns(id: EndpointId, message: &[u8]) -> Result<Self, InfoError> {
        let label = id.to_z_base_32();
        let mut attributes = Vec::new();
        for record in TxtAnswers::new(message)? {
            let record = record?;
            if record.name.is(&[LABEL, &label]) {
                attributes.extend(String::from_utf8(record.value()));
            }
        }
        Ok(Self::from_attributes(id, attributes))
    }

    /// Reads attributes as DNS clients deliver them, each as `key=value`.
    pub fn from_attributes(
        id: EndpointId,
        attributes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let mut info = Self::new(Ticket::new(id));
        let mut user_data = None;
        for attribute in attributes {
            let attribute = attribute.into();
            match attribute.split_once('=') {
                Some((RELAY, url)) => info.add(TicketAddress::Relay(url.to_owned())),
                Some((ADDRESS, text)) => parse_address(text).map_or((), |a| info.add(a)),
                // Only the first one counts, as for iroh.
                Some((USER_DATA, text)) => drop(user_data.get_or_insert(text.to_owned())),
                _ if info.unknown.len() < MAX_UNKNOWN => info.unknown.push(attribute),
                _ => {}
            }
        }
        info.read_user_data(user_data.filter(|text| text.len() <= MAX_USER_DATA));
        info
    }

    /// Adds an address; one that a ticket refuses is left out, as iroh leaves out what it can't parse.
    fn add(&mut self, address: TicketAddress) {
        let _ = self.endpoint.insert(address);
    }

    fn read_user_data(&mut self, text: Option<String>) {
        match text.as_deref().and_then(parse_mark) {
            Some((marker, own)) => {
                // A ticket that is full has no room for the mark, and then goes without it.
                let _ = self.endpoint.set_marker(marker);
                self.user_data = own.map(str::to_owned);
            }
            None => self.user_data = text,
        }
    }

    /// The attributes in iroh's order: relays, addresses, user data. Unknown ones are not among them.
    ///
    /// # Errors
    /// [`InfoError::RelayUrl`], [`InfoError::UserDataTooLong`].
    pub fn attributes(&self) -> Result<Vec<String>, InfoError> {
        let mut attributes = Vec::new();
        for url in self.endpoint.relay_urls() {
            if url.contains('=') {
                return Err(InfoError::RelayUrl);
            }
            attributes.push(format!("{RELAY}={url}"));
        }
        let addresses = self.endpoint.addresses().iter().filter_map(format_address);
        attributes.extend(addresses.map(|address| format!("{ADDRESS}={address}")));
        if let Some(text) = marked(self.endpoint.marker(), self.user_data()) {
            if text.len() > MAX_USER_DATA {
                return Err(InfoError::UserDataTooLong { length: text.len() });
            }
            attributes.push(format!("{USER_DATA}={text}"));
        }
        Ok(attributes)
    }

    /// The DNS message to sign, of at most [`MAX_DNS`] bytes, with `ttl` in seconds. Addresses
    /// that do not fit are left out, the last ones first; relays and user data are not.
    ///
    /// # Errors
    /// [`InfoError::TooLarge`], [`InfoError::RelayUrl`], [`InfoError::UserDataTooLong`].
    pub fn to_dns(&self, ttl: u32) -> Result<Vec<u8>, InfoError> {
        let mut attributes = self.attributes()?;
        let size = |attributes: &[String]| {
            let records = attributes.iter().map(|text| txt_record_len(text.len()));
            RESPONSE_OVERHEAD + records.sum::<usize>()
        };
        while size(&attributes) > MAX_DNS {
            let last = attributes
                .iter()
                .rposition(|text| text.starts_with("addr="))
                .ok_or(InfoError::TooLarge {
                    length: size(&attributes),
                })?;
            attributes.remove(last);
        }
        let label = self.endpoint.id().to_z_base_32();
        let values = attributes.iter().map(String::as_bytes);
        Ok(txt_response(&[LABEL, &label], ttl, values)?)
    }
}

/// The text of `user-data`: the mark, the application's data, or both.
fn marked(marker: Option<Marker>, own: Option<&str>) -> Option<String> {
    match (marker, own) {
        (Some(Marker { flags }), None) => Some(format!("{MARK}{flags:x}")),
        (Some(Marker { flags }), Some(own)) => Some(format!("{MARK}{flags:x};{own}")),
        (None, own) => own.map(str::to_owned),
    }
}

/// The mark and the application's own data; `None` without a mark.
fn parse_mark(text: &str) -> Option<(Marker, Option<&str>)> {
    let rest = text.strip_prefix(MARK)?;
    let (flags, own) = match rest.split_once(';') {
        Some((flags, own)) => (flags, Some(own)),
        None => (rest, None),
    };
    // Flags of a form that is not known say nothing, but the peer is one of anypath's.
    let flags = parse_hexadecimal(flags).unwrap_or_default();
    Some((Marker { flags }, own))
}

fn parse_hexadecimal(text: &str) -> Option<u64> {
    // `from_str_radix` would take a sign.
    let is_hexadecimal = text.bytes().all(|c| c.is_ascii_hexdigit());
    is_hexadecimal.then(|| u64::from_str_radix(text, 16).ok())?
}

fn parse_address(text: &str) -> Option<TicketAddress> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(TicketAddress::Ip(address));
    }
    let (transport, data) = text.split_once('_')?;
    Some(TicketAddress::Custom {
        transport_id: parse_hexadecimal(transport)?,
        data: parse_bytes(data)?,
    })
}

/// Bytes in lower-case hexadecimal.
fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty()
        .then(|| pairs.iter().map(byte).collect::<Option<_>>())?
}

/// The value of `addr`; `None` for what has no such form, or another place.
fn format_address(address: &TicketAddress) -> Option<String> {
    match address {
        TicketAddress::Ip(address) => Some(address.to_string()),
        TicketAddress::Custom { transport_id, .. } if *transport_id == MARKER_TRANSPORT_ID => None,
        TicketAddress::Custom { transport_id, data } => {
            let mut text = format!("{transport_id:x}_");
            for byte in data {
                text.push_str(&format!("{byte:02x}"));
            }
            Some(text)
        }
        TicketAddress::Relay(_) | TicketAddress::Unknown { .. } => None,
    }
}

#[cfg(test)]
mod tests;
