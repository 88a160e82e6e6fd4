//! One function for each parser of anypath: it feeds bytes of any origin to the parser and asserts
//! what must hold whatever they are. None may panic; what can be read can be written and read again.
//!
//! libFuzzer calls them through `fuzz_targets/`, and `tests/replay.rs` calls them on stable Rust.

mod boundary;
mod hello;
mod http3;
mod packet;
mod publication;
mod punch;
mod relay;
mod relay_client;
mod stun;
mod text;

pub use boundary::{address, boundary_input, record};
pub use hello::{client_hello, datagram};
pub use http3::{http3_frame, http3_settings, qpack_fields};
pub use packet::frame;
pub use publication::{dns_message, endpoint_info, signed_packet};
pub use punch::{control_frame, probe};
pub use relay::{client_to_relay, relay_handshake, relay_to_client};
pub use relay_client::relay_client;
pub use stun::stun;
pub use text::{endpoint_id, server_name, ticket, transfer_ticket};

/// A fuzz target: its name, which is that of its corpus folder too, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 23] = [
    ("ticket", ticket),
    ("transfer_ticket", transfer_ticket),
    ("endpoint_id", endpoint_id),
    ("server_name", server_name),
    ("client_hello", client_hello),
    ("datagram", datagram),
    ("frame", frame),
    ("http3_frame", http3_frame),
    ("http3_settings", http3_settings),
    ("qpack_fields", qpack_fields),
    ("stun", stun),
    ("probe", probe),
    ("control_frame", control_frame),
    ("record", record),
    ("address", address),
    ("boundary_input", boundary_input),
    ("relay_handshake", relay_handshake),
    ("client_to_relay", client_to_relay),
    ("relay_to_client", relay_to_client),
    ("relay_client", relay_client),
    ("signed_packet", signed_packet),
    ("dns_message", dns_message),
    ("endpoint_info", endpoint_info),
];
