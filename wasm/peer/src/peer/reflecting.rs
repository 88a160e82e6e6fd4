//! How this peer learns at which addresses its main socket is seen: it asks STUN servers, and listens to its remotes.

use std::net::SocketAddrV6;
use std::time::Duration;

use anypath_paths::mapping::{NatReport, Observation, Observer};
use anypath_wire::address::to_mapped;
use anypath_wire::stun::response_port;
use noq_proto::PathId;

use super::{MAX_RESPONSES, Peer};
use crate::carrier::{Address, CarrierKind, MAIN_CARRIER, Route};
use crate::clock::Instant;
use crate::event::{ConnectionKey, Event, PathChange};
use crate::reflexive::client::{Answer, Task};
use crate::reflexive::flows::Flows;
use crate::stun::Response;
use crate::traversal::Traversal;

/// The bit of the message type that both kinds of answers have ([RFC 8489 § 5]).
///
/// [RFC 8489 § 5]: https://www.rfc-editor.org/rfc/rfc8489#section-5
const ANSWER: u8 = 0x01;

/// How often lost paths make this peer ask for its address.
const DOUBT_INTERVAL: Duration = Duration::from_secs(2);

/// What is known of the NATs before the main socket.
#[derive(Debug, Clone, PartialEq)]
pub struct NatFindings {
    /// For IPv4.
    pub ipv4: NatReport,
    /// For IPv6.
    pub ipv6: NatReport,
    /// Whether no STUN server answers over UDP, which takes 3.5 seconds to tell; `None`: none was asked, or it is too early.
    pub udp_blocked: Option<bool>,
    /// What was said by whom, in the order of asking.
    pub observations: Vec<Observation>,
}

/// Where a STUN request is answered: at that port of its sender which it names, so that a client learns for how long its NAT keeps the
/// mapping of another socket ([RFC 5780 § 4.6]).
///
/// [RFC 5780 § 4.6]: https://www.rfc-editor.org/rfc/rfc5780#section-4.6
pub(super) fn where_answered(route: Route, request: &[u8]) -> Route {
    let (Some(port), Address::Socket(mut source)) = (response_port(request), route.address) else {
        return route;
    };
    source.set_port(port);
    Route {
        address: Address::Socket(source),
        ..route
    }
}

impl Peer {
    /// Asks these STUN servers for this peer's address from now on, at most 16 of them: at once, after each change of the network,
    /// and every 25 seconds while there is a connection.
    ///
    /// Requests go over the main socket, and are repeated as [RFC 8489 § 6.2.1] has it.
    ///
    /// [RFC 8489 § 6.2.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1
    pub fn set_stun_servers(&mut self, servers: &[SocketAddrV6]) {
        let reflexive = &mut self.reflexive;
        if !reflexive.client.set_servers(servers) {
            return;
        }
        let (client, inquiries) = (&reflexive.client, &reflexive.inquiries);
        reflexive
            .observations
            .keep_servers(|server| client.asks(server) || inquiries.asks(server));
        reflexive.asked = None;
        self.reflexive_changed();
    }

    /// Where the outside sees this peer, without its own addresses, at most 8: what servers saw latest comes first.
    pub fn reflexive_addresses(&self) -> Vec<SocketAddrV6> {
        self.reflexive.observations.addresses(&self.local)
    }

    /// Where a NAT with a sequence of ports will put this peer's next mappings, at most 8; none behind other NATs.
    pub fn predicted_addresses(&self) -> Vec<SocketAddrV6> {
        self.reflexive.predicted(&self.local)
    }

    /// What was said of this peer's address, at most 64 words, in the order of asking.
    pub fn observations(&self) -> &[Observation] {
        self.reflexive.observations.heard()
    }

    /// What is known of the NATs before this peer.
    pub fn nat_report(&self) -> NatFindings {
        let observations = &self.reflexive.observations;
        NatFindings {
            ipv4: observations.report(&self.local, true),
            ipv6: observations.report(&self.local, false),
            udp_blocked: self.reflexive.client.is_blocked(),
            observations: observations.heard().to_vec(),
        }
    }

    /// Takes a STUN message: an answer is for the client, everything else for the server.
    pub(super) fn receive_stun(&mut self, route: Route, datagram: &[u8]) {
        let answers = datagram.first().is_some_and(|first| first & ANSWER != 0);
        if !answers {
            return self.answer_stun(route, datagram);
        }
        let source = route
            .address
            .socket()
            .filter(|_| route.carrier == MAIN_CARRIER);
        let Some(source) = source else {
            self.stats.stun_forged += 1;
            return;
        };
        match self.reflexive.client.receive(source, datagram) {
            Answer::Malformed => {
                self.stats.malformed_dropped += 1;
                return;
            }
            Answer::Forged => {
                self.stats.stun_forged += 1;
                return;
            }
            Answer::Mapped { mapped, .. } if self.carriers.is_virtual(&mapped) => {
                let observations = &mut self.reflexive.observations;
                observations.forget(Observer::Server, &source);
            }
            Answer::Mapped {
                server,
                mapped,
                sent,
                order,
                once,
            } => self.reflexive.hear(Observation {
                observer: Observer::Server,
                server,
                mapped,
                sent_ms: self.clock.ms(sent),
                order,
                rtt_ms: once.then(|| self.clock.ms(self.clock.now()) - self.clock.ms(sent)),
            }),
            Answer::Refused(server) => {
                let observations = &mut self.reflexive.observations;
                observations.forget(Observer::Server, &server);
            }
        }
        self.stats.stun_requests_answered += 1;
        self.reflexive_changed();
    }

    /// Tells whoever asks its address, if that is wanted. A channel within the process has none.
    fn answer_stun(&mut self, route: Route, datagram: &[u8]) {
        let is_udp = self.carriers.kind(route.carrier) == Some(CarrierKind::Udp);
        let source = route.address.socket().filter(|_| is_udp);
        let response = match (self.stun.as_mut(), source) {
            (Some(responder), Some(source)) => {
                responder.respond(datagram, source.into(), self.clock.now())
            }
            _ => Response::Malformed,
        };
        match response {
            Response::Answer(answer) if self.responses.len() < MAX_RESPONSES => {
                self.stats.stun_answered += 1;
                self.responses
                    .push_back((where_answered(route, datagram), answer));
            }
            Response::Answer(_) | Response::Limited => self.stats.stun_limited += 1,
            Response::Malformed => self.stats.malformed_dropped += 1,
            Response::None => {}
        }
    }

    /// A remote told where it sees this peer.
    pub(super) fn hear_observed(&mut self, key: ConnectionKey, event: &Event) {
        let Event::Path {
            change: PathChange::Observed,
            path,
            route,
            ..
        } = event
        else {
            return;
        };
        let connection = self.connections.get(&key);
        let place = connection.and_then(|c| c.quic.network_path(PathId::from(*path)).ok());
        let (Some(place), Some(mapped)) = (place, route.address.socket()) else {
            return;
        };
        let Some(way) = self.carriers.outward(place.remote()) else {
            return;
        };
        if way.carrier != MAIN_CARRIER || !anypath_paths::candidate::is_sendable(&mapped) {
            return;
        }
        let server = to_mapped(place.remote());
        let mut heard = self.reflexive.observations.heard().iter();
        let known =
            heard.any(|o| o.observer == Observer::Peer && (o.server, o.mapped) == (server, mapped));
        let now = self.clock.now();
        let traversal = self.connections.get_mut(&key);
        let traversal = traversal.and_then(|connection| connection.traversal.as_mut());
        if !known && traversal.is_some_and(|traversal| !traversal.may_hear(now)) {
            self.stats.observed_limited += 1;
            return;
        }
        self.reflexive.observations.add(Observation {
            observer: Observer::Peer,
            server,
            mapped,
            sent_ms: self.clock.ms(now),
            order: 0,
            rtt_ms: None,
        });
        self.reflexive_changed_by(Traversal::hear_of_own_address);
    }

    /// A path was lost, perhaps with the mapping that it went through: servers are asked again, unless they just were.
    pub(super) fn doubt_mappings(&mut self) {
        let now = self.clock.now();
        let reflexive = &mut self.reflexive;
        if reflexive
            .asked
            .is_none_or(|asked| asked + DOUBT_INTERVAL <= now)
        {
            reflexive.asked = None;
        }
        reflexive.inquiries.doubt(now, false);
    }

    /// The network is another one: nothing of what was said is true there.
    pub(super) fn reflect_anew(&mut self) {
        self.reflexive.client.reset();
        self.reflexive.observations.clear();
        self.reflexive.flows = Flows::default();
        self.reflexive.asked = None;
        self.inquire_anew();
        self.reflexive_changed();
    }

    /// Asks who is to be asked by now, and gives up who does not answer.
    pub(super) fn reflect(&mut self) {
        let now = self.clock.now();
        if self.reflexive_due().is_none_or(|due| due > now) {
            return;
        }
        let needed = self.needs_reflexive();
        if self
            .reflexive
            .inquiries
            .due(now, needed)
            .is_some_and(|due| due <= now)
        {
            self.inquire();
        }
        let reflexive = &mut self.reflexive;
        if reflexive
            .refresh_due(now, needed)
            .is_some_and(|due| due <= now)
        {
            reflexive.client.ask(now);
            reflexive.asked = Some(now);
        }
        let mut silent = false;
        while let Some(task) = self.reflexive.client.poll(now) {
            match task {
                Task::Send(server, request) => {
                    self.stats.stun_requests_sent += 1;
                    self.reflexive.flows.note((MAIN_CARRIER, server), now);
                    if self.responses.len() < MAX_RESPONSES {
                        let route = Route::socket(MAIN_CARRIER, server);
                        self.responses.push_back((route, request));
                    }
                }
                Task::GivenUp(server) => {
                    let observations = &mut self.reflexive.observations;
                    observations.forget(Observer::Server, &server);
                    self.stats.stun_timeouts += 1;
                    silent = true;
                }
            }
        }
        if silent {
            self.reflexive_changed();
        }
    }

    /// When [`Peer::reflect`] has something to do.
    pub(super) fn reflexive_due(&self) -> Option<Instant> {
        let is_udp = self.carriers.kind(MAIN_CARRIER) == Some(CarrierKind::Udp);
        if self.closing || !is_udp {
            return None;
        }
        let (now, needed) = (self.clock.now(), self.needs_reflexive());
        let reflexive = &self.reflexive;
        let refresh = reflexive.refresh_due(now, needed).into_iter();
        let inquiry = reflexive.inquiries.due(now, needed);
        refresh.chain(reflexive.client.due()).chain(inquiry).min()
    }

    /// Whether there are connections, those that ask for addresses aside.
    fn needs_reflexive(&self) -> bool {
        self.connections.len() > self.inquiries()
    }

    /// Addresses are about to be told to a remote: what has been sent since they were predicted has made mappings. Other remotes
    /// are not told, for each of them would be probed again.
    pub(super) fn predict_anew(&mut self) {
        self.reflexive.count_made();
        self.reflexive.told.1 = self.predicted_addresses();
    }

    /// Tells, and lets connections know, when the addresses are others.
    pub(super) fn reflexive_changed(&mut self) {
        self.reflexive_changed_by(Traversal::learn_address);
    }

    fn reflexive_changed_by(&mut self, learn: fn(&mut Traversal, Instant)) {
        let found = (self.reflexive_addresses(), self.predicted_addresses());
        if found != self.reflexive.told {
            self.reflexive.told = found;
            self.events.push_back(Event::Reflexive);
            self.candidates_changed(learn);
        }
        self.mappings_changed();
    }
}
