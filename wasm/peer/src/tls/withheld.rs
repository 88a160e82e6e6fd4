//! Transport parameters for a client that may open no stream and send no datagram.

use anypath_wire::varint::read_varint;

/// What allows streams and their data ([RFC 9000 § 18.2]), and datagrams ([RFC 9221 § 3]). Each is 0 when it is
/// left out.
///
/// [RFC 9000 § 18.2]: https://www.rfc-editor.org/rfc/rfc9000#section-18.2
/// [RFC 9221 § 3]: https://www.rfc-editor.org/rfc/rfc9221#section-3
const WITHHELD: [u64; 7] = [0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x20];

/// Encoded transport parameters without those that allow application data.
pub(super) fn without_streams(params: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(params.len());
    let mut rest = params;
    while let Some((id, length, after)) = next(rest) {
        let (value, following) = after.split_at(length);
        if !WITHHELD.contains(&id) {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
            kept.extend_from_slice(value);
        }
        rest = following;
    }
    kept
}

/// The id and the length of the next parameter, and what follows them, at least that long.
fn next(params: &[u8]) -> Option<(u64, usize, &[u8])> {
    let (id, rest) = read_varint(params)?;
    let (length, rest) = read_varint(rest)?;
    let length = usize::try_from(length).ok()?;
    (length <= rest.len()).then_some((id, length, rest))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use noq_proto::Side;
    use noq_proto::transport_parameters::TransportParameters;

    use super::*;

    #[test]
    fn only_what_allows_application_data_is_left_out() {
        let params = [
            0x04, 2, 0x40, 0x64, 0x01, 2, 0x47, 0xd0, 0x08, 1, 9, 0x09, 1, 3, 0x0e, 1, 2, 0x20, 1,
            50, 0xc0, 0, 0, 0, 0xff, 0x04, 0xde, 0x1b, 0,
        ];
        let kept = [
            0x01, 2, 0x47, 0xd0, 0x0e, 1, 2, 0xc0, 0, 0, 0, 0xff, 0x04, 0xde, 0x1b, 0,
        ];
        assert_eq!(without_streams(&params), kept);
        let read = TransportParameters::read(Side::Client, &mut Cursor::new(&kept[..7]));
        assert!(read.is_ok());
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        assert_eq!(without_streams(&[0x01, 1, 5, 0x02, 9, 0]), [0x01, 1, 5]);
        assert!(without_streams(&[]).is_empty());
    }
}
