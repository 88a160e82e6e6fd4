//! Clients of the address-discovery service: connections that the application never hears of.

use noq_proto::VarInt;

use super::Peer;
use crate::connection::Phase;
use crate::discovery::Place;
use crate::error::ErrorCode;
use crate::event::{ConnectionKey, Event};
use crate::peer::CLOSE_LIMIT;
use crate::tls::HandshakeData;
use crate::tls::config::DISCOVERY_ALPN;

impl Peer {
    /// Takes a connection whose handshake has finished as a client of the service, if it is one; false when it is
    /// a peer's.
    pub(super) fn serve(&mut self, key: ConnectionKey) -> bool {
        let now = self.clock.now();
        if !cfg!(feature = "x509") {
            return false;
        }
        let Some(limits) = self.config.discovery.as_ref().map(|service| service.limits) else {
            return false;
        };
        let Some(connection) = self.connections.get_mut(&key) else {
            return false;
        };
        let (Some(source), Some(data)) = (connection.source, HandshakeData::of(&connection.quic))
        else {
            return false;
        };
        if data.remote_id.is_some() || data.alpn.as_deref() != Some(DISCOVERY_ALPN) {
            return false;
        }
        connection.phase = Phase::Established;
        let over = connection.shaking_over.take();
        connection.served_until = Some(now + limits.age);
        self.admissions.handshake_ended(over);
        // What a virtual address stands for is nobody's address.
        if self
            .carriers
            .is_virtual(&anypath_wire::address::to_mapped(source))
        {
            self.dismiss(key, "addresses are told on the main socket only");
            return true;
        }
        match self.discovery.add(key, source, &limits) {
            Place::Free => {}
            Place::Of(oldest) => self.dismiss(oldest, "others are waiting"),
            Place::None => {
                self.stats.refused += 1;
                self.dismiss(key, "too many connections of one address");
                return true;
            }
        }
        self.stats.discoveries += 1;
        true
    }

    /// Whether a connection is a client of the service.
    pub(super) fn is_served(&self, key: ConnectionKey) -> bool {
        let connection = self.connections.get(&key);
        cfg!(feature = "x509") && connection.is_some_and(|c| c.served_until.is_some())
    }

    /// A client of the service may send nothing. That it was told so is no reason to believe that it won't.
    pub(super) fn watch(&mut self, key: ConnectionKey, event: &Event) {
        if matches!(event, Event::StreamOpened(..) | Event::Datagram(..)) {
            self.dismiss(key, "this service takes no data");
        }
    }

    /// Lets a client go that has stayed for as long as it may.
    pub(super) fn dismiss_aged(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let until = self.connections.get(&key).and_then(|c| c.served_until);
        if until.is_some_and(|until| until <= now) {
            self.dismiss(key, "served long enough");
        }
    }

    fn dismiss(&mut self, key: ConnectionKey, reason: &str) {
        let code = VarInt::from_u32(CLOSE_LIMIT);
        self.close_with(key, ErrorCode::ClosedLocally, code, reason.into());
    }
}
