//! QUIC's packets in qlog's words.

use anypath_wire::quic::{Invariants, invariants};

use super::frame::write_frames;
use super::json::Object;

/// How a packet is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// By keys that anybody can derive.
    Initial,
    /// By the keys of a resumed session.
    ZeroRtt,
    /// By the keys of the handshake.
    Handshake,
    /// By the keys that the handshake made.
    OneRtt,
}

/// A packet without its protection.
pub(crate) struct Packet<'a> {
    pub(crate) level: Level,
    pub(crate) path: u32,
    pub(crate) number: u64,
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) tag_len: usize,
    /// The sender's.
    pub(crate) ack_delay_exponent: u32,
}

impl Packet<'_> {
    /// Writes the data of `quic:packet_sent` or `quic:packet_received`.
    pub(crate) fn write(&self, out: &mut String) {
        let mut data = Object::begin(out);
        self.write_header(&mut data.object("header"));
        write_frames(
            &mut data.list("frames"),
            self.payload,
            self.ack_delay_exponent,
        );
        let length = self.header.len() + self.payload.len() + self.tag_len;
        let mut raw = data.object("raw");
        raw.number("length", length as u64);
        raw.number("payload_length", self.payload.len() as u64);
    }

    fn write_header(&self, header: &mut Object<'_>) {
        header.text(
            "packet_type",
            match self.level {
                Level::Initial => "initial",
                Level::ZeroRtt => "0RTT",
                Level::Handshake => "handshake",
                Level::OneRtt => "1RTT",
            },
        );
        header.number("packet_number", self.number);
        let first = self.header.first().copied().unwrap_or(0);
        let number_length = 1 + usize::from(first & 0x03);
        header.number("packet_number_length", number_length as u64);
        match invariants(self.header) {
            Ok(Invariants::Long {
                version,
                destination,
                source,
            }) => {
                header.hex("version", &version.to_be_bytes());
                header.hex("dcid", destination).hex("scid", source);
            }
            Ok(Invariants::Short { rest }) => {
                let id = rest.len().saturating_sub(number_length);
                header.flag("key_phase_bit", first & 0x04 != 0);
                header.hex("dcid", &rest[..id]);
                header.number("path_id", self.path);
            }
            Err(_) => {}
        }
    }
}
