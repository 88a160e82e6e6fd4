//! The TLS 1.3 ClientHello [RFC 8446 § 4.1.2], read far enough to choose a TLS configuration.
//!
//! QUIC carries it in CRYPTO frames that may span several datagrams. The caller gathers their bytes
//! in order and asks [`progress`] after each; nothing is copied and nothing is allocated.

use thiserror::Error;

mod lists;

pub use lists::{Alpns, Groups};

/// The largest ClientHello that is read, its four-byte header included.
pub const MAX_CLIENT_HELLO: usize = 16 * 1024;

const HEADER: usize = 4;
const CLIENT_HELLO: u8 = 1;
const RANDOM: usize = 32;
const MAX_SESSION_ID: usize = 32;

const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_SUPPORTED_GROUPS: u16 = 10;
const EXTENSION_ALPN: u16 = 16;
const EXTENSION_KEY_SHARE: u16 = 51;
const EXTENSION_QUIC_TRANSPORT_PARAMETERS: u16 = 57;

/// Whether the gathered bytes hold a whole ClientHello.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// More bytes are needed before anything can be said.
    NeedMore {
        /// How many bytes there must be, counted from the first, to get further.
        at_least: usize,
    },
    /// The whole message.
    Complete(ClientHello<'a>),
}

/// What a ClientHello says, as views into the bytes that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct ClientHello<'a> {
    length: usize,
    alpns: &'a [u8],
    server_name: Option<&'a str>,
    supported_groups: &'a [u8],
    key_shares: &'a [u8],
    transport_parameters: &'a [u8],
}

/// A field of the ClientHello, for [`ClientHelloError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The legacy version and the random.
    Random,
    /// The legacy session id.
    SessionId,
    /// The cipher suites.
    CipherSuites,
    /// The legacy compression methods.
    CompressionMethods,
    /// The list of extensions.
    Extensions,
    /// The extension server_name [RFC 6066 § 3].
    ServerName,
    /// The extension supported_groups [RFC 8446 § 4.2.7].
    SupportedGroups,
    /// The extension application_layer_protocol_negotiation [RFC 7301 § 3.1].
    Alpn,
    /// The extension key_share [RFC 8446 § 4.2.8].
    KeyShare,
    /// The extension quic_transport_parameters [RFC 9001 § 8.2].
    TransportParameters,
}

/// Why bytes are not a ClientHello; the peer is at fault in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClientHelloError {
    /// The handshake message is of another type.
    #[error("handshake message of type {found} instead of a ClientHello")]
    MessageType {
        /// The type.
        found: u8,
    },
    /// The message is larger than [`MAX_CLIENT_HELLO`].
    #[error("a ClientHello of {length} bytes is too long")]
    TooLong {
        /// Its length with the header.
        length: usize,
    },
    /// A field does not end where it must, is too short, too long or an odd number of bytes.
    #[error("the length of {0:?} in the ClientHello is wrong")]
    Length(Field),
    /// Bytes follow the extensions within the message.
    #[error("{count} bytes follow the extensions of the ClientHello")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// One of the extensions that are read is there twice [RFC 8446 § 4.2].
    #[error("the ClientHello has {0:?} twice")]
    Duplicate(Field),
    /// The server name is not printable ASCII, or there are two [RFC 6066 § 3].
    #[error("the server name of the ClientHello is malformed")]
    ServerName,
}

/// Reads as much of a ClientHello as `bytes` holds. Bytes behind the message are not looked at.
///
/// # Errors
/// Every [`ClientHelloError`]: those of the header as soon as they show, the others when the
/// message is complete.
pub fn progress(bytes: &[u8]) -> Result<Progress<'_>, ClientHelloError> {
    if let Some(found) = bytes.first().copied().filter(|t| *t != CLIENT_HELLO) {
        return Err(ClientHelloError::MessageType { found });
    }
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(Progress::NeedMore { at_least: HEADER });
    };
    let [_, a, b, c] = *header;
    let length = HEADER + u32::from_be_bytes([0, a, b, c]) as usize;
    if length > MAX_CLIENT_HELLO {
        return Err(ClientHelloError::TooLong { length });
    }
    match bytes.get(HEADER..length) {
        None => Ok(Progress::NeedMore { at_least: length }),
        Some(body) => read_body(body, length).map(Progress::Complete),
    }
}

impl<'a> ClientHello<'a> {
    /// The length of the message in bytes, its header included.
    pub const fn message_len(&self) -> usize {
        self.length
    }

    /// The protocols that the client offers, in its order of preference [RFC 7301 § 3.1].
    pub const fn alpns(&self) -> Alpns<'a> {
        Alpns::new(self.alpns)
    }

    /// The host name that the client asks for [RFC 6066 § 3].
    pub const fn server_name(&self) -> Option<&'a str> {
        self.server_name
    }

    /// The key exchange groups that the client supports [RFC 8446 § 4.2.7], by IANA number.
    pub const fn supported_groups(&self) -> Groups<'a> {
        Groups::supported(self.supported_groups)
    }

    /// The groups for which the client sent a key [RFC 8446 § 4.2.8], by IANA number.
    pub const fn key_share_groups(&self) -> Groups<'a> {
        Groups::key_shares(self.key_shares)
    }

    /// The client's QUIC transport parameters [RFC 9000 § 18], as they are: their content is not checked here.
    pub const fn transport_parameters(&self) -> &'a [u8] {
        self.transport_parameters
    }
}

fn read_body(body: &[u8], length: usize) -> Result<ClientHello<'_>, ClientHelloError> {
    let mut body = Cursor(body);
    body.take(2 + RANDOM, Field::Random)?;
    if body.vector8(Field::SessionId)?.len() > MAX_SESSION_ID {
        return Err(ClientHelloError::Length(Field::SessionId));
    }
    let suites = body.vector16(Field::CipherSuites)?;
    if suites.is_empty() || suites.len() % 2 != 0 {
        return Err(ClientHelloError::Length(Field::CipherSuites));
    }
    if body.vector8(Field::CompressionMethods)?.is_empty() {
        return Err(ClientHelloError::Length(Field::CompressionMethods));
    }
    let extensions = body.vector16(Field::Extensions)?;
    match body.0.len() {
        0 => read_extensions(extensions, length),
        count => Err(ClientHelloError::TrailingBytes { count }),
    }
}

fn read_extensions(bytes: &[u8], length: usize) -> Result<ClientHello<'_>, ClientHelloError> {
    let (mut names, mut groups, mut alpns, mut shares) = (None, None, None, None);
    let mut parameters = None;
    let mut extensions = Cursor(bytes);
    while !extensions.0.is_empty() {
        let kind = extensions.u16(Field::Extensions)?;
        let data = extensions.vector16(Field::Extensions)?;
        let (slot, field) = match kind {
            EXTENSION_SERVER_NAME => (&mut names, Field::ServerName),
            EXTENSION_SUPPORTED_GROUPS => (&mut groups, Field::SupportedGroups),
            EXTENSION_ALPN => (&mut alpns, Field::Alpn),
            EXTENSION_KEY_SHARE => (&mut shares, Field::KeyShare),
            EXTENSION_QUIC_TRANSPORT_PARAMETERS => (&mut parameters, Field::TransportParameters),
            _ => continue,
        };
        if slot.replace(data).is_some() {
            return Err(ClientHelloError::Duplicate(field));
        }
    }
    Ok(ClientHello {
        length,
        server_name: names.map(read_server_name).transpose()?.flatten(),
        supported_groups: groups.map_or(Ok(Default::default()), read_supported_groups)?,
        alpns: alpns.map_or(Ok(Default::default()), read_alpns)?,
        key_shares: shares.map_or(Ok(Default::default()), read_key_shares)?,
        transport_parameters: parameters.unwrap_or_default(),
    })
}

/// The one vector that an extension consists of.
fn sole_vector(data: &[u8], field: Field) -> Result<&[u8], ClientHelloError> {
    let mut data = Cursor(data);
    let vector = data.vector16(field)?;
    if data.0.is_empty() {
        Ok(vector)
    } else {
        Err(ClientHelloError::Length(field))
    }
}

fn read_server_name(data: &[u8]) -> Result<Option<&str>, ClientHelloError> {
    const HOST_NAME: u8 = 0;
    let mut names = Cursor(sole_vector(data, Field::ServerName)?);
    let mut host = None;
    loop {
        let kind = names.u8(Field::ServerName)?;
        let name = names.vector16(Field::ServerName)?;
        if kind == HOST_NAME {
            let valid = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
            let name = std::str::from_utf8(name).ok().filter(|_| valid);
            let name = name.ok_or(ClientHelloError::ServerName)?;
            if host.replace(name).is_some() {
                return Err(ClientHelloError::ServerName);
            }
        }
        if names.0.is_empty() {
            return Ok(host);
        }
    }
}

fn read_supported_groups(data: &[u8]) -> Result<&[u8], ClientHelloError> {
    let groups = sole_vector(data, Field::SupportedGroups)?;
    if groups.is_empty() || groups.len() % 2 != 0 {
        return Err(ClientHelloError::Length(Field::SupportedGroups));
    }
    Ok(groups)
}

fn read_alpns(data: &[u8]) -> Result<&[u8], ClientHelloError> {
    let alpns = sole_vector(data, Field::Alpn)?;
    let mut names = Cursor(alpns);
    loop {
        if names.vector8(Field::Alpn)?.is_empty() {
            return Err(ClientHelloError::Length(Field::Alpn));
        }
        if names.0.is_empty() {
            return Ok(alpns);
        }
    }
}

fn read_key_shares(data: &[u8]) -> Result<&[u8], ClientHelloError> {
    let shares = sole_vector(data, Field::KeyShare)?;
    let mut entries = Cursor(shares);
    while !entries.0.is_empty() {
        entries.u16(Field::KeyShare)?;
        if entries.vector16(Field::KeyShare)?.is_empty() {
            return Err(ClientHelloError::Length(Field::KeyShare));
        }
    }
    Ok(shares)
}

/// Reads TLS's presentation language [RFC 8446 § 3] from the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize, field: Field) -> Result<&'a [u8], ClientHelloError> {
        let (head, tail) = self
            .0
            .split_at_checked(length)
            .ok_or(ClientHelloError::Length(field))?;
        self.0 = tail;
        Ok(head)
    }

    fn u8(&mut self, field: Field) -> Result<u8, ClientHelloError> {
        self.take(1, field).map(|bytes| bytes[0])
    }

    fn u16(&mut self, field: Field) -> Result<u16, ClientHelloError> {
        self.take(2, field)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self, field: Field) -> Result<&'a [u8], ClientHelloError> {
        let length = self.u8(field)?;
        self.take(length.into(), field)
    }

    fn vector16(&mut self, field: Field) -> Result<&'a [u8], ClientHelloError> {
        let length = self.u16(field)?;
        self.take(length.into(), field)
    }
}

#[cfg(test)]
mod tests;
