//! Tickets of `anypath send`: where the files are, and the secret without which none is served.
//!
//! The text is `anypath` followed by base32 of:
//!
//! ```text
//! version(1 byte, 1) secret(32 bytes) endpoint ticket (postcard bytes, to the end)
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base32::{BASE32, Base32Error, encoded_len};
use crate::ticket::{MAX_TICKET_BYTES, Ticket, TicketError};

/// What the text of a transfer ticket begins with.
pub const TRANSFER_PREFIX: &str = "anypath";
/// How many bytes the secret has.
pub const SECRET_LENGTH: usize = 32;
/// The most characters that the text of a transfer ticket may have.
pub const MAX_TRANSFER_TEXT: usize =
    TRANSFER_PREFIX.len() + encoded_len(1 + SECRET_LENGTH + MAX_TICKET_BYTES);

const VERSION: u8 = 1;

/// The ticket of one `anypath send`.
#[derive(Clone, PartialEq, Eq)]
pub struct TransferTicket {
    /// What the receiver must show to be served. Compare it in constant time.
    pub secret: [u8; SECRET_LENGTH],
    /// The sender.
    pub endpoint: Ticket,
}

/// Why a text is not a transfer ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TransferError {
    /// The text does not begin with `anypath`.
    #[error("a transfer ticket begins with \"{TRANSFER_PREFIX}\"")]
    Prefix,
    /// More than [`MAX_TRANSFER_TEXT`] characters.
    #[error("a transfer ticket of {length} characters is too long")]
    TooLong {
        /// How many there were.
        length: usize,
    },
    /// What follows the prefix is not base32; positions count from behind the prefix.
    #[error("the transfer ticket is not base32: {0}")]
    Base32(#[from] Base32Error),
    /// The text ends before the version or within the secret.
    #[error("the transfer ticket is truncated")]
    Truncated,
    /// A version that is not known.
    #[error("transfer ticket version {version} is not known")]
    Version {
        /// The version.
        version: u8,
    },
    /// The endpoint ticket inside is faulty.
    #[error("in the transfer ticket: {0}")]
    Endpoint(#[from] TicketError),
}

impl FromStr for TransferTicket {
    type Err = TransferError;

    fn from_str(text: &str) -> Result<Self, TransferError> {
        let length = text.len();
        let base32 = text
            .strip_prefix(TRANSFER_PREFIX)
            .ok_or(TransferError::Prefix)?;
        if length > MAX_TRANSFER_TEXT {
            return Err(TransferError::TooLong { length });
        }
        let bytes = BASE32.decode(base32.as_bytes())?;
        let (version, rest) = bytes.split_first().ok_or(TransferError::Truncated)?;
        if *version != VERSION {
            return Err(TransferError::Version { version: *version });
        }
        let (secret, endpoint) = rest.split_first_chunk().ok_or(TransferError::Truncated)?;
        Ok(Self {
            secret: *secret,
            endpoint: Ticket::from_bytes(endpoint)?,
        })
    }
}

impl fmt::Display for TransferTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.endpoint.to_bytes());
        write!(f, "{TRANSFER_PREFIX}{}", BASE32.encode(&bytes))
    }
}

impl fmt::Debug for TransferTicket {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferTicket")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EndpointId;
    use crate::ticket::TicketAddress;
    use proptest::prelude::*;

    fn ticket() -> TransferTicket {
        let mut endpoint = Ticket::new(EndpointId([7; 32]));
        let address = TicketAddress::Ip(([127, 0, 0, 1], 4433).into());
        assert_eq!(endpoint.insert(address), Ok(true));
        TransferTicket {
            secret: [0x5e; SECRET_LENGTH],
            endpoint,
        }
    }

    fn encoded(bytes: &[u8]) -> Result<TransferTicket, TransferError> {
        format!("anypath{}", BASE32.encode(bytes)).parse()
    }

    #[test]
    fn a_transfer_ticket_reads_back() {
        let text = ticket().to_string();
        assert!(text.starts_with("anypathafpf4xs6"));
        assert_eq!(text.parse(), Ok(ticket()));
    }

    #[test]
    fn the_secret_is_not_in_the_debug_form() {
        let debug = format!("{:?}", ticket());
        assert!(debug.contains("endpoint"));
        assert!(!debug.contains("94") && !debug.contains("5e5e"));
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let endpoint = ticket().endpoint.to_string();
        assert_eq!(
            endpoint.parse::<TransferTicket>(),
            Err(TransferError::Prefix)
        );
        assert_eq!(encoded(&[]), Err(TransferError::Truncated));
        assert_eq!(encoded(&[1; 32]), Err(TransferError::Truncated));
        assert_eq!(encoded(&[2]), Err(TransferError::Version { version: 2 }));
        let no_id = TicketError::IdLength { length: 0 };
        let mut bytes = vec![1; 33];
        bytes.push(0);
        assert_eq!(encoded(&bytes), Err(TransferError::Endpoint(no_id)));
        let long = format!("anypath{}", "a".repeat(MAX_TRANSFER_TEXT));
        let length = long.len();
        assert_eq!(
            long.parse::<TransferTicket>(),
            Err(TransferError::TooLong { length })
        );
        let character = Base32Error::Character { position: 1 };
        assert_eq!(
            "anypatha!".parse::<TransferTicket>(),
            Err(TransferError::Base32(character))
        );
    }

    proptest! {
        #[test]
        fn any_secret_reads_back(secret: [u8; 32], id: [u8; 32]) {
            let ticket = TransferTicket { secret, endpoint: Ticket::new(EndpointId(id)) };
            prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
        }

        #[test]
        fn a_cut_ticket_is_an_error(cut in 0usize..120) {
            let text = ticket().to_string();
            let cut = cut.min(text.len() - 1);
            prop_assert!(text[..cut].parse::<TransferTicket>().is_err());
        }
    }
}
