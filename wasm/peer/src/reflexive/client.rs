//! The STUN client: Binding requests to several servers at once over one socket ([RFC 8489 § 6.2.1]).
//!
//! An answer counts when it bears the transaction id of a request under way and comes from where that went. The ids are 96 random
//! bits, so that nobody who does not see the requests can tell this peer an address.
//!
//! [RFC 8489 § 6.2.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1

use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use anypath_paths::candidate::is_sendable;
use anypath_wire::address::to_mapped;
use anypath_wire::stun::{BINDING, Class, Message, MessageWriter, TransactionId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::clock::Instant;

/// Servers that are asked; what is beyond is left out.
pub(crate) const MAX_SERVERS: usize = 16;

/// The initial retransmission timeout.
const RTO: Duration = Duration::from_millis(500);

/// Rc: how often a request is sent.
const TRANSMISSIONS: u32 = 7;

/// Rm: the answer to the last one is awaited for so many initial timeouts.
const LAST_WAIT: u32 = 16;

/// After so many requests without any answer UDP is taken for blocked: 3.5 seconds.
const BLOCKED_AFTER: u32 = 4;

/// What an answer amounts to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    /// A server sees the socket at this address.
    Mapped {
        server: SocketAddrV6,
        mapped: SocketAddrV6,
        /// When its request was sent first.
        sent: Instant,
        /// The requests' own order.
        order: u64,
        /// Whether it was sent once: only then it is known which one was answered.
        once: bool,
    },
    /// A server that was asked does not tell.
    Refused(SocketAddrV6),
    /// Nobody was asked that, or not there.
    Forged,
    /// It is not STUN.
    Malformed,
}

#[derive(Debug)]
struct Transaction {
    id: TransactionId,
    server: SocketAddrV6,
    order: u64,
    sent: Instant,
    transmissions: u32,
    /// When it is sent again, or given up.
    next: Instant,
}

/// What is to be done by now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Send a request.
    Send(SocketAddrV6, Vec<u8>),
    /// The server has not answered at all.
    GivenUp(SocketAddrV6),
}

/// Asks servers for this socket's address.
pub(crate) struct StunClient {
    servers: Vec<SocketAddrV6>,
    /// At most one of each server.
    transactions: Vec<Transaction>,
    order: u64,
    /// Whether somebody has answered lately, or nobody has; `None`: it is too early to tell.
    heard: Option<bool>,
    rng: StdRng,
}

impl StunClient {
    /// A client without servers; `seed` is a secret.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            servers: Vec::new(),
            transactions: Vec::new(),
            order: 0,
            heard: None,
            rng: StdRng::from_seed(seed),
        }
    }

    /// Asks others from now on, at most [`MAX_SERVERS`]; whether they are others.
    pub(crate) fn set_servers(&mut self, servers: &[SocketAddrV6]) -> bool {
        let mut wanted: Vec<SocketAddrV6> = Vec::new();
        for server in servers {
            if server.port() != 0 && !wanted.contains(server) && wanted.len() < MAX_SERVERS {
                wanted.push(*server);
            }
        }
        let changed = wanted != self.servers;
        self.transactions
            .retain(|transaction| wanted.contains(&transaction.server));
        self.servers = wanted;
        changed
    }

    /// Whether there is anybody to ask.
    pub(crate) fn has_servers(&self) -> bool {
        !self.servers.is_empty()
    }

    /// Whether a server is asked.
    pub(crate) fn asks(&self, server: &SocketAddrV6) -> bool {
        self.servers.contains(server)
    }

    /// Whether UDP leads nowhere: no server answers. `None`: none had the time to.
    pub(crate) fn is_blocked(&self) -> Option<bool> {
        self.heard.map(|heard| !heard)
    }

    /// Gives up every request under way: the network is another one.
    pub(crate) fn reset(&mut self) {
        self.transactions.clear();
        self.heard = None;
    }

    /// Begins a request to each server that has none under way.
    pub(crate) fn ask(&mut self, now: Instant) {
        for server in &self.servers {
            if self.transactions.iter().any(|t| t.server == *server) {
                continue;
            }
            self.order += 1;
            self.transactions.push(Transaction {
                id: TransactionId(self.rng.random()),
                server: *server,
                order: self.order,
                sent: now,
                transmissions: 0,
                next: now,
            });
        }
    }

    /// The place of whatever is sent now among the requests.
    pub(crate) fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// When [`StunClient::poll`] has something; `None` while nothing is under way.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.transactions.iter().map(|t| t.next).min()
    }

    /// The next thing that is due.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Task> {
        let at = self.transactions.iter().position(|t| t.next <= now)?;
        let transaction = &mut self.transactions[at];
        if transaction.transmissions == TRANSMISSIONS {
            let server = transaction.server;
            self.transactions.remove(at);
            return Some(Task::GivenUp(server));
        }
        transaction.next = now
            + match transaction.transmissions + 1 {
                TRANSMISSIONS => RTO * LAST_WAIT,
                sent => RTO * (1 << (sent - 1)),
            };
        transaction.transmissions += 1;
        let request = MessageWriter::binding_request(transaction.id).fingerprint();
        let task = Task::Send(transaction.server, request);
        let silent = |t: &Transaction| t.transmissions >= BLOCKED_AFTER;
        if self.transactions.len() == self.servers.len() && self.transactions.iter().all(silent) {
            self.heard = Some(false);
        }
        Some(task)
    }

    /// Takes a message that is an answer by its class.
    pub(crate) fn receive(&mut self, source: SocketAddrV6, datagram: &[u8]) -> Answer {
        let Ok(message) = Message::parse(datagram) else {
            return Answer::Malformed;
        };
        let own = |t: &Transaction| t.id == message.transaction && t.server == source;
        let Some(at) = self.transactions.iter().position(own) else {
            return Answer::Forged;
        };
        // It has not been sent yet, so nobody can know its id but by chance.
        if self.transactions[at].transmissions == 0 {
            return Answer::Forged;
        }
        let Transaction {
            server,
            order,
            sent,
            transmissions,
            ..
        } = self.transactions.remove(at);
        self.heard = Some(true);
        match mapped_address(&message) {
            Some(mapped) => Answer::Mapped {
                server,
                mapped,
                sent,
                order,
                once: transmissions == 1,
            },
            None => Answer::Refused(server),
        }
    }
}

/// Where an answer says that the socket is: at an address at which one host can be ([RFC 8489 § 6.3.3]).
///
/// [RFC 8489 § 6.3.3]: https://www.rfc-editor.org/rfc/rfc8489#section-6.3.3
fn mapped_address(message: &Message<'_>) -> Option<SocketAddrV6> {
    let success = (message.class, message.method) == (Class::Success, BINDING);
    if !success || !message.not_understood().is_empty() {
        return None;
    }
    let mapped: SocketAddr = message.xor_mapped_address().ok()??;
    let mapped = to_mapped(mapped);
    is_sendable(&mapped).then_some(mapped)
}

#[cfg(test)]
mod tests;
