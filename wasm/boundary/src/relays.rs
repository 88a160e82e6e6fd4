//! The calls of the class that concern relays and the way to a remote.

use std::net::SocketAddrV6;

use anypath_peer::dial::Target;
use anypath_peer::peer::Peer;
use anypath_wire::EndpointId;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::core::Core;
use crate::decode::{self, Targets};

#[wasm_bindgen]
impl Core {
    /// Chooses the home among the relays in the input buffer; false when they can't be read.
    pub fn set_relays(&mut self, now: f64, len: u32) -> bool {
        self.peer.advance(now);
        let bytes = self.input.get(..len as usize).unwrap_or(&self.input);
        match decode::relays(bytes) {
            Ok(urls) => {
                self.peer.set_relays(urls);
                true
            }
            Err(_) => {
                self.malformed_input += 1;
                false
            }
        }
    }

    /// Takes this machine's addresses from the input buffer; false when they can't be read.
    pub fn set_local_addresses(&mut self, now: f64, len: u32) -> bool {
        self.with_addresses(now, len, Peer::set_local_addresses)
    }

    /// The WebSocket to a relay is open.
    pub fn relay_opened(&mut self, now: f64, relay: u32, protocol: u8) {
        self.peer.advance(now);
        self.peer.relay_opened(relay, protocol);
    }

    /// The WebSocket to a relay is closed, with the reason in the input buffer.
    pub fn relay_closed(&mut self, now: f64, relay: u32, len: u32) {
        self.peer.advance(now);
        let reason = String::from_utf8_lossy(self.given(len)).into_owned();
        self.peer.relay_closed(relay, &reason);
    }

    /// Tells whether timers run on time.
    pub fn set_visible(&mut self, now: f64, visible: bool) {
        self.peer.advance(now);
        self.peer.set_visible(visible);
    }

    /// Time may have passed unnoticed.
    pub fn resumed(&mut self, now: f64) {
        self.peer.advance(now);
        self.peer.resumed();
    }

    /// Gives a connection the further targets in the input buffer; false when they can't be read.
    pub fn add_addresses(&mut self, now: f64, connection: u32, len: u32) -> bool {
        self.peer.advance(now);
        let bytes = self.input.get(..len as usize).unwrap_or(&self.input);
        let Ok(targets) = decode::targets(bytes) else {
            self.malformed_input += 1;
            return false;
        };
        if let Some(remote) = self.peer.remote_of(connection) {
            let (targets, _) = resolve(&mut self.peer, remote, targets);
            self.peer.add_addresses(connection, &targets);
        }
        true
    }
}

impl Core {
    /// Gives the peer the addresses in the input buffer; false when they can't be read.
    fn with_addresses(&mut self, now: f64, len: u32, give: fn(&mut Peer, &[SocketAddrV6])) -> bool {
        self.peer.advance(now);
        let addresses = decode::addresses(self.given(len));
        self.malformed_input += u32::from(addresses.is_err());
        addresses.is_ok_and(|addresses| {
            give(&mut self.peer, &addresses);
            true
        })
    }
}

/// All targets as routes, and whether relays were named that are not used.
pub(crate) fn resolve(
    peer: &mut Peer,
    remote: EndpointId,
    targets: Targets<'_>,
) -> (Vec<Target>, bool) {
    let mut routes = targets.sockets;
    let mut ignored = false;
    for relay in targets.relays {
        match peer.relay_target(remote, relay.url, relay.delay) {
            Some(target) => routes.push(target),
            None => ignored = true,
        }
    }
    (routes, ignored)
}

/// What only a core with UDP has.
#[cfg(feature = "node")]
#[wasm_bindgen]
impl Core {
    /// Asks the STUN servers in the input buffer from now on; false when they can't be read.
    pub fn set_stun_servers(&mut self, now: f64, len: u32) -> bool {
        self.with_addresses(now, len, Peer::set_stun_servers)
    }

    /// Takes the addresses that routers forward here from the input buffer; false when they can't be read.
    pub fn set_mapped_addresses(&mut self, now: f64, len: u32) -> bool {
        self.with_addresses(now, len, Peer::set_mapped_addresses)
    }

    /// Asks the address-discovery services in the input buffer from now on; false when they can't be read or used.
    pub fn set_discovery_services(&mut self, now: f64, len: u32) -> bool {
        self.peer.advance(now);
        let bytes = self.input.get(..len as usize).unwrap_or(&self.input);
        let Ok(input) = decode::discovery_services(bytes) else {
            self.malformed_input += 1;
            return false;
        };
        self.peer
            .set_discovery_services(&input.services, &input.anchors)
            .is_ok()
    }
}
