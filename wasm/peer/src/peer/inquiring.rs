//! Connections to address-discovery services, of which the application never hears.

use std::sync::Arc;

use anypath_paths::candidate::is_sendable;
use anypath_paths::mapping::{Observation, Observer};
use noq_proto::{ClientConfig, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::{Peer, PeerError, next_id};
use crate::carrier::{MAIN_CARRIER, Route};
use crate::connection::{Connection, Phase};
use crate::error::ErrorCode;
use crate::event::{ConnectionKey, Event, PathChange};
use crate::reflexive::inquiries::{DiscoveryService, Inquiry, Service, TIMEOUT};

impl Peer {
    /// Asks these address-discovery services for this peer's address from now on, at most 16 of them: at once, after each change of the network,
    /// and every 5 minutes while there is a connection.
    ///
    /// Each of `anchors` is a set of certificates in DER; those that can't be read are left out, as a system's list may hold some.
    ///
    /// # Errors
    /// `InvalidConfig` when a service's set has no certificate that can be used, or its name is neither a DNS name nor an IP address.
    pub fn set_discovery_services(
        &mut self,
        services: &[DiscoveryService<'_>],
        anchors: &[Vec<Vec<u8>>],
    ) -> Result<(), PeerError> {
        let mut configs = Vec::new();
        for set in anchors {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(
                set.iter().map(|der| CertificateDer::from(der.as_slice())),
            );
            configs.push(self.tls.discovery_client(roots));
        }
        let mut asked = Vec::new();
        for service in services {
            let tls = configs.get(service.anchors).cloned().flatten();
            let tls = tls.ok_or_else(|| invalid("no certificate to trust can be used"))?;
            rustls::pki_types::ServerName::try_from(service.name)
                .map_err(|_| invalid("a service has no name"))?;
            asked.push(Service {
                address: service.address,
                name: service.name.to_owned(),
                tls,
            });
        }
        let reflexive = &mut self.reflexive;
        reflexive.inquiries.set_services(asked);
        let (client, inquiries) = (&reflexive.client, &reflexive.inquiries);
        reflexive
            .observations
            .keep_servers(|server| client.asks(server) || inquiries.asks(server));
        self.reflexive_changed();
        Ok(())
    }

    /// Begins to ask every service.
    pub(super) fn inquire(&mut self) {
        let now = self.clock.now();
        for service in self.reflexive.inquiries.begin(now) {
            let ids = Arc::clone(&self.first_ids);
            let mut client = ClientConfig::new(Arc::clone(&service.tls));
            client
                .transport_config(self.transport_of_inquiry())
                .initial_dst_cid_provider(Arc::new(move || next_id(&ids)));
            let remote = service.address.into();
            let Ok((handle, quic)) = self.endpoint.connect(now, client, remote, &service.name)
            else {
                continue;
            };
            let key = self.new_key();
            let inquiry = Inquiry {
                service: service.address,
                began: now,
                order: self.reflexive.client.next_order(),
                over: false,
            };
            self.reflexive.inquiries.add(key, inquiry);
            let flow = (MAIN_CARRIER, service.address);
            self.reflexive.flows.note(flow, now);
            self.stats.discovery_connects += 1;
            let connection = Connection::new(key, handle, quic, now + TIMEOUT);
            self.insert(
                connection,
                Some(Route::socket(MAIN_CARRIER, service.address)),
            );
        }
    }

    /// It hears of its address, and nothing else goes either way.
    fn transport_of_inquiry(&self) -> Arc<TransportConfig> {
        let mut transport = self.config.transport();
        transport
            .send_observed_address_reports(false)
            .max_concurrent_multipath_paths(0)
            .max_remote_nat_traversal_addresses(0)
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .keep_alive_interval(None);
        Arc::new(transport)
    }

    /// Whether a connection is one to a service.
    pub(super) fn is_inquiry(&self, key: ConnectionKey) -> bool {
        self.reflexive.inquiries.contains(key)
    }

    /// How many connections there are for that.
    pub(super) fn inquiries(&self) -> usize {
        self.reflexive.inquiries.len()
    }

    /// The handshake of a connection to a service is over; false when it is another one.
    pub(super) fn inquire_connected(&mut self, key: ConnectionKey) -> bool {
        if !self.is_inquiry(key) {
            return false;
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.phase = Phase::Established;
        }
        true
    }

    /// Takes what a service tells; what is no address ends it.
    pub(super) fn hear_service(&mut self, key: ConnectionKey, event: &Event) {
        let told = match event {
            Event::Path {
                change: PathChange::Observed,
                route,
                ..
            } => route.address.socket(),
            Event::StreamOpened(..) | Event::Datagram(..) => None,
            _ => return,
        };
        let rtt = self.rtt_of(key);
        let Some(inquiry) = self.reflexive.inquiries.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut inquiry.over, true) {
            return;
        }
        let Inquiry {
            service,
            began,
            order,
            ..
        } = *inquiry;
        match told {
            Some(mapped) => {
                self.stats.discovery_observations += 1;
                if is_sendable(&mapped) {
                    self.reflexive.hear(Observation {
                        observer: Observer::Server,
                        server: service,
                        mapped,
                        sent_ms: self.clock.ms(began),
                        order,
                        rtt_ms: Some(rtt.as_secs_f64() * 1000.0),
                    });
                }
            }
            None => {
                let observations = &mut self.reflexive.observations;
                observations.forget(Observer::Server, &service);
            }
        }
        self.reflexive_changed();
        self.end(key);
    }

    /// A connection is over: the service that has not told anything does not answer. False when it is another connection.
    pub(super) fn inquiry_over(&mut self, key: ConnectionKey) -> bool {
        let Some(inquiry) = self.reflexive.inquiries.get_mut(key) else {
            return false;
        };
        if !std::mem::replace(&mut inquiry.over, true) {
            let service = inquiry.service;
            let observations = &mut self.reflexive.observations;
            observations.forget(Observer::Server, &service);
            self.reflexive_changed();
        }
        true
    }

    /// Nothing of a connection is left.
    pub(super) fn inquiry_forgotten(&mut self, key: ConnectionKey) {
        self.reflexive.inquiries.remove(key);
    }

    /// Ends every inquiry: what is told now was asked in another network.
    pub(super) fn inquire_anew(&mut self) {
        let now = self.clock.now();
        self.reflexive.inquiries.doubt(now, true);
        for key in self.reflexive.inquiries.waiting() {
            self.end(key);
        }
    }

    fn end(&mut self, key: ConnectionKey) {
        let code = VarInt::from_u32(0);
        self.close_with(key, ErrorCode::ClosedLocally, code, String::new());
    }
}

fn invalid(message: &str) -> PeerError {
    PeerError::new(ErrorCode::InvalidConfig, message)
}
