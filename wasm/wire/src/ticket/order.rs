//! The order in which iroh keeps addresses.

use std::cmp::Ordering;

use super::{KIND_CUSTOM, KIND_IP, KIND_RELAY, TicketAddress};

/// The order of iroh's set: by kind; relays as strings, IP addresses version 4 first, custom ones by
/// transport, then data of up to 30 bytes by length and content, then longer data by content.
pub(super) fn canonical_order(a: &TicketAddress, b: &TicketAddress) -> Ordering {
    use TicketAddress::{Custom, Ip, Relay};
    match (a, b) {
        (Relay(a), Relay(b)) => a.cmp(b),
        (Ip(a), Ip(b)) => a.cmp(b),
        (
            Custom { transport_id, data },
            Custom {
                transport_id: other_id,
                data: other,
            },
        ) => transport_id
            .cmp(other_id)
            .then_with(|| custom_order(data, other)),
        (a, b) => kind(a).cmp(&kind(b)),
    }
}

fn custom_order(a: &[u8], b: &[u8]) -> Ordering {
    const INLINE: usize = 30;
    match (a.len() <= INLINE, b.len() <= INLINE) {
        (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (false, false) => a.cmp(b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

const fn kind(address: &TicketAddress) -> u32 {
    match address {
        TicketAddress::Relay(_) => KIND_RELAY,
        TicketAddress::Ip(_) => KIND_IP,
        TicketAddress::Custom { .. } => KIND_CUSTOM,
        TicketAddress::Unknown { .. } => u32::MAX,
    }
}
