//! The connection to one relay.

use std::collections::VecDeque;
use std::time::Duration;

use anypath_wire::id::EndpointId;
use anypath_wire::relay::handshake::ServerHandshake;
use anypath_wire::relay::{
    ClientMessage, Datagrams, DecodeError, Fault, RelayMessage, Status, Version,
};
use rand::rngs::StdRng;

use super::auth;
use super::backoff::Backoff;
use super::liveness::{Liveness, Verdict};
use super::queue::Queue;
use super::{RelayCause, RelayCounts, RelayState};
use crate::clock::Instant;
use crate::tls::SecretKey;

/// How long a WebSocket may take to open.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long the relay may take to let this peer in.
const AUTHENTICATE_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection has to hold for the next failure to count as the first.
const HELD: Duration = Duration::from_secs(10);

/// How many unreadable messages end a connection.
const MAX_MALFORMED: u32 = 8;

/// How many answers wait for one drain: a relay may ask as often as it likes.
const MAX_OUTPUTS: usize = 32;

/// The longest text that is told.
const MAX_DETAIL: usize = 256;

/// How often a relay's problem is told.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// How a relay that speaks version 1 begins to say that the key is in use elsewhere.
const SAME_ENDPOINT: &str = "Another endpoint connected with the same endpoint id";

/// What every step needs.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) visible: bool,
    /// Whether a connection waits for the relay, or has lately.
    pub(crate) awaited: bool,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) key: &'a SecretKey,
    pub(crate) counts: &'a mut RelayCounts,
}

/// What the driver is to do, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Open,
    Send(Vec<u8>),
    Close,
}

/// Something to tell of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) state: RelayState,
    pub(crate) cause: RelayCause,
    pub(crate) retry_in: Option<Duration>,
    pub(crate) detail: String,
}

/// What a message was about, beyond the connection itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    Nothing,
    Datagrams(EndpointId, Datagrams<'a>),
    /// This remote is no longer connected to the relay.
    Gone(EndpointId),
}

#[derive(Debug)]
enum Phase {
    Closed,
    Connecting { until: Instant },
    Authenticating { until: Instant, answered: bool },
    Connected { since: Instant },
    Waiting { until: Instant },
}

/// The connection to one relay.
#[derive(Debug)]
pub(crate) struct Client {
    phase: Phase,
    version: Version,
    backoff: Backoff,
    liveness: Liveness,
    queue: Queue,
    /// The round-trip time, smoothed, and when it was measured last.
    latency: Option<(Duration, Instant)>,
    /// Why it waits, while it does.
    cause: RelayCause,
    malformed: u32,
    told_health: Option<Instant>,
    outputs: VecDeque<Output>,
    notices: VecDeque<Notice>,
}

impl Client {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Closed,
            version: Version::V2,
            backoff: Backoff::default(),
            liveness: Liveness::new(now),
            queue: Queue::default(),
            latency: None,
            cause: RelayCause::None,
            malformed: 0,
            told_health: None,
            outputs: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    pub(crate) fn state(&self) -> RelayState {
        match self.phase {
            Phase::Closed => RelayState::Closed,
            Phase::Connecting { .. } => RelayState::Connecting,
            Phase::Authenticating { .. } => RelayState::Authenticating,
            Phase::Connected { .. } => RelayState::Connected,
            Phase::Waiting { .. } => RelayState::Waiting,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    pub(crate) fn latency(&self) -> Option<Duration> {
        self.latency.map(|(latency, _)| latency)
    }

    /// The round-trip time, if it was measured since then on a connection that is still there.
    pub(crate) fn measured_since(&self, start: Instant) -> Option<Duration> {
        let (latency, at) = self.latency?;
        (self.is_connected() && at >= start).then_some(latency)
    }

    /// Why it waits: `None` unless it does.
    pub(crate) fn waits_because(&self) -> Option<RelayCause> {
        matches!(self.phase, Phase::Waiting { .. }).then_some(self.cause)
    }

    /// How many tries in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// Connects, unless that is under way or done.
    pub(crate) fn open(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Closed | Phase::Waiting { .. }) {
            return;
        }
        let until = cx.now + CONNECT_LIMIT;
        self.phase = Phase::Connecting { until };
        self.outputs.push_back(Output::Open);
        self.notice(RelayCause::None, None, "");
    }

    /// Connects at once where a connection is wanted but waited for: something is different now.
    pub(crate) fn hurry(&mut self, cx: &mut Context<'_>) {
        if matches!(self.phase, Phase::Waiting { .. }) {
            self.backoff.reset();
            self.open(cx);
        }
    }

    /// Nobody needs the relay.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.close_socket();
        self.backoff.reset();
        self.phase = Phase::Closed;
        cx.counts.dropped += self.queue.clear();
        self.notice(RelayCause::Unused, None, "");
    }

    /// The WebSocket is open, and this subprotocol was agreed on.
    pub(crate) fn opened(&mut self, protocol: u8, cx: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.version = match protocol {
            1 => Version::V1,
            2 => Version::V2,
            _ => return self.fail(RelayCause::Protocol, "no common subprotocol", cx),
        };
        self.phase = Phase::Authenticating {
            until: cx.now + AUTHENTICATE_LIMIT,
            answered: false,
        };
        self.malformed = 0;
        self.notice(RelayCause::Opened, None, "");
    }

    /// The WebSocket is closed, or could not be opened.
    pub(crate) fn socket_closed(&mut self, reason: &str, cx: &mut Context<'_>) {
        if self.has_socket() {
            self.wait(RelayCause::Closed, reason, cx);
        }
    }

    /// Reads a message.
    pub(crate) fn message<'a>(&mut self, message: &'a [u8], cx: &mut Context<'_>) -> Received<'a> {
        cx.counts.messages_received += 1;
        cx.counts.bytes_received += message.len() as u64;
        match self.phase {
            Phase::Authenticating { answered, .. } => {
                self.authenticate(message, answered, cx);
                Received::Nothing
            }
            Phase::Connected { .. } => {
                self.liveness.heard(cx.now);
                match RelayMessage::decode(self.version, message) {
                    Ok(message) => self.take(message, cx),
                    Err(error) => {
                        self.misread(&error, cx);
                        Received::Nothing
                    }
                }
            }
            // What the driver had under way when the WebSocket was given up.
            _ => Received::Nothing,
        }
    }

    fn authenticate(&mut self, message: &[u8], answered: bool, cx: &mut Context<'_>) {
        match ServerHandshake::decode(message) {
            Ok(ServerHandshake::Challenge(challenge)) if !answered => {
                let answer = auth::answer(cx.key, &challenge);
                self.send(answer, cx.counts);
                if let Phase::Authenticating { answered, .. } = &mut self.phase {
                    *answered = true;
                }
            }
            Ok(ServerHandshake::Challenge(_)) => {
                self.fail(RelayCause::Protocol, "a second challenge", cx);
            }
            Ok(ServerHandshake::Confirms) => self.let_in(cx),
            Ok(ServerHandshake::Denies { reason }) => self.fail(RelayCause::Denied, reason, cx),
            Err(error) => {
                cx.counts.malformed += 1;
                self.fail(RelayCause::Protocol, &error.to_string(), cx);
            }
        }
    }

    fn let_in(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Connected { since: cx.now };
        self.liveness = Liveness::new(cx.now);
        self.measure(cx);
        cx.counts.dropped += self.queue.expire(cx.now);
        for message in self.queue.take() {
            count_sent(cx.counts, message.len());
            self.outputs.push_back(Output::Send(message));
        }
        self.notice(RelayCause::None, None, "");
    }

    fn take<'a>(&mut self, message: RelayMessage<'a>, cx: &mut Context<'_>) -> Received<'a> {
        match message {
            RelayMessage::Datagrams { source, datagrams } => {
                return Received::Datagrams(source, datagrams);
            }
            RelayMessage::EndpointGone(id) => return Received::Gone(id),
            RelayMessage::Ping(payload) => self.say(&ClientMessage::Pong(payload), cx.counts),
            RelayMessage::Pong(payload) => self.measured(&payload, cx),
            RelayMessage::Status(Status::SameEndpointConnected) => {
                self.fail(RelayCause::SameEndpoint, "", cx);
            }
            RelayMessage::Status(Status::RateLimited) => {
                self.tell_health("the relay takes less than is sent", cx);
            }
            RelayMessage::Status(Status::Healthy | Status::Other(_)) => {}
            RelayMessage::Health { problem } if problem.starts_with(SAME_ENDPOINT) => {
                self.fail(RelayCause::SameEndpoint, "", cx);
            }
            RelayMessage::Health { problem } => self.tell_health(problem, cx),
            RelayMessage::Restarting {
                reconnect_in_ms, ..
            } => {
                self.close_socket();
                // One that says so again and again is treated as one that fails.
                let least = match self.note_held(cx.now) {
                    true => Duration::ZERO,
                    false => self.backoff.next(cx.awaited, cx.rng),
                };
                let delay = self.backoff.restart(reconnect_in_ms, cx.rng).max(least);
                self.wait_for(delay, RelayCause::Restarting, "", cx);
            }
        }
        Received::Nothing
    }

    fn measured(&mut self, payload: &[u8; 8], cx: &mut Context<'_>) {
        let Some(sample) = self.liveness.pong(payload, cx.now) else {
            return;
        };
        let first = self.latency.is_none();
        let smoothed = self
            .latency
            .map_or(sample, |(latency, _)| (latency * 3 + sample) / 4);
        self.latency = Some((smoothed, cx.now));
        if first {
            self.notice(RelayCause::None, None, "");
        }
    }

    fn misread(&mut self, error: &DecodeError, cx: &mut Context<'_>) {
        cx.counts.malformed += 1;
        if error.fault() == Fault::Incompatible {
            return;
        }
        self.malformed += 1;
        if self.malformed >= MAX_MALFORMED {
            self.fail(RelayCause::Protocol, &error.to_string(), cx);
        }
    }

    fn tell_health(&mut self, problem: &str, cx: &Context<'_>) {
        let recently = |told: Instant| told + HEALTH_INTERVAL > cx.now;
        if problem.is_empty() || self.told_health.is_some_and(recently) {
            return;
        }
        self.told_health = Some(cx.now);
        self.notice(RelayCause::Health, None, problem);
    }

    /// Asks for the round-trip time now.
    pub(crate) fn measure(&mut self, cx: &mut Context<'_>) {
        if self.is_connected() {
            let payload = self.liveness.ask(cx.now, cx.rng, None);
            self.say(&ClientMessage::Ping(payload), cx.counts);
        }
    }

    /// The connection may be dead without a word: asks for a quick answer, and does not wait for a next try.
    pub(crate) fn probe(&mut self, cx: &mut Context<'_>) {
        if self.is_connected() {
            let payload = self.liveness.ask(cx.now, cx.rng, Some(self.latency()));
            self.say(&ClientMessage::Ping(payload), cx.counts);
        } else {
            self.hurry(cx);
        }
    }

    /// Keeps a message until the relay is connected.
    pub(crate) fn keep(&mut self, datagrams: u64, message: Vec<u8>, cx: &mut Context<'_>) {
        cx.counts.dropped += self.queue.push(cx.now, datagrams, message);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        match self.phase {
            Phase::Connecting { until } if until <= cx.now => {
                self.fail(RelayCause::Timeout, "the WebSocket did not open", cx);
            }
            Phase::Authenticating { until, .. } if until <= cx.now => {
                self.fail(RelayCause::Timeout, "no answer to the authentication", cx);
            }
            Phase::Waiting { until } if until <= cx.now => self.open(cx),
            Phase::Connected { .. } => match self.liveness.check(cx.now, cx.visible, cx.rng) {
                Verdict::Alive => {}
                Verdict::Ask(payload) => self.say(&ClientMessage::Ping(payload), cx.counts),
                Verdict::Mute => self.fail(RelayCause::Timeout, "no answer to a ping", cx),
            },
            _ => {}
        }
    }

    /// When [`Client::tick`] has something to do.
    pub(crate) fn due(&self, visible: bool) -> Option<Instant> {
        match self.phase {
            Phase::Closed => None,
            Phase::Connecting { until }
            | Phase::Authenticating { until, .. }
            | Phase::Waiting { until } => Some(until),
            Phase::Connected { .. } => Some(self.liveness.due(visible)),
        }
    }

    pub(crate) fn outputs(&mut self) -> impl Iterator<Item = Output> {
        self.outputs.drain(..)
    }

    pub(crate) fn notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// Whether there is something for the next drain.
    pub(crate) fn has_news(&self) -> bool {
        !self.outputs.is_empty() || !self.notices.is_empty()
    }

    /// What would be told now.
    pub(crate) fn status(&self, cause: RelayCause) -> Notice {
        Notice {
            state: self.state(),
            cause,
            retry_in: None,
            detail: String::new(),
        }
    }

    fn has_socket(&self) -> bool {
        !matches!(self.phase, Phase::Closed | Phase::Waiting { .. })
    }

    fn close_socket(&mut self) {
        if self.has_socket() {
            // What was not sent yet is not sent any more.
            self.outputs
                .retain(|output| !matches!(output, Output::Send(_)));
            match self.outputs.back() {
                Some(Output::Open) => drop(self.outputs.pop_back()),
                _ => self.outputs.push_back(Output::Close),
            }
        }
    }

    /// Gives the WebSocket up.
    fn fail(&mut self, cause: RelayCause, detail: &str, cx: &mut Context<'_>) {
        self.close_socket();
        self.wait(cause, detail, cx);
    }

    /// Whether the connection has held for so long that the next failure is the first again.
    fn note_held(&mut self, now: Instant) -> bool {
        let held = matches!(self.phase, Phase::Connected { since } if since + HELD <= now);
        if held {
            self.backoff.reset();
        }
        held
    }

    fn wait(&mut self, cause: RelayCause, detail: &str, cx: &mut Context<'_>) {
        self.note_held(cx.now);
        let delay = match cause {
            RelayCause::Denied => self.backoff.denied(cx.rng),
            RelayCause::SameEndpoint => self.backoff.in_use(cx.rng),
            _ => self.backoff.next(cx.awaited, cx.rng),
        };
        self.wait_for(delay, cause, detail, cx);
    }

    fn wait_for(&mut self, delay: Duration, cause: RelayCause, detail: &str, cx: &Context<'_>) {
        let until = cx.now + delay;
        self.phase = Phase::Waiting { until };
        self.cause = cause;
        self.notice(cause, Some(delay), detail);
    }

    /// Sends a message of the protocol, unless the relay has asked for too many.
    fn say(&mut self, message: &ClientMessage<'_>, counts: &mut RelayCounts) {
        let mut out = Vec::new();
        if message.encode(&mut out).is_ok() {
            self.send(out, counts);
        }
    }

    fn send(&mut self, message: Vec<u8>, counts: &mut RelayCounts) {
        if self.outputs.len() < MAX_OUTPUTS {
            count_sent(counts, message.len());
            self.outputs.push_back(Output::Send(message));
        }
    }

    fn notice(&mut self, cause: RelayCause, retry_in: Option<Duration>, detail: &str) {
        let mut end = detail.len().min(MAX_DETAIL);
        while !detail.is_char_boundary(end) {
            end -= 1;
        }
        self.notices.push_back(Notice {
            state: self.state(),
            cause,
            retry_in,
            detail: detail[..end].to_owned(),
        });
    }
}

pub(crate) fn count_sent(counts: &mut RelayCounts, bytes: usize) {
    counts.messages_sent += 1;
    counts.bytes_sent += bytes as u64;
}

#[cfg(test)]
mod tests;
