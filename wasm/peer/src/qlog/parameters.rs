//! QUIC's transport parameters ([RFC 9000 § 18]) in qlog's words.
//!
//! [RFC 9000 § 18]: https://www.rfc-editor.org/rfc/rfc9000#section-18

use anypath_wire::varint::read_varint;

use super::json::Object;

const ORIGINAL_DESTINATION_CONNECTION_ID: u64 = 0x00;
const STATELESS_RESET_TOKEN: u64 = 0x02;
const ACK_DELAY_EXPONENT: u64 = 0x0a;
const DISABLE_ACTIVE_MIGRATION: u64 = 0x0c;
const PREFERRED_ADDRESS: u64 = 0x0d;
const GREASE_QUIC_BIT: u64 = 0x2ab2;

/// Transport parameters as TLS carries them.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<'a>(pub(crate) &'a [u8]);

impl<'a> Parameters<'a> {
    /// The connection id that the client addressed first, which only a server tells.
    pub(crate) fn original_dcid(self) -> Option<&'a [u8]> {
        self.iter()
            .find(|(id, _)| *id == ORIGINAL_DESTINATION_CONNECTION_ID)
            .map(|(_, value)| value)
    }

    /// The unit of acknowledgement delays: two to this power microseconds.
    pub(crate) fn ack_delay_exponent(self) -> u32 {
        const DEFAULT: u32 = 3;
        self.iter()
            .find(|(id, _)| *id == ACK_DELAY_EXPONENT)
            .and_then(|(_, value)| read_varint(value)?.0.try_into().ok())
            .unwrap_or(DEFAULT)
    }

    /// Ends at the first that is malformed, as the handshake does.
    fn iter(self) -> impl Iterator<Item = (u64, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (id, after) = read_varint(rest)?;
            let (length, after) = read_varint(after)?;
            let (value, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            Some((id, value))
        })
    }

    /// Writes the data of `quic:parameters_set`.
    pub(crate) fn write(self, local: bool, out: &mut String) {
        let mut data = Object::begin(out);
        data.text("initiator", if local { "local" } else { "remote" });
        for (id, value) in self.iter() {
            match (id, number_name(id), connection_id_name(id)) {
                (_, Some(name), _) => {
                    if let Some((number, _)) = read_varint(value) {
                        data.number(name, number);
                    }
                }
                (_, _, Some(name)) => _ = data.hex(name, value),
                (DISABLE_ACTIVE_MIGRATION, ..) => _ = data.flag("disable_active_migration", true),
                (GREASE_QUIC_BIT, ..) => _ = data.flag("grease_quic_bit", true),
                _ => {}
            }
        }
        let mut unknown = data.list("unknown_parameters");
        for (id, value) in self.iter().filter(|(id, _)| !is_known(*id)) {
            unknown.object().number("id", id).hex("value", value);
        }
    }
}

fn is_known(id: u64) -> bool {
    let secret = [STATELESS_RESET_TOKEN, PREFERRED_ADDRESS].contains(&id);
    let flag = [DISABLE_ACTIVE_MIGRATION, GREASE_QUIC_BIT].contains(&id);
    secret || flag || number_name(id).is_some() || connection_id_name(id).is_some()
}

fn connection_id_name(id: u64) -> Option<&'static str> {
    Some(match id {
        ORIGINAL_DESTINATION_CONNECTION_ID => "original_destination_connection_id",
        0x0f => "initial_source_connection_id",
        0x10 => "retry_source_connection_id",
        _ => return None,
    })
}

fn number_name(id: u64) -> Option<&'static str> {
    Some(match id {
        0x01 => "max_idle_timeout",
        0x03 => "max_udp_payload_size",
        0x04 => "initial_max_data",
        0x05 => "initial_max_stream_data_bidi_local",
        0x06 => "initial_max_stream_data_bidi_remote",
        0x07 => "initial_max_stream_data_uni",
        0x08 => "initial_max_streams_bidi",
        0x09 => "initial_max_streams_uni",
        ACK_DELAY_EXPONENT => "ack_delay_exponent",
        0x0b => "max_ack_delay",
        0x0e => "active_connection_id_limit",
        0x20 => "max_datagram_frame_size",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn parameters_have_names_and_secrets_are_left_out() {
        let mut bytes = vec![0x04, 0x02, 0x7b, 0xbd, 0x0c, 0x00, 0x0f, 0x02, 0xab, 0xcd];
        bytes.extend([0x02, 16]);
        bytes.extend([0x5e; 16]);
        bytes.extend([0x3f, 0x01, 0x07]);
        let mut out = String::new();
        Parameters(&bytes).write(false, &mut out);
        let expected = json!({
            "initiator": "remote",
            "initial_max_data": 15293,
            "disable_active_migration": true,
            "initial_source_connection_id": "abcd",
            "unknown_parameters": [{"id": 63, "value": "07"}],
        });
        assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), expected);
        assert_eq!(Parameters(&bytes).ack_delay_exponent(), 3);
        assert_eq!(Parameters(&[0x0a, 1, 5]).ack_delay_exponent(), 5);
        assert_eq!(Parameters(&[0x0a, 9, 5]).original_dcid(), None);
    }
}
