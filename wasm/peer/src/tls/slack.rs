//! Slack in received packets, so that noq can merge what an application leaves unread.
//!
//! noq keeps a stream's unread data as the chunks in which it came, and closes the connection with "too many
//! gaps in stream buffer" at about 2,048 of them that it can't merge. It merges only chunks that fill less than
//! five sixths of their packet, as a defence against memory held by tiny chunks; so a slow reader, or one lost
//! packet at full speed, ends a healthy connection. Packets that seem a third larger than their content are
//! merged. PADDING frames ([RFC 9000 § 19.1]) before the real ones make them so, without meaning anything. Behind
//! them they would mean something: a last STREAM frame without a length reaches to the end of its packet
//! ([RFC 9000 § 19.8]).
//!
//! [RFC 9000 § 19.1]: https://www.rfc-editor.org/rfc/rfc9000#section-19.1
//! [RFC 9000 § 19.8]: https://www.rfc-editor.org/rfc/rfc9000#section-19.8

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use noq_proto::PathId;
use noq_proto::crypto::{CryptoError, PacketKey};

/// Says whether packets of a connection get slack. It costs parsing time, so only while chunks pile up.
#[derive(Debug, Clone, Default)]
pub struct Slack(Arc<AtomicBool>);

impl Slack {
    /// Gives slack from the next packet on, or no longer.
    pub fn set(&self, wanted: bool) {
        self.0.store(wanted, Ordering::Relaxed);
    }

    /// Whether packets get slack now.
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A key that gives the packets which it opens slack, when that is wanted.
pub(super) struct SlackKey {
    pub(super) inner: Box<dyn rustls::quic::PacketKey>,
    pub(super) slack: Slack,
}

/// Puts PADDING frames before the content.
fn prepend_padding(payload: &mut BytesMut) {
    const PADDING: u8 = 0;
    let length = payload.len();
    let slack = length / 4 + 8;
    payload.resize(length + slack, PADDING);
    payload.copy_within(..length, slack);
    payload[..slack].fill(PADDING);
}

impl PacketKey for SlackKey {
    fn encrypt(&self, path_id: PathId, packet: u64, buf: &mut [u8], header_len: usize) {
        PacketKey::encrypt(&self.inner, path_id, packet, buf, header_len);
    }

    fn decrypt(
        &self,
        path_id: PathId,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        PacketKey::decrypt(&self.inner, path_id, packet, header, payload)?;
        if self.slack.is_wanted() {
            prepend_padding(payload);
        }
        Ok(())
    }

    fn tag_len(&self) -> usize {
        PacketKey::tag_len(&self.inner)
    }

    fn confidentiality_limit(&self) -> u64 {
        PacketKey::confidentiality_limit(&self.inner)
    }

    fn integrity_limit(&self) -> u64 {
        PacketKey::integrity_limit(&self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_still_ends_where_the_packet_ends() {
        for length in [0usize, 1, 5, 40, 1400] {
            let content: Vec<u8> = (0..length).map(|i| i as u8 | 1).collect();
            let mut payload = BytesMut::from(&content[..]);
            prepend_padding(&mut payload);
            let (padding, rest) = payload.split_at(payload.len() - length);
            assert_eq!(rest, content);
            assert!(padding.iter().all(|byte| *byte == 0));
            assert!(padding.len() * 4 >= length);
        }
    }
}
