//! The mark of an anypath peer, put into a ticket as a custom address.

use crate::postcard::{Decoder, PostcardError, put_bytes, put_varint};

/// The custom transport id of the mark: "ANYP" in ASCII.
///
/// iroh's registry `TRANSPORTS.md` reserves 0x00 to 0x1f and names 0x20 (test), 0x424c45 ("BLE") and
/// 0x544f52 ("Tor"); ids are otherwise free. A stock peer has no such transport and ignores it.
pub const MARKER_TRANSPORT_ID: u64 = 0x414e_5950;

const VERSION: u8 = 0;
const FIELD_FLAGS: u32 = 1;

/// Says that a peer is one of anypath's, so that a stock peer is never asked for more than it has.
///
/// As bytes: a version (0), then fields of `type length value`, each number a postcard integer.
/// Field 1 holds the flags; fields of other types are skipped. Without flags there is no field, and
/// the mark is a single zero byte, the only custom address that every iroh 1.x can step over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marker {
    /// What the peer can do beyond the stock protocol; none is defined yet, unknown bits are kept.
    pub flags: u64,
}

impl Marker {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = vec![VERSION];
        if self.flags != 0 {
            let mut value = Vec::new();
            put_varint(self.flags, &mut value);
            put_varint(FIELD_FLAGS.into(), &mut out);
            put_bytes(&value, &mut out);
        }
        out
    }

    /// Never fails: whatever the data is, the peer is one of anypath's, and only the flags of a
    /// version that is not known or of malformed fields are lost.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let flags = match bytes.split_first() {
            Some((&VERSION, fields)) => read_flags(fields).unwrap_or_default(),
            _ => 0,
        };
        Self { flags }
    }
}

fn read_flags(fields: &[u8]) -> Result<u64, PostcardError> {
    let mut decoder = Decoder::new(fields);
    let mut flags = 0;
    while !decoder.rest().is_empty() {
        let field = decoder.u32()?;
        let length = decoder.length()?;
        let value = decoder.take(length)?;
        if field == FIELD_FLAGS {
            flags = Decoder::new(value).u64()?;
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive_and_their_absence_is_one_zero_byte() {
        assert_eq!(Marker::default().to_bytes(), [0]);
        for flags in [0, 1, 0x80, u64::MAX] {
            let marker = Marker { flags };
            assert_eq!(Marker::from_bytes(&marker.to_bytes()), marker);
        }
    }

    #[test]
    fn unknown_fields_are_skipped_and_unknown_versions_have_no_flags() {
        assert_eq!(Marker::from_bytes(&[0, 9, 2, 7, 7, 1, 1, 5]).flags, 5);
        assert_eq!(Marker::from_bytes(&[1, 1, 1, 5]).flags, 0);
        assert_eq!(Marker::from_bytes(&[0, 1, 9, 5]).flags, 0);
        assert_eq!(Marker::from_bytes(&[]).flags, 0);
    }
}
