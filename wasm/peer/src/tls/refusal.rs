//! Telling a client why it is turned away before anything is known about its address.
//!
//! `noq_proto` sends no CONNECTION_CLOSE to an address that is not validated once the first packet has been
//! accepted, so a client whose ClientHello spans two datagrams would hear nothing and wait for its idle
//! timeout. The refusal here is one packet of a few dozen bytes in answer to two of 1,200: far within what
//! [RFC 9000 § 8.1] allows towards such an address.
//!
//! [RFC 9000 § 8.1]: https://www.rfc-editor.org/rfc/rfc9000#section-8.1

use std::sync::Arc;

use noq_proto::{ConnectionError, ConnectionId, PathId, Side, TransportErrorCode};
use rustls::OtherError;

use super::session::{QUIC_V1, initial_keys};

/// Ids of transport parameters ([RFC 9000 § 18.2]).
///
/// [RFC 9000 § 18.2]: https://www.rfc-editor.org/rfc/rfc9000#section-18.2
const ORIGINAL_DESTINATION: u64 = 0x00;
const INITIAL_SOURCE: u64 = 0x0f;
const RETRY_SOURCE: u64 = 0x10;

/// Above every number that `noq_proto` has used in a handshake that ends here.
const PACKET_NUMBER: u32 = 1 << 16;
const PACKET_NUMBER_LEN: usize = 4;

/// An Initial packet with four bytes of packet number ([RFC 9000 § 17.2.2]).
///
/// [RFC 9000 § 17.2.2]: https://www.rfc-editor.org/rfc/rfc9000#section-17.2.2
const INITIAL: u8 = 0xc3;
const CONNECTION_CLOSE: u8 = 0x1c;

/// A refused client, and the packet that says so.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(super) struct Refusal {
    #[source]
    pub(super) cause: rustls::Error,
    packet: Vec<u8>,
}

impl Refusal {
    /// A refusal of the client with the transport parameters `client`, by the server with the parameters
    /// `server`; without a packet when the client's name no connection id.
    pub(super) fn new(
        cause: rustls::Error,
        code: TransportErrorCode,
        client: &[u8],
        server: &[u8],
    ) -> Self {
        Self {
            cause,
            packet: close_packet(code, client, server).unwrap_or_default(),
        }
    }
}

/// The datagram to send to the remote address of a server's connection that was lost with `error`, if it
/// ended by refusing a ClientHello. Send it once, when the event `ConnectionLost` comes.
///
/// A refusal that is the error of `Endpoint::accept` needs none: its response says the same.
pub fn refusal_datagram(error: &ConnectionError) -> Option<&[u8]> {
    let ConnectionError::TransportError(error) = error else {
        return None;
    };
    let rustls::Error::Other(OtherError(cause)) = error.crypto.as_ref()?.downcast_ref()? else {
        return None;
    };
    let refusal: &Refusal = Arc::as_ref(cause).downcast_ref()?;
    Some(refusal.packet.as_slice()).filter(|packet| !packet.is_empty())
}

fn close_packet(code: TransportErrorCode, client: &[u8], server: &[u8]) -> Option<Vec<u8>> {
    let destination = parameter(client, INITIAL_SOURCE)?;
    let source = parameter(server, INITIAL_SOURCE)?;
    // The keys follow the destination of the client's first packet since it knows of the server (§ 5.2 of
    // RFC 9001): the one that the server chose in a Retry, else the original one.
    let keyed_by =
        parameter(server, RETRY_SOURCE).or_else(|| parameter(server, ORIGINAL_DESTINATION))?;
    let keys = initial_keys(ConnectionId::new(keyed_by), Side::Server);

    let mut payload = vec![CONNECTION_CLOSE];
    // An error code of QUIC or TLS has at most 14 bits. No frame is to blame, and the code says it all.
    payload.extend_from_slice(&(u16::try_from(u64::from(code)).ok()? | 0x4000).to_be_bytes());
    payload.extend_from_slice(&[0, 0]);

    let tag_len = keys.packet.local.tag_len();
    let length = u16::try_from(PACKET_NUMBER_LEN + payload.len() + tag_len).ok()?;
    let mut packet = vec![INITIAL];
    packet.extend_from_slice(&QUIC_V1.to_be_bytes());
    for id in [destination, source] {
        packet.push(u8::try_from(id.len()).ok()?);
        packet.extend_from_slice(id);
    }
    packet.push(0);
    packet.extend_from_slice(&(length | 0x4000).to_be_bytes());
    let number_at = packet.len();
    packet.extend_from_slice(&PACKET_NUMBER.to_be_bytes());
    let header_len = packet.len();
    packet.extend_from_slice(&payload);
    packet.resize(packet.len() + tag_len, 0);

    let number = u64::from(PACKET_NUMBER);
    keys.packet
        .local
        .encrypt(PathId::ZERO, number, &mut packet, header_len);
    keys.header.local.encrypt(number_at, &mut packet);
    Some(packet)
}

/// The connection id in the transport parameter `id`.
fn parameter(mut parameters: &[u8], id: u64) -> Option<&[u8]> {
    while !parameters.is_empty() {
        let found = varint(&mut parameters)?;
        let length = usize::try_from(varint(&mut parameters)?).ok()?;
        let (value, rest) = parameters.split_at_checked(length)?;
        if found == id {
            return Some(value).filter(|value| value.len() <= 20);
        }
        parameters = rest;
    }
    None
}

/// A variable-length integer ([RFC 9000 § 16]) from the front of `bytes`.
///
/// [RFC 9000 § 16]: https://www.rfc-editor.org/rfc/rfc9000#section-16
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let (value, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    *bytes = rest;
    let start = u64::from(first & 0x3f);
    Some(value[1..].iter().fold(start, |n, b| n << 8 | u64::from(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_parameters_name_no_connection_id() {
        for bytes in [
            &[][..],
            &[0x0f],
            &[0x0f, 2, 1],
            &[0x0e, 0],
            &[0xc0],
            &[0x0f, 0x80, 1],
        ] {
            assert_eq!(parameter(bytes, INITIAL_SOURCE), None, "{bytes:?}");
        }
        let long = [&[0x0f, 21][..], &[7; 21]].concat();
        assert_eq!(parameter(&long, INITIAL_SOURCE), None);
        assert_eq!(
            parameter(&[3, 1, 9, 0x0f, 2, 7, 8], INITIAL_SOURCE),
            Some(&[7, 8][..])
        );
    }
}
