//! What a host does with its connections.

use std::collections::{BTreeMap, BTreeSet};

use anypath_peer::admission::Admission;
use anypath_peer::error::CloseReason;
use anypath_peer::event::{Connected, ConnectionKey, Event};
use anypath_peer::peer::{Peer, ReadOutcome, StreamError};
use anypath_peer::session::{State, Transition};

use crate::simulation::Micros;

/// A stream of a connection.
pub type StreamKey = (ConnectionKey, u64);

/// The byte at `offset` of every stream that [`Application::send`] writes.
pub fn pattern(stream: u64, offset: u64) -> u8 {
    let mixed = (offset ^ (stream << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// What was read from a stream.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Received {
    /// The bytes, in order.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub end: Option<Result<(), StreamError>>,
}

impl Received {
    /// Whether all `length` bytes of [`pattern`] and the end have arrived.
    pub fn is_whole(&self, stream: u64, length: u64) -> bool {
        self.end == Some(Ok(())) && self.bytes.len() as u64 == length && self.is_intact(stream)
    }

    /// Whether what has arrived is what was written.
    pub fn is_intact(&self, stream: u64) -> bool {
        (0..)
            .zip(&self.bytes)
            .all(|(offset, byte)| *byte == pattern(stream, offset))
    }
}

#[derive(Debug)]
struct Sending {
    offset: u64,
    length: u64,
    finish: bool,
}

/// What a host knows of a connection.
#[derive(Debug, Default)]
pub struct Known {
    /// The handshake's outcome, and when it was.
    pub connected: Option<(Micros, Connected)>,
    /// The outcome that was told before the handshake had finished.
    pub early: Option<(Micros, Connected)>,
    /// The server's answer to early data.
    pub early_data: Option<bool>,
    /// Why and when it ended.
    pub closed: Option<(Micros, CloseReason)>,
    /// Whether it is forgotten.
    pub drained: bool,
    /// The session's steps.
    pub states: Vec<(Micros, Transition)>,
    /// Datagrams that arrived.
    pub datagrams: Vec<Vec<u8>>,
}

/// A host's application: it reads everything, unless told not to, and writes what it is asked to.
#[derive(Debug)]
pub struct Application {
    /// Whether streams that open from now on are read.
    pub reads: bool,
    /// Whether a bidirectional stream of the remote is answered with as many bytes.
    pub echoes: bool,
    /// The answer to every question about an incoming connection; `None`: no answer.
    pub admits: Option<Admission>,
    /// Questions about incoming connections.
    pub asked: Vec<u32>,
    /// The most that one call reads.
    pub read_size: usize,
    /// Connections by their keys.
    pub connections: BTreeMap<ConnectionKey, Known>,
    /// What was read.
    pub received: BTreeMap<StreamKey, Received>,
    /// Everything that was told, but readability and writability.
    pub events: Vec<(Micros, Event)>,
    sending: BTreeMap<StreamKey, Sending>,
    paused: BTreeSet<StreamKey>,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            reads: true,
            echoes: false,
            admits: None,
            asked: Vec::new(),
            read_size: 64 << 10,
            connections: BTreeMap::new(),
            received: BTreeMap::new(),
            events: Vec::new(),
            sending: BTreeMap::new(),
            paused: BTreeSet::new(),
        }
    }
}

impl Application {
    /// Writes `length` bytes of [`pattern`], as fast as flow control lets it, and then ends the stream if asked to.
    pub fn send(&mut self, peer: &mut Peer, key: StreamKey, length: u64, finish: bool) {
        let sending = Sending {
            offset: 0,
            length,
            finish,
        };
        self.sending.insert(key, sending);
        self.write(peer, key);
    }

    /// Whether everything that was to be written has been.
    pub fn has_written(&self, key: StreamKey) -> bool {
        !self.sending.contains_key(&key)
    }

    /// How much of a stream has been written.
    pub fn written(&self, key: StreamKey) -> Option<u64> {
        self.sending.get(&key).map(|sending| sending.offset)
    }

    /// Stops reading a stream.
    pub fn pause(&mut self, key: StreamKey) {
        self.paused.insert(key);
    }

    /// Reads a stream from now on.
    pub fn resume(&mut self, peer: &mut Peer, key: StreamKey) {
        self.paused.remove(&key);
        self.read(peer, key);
    }

    /// The last state of a connection's session.
    pub fn state(&self, key: ConnectionKey) -> Option<State> {
        let known = self.connections.get(&key)?;
        known.states.last().map(|(_, transition)| transition.to)
    }

    pub(crate) fn handle(&mut self, peer: &mut Peer, now: Micros, event: Event) {
        match &event {
            Event::Readable(key, stream) => return self.read(peer, (*key, *stream)),
            Event::Writable(key, stream) => return self.write(peer, (*key, *stream)),
            Event::Qlog(..) => return,
            Event::Connected(key, connected) if connected.early => {
                self.known(*key).early = Some((now, (**connected).clone()));
            }
            Event::Connected(key, connected) => {
                self.known(*key).connected = Some((now, (**connected).clone()));
            }
            Event::Closed(key, reason) => {
                self.known(*key).closed = Some((now, reason.clone()));
                self.sending.retain(|(of, _), _| of != key);
            }
            Event::Drained(key) => self.known(*key).drained = true,
            Event::EarlyData(key, accepted) => self.known(*key).early_data = Some(*accepted),
            Event::State(key, transition) => self.known(*key).states.push((now, *transition)),
            Event::Datagram(key, bytes) => self.known(*key).datagrams.push(bytes.to_vec()),
            Event::StreamOpened(key, stream, _) => {
                self.received.entry((*key, *stream)).or_default();
                if !self.reads {
                    self.paused.insert((*key, *stream));
                }
            }
            Event::StreamStopped(key, stream, _) => {
                self.sending.remove(&(*key, *stream));
            }
            Event::Incoming { incoming, .. } => match self.admits {
                Some(admission) => {
                    peer.admit(*incoming, admission);
                }
                None => self.asked.push(*incoming),
            },
            _ => {}
        }
        self.events.push((now, event));
    }

    fn known(&mut self, key: ConnectionKey) -> &mut Known {
        self.connections.entry(key).or_default()
    }

    fn write(&mut self, peer: &mut Peer, key: StreamKey) {
        let Some(sending) = self.sending.get_mut(&key) else {
            return;
        };
        let mut chunk = Vec::with_capacity(64 << 10);
        while sending.offset < sending.length {
            let end = sending.length.min(sending.offset + (64 << 10));
            chunk.clear();
            chunk.extend((sending.offset..end).map(|offset| pattern(key.1, offset)));
            match peer.write(key.0, key.1, &chunk) {
                Ok(0) => return,
                Ok(written) => sending.offset += written as u64,
                Err(_) => {
                    self.sending.remove(&key);
                    return;
                }
            }
        }
        if sending.finish {
            // A stream that the remote has stopped meanwhile needs no end.
            let _ = peer.finish(key.0, key.1);
        }
        self.sending.remove(&key);
    }

    fn read(&mut self, peer: &mut Peer, key: StreamKey) {
        if self.paused.contains(&key) {
            return;
        }
        let received = self.received.entry(key).or_default();
        let end = loop {
            match peer.read(key.0, key.1, self.read_size, &mut received.bytes) {
                Ok(ReadOutcome::Data(_)) => {}
                Ok(ReadOutcome::Blocked) => return,
                Ok(ReadOutcome::Finished) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if received.end.is_none() {
            received.end = Some(end);
        }
        let length = received.bytes.len() as u64;
        // Bit 1 tells a unidirectional stream (RFC 9000 § 2.1).
        if self.echoes && end.is_ok() && key.1 & 2 == 0 {
            self.send(peer, key, length, true);
        }
    }
}
