//! Control connections: what two anypath peers tell each other apart from their applications.
//!
//! One exists for each remote at most, beside the connections of the applications, by the ALPN `anypath/1` and over a relay. It
//! is opened when something is to be agreed on, and closed when nothing has been said for a while.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anypath_wire::control::{Frame, MAX_FRAME_BYTES, Nat, Outcome, VERSION};
use anypath_wire::id::EndpointId;

use crate::bucket::Bucket;
use crate::clock::Instant;
use crate::event::ConnectionKey;

/// How long a control connection is kept after its last use.
pub(crate) const IDLE: Duration = Duration::from_secs(30);

/// Control connections at the same time.
pub(crate) const MAX_CONTROLS: usize = 64;

/// Remotes about which something is remembered; the one that was heard of least recently makes room.
const MAX_HISTORIES: usize = 1024;

/// Attempts in a row that may come to nothing before the remote is left alone for [`REST`].
const MAX_ATTEMPTS: u32 = 2;

/// How long the second attempt waits.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// How long it waits when the first one has found a pair of ports: QUIC repeats a lost challenge after one second and after three.
const PROOF: Duration = Duration::from_secs(4);

/// Attempts that may come to nothing within [`REST`], with all remotes together.
const MAX_MISSED: usize = 16;

/// How long the next ones wait for an occasion, and how long a control connection that could not be opened is not tried again.
const REST: Duration = Duration::from_secs(600);

/// Frames that a remote may send at once, and in a second.
const FRAMES_BURST: u32 = 32;
const FRAMES_PER_SECOND: u32 = 2;

/// What waits to be written when the remote does not read. Nothing that this side says is longer together.
const MAX_UNSENT: usize = 4 * MAX_FRAME_BYTES;

/// The application error codes with which a control connection is closed.
pub(crate) mod code {
    /// It is not needed any more, or another one is used.
    pub(crate) const DONE: u32 = 0;
    /// What arrived is no frame, or no frame that may come then.
    pub(crate) const MALFORMED: u32 = 1;
    /// There is no room for it, or no connection that it belongs to.
    pub(crate) const REFUSED: u32 = 2;
}

/// One control connection.
#[derive(Debug)]
pub(crate) struct Control {
    /// Whether the handshake is over.
    pub(crate) ready: bool,
    /// The stream on which frames go both ways.
    pub(crate) stream: Option<u64>,
    /// The start of a frame whose rest has not come.
    pub(crate) unread: Vec<u8>,
    /// What QUIC has not taken.
    pub(crate) unsent: Vec<u8>,
    /// Whether the remote's first frame has come.
    pub(crate) greeted: bool,
    /// What the remote has told of its NAT.
    pub(crate) remote: (Nat, Vec<SocketAddr>),
    /// What this side has told of its own.
    pub(crate) told: Option<(Nat, Vec<SocketAddr>)>,
    /// The number of this side's next proposal.
    pub(crate) next_attempt: u64,
    /// This side's proposal that is not answered.
    pub(crate) proposed: Option<u64>,
    /// When another attempt is to be thought of.
    pub(crate) retry_at: Option<Instant>,
    /// When something was last said or heard.
    pub(crate) last_use: Instant,
    frames: Bucket,
    start: Instant,
}

impl Control {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ready: false,
            stream: None,
            unread: Vec::new(),
            unsent: Vec::new(),
            greeted: false,
            remote: (Nat::Unknown, Vec::new()),
            told: None,
            next_attempt: 0,
            proposed: None,
            retry_at: None,
            last_use: now,
            frames: Bucket::full(FRAMES_BURST),
            start: now,
        }
    }

    /// Adds a frame to what is to be written; false when the remote reads too slowly for it.
    pub(crate) fn say(&mut self, frame: &Frame, now: Instant) -> bool {
        self.last_use = now;
        frame.write(&mut self.unsent);
        self.unsent.len() <= MAX_UNSENT
    }

    /// The first frame of either side.
    pub(crate) fn greet(&mut self, now: Instant) -> bool {
        self.say(&Frame::Hello { version: VERSION }, now)
    }

    /// Whether the remote may send one more frame.
    pub(crate) fn may_hear(&mut self, now: Instant) -> bool {
        self.last_use = now;
        let elapsed = now.saturating_duration_since(self.start);
        self.frames.take(elapsed, FRAMES_PER_SECOND, FRAMES_BURST)
    }
}

/// What is remembered of a remote.
#[derive(Debug, Clone, Copy)]
struct History {
    /// Attempts in a row that came to nothing.
    failed: u32,
    /// When the next may begin.
    next_attempt: Instant,
    /// When a control connection may be dialled; `None`: never, for the remote does not serve it.
    next_dial: Option<Instant>,
    last_use: Instant,
}

/// All control connections, and what is remembered of remotes beyond them.
#[derive(Debug, Default)]
pub(crate) struct Controls {
    pub(crate) open: BTreeMap<ConnectionKey, Control>,
    histories: BTreeMap<EndpointId, History>,
    /// Where attempts have found nothing, and until when that counts.
    missed: Vec<(IpAddr, Instant)>,
}

impl Controls {
    /// Whether a control connection with that remote may be dialled now.
    pub(crate) fn may_dial(&self, remote: &EndpointId, now: Instant) -> bool {
        let history = self.histories.get(remote);
        self.count_ready() < MAX_CONTROLS
            && history.is_none_or(|known| known.next_dial.is_some_and(|at| at <= now))
    }

    /// Those whose handshake is over: anybody can begin one.
    pub(crate) fn count_ready(&self) -> usize {
        self.open.values().filter(|control| control.ready).count()
    }

    /// Whether an attempt may be aimed at an address that a remote tells. Ids cost nothing, so what has failed there counts for all of them.
    pub(crate) fn may_aim_at(&self, address: IpAddr, now: Instant) -> bool {
        let recent = self.missed.iter().filter(|(_, until)| *until > now);
        let (all, there) = recent.fold((0, 0), |(all, there), (missed, _)| {
            (all + 1, there + u32::from(*missed == address))
        });
        all < MAX_MISSED && there < MAX_ATTEMPTS
    }

    /// An attempt at an address has found nothing.
    pub(crate) fn miss(&mut self, address: IpAddr, now: Instant) {
        self.missed.retain(|(_, until)| *until > now);
        if self.missed.len() < MAX_MISSED {
            self.missed.push((address, now + REST));
        }
    }

    /// The remote does not serve control connections: it is not asked again.
    pub(crate) fn remember_refusal(&mut self, remote: EndpointId, now: Instant) {
        self.history(remote, now).next_dial = None;
    }

    /// A control connection with the remote could not be opened.
    pub(crate) fn rest(&mut self, remote: EndpointId, now: Instant) {
        self.history(remote, now).next_dial = Some(now + REST);
    }

    /// When an attempt with the remote may begin.
    pub(crate) fn next_attempt(&self, remote: &EndpointId, now: Instant) -> Instant {
        let history = self.histories.get(remote);
        history.map_or(now, |known| known.next_attempt)
    }

    /// An attempt with the remote is over, and counts as failed until there is a path; when the next may begin.
    pub(crate) fn attempt_ended(
        &mut self,
        remote: EndpointId,
        outcome: Outcome,
        now: Instant,
    ) -> Instant {
        let history = self.history(remote, now);
        history.failed += 1;
        let pause = match outcome {
            _ if history.failed >= MAX_ATTEMPTS => REST,
            Outcome::Hit => PROOF,
            Outcome::Missed | Outcome::Refused => RETRY,
        };
        history.next_attempt = now + pause;
        history.next_attempt
    }

    /// There is a direct path to the remote.
    pub(crate) fn reach(&mut self, remote: &EndpointId) {
        if let Some(history) = self.histories.get_mut(remote) {
            history.failed = 0;
        }
    }

    /// Attempts are of no use until the network is another one, for sockets can't be had.
    pub(crate) fn rest_from_attempts(&mut self, remote: EndpointId, now: Instant) {
        let history = self.history(remote, now);
        history.failed = MAX_ATTEMPTS;
        history.next_attempt = now + REST;
    }

    /// The network is another one, and what failed before may not fail there.
    pub(crate) fn forget_attempts(&mut self, now: Instant) {
        self.missed.clear();
        for history in self.histories.values_mut() {
            history.failed = 0;
            history.next_attempt = now;
        }
    }

    fn history(&mut self, remote: EndpointId, now: Instant) -> &mut History {
        if self.histories.len() >= MAX_HISTORIES && !self.histories.contains_key(&remote) {
            let oldest = self
                .histories
                .iter()
                .min_by_key(|(_, known)| known.last_use);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.histories.remove(&oldest);
            }
        }
        let history = self.histories.entry(remote).or_insert(History {
            failed: 0,
            next_attempt: now,
            next_dial: Some(now),
            last_use: now,
        });
        history.last_use = now;
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: EndpointId = EndpointId([1; 32]);

    #[test]
    fn a_remote_that_serves_no_control_connection_is_never_asked_again() {
        let now = Instant::now();
        let mut controls = Controls::default();
        assert!(controls.may_dial(&REMOTE, now));
        controls.remember_refusal(REMOTE, now);
        assert!(!controls.may_dial(&REMOTE, now + 100 * REST));
        assert!(controls.may_dial(&EndpointId([2; 32]), now));
    }

    #[test]
    fn one_that_can_not_be_reached_is_asked_again_after_a_rest() {
        let now = Instant::now();
        let mut controls = Controls::default();
        controls.rest(REMOTE, now);
        assert!(!controls.may_dial(&REMOTE, now));
        assert!(controls.may_dial(&REMOTE, now + REST));
    }

    #[test]
    fn two_attempts_are_followed_by_a_rest_unless_one_succeeds() {
        let now = Instant::now();
        let mut controls = Controls::default();
        assert_eq!(controls.next_attempt(&REMOTE, now), now);
        let mut end = |outcome| controls.attempt_ended(REMOTE, outcome, now) - now;
        assert_eq!(end(Outcome::Missed), RETRY);
        assert_eq!(end(Outcome::Hit), REST);
        controls.reach(&REMOTE);
        let mut end = |outcome| controls.attempt_ended(REMOTE, outcome, now) - now;
        assert_eq!(end(Outcome::Hit), PROOF);
        assert_eq!(end(Outcome::Refused), REST);
        controls.forget_attempts(now);
        assert_eq!(controls.next_attempt(&REMOTE, now), now);
        controls.rest_from_attempts(REMOTE, now);
        assert_eq!(controls.next_attempt(&REMOTE, now), now + REST);
    }

    #[test]
    fn many_ids_can_not_have_one_address_probed_nor_many_addresses_without_end() {
        let now = Instant::now();
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let mut controls = Controls::default();
        for _ in 0..MAX_ATTEMPTS {
            assert!(controls.may_aim_at(address(1), now));
            controls.miss(address(1), now);
        }
        assert!(!controls.may_aim_at(address(1), now) && controls.may_aim_at(address(2), now));
        for last in 2..=255 {
            controls.miss(address(last), now);
        }
        assert!(!controls.may_aim_at(address(9), now) && controls.missed.len() == MAX_MISSED);
        assert!(controls.may_aim_at(address(1), now + REST));
    }

    #[test]
    fn half_open_control_connections_take_no_ones_place() {
        let now = Instant::now();
        let mut controls = Controls::default();
        for key in 1..1000 {
            controls.open.insert(key, Control::new(now));
        }
        assert!(controls.may_dial(&REMOTE, now));
        for control in controls.open.values_mut().take(MAX_CONTROLS) {
            control.ready = true;
        }
        assert!(!controls.may_dial(&REMOTE, now));
    }

    #[test]
    fn strangers_can_not_grow_what_is_remembered_nor_drive_out_the_latest() {
        let now = Instant::now();
        let mut controls = Controls::default();
        for number in 0..5000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let at = now + Duration::from_millis(number.into());
            controls.remember_refusal(EndpointId(id), at);
            assert!(controls.histories.len() <= MAX_HISTORIES);
            assert!(!controls.may_dial(&EndpointId(id), at));
        }
    }

    #[test]
    fn a_remote_may_send_a_burst_of_frames_and_no_flood() {
        let now = Instant::now();
        let mut control = Control::new(now);
        let mut heard = |at| (0..1000).filter(|_| control.may_hear(at)).count();
        assert_eq!(heard(now), 32);
        assert_eq!(heard(now + Duration::from_secs(3)), 6);
    }

    #[test]
    fn what_waits_for_a_remote_that_does_not_read_is_bounded() {
        let now = Instant::now();
        let mut control = Control::new(now);
        let said = (0..100_000).take_while(|_| control.greet(now)).count();
        assert!(said < MAX_UNSENT);
    }
}
