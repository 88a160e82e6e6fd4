//! Deciding about incoming connections.

use anypath_wire::address::to_mapped;
use noq_proto::Incoming;

use super::Peer;
use crate::admission::{Admission, Asked, Origin, Request};
use crate::carrier::{Address, Route};
use crate::connection::Connection;
use crate::event::Event;

impl Peer {
    /// Decides about a first packet, or asks the driver.
    pub(super) fn consider(&mut self, incoming: Incoming, route: Route) {
        let connections = self.counted_connections() + self.asked.len();
        let request = self.request_of(&incoming);
        let asked = self.asked_beside(request.relay);
        let admission = match self.closing {
            true => Admission::Refuse,
            false => self.admissions.first_packet(request, connections, asked),
        };
        let admission = self.spare(request, connections, admission);
        if admission == Admission::Accept && self.config.ask {
            let key = self.new_key();
            let validated = request.validated;
            let until = self.clock.now() + self.config.handshake_timeout;
            self.asked.insert(key, (incoming, until));
            self.events.push_back(Event::Incoming {
                incoming: key,
                route,
                validated,
            });
            return;
        }
        self.decide(incoming, admission);
    }

    /// Answers an [`Event::Incoming`]; false when the question is no longer open.
    pub fn admit(&mut self, incoming: u32, admission: Admission) -> bool {
        match self.asked.remove(&incoming) {
            Some((incoming, _)) => {
                // While the driver thought, others may have taken the place.
                let request = self.request_of(&incoming);
                let open = self.counted_connections();
                let none = Asked::default();
                let limits = self.admissions.first_packet(request, open, none);
                let limits = self.spare(request, open, limits);
                let admission = match (admission, limits) {
                    (Admission::Accept, Admission::Refuse | Admission::Ignore) => limits,
                    (admission, _) => admission,
                };
                self.decide(incoming, admission);
                true
            }
            None => false,
        }
    }

    /// Ignores the incoming connections that nobody decided about in time.
    pub(super) fn expire_asked(&mut self) {
        let now = self.clock.now();
        while let Some((key, _)) = self.asked.iter().find(|(_, (_, until))| *until <= now) {
            let key = *key;
            self.admit(key, Admission::Ignore);
        }
    }

    fn decide(&mut self, incoming: Incoming, admission: Admission) {
        let mut response = std::mem::take(&mut self.scratch);
        response.clear();
        match admission {
            Admission::Accept => self.begin(incoming, &mut response),
            Admission::Ignore => {
                self.stats.refused += 1;
                self.endpoint.ignore(incoming);
            }
            // A client that has already been sent a Retry is not sent another (RFC 9000 § 17.2.5.2).
            Admission::Retry if incoming.may_retry() => {
                if let Ok(transmit) = self.endpoint.retry(incoming, &mut response) {
                    self.stats.retries_sent += 1;
                    self.respond(transmit.destination, &response[..transmit.size]);
                }
            }
            Admission::Retry | Admission::Refuse => {
                self.stats.refused += 1;
                let transmit = self.endpoint.refuse(incoming, &mut response);
                self.respond(transmit.destination, &response[..transmit.size]);
            }
        }
        self.scratch = response;
    }

    fn request_of(&self, incoming: &Incoming) -> Request {
        let source = incoming.remote_address();
        let route = self.carriers.outward(source);
        let address = route.map_or(Address::Socket(to_mapped(source)), |route| route.address);
        Request {
            origin: Origin::of(&address),
            relay: relay_of(route),
            validated: incoming.remote_address_validated(),
        }
    }

    fn asked_beside(&self, relay: Option<u32>) -> Asked {
        let over_it = |incoming: &Incoming| {
            relay_of(self.carriers.outward(incoming.remote_address())) == relay
        };
        let asked = self.asked.values();
        Asked {
            all: asked.len(),
            over_relay: match relay {
                Some(_) => asked.filter(|(incoming, _)| over_it(incoming)).count(),
                None => 0,
            },
        }
    }

    fn begin(&mut self, incoming: Incoming, response: &mut Vec<u8>) {
        let source = incoming.remote_address();
        let Request { origin, relay, .. } = self.request_of(&incoming);
        let now = self.clock.now();
        match self.endpoint.accept(incoming, now, response, None) {
            Ok((handle, quic)) => {
                let deadline = now + self.config.handshake_timeout;
                let key = self.new_key();
                let mut connection = Connection::new(key, handle, quic, deadline);
                connection.source = Some(source);
                connection.origin = Some(origin);
                connection.shaking_over = relay;
                self.admissions.add_origin(origin);
                self.admissions.handshake_began(relay);
                self.insert(connection, self.carriers.outward(source));
            }
            Err(error) => {
                self.stats.refused += 1;
                if let Some(transmit) = error.response {
                    self.respond(transmit.destination, &response[..transmit.size]);
                }
            }
        }
    }
}

fn relay_of(route: Option<Route>) -> Option<u32> {
    route.filter(Route::is_relayed).map(|route| route.carrier)
}
