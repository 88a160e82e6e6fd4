//! Endpoint ids: Ed25519 public keys as text and as TLS server names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base32::{Alphabet, BASE32, BASE32_DNSSEC, Base32Error, Z_BASE_32};

/// How many bytes an id has.
pub const ID_LENGTH: usize = 32;

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
const SERVER_NAME_SUFFIX: &str = ".iroh.invalid";

/// The Ed25519 public key of a peer [RFC 8032], which is also its name.
///
/// The bytes are not checked to be a point of the curve: the TLS handshake does that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub [u8; ID_LENGTH]);

/// Why a text or a byte string is not an endpoint id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// Neither 64 hexadecimal nor 52 base32 characters, or not 32 bytes.
    #[error("an endpoint id has 64 hexadecimal or 52 base32 characters, this has {length}")]
    Length {
        /// How many characters or bytes there were.
        length: usize,
    },
    /// A character that is not a lower-case hexadecimal digit.
    #[error("byte {position} of the endpoint id is not a lower-case hexadecimal digit")]
    HexDigit {
        /// Where it stands, in bytes.
        position: usize,
    },
    /// Not base32.
    #[error("the endpoint id is not base32: {0}")]
    Base32(#[from] Base32Error),
    /// The server name does not end in `.iroh.invalid`.
    #[error("the server name does not end in {SERVER_NAME_SUFFIX}")]
    ServerNameSuffix,
}

impl EndpointId {
    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; ID_LENGTH] {
        &self.0
    }

    /// The id in z-base-32, 52 characters: the label under which pkarr publishes it in DNS.
    pub fn to_z_base_32(&self) -> String {
        Z_BASE_32.encode(&self.0)
    }

    /// The id that a z-base-32 label stands for.
    ///
    /// # Errors
    /// [`IdError::Length`] unless `text` has 52 characters, [`IdError::Base32`] when one of them
    /// is outside the (lower-case) alphabet.
    pub fn from_z_base_32(text: &str) -> Result<Self, IdError> {
        from_base32(text, Z_BASE_32)
    }

    /// The first five bytes in hexadecimal: enough to tell peers apart in a log.
    pub fn short(&self) -> impl fmt::Display + use<> {
        let [a, b, c, d, e, ..] = self.0;
        Hex([a, b, c, d, e])
    }
}

/// The name under which TLS knows a peer: `<base32-dnssec id>.iroh.invalid`.
///
/// It is never sent; it selects the 0-RTT session tickets of that peer. `.invalid` never resolves
/// [RFC 2606 § 2].
pub fn server_name(id: &EndpointId) -> String {
    let mut name = BASE32_DNSSEC.encode(&id.0);
    name.push_str(SERVER_NAME_SUFFIX);
    name
}

/// The id within a name made by [`server_name`].
///
/// # Errors
/// [`IdError::ServerNameSuffix`] for a name of another kind, [`IdError::Length`] unless the first
/// label has 52 characters, [`IdError::Base32`] when they are not base32-dnssec.
pub fn from_server_name(name: &str) -> Result<EndpointId, IdError> {
    let label = name
        .strip_suffix(SERVER_NAME_SUFFIX)
        .ok_or(IdError::ServerNameSuffix)?;
    from_base32(label, BASE32_DNSSEC)
}

impl FromStr for EndpointId {
    type Err = IdError;

    /// Reads 64 lower-case hexadecimal digits, or 52 base32 characters [RFC 4648 § 6] in any case.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() == 2 * ID_LENGTH {
            return from_hex(text.as_bytes());
        }
        from_base32(text, BASE32)
    }
}

impl TryFrom<&[u8]> for EndpointId {
    type Error = IdError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        let length = bytes.len();
        let id = bytes.try_into().map_err(|_| IdError::Length { length })?;
        Ok(Self(id))
    }
}

impl fmt::Display for EndpointId {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(self.0).fmt(f)
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointId({})", self.short())
    }
}

struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex(text: &[u8]) -> Result<EndpointId, IdError> {
    let mut id = [0; ID_LENGTH];
    for (position, character) in text.iter().enumerate() {
        let digit = HEX_DIGITS
            .iter()
            .position(|d| d == character)
            .ok_or(IdError::HexDigit { position })?;
        id[position / 2] = (id[position / 2] << 4) | digit as u8;
    }
    Ok(EndpointId(id))
}

fn from_base32(text: &str, alphabet: Alphabet) -> Result<EndpointId, IdError> {
    let length = text.len();
    if length != crate::base32::encoded_len(ID_LENGTH) {
        return Err(IdError::Length { length });
    }
    let bytes = alphabet.decode(text.as_bytes())?;
    EndpointId::try_from(bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // The public key of the all-zero Ed25519 seed.
    const ZERO_SEED: &str = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";

    #[test]
    fn the_server_name_is_that_of_iroh() {
        let id: EndpointId = ZERO_SEED.parse().expect("hex");
        let name = "7dl2ff6emqi2qol3l382krodedij45bn3nh479hqo14a32qpr8kg.iroh.invalid";
        assert_eq!(server_name(&id), name);
        assert_eq!(from_server_name(name), Ok(id));
    }

    #[test]
    fn an_id_prints_in_full_and_debugs_in_short() {
        let id: EndpointId = ZERO_SEED.parse().expect("hex");
        assert_eq!(id.to_string(), ZERO_SEED);
        assert_eq!(format!("{id:?}"), "EndpointId(3b6a27bcce)");
    }

    #[test]
    fn each_fault_of_an_id_has_its_own_error() {
        let parse = |text: &str| text.parse::<EndpointId>();
        assert_eq!(parse(""), Err(IdError::Length { length: 0 }));
        assert_eq!(parse(&ZERO_SEED[1..]), Err(IdError::Length { length: 63 }));
        let upper = ZERO_SEED.to_uppercase();
        assert_eq!(parse(&upper), Err(IdError::HexDigit { position: 1 }));
        let character = Base32Error::Character { position: 0 };
        assert_eq!(parse(&"1".repeat(52)), Err(IdError::Base32(character)));
        // 52 characters hold 260 bits: the last four must be zero.
        assert_eq!(
            parse(&"b".repeat(52)),
            Err(IdError::Base32(Base32Error::TrailingBits))
        );
        assert_eq!(
            from_server_name("example.org"),
            Err(IdError::ServerNameSuffix)
        );
        assert_eq!(
            from_server_name("a.b.iroh.invalid"),
            Err(IdError::Length { length: 3 })
        );
    }

    proptest! {
        #[test]
        fn every_text_form_leads_back_to_the_same_id(bytes: [u8; 32]) {
            let id = EndpointId(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(BASE32.encode(&bytes).parse(), Ok(id));
            prop_assert_eq!(BASE32.encode(&bytes).to_uppercase().parse(), Ok(id));
            prop_assert_eq!(EndpointId::from_z_base_32(&id.to_z_base_32()), Ok(id));
            prop_assert_eq!(from_server_name(&server_name(&id)), Ok(id));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<EndpointId>();
            let _ = EndpointId::from_z_base_32(&text);
            let _ = from_server_name(&text);
        }
    }
}
