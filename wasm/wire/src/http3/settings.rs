//! The SETTINGS frame ([RFC 9114 § 7.2.4]).
//!
//! Browsers and servers speak several drafts of WebTransport, told apart by the setting that announces it. A server announces all of
//! those that differ in nothing else for one session on a connection; the client takes the one that it knows.
//!
//! [RFC 9114 § 7.2.4]: https://www.rfc-editor.org/rfc/rfc9114#section-7.2.4

use thiserror::Error;

use crate::varint::{read_varint, write_varint};

/// The largest section of fields that is taken, in bytes ([RFC 9114 § 4.2.2]).
///
/// [RFC 9114 § 4.2.2]: https://www.rfc-editor.org/rfc/rfc9114#section-4.2.2
pub const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
/// CONNECT with a `:protocol` ([RFC 9220 § 3]).
///
/// [RFC 9220 § 3]: https://www.rfc-editor.org/rfc/rfc9220#section-3
pub const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
/// HTTP datagrams ([RFC 9297 § 2.1.1]).
///
/// [RFC 9297 § 2.1.1]: https://www.rfc-editor.org/rfc/rfc9297#section-2.1.1
pub const H3_DATAGRAM: u64 = 0x33;
/// The same in its fourth draft, as Chromium has it.
pub const H3_DATAGRAM_DRAFT_04: u64 = 0x00ff_d277;
/// WebTransport up to its sixth draft.
pub const ENABLE_WEB_TRANSPORT_DRAFT_02: u64 = 0x2b60_3742;
/// How many sessions a server takes on a connection, from the seventh draft on.
pub const WEB_TRANSPORT_MAX_SESSIONS_DRAFT_07: u64 = 0xc671_706a;

/// Settings of HTTP/2, which are an error here ([RFC 9114 § 7.2.4.1]).
///
/// [RFC 9114 § 7.2.4.1]: https://www.rfc-editor.org/rfc/rfc9114#section-7.2.4.1
const OF_HTTP2: [u64; 4] = [0x02, 0x03, 0x04, 0x05];

/// How many settings are read: a client has a dozen.
const MOST_SETTINGS: usize = 64;

/// Why settings are no settings; the answer is `H3_SETTINGS_ERROR`, or `H3_FRAME_ERROR` for what is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The frame ends within a setting.
    #[error("the settings are cut off")]
    Truncated,
    /// A setting is there twice.
    #[error("setting {0:#x} is there twice")]
    Duplicate(u64),
    /// HTTP/2 has it, and HTTP/3 must not.
    #[error("setting {0:#x} is one of HTTP/2")]
    OfHttp2(u64),
    /// One that has two values has a third.
    #[error("setting {0:#x} is neither 0 nor 1")]
    NotBoolean(u64),
    /// More than anybody has to say.
    #[error("more than 64 settings")]
    TooMany,
}

/// What a client tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientSettings {
    /// Whether it takes HTTP datagrams, without which there is no WebTransport.
    pub datagrams: bool,
}

/// Reads a client's settings.
///
/// # Errors
/// [`SettingsError`].
pub fn read_client(payload: &[u8]) -> Result<ClientSettings, SettingsError> {
    let mut seen = Vec::new();
    let mut settings = ClientSettings::default();
    let mut rest = payload;
    while !rest.is_empty() {
        let (id, after) = read_varint(rest).ok_or(SettingsError::Truncated)?;
        let (value, after) = read_varint(after).ok_or(SettingsError::Truncated)?;
        rest = after;
        if OF_HTTP2.contains(&id) {
            return Err(SettingsError::OfHttp2(id));
        }
        if seen.contains(&id) {
            return Err(SettingsError::Duplicate(id));
        }
        if seen.len() == MOST_SETTINGS {
            return Err(SettingsError::TooMany);
        }
        seen.push(id);
        if matches!(id, H3_DATAGRAM | ENABLE_CONNECT_PROTOCOL) && value > 1 {
            return Err(SettingsError::NotBoolean(id));
        }
        if matches!(id, H3_DATAGRAM | H3_DATAGRAM_DRAFT_04) && value == 1 {
            settings.datagrams = true;
        }
    }
    Ok(settings)
}

/// Appends settings.
pub fn write(settings: &[(u64, u64)], out: &mut Vec<u8>) {
    for (id, value) in settings {
        write_varint(*id, out);
        write_varint(*value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(settings: &[(u64, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        write(settings, &mut out);
        out
    }

    #[test]
    fn a_browsers_settings_are_read() {
        let chromium = written(&[
            (0x01, 65_536),
            (MAX_FIELD_SECTION_SIZE, 262_144),
            (0x07, 100),
            (H3_DATAGRAM, 1),
            (H3_DATAGRAM_DRAFT_04, 1),
            (ENABLE_WEB_TRANSPORT_DRAFT_02, 1),
            (0x1_0000_0021 * 0x1f, 77),
        ]);
        assert_eq!(
            read_client(&chromium),
            Ok(ClientSettings { datagrams: true })
        );
        assert_eq!(read_client(&[]), Ok(ClientSettings::default()));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let cases = [
            (vec![(0x33, 1), (0x33, 1)], SettingsError::Duplicate(0x33)),
            (vec![(0x02, 0)], SettingsError::OfHttp2(0x02)),
            (vec![(0x33, 2)], SettingsError::NotBoolean(0x33)),
            (
                (0..65).map(|id| (0x100 + id, 0)).collect(),
                SettingsError::TooMany,
            ),
        ];
        for (settings, error) in cases {
            assert_eq!(read_client(&written(&settings)), Err(error));
        }
        assert_eq!(read_client(&[0x06]), Err(SettingsError::Truncated));
        assert_eq!(read_client(&[0x40]), Err(SettingsError::Truncated));
    }
}
