//! All agents behind one socket: whose a datagram is, and what they have to say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::RtcError;
use str0m::ice::StunMessage;

use crate::agent::{Agent, Bases, Malformed};
use crate::records::{Kind, put};

/// DTLS records begin with this or more, STUN messages with less (RFC 7983).
const FIRST_DTLS: u8 = 20;

/// Bytes of a STUN message before its attributes, and the type of the one that proves the others (RFC 8489 sections 5 and 14.5).
const STUN_HEADER: usize = 20;
const MESSAGE_INTEGRITY: [u8; 2] = [0, 8];

/// Whether a datagram is STUN's, or nothing.
fn is_stun(data: &[u8]) -> bool {
    data.first().is_none_or(|&first| first < FIRST_DTLS)
}

/// The agents of one module.
#[derive(Debug, Default)]
pub struct Agents {
    by_id: BTreeMap<u32, Agent>,
    last: u32,
    /// Records that the host has not taken yet.
    records: Vec<u8>,
}

impl Agents {
    /// Makes an agent, and gives its id; `None` where the platform gives no random bytes.
    pub fn open(&mut self, initiator: bool, bases: Bases, now: Instant) -> Option<u32> {
        self.last += 1;
        let agent = Agent::new(self.last, initiator, bases, now, &mut self.records)?;
        self.by_id.insert(self.last, agent);
        Some(self.last)
    }

    /// Ends an agent, and tells its remote; no record of it follows but the datagrams that say so.
    pub fn close(&mut self, id: u32) {
        if let Some(mut agent) = self.by_id.remove(&id) {
            agent.close(&mut self.records);
        }
    }

    /// Has an agent take something that its remote said.
    ///
    /// # Errors
    /// It is of no use.
    pub fn signal(&mut self, id: u32, signal: Signal<'_>, now: Instant) -> Result<(), Malformed> {
        let agent = self.by_id.get_mut(&id).ok_or(Malformed)?;
        match signal {
            Signal::Offer(sdp) => agent.take_offer(sdp, &mut self.records)?,
            Signal::Answer(sdp) => agent.take_answer(sdp)?,
            Signal::Candidate(candidate) => agent.take_candidate(candidate)?,
        }
        self.drain(id, now);
        Ok(())
    }

    /// Hands a datagram to the agent whose it is; `false` where it is nobody's.
    pub fn receive(&mut self, source: SocketAddr, data: &[u8], now: Instant) -> bool {
        // Nothing is proven by an empty message, and str0m panics at the proof of an error response without anything before it.
        if data.get(STUN_HEADER..STUN_HEADER + 2) == Some(&MESSAGE_INTEGRITY[..]) && is_stun(data) {
            return false;
        }
        // Taken apart once, and not by each agent: whoever sends need be nobody's remote.
        let message = StunMessage::parse(data).ok();
        if message.is_none() && is_stun(data) {
            return false;
        }
        let named = message
            .as_ref()
            .and_then(|message| message.split_username())
            .map(|(local, _)| local);
        let is_request = message
            .as_ref()
            .is_some_and(StunMessage::is_binding_request);
        // Two agents may have the same remote behind one socket. What does not say whose it is belongs to the newer one.
        for (&id, agent) in self.by_id.iter_mut().rev() {
            // To str0m all that comes from a remote in use is its own.
            if named.is_some_and(|local| local != agent.ufrag()) {
                continue;
            }
            match agent.receive(source, data, is_request, now) {
                Ok(false) => continue,
                Ok(true) => self.drain(id, now),
                Err(_) => self.end(id),
            }
            return true;
        }
        false
    }

    /// Sends a message; `false` where its channel has no room, or none is open.
    pub fn send(&mut self, id: u32, message: &[u8], now: Instant) -> bool {
        match self.by_id.get_mut(&id).map(|agent| agent.send(message)) {
            Some(Ok(taken)) => {
                self.drain(id, now);
                taken
            }
            Some(Err(_)) => {
                self.end(id);
                false
            }
            None => false,
        }
    }

    /// Does what is due, and gives all records since the last call.
    pub fn poll(&mut self, now: Instant) -> Vec<u8> {
        let due = self
            .by_id
            .iter()
            .filter(|(_, agent)| agent.wake() <= now)
            .map(|(&id, _)| id);
        for id in due.collect::<Vec<_>>() {
            self.drain(id, now);
        }
        std::mem::take(&mut self.records)
    }

    /// In what time something is due; `None` while there is no agent.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let wake = self.by_id.values().map(Agent::wake).min()?;
        Some(wake.saturating_duration_since(now))
    }

    fn drain(&mut self, id: u32, now: Instant) {
        let Some(agent) = self.by_id.get_mut(&id) else {
            return;
        };
        let drained: Result<(), RtcError> = agent.drain(now, &mut self.records);
        if drained.is_err() || agent.is_over() {
            self.end(id);
        }
    }

    fn end(&mut self, id: u32) {
        if self.by_id.remove(&id).is_some() {
            put(&mut self.records, Kind::Closed, id, &[]);
        }
    }
}

/// What a remote says over the signalling connection.
#[derive(Debug, Clone, Copy)]
pub enum Signal<'a> {
    /// A session description (RFC 8829).
    Offer(&'a str),
    /// The answer to one.
    Answer(&'a str),
    /// An ICE candidate (RFC 8839).
    Candidate(&'a str),
}
