//! What comes in: datagrams, dials, tickets and records to sign.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use anypath_peer::carrier::Route;
use anypath_peer::dial::Target;
use anypath_wire::EndpointId;
use anypath_wire::address::{self as wire, ADDRESS_LENGTH, from_mapped};
use anypath_wire::info::{EndpointInfo, InfoError};
use anypath_wire::reader::{ReadError, Reader};
use anypath_wire::ticket::{Marker, Ticket, TicketAddress, TicketError};

/// A relay over which a remote is to be dialled.
pub(crate) struct RelayTarget<'a> {
    pub(crate) url: &'a str,
    pub(crate) delay: Duration,
}

/// Where a remote may be.
pub(crate) struct Targets<'a> {
    pub(crate) sockets: Vec<Target>,
    pub(crate) relays: Vec<RelayTarget<'a>>,
}

/// A dial as it was asked for.
pub(crate) struct DialRequest<'a> {
    pub(crate) remote: EndpointId,
    pub(crate) early_data: bool,
    pub(crate) alpn: &'a [u8],
    pub(crate) targets: Targets<'a>,
}

fn address(reader: &mut Reader<'_>) -> Result<SocketAddrV6, ReadError> {
    let bytes = reader.take(ADDRESS_LENGTH)?;
    // Of that length every byte string is an address.
    Ok(wire::decode(bytes).unwrap_or(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0)))
}

/// The source, the ECN bits and the packet of a received datagram.
pub(crate) fn datagram(carrier: u32, payload: &[u8]) -> Result<(Route, u8, &[u8]), ReadError> {
    let mut reader = Reader::new(payload);
    let address = address(&mut reader)?;
    let ecn = reader.u8()?;
    Ok((Route::socket(carrier, address), ecn, reader.rest()))
}

pub(crate) fn dial(bytes: &[u8]) -> Result<DialRequest<'_>, ReadError> {
    let mut reader = Reader::new(bytes);
    let remote = EndpointId(reader.array()?);
    let early_data = reader.u32()? & 1 != 0;
    let alpn = reader.bytes8()?;
    let targets = read_targets(&mut reader)?;
    reader.finish()?;
    Ok(DialRequest {
        remote,
        early_data,
        alpn,
        targets,
    })
}

/// The input of `add_addresses`.
pub(crate) fn targets(bytes: &[u8]) -> Result<Targets<'_>, ReadError> {
    let mut reader = Reader::new(bytes);
    let targets = read_targets(&mut reader)?;
    reader.finish()?;
    Ok(targets)
}

/// The input of `set_local_addresses`, `set_stun_servers` and `set_mapped_addresses`.
pub(crate) fn addresses(bytes: &[u8]) -> Result<Vec<SocketAddrV6>, ReadError> {
    let mut reader = Reader::new(bytes);
    let count = reader.u16()?;
    let addresses = (0..count)
        .map(|_| address(&mut reader))
        .collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(addresses)
}

/// The input of `set_discovery_services`: sets of certificates, and services that refer to them.
#[cfg(feature = "node")]
pub(crate) struct DiscoveryServices<'a> {
    pub(crate) anchors: Vec<Vec<Vec<u8>>>,
    pub(crate) services: Vec<anypath_peer::DiscoveryService<'a>>,
}

#[cfg(feature = "node")]
pub(crate) fn discovery_services(bytes: &[u8]) -> Result<DiscoveryServices<'_>, ReadError> {
    let mut reader = Reader::new(bytes);
    let mut anchors = Vec::new();
    for _ in 0..reader.u16()? {
        let count = reader.u16()?;
        let set = (0..count)
            .map(|_| Ok(reader.bytes16()?.to_vec()))
            .collect::<Result<_, ReadError>>()?;
        anchors.push(set);
    }
    let count = reader.u16()?;
    let services = (0..count)
        .map(|_| {
            Ok(anypath_peer::DiscoveryService {
                address: address(&mut reader)?,
                name: reader.str16()?,
                anchors: reader.u16()?.into(),
            })
        })
        .collect::<Result<_, ReadError>>()?;
    reader.finish()?;
    Ok(DiscoveryServices { anchors, services })
}

/// The input of `set_relays`.
pub(crate) fn relays(bytes: &[u8]) -> Result<Vec<&str>, ReadError> {
    let mut reader = Reader::new(bytes);
    let count = reader.u16()?;
    let urls = (0..count)
        .map(|_| reader.str16())
        .collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(urls)
}

fn read_targets<'a>(reader: &mut Reader<'a>) -> Result<Targets<'a>, ReadError> {
    let count = reader.u16()?;
    let sockets = (0..count)
        .map(|_| target(reader))
        .collect::<Result<_, _>>()?;
    let count = reader.u16()?;
    let relays = (0..count)
        .map(|_| relay_target(reader))
        .collect::<Result<_, _>>()?;
    Ok(Targets { sockets, relays })
}

fn relay_target<'a>(reader: &mut Reader<'a>) -> Result<RelayTarget<'a>, ReadError> {
    let url = reader.str16()?;
    let delay = Duration::from_millis(reader.u16()?.into());
    Ok(RelayTarget { url, delay })
}

fn target(reader: &mut Reader<'_>) -> Result<Target, ReadError> {
    let carrier = reader.u32()?;
    let address = address(reader)?;
    let delay = Duration::from_millis(reader.u16()?.into());
    let route = Route::socket(carrier, address);
    Ok(Target { route, delay })
}

/// A record as it is to be signed.
pub(crate) struct RecordRequest {
    pub(crate) ttl: u32,
    pub(crate) info: EndpointInfo,
}

/// Why the bytes of a ticket's or a record's parts are not one.
#[derive(Debug)]
pub(crate) enum PartsError {
    Read(ReadError),
    Ticket(TicketError),
    Info(InfoError),
    Kind(u8),
    Text,
}

impl std::fmt::Display for PartsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Ticket(error) => error.fmt(f),
            Self::Info(error) => error.fmt(f),
            Self::Kind(kind) => write!(f, "addresses of kind {kind} can't be written"),
            Self::Text => f.write_str("a relay's URL or the user data is not UTF-8"),
        }
    }
}

impl From<ReadError> for PartsError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<TicketError> for PartsError {
    fn from(error: TicketError) -> Self {
        Self::Ticket(error)
    }
}

impl From<InfoError> for PartsError {
    fn from(error: InfoError) -> Self {
        Self::Info(error)
    }
}

pub(crate) fn ticket(bytes: &[u8]) -> Result<Ticket, PartsError> {
    let mut reader = Reader::new(bytes);
    let ticket = ticket_parts(&mut reader)?;
    reader.finish()?;
    Ok(ticket)
}

pub(crate) fn record(bytes: &[u8]) -> Result<RecordRequest, PartsError> {
    let mut reader = Reader::new(bytes);
    let ttl = reader.u32()?;
    let has_user_data = reader.u8()? & 1 != 0;
    let user_data = text(reader.bytes16()?)?;
    let mut info = EndpointInfo::new(ticket_parts(&mut reader)?);
    reader.finish()?;
    info.set_user_data(has_user_data.then(|| user_data.to_owned()))?;
    Ok(RecordRequest { ttl, info })
}

fn text(bytes: &[u8]) -> Result<&str, PartsError> {
    std::str::from_utf8(bytes).map_err(|_| PartsError::Text)
}

fn ticket_parts(reader: &mut Reader<'_>) -> Result<Ticket, PartsError> {
    let mut ticket = Ticket::new(EndpointId(reader.array()?));
    let anypath = reader.u32()? & 1 != 0;
    for _ in 0..reader.u16()? {
        let address = match reader.u8()? {
            0 => TicketAddress::Relay(text(reader.bytes16()?)?.to_owned()),
            1 => TicketAddress::Ip(from_mapped(address(reader)?)),
            2 => TicketAddress::Custom {
                transport_id: reader.u64()?,
                data: reader.bytes16()?.to_vec(),
            },
            3 => {
                let mut rest = Reader::new(reader.bytes16()?);
                TicketAddress::Unknown {
                    count: rest.u16()?.into(),
                    bytes: rest.rest().to_vec(),
                }
            }
            kind => return Err(PartsError::Kind(kind)),
        };
        ticket.insert(address)?;
    }
    if anypath && ticket.marker().is_none() {
        ticket.set_marker(Marker::default())?;
    }
    Ok(ticket)
}

/// Reads bytes as every kind of input that there is, and returns how much the largest of them holds: for the fuzz target.
#[doc(hidden)]
pub fn read_any(bytes: &[u8]) -> usize {
    let count = |targets: &Targets<'_>| targets.sockets.len() + targets.relays.len();
    let held = [
        dial(bytes).map_or(0, |request| request.alpn.len() + count(&request.targets)),
        targets(bytes).map_or(0, |targets| count(&targets)),
        relays(bytes).map_or(0, |urls| urls.iter().map(|url| url.len() + 2).sum()),
        ticket(bytes).map_or(0, |ticket| ticket.addresses().len()),
        datagram(0, bytes).map_or(0, |(_, _, packet)| packet.len()),
    ];
    let _ = crate::config::read(bytes);
    held.into_iter().max().unwrap_or(0)
}
