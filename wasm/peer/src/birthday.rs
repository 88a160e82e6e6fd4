//! Attempts of the birthday scheme: what each side sends when, and what it makes of what arrives.
//!
//! Both sides know one key, which is exported from their control connection, and send probes that are authenticated by it
//! ([`anypath_wire::probe`]). The hard side has many sockets, which the driver opens; the easy side has its main one. The
//! first pair of ports over which an authentic probe or answer arrives is a hit: there QUIC opens a path.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use anypath_paths::birthday::{self, DEADLINE, PROBES, PROBES_PER_SECOND, Ports, SOCKETS, Side};
use anypath_wire::address::to_mapped;
use anypath_wire::id::EndpointId;
use anypath_wire::probe::{CODE_LENGTH, PROBE_LENGTH, Probe, Received};
use ring::hmac;

use crate::bucket::Bucket;
use crate::carrier::{FIRST_SESSION, FIRST_SOCKET, MAIN_CARRIER, Route};
use crate::clock::Instant;
use crate::event::ConnectionKey;

/// Attempts at the same time: more would send no more probes, and open more sockets.
pub(crate) const MAX_ATTEMPTS: usize = 2;

/// Probes of both sides leave in groups, so that a timer need not run a thousand times in a second.
const GROUP: u32 = 5;

/// How long the attempts rest when they have sent as many probes together as they may: for about a group.
const DRAINED: Duration = Duration::from_millis(8);

/// How long the easy side waits after its last probe, beyond the round trip of the relayed path.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// How long a socket on which something arrived is kept before a path has to lead over it.
const GRACE: Duration = Duration::from_secs(10);

/// Sockets on which something arrived, of one attempt.
const MAX_HITS: usize = 4;

/// Attempts that are over, whose late probes are told from forged ones.
const MAX_ENDED: usize = 16;

/// The label under which the key is exported ([RFC 5705 § 4]); the context is the attempt's number.
///
/// [RFC 5705 § 4]: https://www.rfc-editor.org/rfc/rfc5705#section-4
pub(crate) const LABEL: &[u8] = b"EXPORTER-anypath-birthday";

/// Bytes that are exported: a key, and the tag by which its probes are found.
pub(crate) const EXPORTED: usize = 40;

/// Which attempt of a control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) control: ConnectionKey,
    pub(crate) number: u64,
}

/// What an attempt is begun with.
pub(crate) struct Terms {
    pub(crate) name: Name,
    pub(crate) remote: EndpointId,
    pub(crate) side: Side,
    /// Whether this side is the server of the control connection.
    pub(crate) server: bool,
    /// Where the easy side is, for the hard one; of the hard side's address the port means nothing.
    pub(crate) address: SocketAddrV6,
    /// The relayed path's round trip.
    pub(crate) rtt: Duration,
    pub(crate) exported: [u8; EXPORTED],
}

/// One attempt.
pub(crate) struct Attempt {
    pub(crate) name: Name,
    pub(crate) remote: EndpointId,
    pub(crate) side: Side,
    pub(crate) address: SocketAddrV6,
    pub(crate) hits: Vec<Route>,
    /// When it begins; `None`: when the remote says so.
    begins: Option<Instant>,
    /// When it is over if nothing happens.
    until: Instant,
    server: bool,
    rtt: Duration,
    key: hmac::Key,
    tag: [u8; 8],
    /// Probes sent.
    sent: u32,
    /// The easy side's ports.
    ports: Option<Ports>,
    /// The hard side's sockets: all of them, and those that have sent nothing.
    sockets: Vec<u32>,
    fresh: VecDeque<u32>,
}

impl Attempt {
    fn new(terms: Terms, now: Instant) -> Self {
        let (key, tag) = terms.exported.split_at(EXPORTED - 8);
        let mut own_tag = [0; 8];
        own_tag.copy_from_slice(tag);
        Self {
            name: terms.name,
            remote: terms.remote,
            side: terms.side,
            address: terms.address,
            hits: Vec::new(),
            begins: None,
            until: now + DEADLINE,
            server: terms.server,
            rtt: terms.rtt,
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            tag: own_tag,
            sent: 0,
            ports: None,
            sockets: Vec::new(),
            fresh: VecDeque::new(),
        }
    }

    fn write(&self, answer: bool, nonce: u64) -> [u8; PROBE_LENGTH] {
        let probe = Probe {
            answer,
            from_server: self.server,
            tag: self.tag,
            nonce,
        };
        probe.write(|covered| {
            let mut code = [0; CODE_LENGTH];
            code.copy_from_slice(hmac::sign(&self.key, covered).as_ref());
            code
        })
    }

    /// Whether probes are left to be sent.
    fn is_sending(&self) -> bool {
        match self.side {
            Side::Easy => self.sent < PROBES.into(),
            Side::Hard => !self.fresh.is_empty(),
        }
    }

    /// The next probe that is due, and the route that it takes.
    fn next(&mut self, now: Instant) -> Option<(Route, [u8; PROBE_LENGTH])> {
        let begins = self.begins?;
        if !self.is_sending() || begins + birthday::due(self.sent) > now {
            return None;
        }
        let route = match self.side {
            Side::Hard => Route::socket(self.fresh.pop_front()?, self.address),
            Side::Easy => {
                let port = self.ports.as_mut()?.next()?;
                let address = SocketAddrV6::new(*self.address.ip(), port, 0, 0);
                Route::socket(MAIN_CARRIER, address)
            }
        };
        let nonce = u64::from(self.sent);
        self.sent += 1;
        if self.side == Side::Easy && !self.is_sending() {
            self.until = self.until.min(now + self.rtt + LAST_ANSWER);
        }
        Some((route, self.write(false, nonce)))
    }

    fn due(&self) -> Instant {
        let next = self.begins.filter(|_| self.is_sending());
        let next = next.map(|begins| begins + birthday::due(self.sent + GROUP - 1));
        next.map_or(self.until, |next| next.min(self.until))
    }

    /// Whether a probe may come by this route.
    fn expects(&self, route: &Route) -> bool {
        let place = route.address.socket();
        place.is_some_and(|place| place.ip() == self.address.ip())
            && match self.side {
                Side::Easy => route.carrier == MAIN_CARRIER,
                // The easy side may have found the main socket's mapping, too.
                Side::Hard => {
                    route.carrier == MAIN_CARRIER || self.sockets.contains(&route.carrier)
                }
            }
    }
}

/// What a received probe was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nobody with the key sent it, or it was sent from, or to, where it does not belong.
    Forged,
    /// Its attempt is over.
    Late,
    /// It proves that its route works; a probe is to be answered with this.
    Authentic(Name, Option<[u8; PROBE_LENGTH]>),
}

/// A socket that outlives its attempt.
#[derive(Debug, Clone, Copy)]
struct Kept {
    remote: SocketAddrV6,
    until: Option<Instant>,
}

/// What the driver is to do with a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Open(u32),
    Close(u32),
}

/// All attempts, and their sockets.
pub(crate) struct Birthday {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) orders: VecDeque<Order>,
    ended: VecDeque<[u8; 8]>,
    kept: BTreeMap<u32, Kept>,
    /// Whether a path may have left a socket that is kept.
    pub(crate) doubtful: bool,
    next_socket: u32,
    /// Makes the order of ports of each attempt.
    seed: u64,
    bucket: Bucket,
    /// When probes may be sent again, where there were too many.
    drained: Option<Instant>,
    start: Instant,
}

impl Birthday {
    /// None are under way.
    pub(crate) fn new(seed: [u8; 32], now: Instant) -> Self {
        let mut number = [0; 8];
        number.copy_from_slice(&seed[..8]);
        Self {
            attempts: Vec::new(),
            orders: VecDeque::new(),
            ended: VecDeque::new(),
            kept: BTreeMap::new(),
            doubtful: false,
            next_socket: FIRST_SOCKET,
            seed: u64::from_be_bytes(number),
            bucket: Bucket::full(GROUP),
            drained: None,
            start: now,
        }
    }

    /// Whether there may be an attempt with that remote beside those that are under way.
    pub(crate) fn has_room_for(&self, remote: &EndpointId) -> bool {
        let mut attempts = self.attempts.iter();
        self.attempts.len() < MAX_ATTEMPTS && attempts.all(|attempt| attempt.remote != *remote)
    }

    /// Both sides have agreed on an attempt. What arrives is understood from now on; it begins by [`Birthday::begin`].
    pub(crate) fn prepare(&mut self, terms: Terms, now: Instant) {
        self.attempts.push(Attempt::new(terms, now));
    }

    /// An attempt begins at that time.
    pub(crate) fn begin(&mut self, name: Name, at: Instant) {
        let attempt = self.attempts.iter_mut().find(|known| known.name == name);
        let Some(attempt) = attempt.filter(|attempt| attempt.begins.is_none()) else {
            return;
        };
        attempt.begins = Some(at);
        match attempt.side {
            Side::Easy => {
                self.seed = self.seed.wrapping_add(1);
                attempt.ports = Some(Ports::new(self.seed));
            }
            Side::Hard => {
                for _ in 0..SOCKETS {
                    let id = self.next_socket;
                    self.next_socket = match id + 1 {
                        FIRST_SESSION => FIRST_SOCKET,
                        next => next,
                    };
                    attempt.sockets.push(id);
                    self.orders.push_back(Order::Open(id));
                }
            }
        }
    }

    /// The driver has opened a socket; false when it is not wanted any more.
    pub(crate) fn opened(&mut self, id: u32) -> bool {
        let attempt = self.attempts.iter_mut().find(|a| a.sockets.contains(&id));
        attempt.is_some_and(|attempt| {
            let new = !attempt.fresh.contains(&id);
            if new {
                attempt.fresh.push_back(id);
            }
            new
        })
    }

    /// A socket could not be opened, or has failed; the attempt that can't go on without it.
    pub(crate) fn failed(&mut self, id: u32) -> Option<Name> {
        self.kept.remove(&id);
        let attempt = self.attempts.iter_mut().find(|a| a.sockets.contains(&id))?;
        attempt.sockets.retain(|socket| *socket != id);
        attempt.hits.retain(|hit| hit.carrier != id);
        Some(attempt.name)
    }

    /// The next probe that is due.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(Route, [u8; PROBE_LENGTH])> {
        let elapsed = now.saturating_duration_since(self.start);
        let ready = |attempt: &&mut Attempt| {
            let begins = attempt.begins.filter(|_| attempt.is_sending());
            begins.is_some_and(|begins| begins + birthday::due(attempt.sent) <= now)
        };
        // Who has sent the fewest is next.
        let attempts = self.attempts.iter_mut().filter(ready);
        let attempt = attempts.min_by_key(|attempt| attempt.sent)?;
        if !self.bucket.take(elapsed, PROBES_PER_SECOND, 2 * GROUP) {
            // Not before there is room for a group again: each wake-up costs a turn.
            self.drained = Some(now + DRAINED);
            return None;
        }
        self.drained = None;
        attempt.next(now)
    }

    /// Attempts that have found nothing in time.
    pub(crate) fn expired(&self, now: Instant) -> Option<Name> {
        let mut attempts = self.attempts.iter();
        attempts.find(|a| a.until <= now).map(|a| a.name)
    }

    /// Takes a probe that came by a route.
    pub(crate) fn hear(&mut self, route: Route, received: &Received<'_>) -> Heard {
        let probe = received.probe;
        let attempt = self.attempts.iter_mut().find(|a| a.tag == probe.tag);
        let Some(attempt) = attempt else {
            return match self.ended.contains(&probe.tag) {
                true => Heard::Late,
                false => Heard::Forged,
            };
        };
        let authentic = hmac::verify(&attempt.key, received.covered, received.code).is_ok();
        if !authentic || probe.from_server == attempt.server || !attempt.expects(&route) {
            return Heard::Forged;
        }
        if attempt.hits.len() < MAX_HITS && !attempt.hits.contains(&route) {
            attempt.hits.push(route);
        }
        let answer = (!probe.answer).then(|| attempt.write(true, probe.nonce));
        Heard::Authentic(attempt.name, answer)
    }

    /// Takes an attempt out. Its sockets are closed, but for those on which something arrived.
    pub(crate) fn end(&mut self, name: Name, now: Instant) -> Option<Attempt> {
        let place = self.attempts.iter().position(|known| known.name == name)?;
        let attempt = self.attempts.remove(place);
        self.ended.truncate(MAX_ENDED - 1);
        self.ended.push_front(attempt.tag);
        for id in attempt.sockets.iter().copied() {
            let hit = attempt.hits.iter().find(|hit| hit.carrier == id);
            match hit.and_then(|hit| hit.address.socket()) {
                Some(remote) => {
                    let until = Some(now + GRACE);
                    self.kept.insert(id, Kept { remote, until });
                }
                None => self.orders.push_back(Order::Close(id)),
            }
        }
        Some(attempt)
    }

    /// Whether a datagram that is no probe may come by this route: over a further socket only from whom it was opened for.
    pub(crate) fn admits(&self, route: &Route) -> bool {
        if !(FIRST_SOCKET..FIRST_SESSION).contains(&route.carrier) {
            return true;
        }
        let remote = self.kept.get(&route.carrier).map(|kept| kept.remote);
        let attempted = || {
            let attempt = self
                .attempts
                .iter()
                .find(|a| a.sockets.contains(&route.carrier));
            attempt.map(|attempt| attempt.address)
        };
        let place = route.address.socket();
        let remote = remote.or_else(attempted);
        remote.is_some_and(|remote| place.is_some_and(|place| place.ip() == remote.ip()))
    }

    /// Closes the sockets that no path leads over any more; `used` are the carriers of all paths.
    pub(crate) fn release(&mut self, used: impl Fn(u32) -> bool, now: Instant) {
        let orders = &mut self.orders;
        self.kept.retain(|id, kept| {
            kept.until = kept.until.filter(|until| *until > now);
            let keep = kept.until.is_some() || used(*id);
            if !keep {
                orders.push_back(Order::Close(*id));
            }
            keep
        });
    }

    /// Whether it is time for [`Birthday::release`].
    pub(crate) fn may_release(&mut self, now: Instant) -> bool {
        let doubtful = std::mem::take(&mut self.doubtful);
        let mut untils = self.kept.values().filter_map(|kept| kept.until);
        !self.kept.is_empty() && (doubtful || untils.any(|until| until <= now))
    }

    /// How many attempts and sockets there are.
    pub(crate) fn len(&self) -> usize {
        let sockets = self
            .attempts
            .iter()
            .map(|attempt| 1 + attempt.sockets.len());
        sockets.sum::<usize>() + self.kept.len() + self.orders.len()
    }

    /// When something is to be done next.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let attempts = self.attempts.iter().map(|attempt| {
            let due = attempt.due();
            // An attempt ends in time.
            self.drained
                .map_or(due, |until| due.max(until).min(attempt.until.max(due)))
        });
        let kept = self.kept.values().filter_map(|kept| kept.until);
        let orders = (!self.orders.is_empty()).then_some(now);
        attempts.chain(kept).chain(orders).min()
    }
}

/// The first of a remote's addresses that the scheme can be used with: a public one of IPv4.
pub(crate) fn usable(addresses: &[SocketAddr]) -> Option<SocketAddrV6> {
    let mut mapped = addresses.iter().copied().map(to_mapped);
    mapped.find(|address| {
        anypath_paths::candidate::is_ipv4(address) && anypath_paths::candidate::is_global(address)
    })
}

#[cfg(test)]
mod tests;
