//! What streams promise, in a few counters.

use std::collections::BTreeMap;

use anypath_peer::config::PeerConfig;
use anypath_peer::error::ErrorCode;
use anypath_peer::event::{ConnectionKey, Event};
use anypath_peer::peer::{Census, StreamError};
use anypath_simnet::application::pattern;
use anypath_simnet::simulation::config;
use anypath_simnet::{HostId, Link, Simulation, address};
use proptest::prelude::{prop_assert, prop_assert_eq};
use proptest::test_runner::TestCaseError;

use crate::operation::Operation;

const SECOND: u64 = 1_000_000;

type Checked = Result<(), TestCaseError>;

/// One direction of a stream.
#[derive(Debug, Default, Clone)]
struct Half {
    written: u64,
    finished: bool,
    reset: Option<u64>,
    stopped: Option<u64>,
    paused: bool,
}

/// Two connected peers, and what they promise.
pub(crate) struct Pair {
    net: Simulation,
    keys: [ConnectionKey; 2],
    /// By sender and stream.
    halves: BTreeMap<(HostId, u64), Half>,
    datagrams: [Vec<Vec<u8>>; 2],
    moves: u8,
    closed: Option<(HostId, u64)>,
}

/// Windows that a sequence can fill, and few streams.
fn narrow(host: HostId, seed: u64) -> PeerConfig {
    PeerConfig {
        stream_receive_window: 48 << 10,
        receive_window: 100 << 10,
        send_window: 64 << 10,
        max_bidi_streams: 4,
        max_uni_streams: 3,
        ..config(host, seed)
    }
}

impl Pair {
    pub(crate) fn connected(seed: u64) -> Self {
        let link = Link {
            jitter: 5_000,
            loss: 0.01,
            duplicate: 0.01,
            reorder: 0.02,
            reorder_delay: 12_000,
            rate: Some(4_000_000),
            ..Link::default()
        };
        let mut net = Simulation::pair(seed, link);
        for host in [0, 1] {
            net.restart(host, narrow(host, seed));
        }
        let client = net.dial(0, 1).unwrap();
        let mut server = None;
        let up = net.run_until(20 * SECOND, |net| {
            let mut known = net.application(1).connections.iter();
            server = known
                .find(|(_, k)| k.connected.is_some())
                .map(|(key, _)| *key);
            server.is_some() && net.known(0, client).is_some_and(|k| k.connected.is_some())
        });
        assert!(up, "no handshake with network seed {seed}");
        Self {
            keys: [client, server.unwrap()],
            net,
            halves: BTreeMap::new(),
            datagrams: [Vec::new(), Vec::new()],
            moves: 0,
            closed: None,
        }
    }

    pub(crate) fn perform(&mut self, operation: &Operation) -> Checked {
        self.discover();
        match *operation {
            Operation::Open {
                host,
                bidirectional,
            } => self.open(host, bidirectional)?,
            Operation::Write {
                host,
                stream,
                bytes,
            } => {
                if let Some(stream) = self.sending(host, stream) {
                    self.write(host, stream, bytes)?;
                }
            }
            Operation::Prioritise {
                host,
                stream,
                priority,
            } => {
                if let Some(stream) = self.sending(host, stream) {
                    // A stream that is over has no priority.
                    let _ = self
                        .net
                        .peer(host)
                        .set_priority(self.keys[host], stream, priority);
                }
            }
            Operation::Finish { host, stream } => {
                if let Some(stream) = self.sending(host, stream) {
                    self.finish_stream(host, stream)?;
                }
            }
            Operation::Reset { host, stream, code } => {
                if let Some(stream) = self.sending(host, stream) {
                    let result = self.net.peer(host).reset(self.keys[host], stream, code);
                    let half = self.half(host, stream);
                    prop_assert!(result.is_err() || half.reset.is_none());
                    if result.is_ok() {
                        half.reset = Some(code);
                    }
                }
            }
            Operation::Stop { host, stream, code } => self.stop(host, stream, code)?,
            Operation::Pause { host, stream } => self.pause(host, stream, true),
            Operation::Resume { host, stream } => self.pause(host, stream, false),
            Operation::Datagram { host, bytes } => self.datagram(host, bytes)?,
            Operation::Fate { host, ahead, fate } => {
                let number = self.net.counts(host, 1 - host).sent + ahead;
                self.net.link(host, 1 - host).fates.insert(number, fate);
            }
            Operation::Outage { span } => {
                let now = self.net.now();
                for (from, to) in [(0, 1), (1, 0)] {
                    self.net.link(from, to).outages.push(now..now + span);
                }
            }
            Operation::Migrate { told } => {
                self.moves += 1;
                let place = address([10, 77, 0, self.moves], 4000 + u16::from(self.moves));
                self.net.move_host(0, place, told);
            }
            Operation::KeyUpdate { host } => self.net.peer(host).key_update(self.keys[host]),
            Operation::Ping { host } => self.net.peer(host).ping(self.keys[host]),
            Operation::Close { host, code } => {
                self.net.peer(host).close(self.keys[host], code, "bye");
                self.closed.get_or_insert((host, code));
            }
            Operation::Wait { span } => self.net.run_for(span),
        }
        self.net.run_until(0, |_| true);
        Ok(())
    }

    fn is_over(&self, host: HostId) -> bool {
        let known = self.net.known(host, self.keys[host]);
        known.is_some_and(|known| known.closed.is_some())
    }

    /// Takes up the other direction of bidirectional streams that the remote has opened.
    fn discover(&mut self) {
        for host in [0, 1] {
            let received = &self.net.application(host).received;
            for (_, stream) in received.keys().filter(|(key, _)| *key == self.keys[host]) {
                if stream & 2 == 0 {
                    self.halves.entry((host, *stream)).or_default();
                }
            }
        }
    }

    /// Chooses one of the streams that a host sends on.
    fn sending(&self, host: HostId, number: usize) -> Option<u64> {
        let mine: Vec<u64> = self
            .halves
            .keys()
            .filter(|(h, _)| *h == host)
            .map(|k| k.1)
            .collect();
        mine.get(number % mine.len().max(1)).copied()
    }

    /// Chooses one of the streams that a host has seen data of.
    fn receiving(&self, host: HostId, number: usize) -> Option<u64> {
        let received = &self.net.application(host).received;
        let theirs: Vec<u64> = received.keys().map(|(_, stream)| *stream).collect();
        theirs.get(number % theirs.len().max(1)).copied()
    }

    fn half(&mut self, sender: HostId, stream: u64) -> &mut Half {
        self.halves.entry((sender, stream)).or_default()
    }

    fn open(&mut self, host: HostId, bidirectional: bool) -> Checked {
        let over = self.is_over(host);
        match self
            .net
            .peer(host)
            .open_stream(self.keys[host], bidirectional)
        {
            Ok(Some(stream)) => {
                prop_assert!(!over);
                self.half(host, stream);
                if bidirectional {
                    self.half(1 - host, stream);
                    // The remote can't send on it before it has seen it.
                    self.halves.remove(&(1 - host, stream));
                }
            }
            Ok(None) => prop_assert!(!over),
            Err(_) => prop_assert!(over),
        }
        Ok(())
    }

    fn write(&mut self, host: HostId, stream: u64, bytes: usize) -> Checked {
        let (over, start) = (self.is_over(host), self.half(host, stream).written);
        let data: Vec<u8> = (start..start + bytes as u64)
            .map(|at| pattern(stream, at))
            .collect();
        let result = self.net.peer(host).write(self.keys[host], stream, &data);
        let half = self.half(host, stream);
        let ended = half.finished || half.reset.is_some();
        match result {
            // A blocked connection is noticed before a stream that has ended.
            Ok(0) => prop_assert!(!over),
            Ok(count) => {
                prop_assert!(!over && !ended && count <= bytes, "{half:?}");
                half.written += count as u64;
            }
            Err(StreamError {
                code: ErrorCode::StreamStopped,
                detail,
            }) => {
                prop_assert_eq!(Some(detail), half.stopped);
            }
            Err(error) => prop_assert!(over || ended || half.stopped.is_some(), "{error:?}"),
        }
        Ok(())
    }

    fn finish_stream(&mut self, host: HostId, stream: u64) -> Checked {
        let over = self.is_over(host);
        let result = self.net.peer(host).finish(self.keys[host], stream);
        let half = self.half(host, stream);
        let ended = half.finished || half.reset.is_some();
        match result {
            Ok(()) => {
                prop_assert!(!over && !ended, "{half:?}");
                half.finished = true;
            }
            Err(error) => prop_assert!(over || ended || half.stopped.is_some(), "{error:?}"),
        }
        Ok(())
    }

    fn stop(&mut self, host: HostId, stream: usize, code: u64) -> Checked {
        let Some(stream) = self.receiving(host, stream) else {
            return Ok(());
        };
        let key = self.keys[host];
        let result = self.net.with(host, |peer, application| {
            application.pause((key, stream));
            peer.stop(key, stream, code)
        });
        let half = self.half(1 - host, stream);
        if result.is_ok() {
            prop_assert!(half.stopped.is_none(), "{half:?}");
            half.stopped = Some(code);
        }
        half.paused = true;
        Ok(())
    }

    fn pause(&mut self, host: HostId, stream: usize, pause: bool) {
        let Some(stream) = self.receiving(host, stream) else {
            return;
        };
        let half = self.half(1 - host, stream);
        if half.stopped.is_some() {
            return;
        }
        half.paused = pause;
        let key = (self.keys[host], stream);
        self.net.with(host, |peer, application| match pause {
            true => application.pause(key),
            false => application.resume(peer, key),
        });
    }

    fn datagram(&mut self, host: HostId, bytes: usize) -> Checked {
        let over = self.is_over(host);
        let mut data = vec![0; bytes];
        let number = self.datagrams[host].len() as u64;
        for (byte, value) in data.iter_mut().zip(number.to_le_bytes()) {
            *byte = value;
        }
        let result = self.net.peer(host).send_datagram(self.keys[host], &data);
        prop_assert_eq!(result.is_err(), over, "{:?}", result);
        self.datagrams[host].push(data);
        Ok(())
    }

    /// What must hold at any time.
    pub(crate) fn check(&mut self) -> Checked {
        for (&(sender, stream), half) in &self.halves {
            let reader = 1 - sender;
            let Some(received) = self.net.received(reader, self.keys[reader], stream) else {
                continue;
            };
            let length = received.bytes.len() as u64;
            prop_assert!(length <= half.written, "{stream}: {length} of {half:?}");
            match received.end {
                Some(Ok(())) => prop_assert!(half.finished && length == half.written, "{half:?}"),
                Some(Err(StreamError {
                    code: ErrorCode::StreamReset,
                    detail,
                })) => {
                    prop_assert_eq!(Some(detail), half.reset);
                }
                Some(Err(_)) => {
                    let over = self.is_over(reader) || half.stopped.is_some();
                    prop_assert!(over, "stream {stream}: {received:?} {half:?}");
                }
                None => {}
            }
        }
        Ok(())
    }

    fn check_contents(&self) -> Checked {
        for (&(sender, stream), half) in &self.halves {
            let reader = 1 - sender;
            if let Some(received) = self.net.received(reader, self.keys[reader], stream) {
                prop_assert!(received.is_intact(stream), "stream {stream} {half:?}");
            }
        }
        for host in [0, 1] {
            let known = self.net.known(1 - host, self.keys[1 - host]).unwrap();
            let mut sent = self.datagrams[host].clone();
            for datagram in &known.datagrams {
                let place = sent.iter().position(|one| one == datagram);
                prop_assert!(
                    place.is_some(),
                    "a datagram that was not sent, or once only"
                );
                sent.swap_remove(place.unwrap());
            }
        }
        Ok(())
    }

    /// Lets the network rest, and checks that all promises are kept and nothing is left.
    pub(crate) fn finish(mut self) -> Checked {
        for (from, to) in [(0, 1), (1, 0)] {
            *self.net.link(from, to) = Link::default();
        }
        for host in [0, 1] {
            for number in 0..self.net.application(host).received.len() {
                self.pause(host, number, false);
            }
        }
        self.net.run_for(20 * SECOND);
        self.check()?;
        self.check_contents()?;
        match self.closed {
            None => {
                self.check_delivery()?;
                self.net.peer(0).close(self.keys[0], 9, "end");
            }
            Some((host, code)) => self.check_close(host, code)?,
        }
        // Who has not heard the farewell, and is not where the other looks for it, waits for the idle timeout.
        self.net.run_for(150 * SECOND);
        for host in [0, 1] {
            prop_assert_eq!(
                self.net.peer(host).census(),
                Census::default(),
                "host {}",
                host
            );
            self.check_silence_after_close(host)?;
        }
        Ok(())
    }

    /// Everything that was written has arrived, unless it was given up.
    fn check_delivery(&self) -> Checked {
        for (&(sender, stream), half) in &self.halves {
            let reader = 1 - sender;
            prop_assert!(!self.is_over(sender) && !self.is_over(reader));
            if half.stopped.is_some() || half.reset.is_some() {
                continue;
            }
            let received = self.net.received(reader, self.keys[reader], stream);
            let length = received.map_or(0, |received| received.bytes.len() as u64);
            prop_assert_eq!(length, half.written, "stream {} of host {}", stream, sender);
            let ended = received.and_then(|received| received.end);
            prop_assert_eq!(ended, half.finished.then_some(Ok(())));
        }
        Ok(())
    }

    fn check_close(&self, host: HostId, code: u64) -> Checked {
        let reason = |host: HostId| {
            let known = self.net.known(host, self.keys[host]);
            known
                .and_then(|known| known.closed.clone())
                .map(|(_, reason)| reason)
        };
        prop_assert_eq!(reason(host).map(|r| r.code), Some(ErrorCode::ClosedLocally));
        let other = reason(1 - host).map(|r| (r.code, r.wire_code));
        // Both may close before either hears of the other, and where the farewell is lost a later packet is
        // answered with a stateless reset, or with nothing until the idle timeout.
        let expected = match other {
            Some((ErrorCode::ClosedByPeer, told)) => told == code,
            Some((ErrorCode::ClosedLocally | ErrorCode::PeerRestarted, _)) | None => true,
            Some(_) => false,
        };
        prop_assert!(expected, "{other:?}");
        Ok(())
    }

    fn check_silence_after_close(&self, host: HostId) -> Checked {
        let events = &self.net.application(host).events;
        let closed = |event: &(u64, Event)| matches!(event.1, Event::Closed(..));
        let end = events.iter().position(closed);
        prop_assert!(end.is_some());
        // Where the peer itself is seen is no matter of the connection.
        let of_peer = |event: &&(u64, Event)| matches!(event.1, Event::Reflexive);
        let after = events[end.unwrap() + 1..].iter();
        let after: Vec<_> = after.filter(|event| !of_peer(event)).collect();
        let drained = |event: &&(u64, Event)| matches!(event.1, Event::Drained(_));
        prop_assert!(after.iter().all(drained) && after.len() == 1, "{after:?}");
        Ok(())
    }
}
