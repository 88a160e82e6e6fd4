//! Why connections end, in qlog's words.

use super::frame::application_error;
use super::json::Object;
use crate::error::{CloseReason, ClosedBy, ErrorCode};

/// The names of [RFC 9000 § 20.1], by number.
///
/// [RFC 9000 § 20.1]: https://www.rfc-editor.org/rfc/rfc9000#section-20.1
const TRANSPORT_ERRORS: [&str; 17] = [
    "no_error",
    "internal_error",
    "connection_refused",
    "flow_control_error",
    "stream_limit_error",
    "stream_state_error",
    "final_size_error",
    "frame_encoding_error",
    "transport_parameter_error",
    "connection_id_limit_error",
    "protocol_violation",
    "invalid_token",
    "application_error",
    "crypto_buffer_exceeded",
    "key_update_error",
    "aead_limit_reached",
    "no_viable_path",
];

/// Writes one of QUIC's error codes by its name, or as an unknown one with its number.
pub(super) fn transport_error(object: &mut Object<'_>, name: &str, code: u64) {
    let known = usize::try_from(code)
        .ok()
        .and_then(|code| TRANSPORT_ERRORS.get(code));
    match (known, code) {
        (Some(known), _) => _ = object.text(name, known),
        (None, 0x100..=0x1ff) => {
            object.text(name, &format!("crypto_error_{code:#05x}"));
        }
        (None, _) => {
            object.text(name, "unknown").number("error_code", code);
        }
    }
}

/// Writes the data of `quic:connection_closed`.
pub(super) fn write_closed(data: &mut Object<'_>, reason: &CloseReason) {
    match reason.by {
        ClosedBy::Local => _ = data.text("initiator", "local"),
        ClosedBy::Remote => _ = data.text("initiator", "remote"),
        ClosedBy::Transport => {}
    }
    let by_application = reason.by == ClosedBy::Local || reason.code == ErrorCode::ClosedByPeer;
    let trigger = match reason.code {
        _ if by_application => "application",
        ErrorCode::IdleTimeout => "idle_timeout",
        ErrorCode::VersionMismatch => "version_mismatch",
        ErrorCode::PeerRestarted => "stateless_reset",
        ErrorCode::Unreachable => "aborted",
        _ => "error",
    };
    match trigger {
        "application" => application_error(data, "application_error", reason.wire_code),
        "error" => transport_error(data, "connection_error", reason.wire_code),
        _ => {}
    }
    data.number("internal_code", reason.code.number());
    data.text("reason", &reason.reason);
    data.text("trigger", trigger);
}
