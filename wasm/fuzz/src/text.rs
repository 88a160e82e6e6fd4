//! Targets for what people paste: ids, names and tickets.

use anypath_wire::base32::BASE32;
use anypath_wire::id::{from_server_name, server_name as name_of};
use anypath_wire::ticket::{MAX_ADDRESSES, MAX_TICKET_BYTES, MAX_TICKET_TEXT, Marker, Ticket};
use anypath_wire::transfer::{MAX_TRANSFER_TEXT, TRANSFER_PREFIX, TransferTicket};
use anypath_wire::{EndpointId, TicketAddress};

/// An endpoint ticket, both as text and as the bytes below base32.
pub fn ticket(data: &[u8]) {
    if let Ok(ticket) = Ticket::from_bytes(data) {
        assert!(ticket.to_bytes().len() <= data.len(), "grown by reading");
        ticket_holds(&ticket);
    }
    if let Some(ticket) = parse::<Ticket>(data) {
        ticket_holds(&ticket);
    }
}

fn ticket_holds(ticket: &Ticket) {
    let bytes = ticket.to_bytes();
    assert!(bytes.len() <= MAX_TICKET_BYTES);
    assert_eq!(Ticket::from_bytes(&bytes).as_ref(), Ok(ticket));
    let text = ticket.to_string();
    assert!(text.len() <= MAX_TICKET_TEXT);
    assert_eq!(text.parse().as_ref(), Ok(ticket));

    // The order of the addresses is one and the same, whatever order they come in.
    assert!(ticket.addresses().len() <= MAX_ADDRESSES);
    let mut rebuilt = Ticket::new(*ticket.id());
    for address in ticket.addresses().iter().rev() {
        assert_eq!(rebuilt.insert(address.clone()), Ok(true));
    }
    assert_eq!(&rebuilt, ticket);

    let mut marked = ticket.clone();
    let marker = Marker { flags: 5 };
    if marked.set_marker(marker).is_ok() {
        // An address of anypath's may hide in the unread rest; it is behind the one just set.
        assert_eq!(marked.marker(), Some(marker));
    }
    let known = |address: &&TicketAddress| !matches!(address, TicketAddress::Unknown { .. });
    let listed = ticket.ip_addresses().count() + ticket.relay_urls().count();
    assert!(listed <= ticket.addresses().iter().filter(known).count());
}

/// A ticket of `anypath send`, both as text and as the bytes below base32.
pub fn transfer_ticket(data: &[u8]) {
    let encoded = format!("{TRANSFER_PREFIX}{}", BASE32.encode(data));
    for ticket in parse::<TransferTicket>(data)
        .into_iter()
        .chain(encoded.parse())
    {
        let text = ticket.to_string();
        assert!(text.len() <= MAX_TRANSFER_TEXT);
        assert_eq!(text.parse(), Ok(ticket.clone()));
        ticket_holds(&ticket.endpoint);
    }
}

/// An endpoint id as hexadecimal, base32 and z-base-32 text, and as bytes.
pub fn endpoint_id(data: &[u8]) {
    if let Ok(id) = EndpointId::try_from(data) {
        id_holds(&id);
    }
    if let Some(id) = parse::<EndpointId>(data) {
        id_holds(&id);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(id) = EndpointId::from_z_base_32(text) {
        assert_eq!(id.to_z_base_32(), text, "two texts for one id");
        id_holds(&id);
    }
}

/// The TLS server name of a peer.
pub fn server_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(id) = from_server_name(text) {
        assert!(name_of(&id).eq_ignore_ascii_case(text));
        id_holds(&id);
    }
}

fn id_holds(id: &EndpointId) {
    assert_eq!(id.to_string().parse(), Ok(*id));
    assert_eq!(EndpointId::from_z_base_32(&id.to_z_base_32()), Ok(*id));
    assert_eq!(from_server_name(&name_of(id)), Ok(*id));
}

fn parse<T: std::str::FromStr>(data: &[u8]) -> Option<T> {
    std::str::from_utf8(data).ok()?.parse().ok()
}
