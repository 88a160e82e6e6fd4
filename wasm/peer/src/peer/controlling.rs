//! Control connections: who opens them and when, and what is said over them.
//!
//! The client of a relayed connection dials its remote's `anypath/1` when ordinary traversal has not led to a direct path soon,
//! and proposes attempts of the birthday scheme. The application hears nothing of all this, and its limits do not count it.

use std::net::SocketAddr;
use std::time::Duration;

use anypath_paths::birthday::{self, Side, side};
use anypath_paths::candidate::is_ipv4;
use anypath_wire::address::from_mapped;
use anypath_wire::control::{CONTROL_ALPN, Frame, Nat, Outcome, parse};
use anypath_wire::id::EndpointId;
use noq_proto::{PathId, VarInt};

use super::relaying::routes_of;
use super::transmit::is_ready;
use super::{Peer, ReadOutcome};
use crate::admission::{Admission, Origin, Request};
use crate::birthday::Name;
use crate::carrier::{CarrierKind, MAIN_CARRIER};
use crate::clock::Instant;
use crate::connection::Phase;
use crate::control::{Control, IDLE, MAX_CONTROLS, RETRY, code};
use crate::dial::Target;
use crate::error::{CloseReason, ErrorCode};
use crate::event::{ConnectionKey, Event};
use crate::tls::{HandshakeData, HandshakeInfo};

/// What a peer tells of its NAT.
type Told = (Nat, Vec<SocketAddr>);

/// What one look at the stream reads.
const READ_BYTES: usize = 1024;

impl Peer {
    /// What becomes of a first packet that the limits do not allow. One more is spared until its protocol is known where it comes over
    /// a relay from a remote with a connection, which may want a control connection beside that.
    pub(super) fn spare(
        &self,
        request: Request,
        connections: usize,
        admission: Admission,
    ) -> Admission {
        let Origin::Endpoint(remote) = request.origin else {
            return admission;
        };
        let spared = admission == Admission::Refuse
            && self.config.control
            && !self.closing
            && self.sessions.contains_key(remote.as_bytes())
            && self.control_with(&remote).is_none();
        match spared {
            true => self.admissions.spare(request.origin, connections),
            false => admission,
        }
    }

    /// Whether an incoming connection of the application's was spared and is one too many.
    pub(super) fn is_too_many(&self, key: ConnectionKey) -> bool {
        let origin = self.connections.get(&key).and_then(|c| c.origin);
        let counted = self.counted_connections();
        origin.is_some_and(|origin| !self.admissions.is_within_limits(origin, counted))
    }

    /// Whether a connection is the core's own.
    pub(super) fn is_control(&self, key: ConnectionKey) -> bool {
        self.connections.get(&key).is_some_and(|c| c.control)
    }

    /// The connections that the application's limits count.
    pub(super) fn counted_connections(&self) -> usize {
        let controls = self.connections.values().filter(|c| c.control).count();
        self.connections.len() - controls - self.inquiries()
    }

    /// What this peer's NAT is to the scheme, and where others see this peer.
    pub(super) fn own_nat(&self) -> Told {
        let is_udp = self.carriers.kind(MAIN_CARRIER) == Some(CarrierKind::Udp);
        if !is_udp || self.local.is_empty() {
            return (Nat::Unknown, Vec::new());
        }
        let report = self.reflexive.observations.report(&self.local, true);
        let seen = self.reflexive_addresses();
        // Without a NAT, with a firewall alone, the own addresses are what others see.
        let own = self.local.iter().filter(|_| report.public == Some(true));
        let all = seen.iter().chain(own).filter(|address| is_ipv4(address));
        let first = all.take(1).map(|address| from_mapped(*address));
        (birthday::nat(&report), first.collect())
    }

    /// A direct path is late: something beyond ordinary traversal may help.
    pub(super) fn want_birthday(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let Some(remote) = connection.remote.filter(|_| connection.is_client()) else {
            return;
        };
        if !self.wants_path(&remote) || self.own_nat().0 == Nat::Unknown {
            return;
        }
        if let Some(control) = self.control_with(&remote) {
            return self.propose(control);
        }
        if self.controls.may_dial(&remote, now) && self.controls.next_attempt(&remote, now) <= now {
            self.dial_control(key, remote);
        }
    }

    /// The control connection with a remote, whether or not its handshake is over.
    fn control_with(&self, remote: &EndpointId) -> Option<ConnectionKey> {
        let mut keys = self.controls.open.keys();
        keys.find(|key| self.remote_of(**key).as_ref() == Some(remote))
            .copied()
    }

    /// Dials the remote of a connection over the relays that this leads over.
    fn dial_control(&mut self, key: ConnectionKey, remote: EndpointId) {
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let routes = routes_of(connection, &self.carriers);
        let ready = routes
            .filter(|route| route.is_relayed() && is_ready(route, &self.relays, &self.carriers));
        let delay = Duration::ZERO;
        let targets: Vec<_> = ready.map(|route| Target { route, delay }).collect();
        let crypto = self.tls.client_of_service(CONTROL_ALPN);
        if targets.is_empty() {
            return;
        }
        let Ok(dialled) = self.dial(remote, CONTROL_ALPN, crypto, &targets, false) else {
            return;
        };
        self.admit_control(dialled);
        self.stats.birthday.controls_dialled += 1;
    }

    fn admit_control(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.control = true;
            self.controls.open.insert(key, Control::new(now));
        }
    }

    /// Takes an incoming connection as a control connection, if its client asks for that; early data in it is nothing that
    /// the application may see.
    pub(super) fn adopt_control(&mut self, key: ConnectionKey) -> bool {
        let Some(connection) = self.connections.get(&key) else {
            return false;
        };
        if connection.control {
            return true;
        }
        let data = HandshakeData::of(&connection.quic).filter(|_| !connection.is_client());
        let wanted = data.is_some_and(|data| data.alpn.as_deref() == Some(CONTROL_ALPN));
        if wanted {
            self.admit_control(key);
        }
        wanted
    }

    /// Ends the handshake of a control connection; false when it is none.
    pub(super) fn begin_control(&mut self, key: ConnectionKey) -> bool {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key).filter(|c| c.control) else {
            return false;
        };
        connection.phase = Phase::Established;
        connection.note_first_path();
        connection.keep_ways(&self.carriers);
        let over = connection.shaking_over.take();
        let origin = connection.origin.take();
        let incoming = !connection.is_client();
        let remote = HandshakeInfo::of(&connection.quic).map(|info| info.remote_id);
        connection.remote = remote;
        if incoming {
            self.admissions.handshake_ended(over);
        }
        if let Some(origin) = origin {
            self.admissions.remove_origin(origin);
        }
        let known = remote.filter(|remote| self.sessions.contains_key(remote.as_bytes()));
        let Some(remote) = known.filter(|_| self.controls.count_ready() < MAX_CONTROLS) else {
            self.stats.birthday.controls_refused += 1;
            self.end_by_code(key, code::REFUSED, "no connection needs it");
            return true;
        };
        self.settle_rivals(key, &remote);
        let Some(control) = self.controls.open.get_mut(&key) else {
            return true;
        };
        control.ready = true;
        control.last_use = now;
        if !incoming && let Ok(Some(stream)) = self.open_stream(key, true) {
            if let Some(control) = self.controls.open.get_mut(&key) {
                control.stream = Some(stream);
                control.greet(now);
            }
            self.tell_mapping(key);
        }
        true
    }

    /// Of two control connections with a remote one stays: that which the smaller id dialled, or else the newer one.
    fn settle_rivals(&mut self, key: ConnectionKey, remote: &EndpointId) {
        let of_smaller = |peer: &Self, key| {
            let connection = peer.connections.get(&key);
            connection.map(|c| c.is_client() == (peer.id().as_bytes() < remote.as_bytes()))
        };
        let same = |rival: &ConnectionKey| {
            *rival != key && self.remote_of(*rival).as_ref() == Some(remote)
        };
        let rivals: Vec<_> = self.controls.open.keys().copied().filter(same).collect();
        for rival in rivals {
            let ready = self.controls.open.get(&rival).is_some_and(|c| c.ready);
            let better = of_smaller(self, rival) > of_smaller(self, key);
            match (ready, better) {
                (true, true) => self.end_by_code(key, code::DONE, "another one is there"),
                (true, false) => self.end_by_code(rival, code::DONE, "another one is there"),
                // It is settled when its own handshake is over.
                (false, _) => {}
            }
        }
    }

    fn end_by_code(&mut self, key: ConnectionKey, code: u32, reason: &str) {
        let code = VarInt::from_u32(code);
        self.close_with(key, ErrorCode::ClosedLocally, code, reason.into());
    }

    /// What arrived can't be a control connection's.
    fn fault(&mut self, key: ConnectionKey) {
        self.stats.birthday.controls_malformed += 1;
        self.end_by_code(key, code::MALFORMED, "not a control connection's frames");
    }

    /// An event of a control connection.
    pub(super) fn hear_control(&mut self, key: ConnectionKey, event: &Event) {
        let Some(control) = self.controls.open.get_mut(&key) else {
            return;
        };
        match event {
            Event::StreamOpened(_, stream, true) if control.stream.is_none() => {
                control.stream = Some(*stream);
            }
            Event::StreamOpened(..) | Event::Datagram(..) | Event::StreamStopped(..) => {
                self.fault(key);
            }
            Event::Readable(_, stream) if control.stream == Some(*stream) => {
                self.read_control(key, *stream);
            }
            Event::Writable(..) => self.flush_control(key),
            _ => {}
        }
    }

    fn read_control(&mut self, key: ConnectionKey, stream: u64) {
        loop {
            let Some(control) = self.controls.open.get_mut(&key) else {
                return;
            };
            let mut unread = std::mem::take(&mut control.unread);
            let read = self.read(key, stream, READ_BYTES, &mut unread);
            let Some(rest) = self.take_frames(key, &unread) else {
                return;
            };
            let rest = unread.split_off(unread.len() - rest);
            if let Some(control) = self.controls.open.get_mut(&key) {
                control.unread = rest;
            }
            match read {
                Ok(ReadOutcome::Data(_)) => {}
                Ok(ReadOutcome::Blocked) => return,
                Ok(ReadOutcome::Finished) | Err(_) => {
                    return self.end_by_code(key, code::DONE, "");
                }
            }
        }
    }

    /// Takes the frames that are whole; how many bytes are left, or `None` when the connection is over.
    fn take_frames(&mut self, key: ConnectionKey, bytes: &[u8]) -> Option<usize> {
        let now = self.clock.now();
        let mut bytes = bytes;
        loop {
            match parse(bytes) {
                Ok(None) => return Some(bytes.len()),
                Ok(Some((frame, rest))) => {
                    bytes = rest;
                    let control = self.controls.open.get_mut(&key)?;
                    let greets = matches!(frame, Some(Frame::Hello { .. }));
                    let in_order = greets != control.greeted || frame.is_none();
                    if !control.may_hear(now) || !in_order {
                        self.fault(key);
                        return None;
                    }
                    if let Some(frame) = frame {
                        self.take_frame(key, frame);
                    }
                }
                Err(_) => {
                    self.fault(key);
                    return None;
                }
            }
        }
    }

    fn take_frame(&mut self, key: ConnectionKey, frame: Frame) {
        let now = self.clock.now();
        let dialled = self.connections.get(&key).is_some_and(|c| c.is_client());
        let Some(control) = self.controls.open.get_mut(&key) else {
            return;
        };
        let of = |number| Name {
            control: key,
            number,
        };
        match (frame, dialled) {
            (Frame::Hello { .. }, true) => control.greeted = true,
            (Frame::Hello { .. }, false) => {
                control.greeted = true;
                control.greet(now);
                self.tell_mapping(key);
            }
            (Frame::Mapping { nat, addresses }, _) => {
                control.remote = (nat, addresses);
                self.propose(key);
            }
            (Frame::Propose { attempt, hard }, false) => self.answer_proposal(key, attempt, hard),
            (Frame::Accept { attempt }, true) => self.start_attempt(key, attempt),
            (Frame::Start { attempt }, false) => self.birthday.begin(of(attempt), now),
            (Frame::End { attempt, outcome }, _) => {
                if control
                    .proposed
                    .take_if(|number| *number == attempt)
                    .is_some()
                {
                    self.stats.birthday.attempts_refused += 1;
                    self.note_end(key, Outcome::Refused);
                }
                self.end_attempt(of(attempt), outcome, false);
            }
            // Who dialled proposes.
            (Frame::Propose { .. } | Frame::Start { .. }, true) | (Frame::Accept { .. }, false) => {
                self.fault(key);
            }
        }
    }

    pub(super) fn say(&mut self, key: ConnectionKey, frame: &Frame) {
        let now = self.clock.now();
        let Some(control) = self.controls.open.get_mut(&key) else {
            return;
        };
        match control.say(frame, now) {
            true => self.flush_control(key),
            false => self.fault(key),
        }
    }

    fn flush_control(&mut self, key: ConnectionKey) {
        let Some(control) = self.controls.open.get_mut(&key) else {
            return;
        };
        let (Some(stream), false) = (control.stream, control.unsent.is_empty()) else {
            return;
        };
        let unsent = std::mem::take(&mut control.unsent);
        match self.write(key, stream, &unsent) {
            Ok(written) => {
                if let Some(control) = self.controls.open.get_mut(&key) {
                    control.unsent.extend_from_slice(&unsent[written..]);
                }
            }
            Err(_) => self.end_by_code(key, code::DONE, ""),
        }
    }

    /// Tells the remote of this peer's NAT, if that is news.
    fn tell_mapping(&mut self, key: ConnectionKey) {
        let own = self.own_nat();
        let Some(control) = self.controls.open.get_mut(&key) else {
            return;
        };
        if control.told.as_ref().is_none_or(|told| is_news(told, &own)) {
            control.told = Some(own.clone());
            let (nat, addresses) = own;
            self.say(key, &Frame::Mapping { nat, addresses });
        }
    }

    /// This peer is seen elsewhere, or its NAT is known better.
    pub(super) fn mappings_changed(&mut self) {
        let ready = self
            .controls
            .open
            .iter()
            .filter(|(_, c)| c.ready && c.told.is_some());
        for key in ready.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.tell_mapping(key);
            self.propose(key);
        }
    }

    /// The side of the scheme that this peer would take with the remote of a control connection.
    pub(super) fn side_with(&self, control: &Control) -> Option<Side> {
        side(self.own_nat().0, control.remote.0)
    }

    /// Lets an attempt be remembered that is over.
    pub(super) fn note_end(&mut self, key: ConnectionKey, outcome: Outcome) {
        let now = self.clock.now();
        let Some(remote) = self.remote_of(key) else {
            return;
        };
        let next = self.controls.attempt_ended(remote, outcome, now);
        if let Some(control) = self.controls.open.get_mut(&key) {
            control.last_use = now;
            // Before a rest is over the connection will be closed.
            control.retry_at = Some(next);
        }
    }

    /// Whether the remote may propose now. Both sides note an attempt's end, a one-way delay apart.
    pub(super) fn may_attempt(&self, remote: &EndpointId) -> bool {
        let now = self.clock.now();
        self.controls.next_attempt(remote, now) <= now + RETRY
    }

    /// The relayed round trip of a control connection.
    pub(super) fn rtt_of(&self, key: ConnectionKey) -> Duration {
        let connection = self.connections.get(&key);
        let rtt = connection.and_then(|connection| connection.quic.rtt(PathId::ZERO));
        rtt.unwrap_or_default()
    }

    /// Takes a connection that is over out of what is kept of control connections; false when it is none.
    pub(super) fn end_control(
        &mut self,
        key: ConnectionKey,
        before: Phase,
        reason: &CloseReason,
    ) -> bool {
        let now = self.clock.now();
        self.birthday.doubtful = true;
        let Some(connection) = self.connections.get(&key).filter(|c| c.control) else {
            return false;
        };
        let dialled = connection.remote.filter(|_| connection.is_client());
        let greeted = self.controls.open.remove(&key).is_some_and(|c| c.greeted);
        if let Some(remote) = dialled {
            match reason.code {
                ErrorCode::AlpnNotServed if before == Phase::Handshaking => {
                    self.stats.birthday.controls_refused += 1;
                    self.controls.remember_refusal(remote, now);
                }
                ErrorCode::ClosedLocally => {}
                _ if !greeted => self.controls.rest(remote, now),
                _ => {}
            }
        }
        let attempts = self.birthday.attempts.iter().map(|attempt| attempt.name);
        let of_it: Vec<_> = attempts.filter(|name| name.control == key).collect();
        for name in of_it {
            self.end_attempt(name, Outcome::Missed, false);
        }
        true
    }

    /// Closes the control connections with a remote that no connection is left with.
    pub(super) fn part_from(&mut self, remote: &[u8; 32]) {
        while let Some(key) = self.control_with(&EndpointId(*remote)) {
            self.end_by_code(key, code::DONE, "");
        }
    }

    /// Closes what has not been used for long, and thinks of the attempts that were put off.
    pub(super) fn mind_controls(&mut self) {
        let now = self.clock.now();
        let busy = |key: &ConnectionKey| {
            let mut attempts = self.birthday.attempts.iter();
            attempts.any(|attempt| attempt.name.control == *key)
        };
        let idle =
            self.controls.open.iter().filter(|(key, control)| {
                control.ready && control.last_use + IDLE <= now && !busy(key)
            });
        for key in idle.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.end_by_code(key, code::DONE, "");
        }
        let mut due = Vec::new();
        for (key, control) in &mut self.controls.open {
            if control.retry_at.take_if(|at| *at <= now).is_some() {
                due.push(*key);
            }
        }
        for key in due {
            self.propose(key);
        }
    }

    /// When [`Peer::mind_controls`] has something to do.
    pub(super) fn controls_due(&self) -> Option<Instant> {
        let controls = self.controls.open.values().filter(|control| control.ready);
        let idle = controls.clone().map(|control| control.last_use + IDLE);
        // One that is busy outlives this, and its attempt wakes the peer.
        let idle = idle.filter(|_| self.birthday.attempts.is_empty());
        let retries = controls.filter_map(|control| control.retry_at);
        idle.chain(retries).min()
    }
}

/// Whether the remote would do something else if it knew. Of a hard NAT's address the port means nothing; and while servers are
/// asked again a NAT is not known for a moment.
fn is_news((nat, addresses): &Told, (now, places): &Told) -> bool {
    let hosts = |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::ip).collect::<Vec<_>>();
    let other = nat != now
        || match nat {
            Nat::Hard => hosts(addresses) != hosts(places),
            Nat::Easy | Nat::Unknown => addresses != places,
        };
    *now != Nat::Unknown && other
}

#[cfg(test)]
mod tests;
