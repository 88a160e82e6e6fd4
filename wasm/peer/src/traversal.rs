//! What a connection knows about its way to a direct path.

use std::net::SocketAddr;
use std::time::Duration;

use anypath_paths::candidate::MAX_CANDIDATES;
use noq_proto::{FrameStats, PathId};

use crate::bucket::Bucket;
use crate::clock::Instant;
use crate::few::Few;

/// How long a round is waited for: its probes are sent within 4 s, and the last has to come back.
pub(crate) const ROUND: Duration = Duration::from_secs(5);

/// The shortest time between two rounds when nothing but time has passed.
const ROUND_GAP: Duration = Duration::from_secs(5);

/// The shortest time between two rounds when this peer has learned an address of its own.
const NEWS_GAP: Duration = Duration::from_millis(500);

/// Addresses arrive in a burst.
const GATHERING: Duration = Duration::from_millis(10);

/// How long a client waits for the first address of its server. It begins without: its server may reach it all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest time between two rounds.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// How many rounds in a row may come to nothing before only news begins another.
const MAX_FAILED: u32 = 12;

/// Probes and answers to probes that a connection may send at once: two rounds of all candidates.
const BURST: u32 = 2 * 9 * MAX_CANDIDATES as u32;

/// The same in a second: a round each [`ROUND_GAP`].
const PER_SECOND: u32 = 9 * MAX_CANDIDATES as u32 / 5;

/// How a connection's traversal stands.
#[derive(Debug)]
pub(crate) struct Traversal {
    /// The candidates that QUIC was given.
    pub(crate) told: Vec<SocketAddr>,
    /// When the present, or last, round began.
    began: Option<Instant>,
    /// When the next may begin; `None`: none is wanted.
    next: Option<Instant>,
    /// When the present round has come to nothing.
    until: Option<Instant>,
    /// Rounds in a row that have.
    failed: u32,
    /// When the first round of those that belong together began.
    pub(crate) since: Option<Instant>,
    /// The path that carries data.
    pub(crate) selected: Option<PathId>,
    /// The paths as they were listened to last.
    pub(crate) watched: Few<PathId, Watched>,
    /// When unneeded paths are closed, and a relay as a backup is looked for.
    pub(crate) next_tidy: Option<Instant>,
    budget: Bucket,
    start: Instant,
}

impl Traversal {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            told: Vec::new(),
            began: None,
            next: None,
            until: None,
            failed: 0,
            since: None,
            selected: None,
            watched: Few::default(),
            next_tidy: None,
            budget: Bucket::full(BURST),
            start: now,
        }
    }

    /// A round is wanted because a direct path is missing.
    pub(crate) fn want(&mut self, now: Instant) {
        self.failed = 0;
        self.wish(now + PATIENCE);
    }

    /// A round is wanted because the remote told of an address. Those of the present round are probed anyway.
    pub(crate) fn hear_of_address(&mut self, now: Instant) {
        self.failed = 0;
        let soonest = self.began.map_or(now, |began| began + ROUND_GAP);
        self.wish(soonest.max(now + GATHERING));
    }

    /// A round is wanted because this peer has learned an address of its own.
    pub(crate) fn learn_address(&mut self, now: Instant) {
        self.failed = 0;
        let soonest = self.began.map_or(now, |began| began + NEWS_GAP);
        self.wish(soonest.max(now + GATHERING));
    }

    /// A direct path was lost, and the addresses are known: there is nothing to wait for.
    pub(crate) fn begin_again(&mut self, now: Instant) {
        self.learn_address(now);
    }

    fn wish(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Whether a round is to begin now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// A round begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
        self.since.get_or_insert(now);
        self.until = Some(now + ROUND);
        self.next = None;
    }

    /// The round could not begin; another is tried when something has changed.
    pub(crate) fn give_up(&mut self) {
        self.next = None;
        self.until = None;
    }

    /// Ends a round that has come to nothing, and plans the next; false when there is no such round.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        if self.until.is_none_or(|until| until > now) {
            return false;
        }
        self.until = None;
        self.failed += 1;
        if self.failed < MAX_FAILED {
            let gap = ROUND_GAP * (1 << self.failed.min(4)) / 2;
            self.wish(now + gap.min(LONGEST_GAP));
        }
        true
    }

    /// There is a direct path; how long it took.
    pub(crate) fn succeed(&mut self, now: Instant) -> Option<Duration> {
        self.next = None;
        self.until = None;
        self.failed = 0;
        self.since
            .take()
            .map(|since| now.saturating_duration_since(since))
    }

    /// Whether the connection may send one more probe, or answer to one.
    pub(crate) fn may_send(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        self.budget.take(elapsed, PER_SECOND, BURST)
    }

    /// When something is to be done next.
    pub(crate) fn due(&self) -> Option<Instant> {
        let watches = self.watched.values().filter_map(|watched| watched.due);
        let own = [self.next, self.until, self.next_tidy];
        own.into_iter().flatten().chain(watches).min()
    }
}

/// The longest that an answer is waited for before a path is doubted, and the shortest.
const DOUBT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// How long a doubted path has to answer while another one does, at least.
const VERDICT: Duration = Duration::from_millis(400);

/// How often a doubted path is asked.
const ASK_INTERVAL: Duration = Duration::from_millis(130);

/// For how long it is asked that often; afterwards the silence of the whole remote is what counts.
const ASKING: Duration = Duration::from_secs(3);

/// What was heard on a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    /// The frames that had arrived: only an authenticated packet has any.
    frames: FrameStats,
    /// The packets sent that are to be acknowledged.
    sent: u64,
    /// When it was heard last.
    pub(crate) heard: Instant,
    /// Since when an answer is missing.
    unanswered: Option<Instant>,
    /// Since when that is too long.
    pub(crate) doubted: Option<Instant>,
    /// When it is to be looked at again.
    due: Option<Instant>,
}

impl Watched {
    pub(crate) fn new(frames: FrameStats, sent: u64, now: Instant) -> Self {
        Self {
            frames,
            sent,
            heard: now,
            unanswered: None,
            doubted: None,
            due: None,
        }
    }

    /// Compares the path with what it was; `matters` when it carries the connection's data, and so is to be doubted
    /// when it falls silent. Whether it is to be asked now.
    pub(crate) fn look(
        &mut self,
        (frames, sent): (FrameStats, u64),
        rtt: Duration,
        matters: bool,
        now: Instant,
    ) -> bool {
        if frames != self.frames {
            *self = Self::new(frames, sent, now);
            return false;
        }
        if sent > self.sent {
            self.unanswered.get_or_insert(now);
        }
        self.sent = sent;
        let Some(since) = self.unanswered.filter(|_| matters) else {
            self.due = None;
            self.doubted = None;
            return false;
        };
        let patience = (rtt * 3).clamp(DOUBT.0, DOUBT.1);
        if now < since + patience {
            self.due = Some(since + patience);
            return false;
        }
        let fresh = self.doubted.is_none();
        let doubted = *self.doubted.get_or_insert(now);
        if now > doubted + ASKING {
            self.due = None;
            return false;
        }
        let ask = fresh || self.due.is_some_and(|due| due <= now);
        if ask {
            self.due = Some(now + ASK_INTERVAL);
        }
        ask
    }

    /// When the path counts as dead if another one answers.
    pub(crate) fn verdict(&self, rtt: Duration) -> Option<Instant> {
        self.doubted.map(|doubted| doubted + VERDICT.max(rtt * 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_client_waits_for_its_servers_addresses_and_not_for_long() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.want(now);
        assert_eq!(traversal.due(), Some(now + PATIENCE));
        traversal.hear_of_address(now + 50 * MS);
        assert!(traversal.is_due(now + 60 * MS) && !traversal.is_due(now + 59 * MS));
    }

    #[test]
    fn a_remote_can_not_make_rounds_follow_each_other_quickly() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(now);
        traversal.hear_of_address(now + MS);
        assert!(!traversal.is_due(now + 4999 * MS) && traversal.is_due(now + ROUND_GAP));
        traversal.learn_address(now + MS);
        assert!(traversal.is_due(now + NEWS_GAP));
    }

    #[test]
    fn rounds_that_come_to_nothing_become_rare_and_end() {
        let mut now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(now);
        let mut gaps = Vec::new();
        loop {
            now += ROUND;
            assert!(traversal.expire(now));
            let Some(next) = traversal.next else { break };
            gaps.push((next - now).as_secs());
            now = next;
            traversal.begin(now);
        }
        assert_eq!(gaps, [5, 10, 20, 40, 40, 40, 40, 40, 40, 40, 40]);
        traversal.hear_of_address(now);
        assert!(traversal.is_due(now + ROUND_GAP));
    }

    #[test]
    fn success_ends_everything_and_tells_the_time_since_the_first_round() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(now);
        assert!(traversal.expire(now + ROUND));
        traversal.begin(now + 2 * ROUND);
        assert_eq!(
            traversal.succeed(now + 2 * ROUND + 9 * MS),
            Some(2 * ROUND + 9 * MS)
        );
        assert_eq!(traversal.succeed(now), None);
        assert_eq!(traversal.due(), None);
    }

    #[test]
    fn probes_are_bounded_by_two_rounds_at_once_and_a_round_in_five_seconds() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        let mut count = |at| (0..10_000).filter(|_| traversal.may_send(at)).count();
        assert_eq!(count(now), 576);
        assert_eq!(count(now + Duration::from_secs(5)), 285);
    }

    #[test]
    fn a_path_is_doubted_when_an_answer_is_missing_and_asked_until_it_comes() {
        let now = Instant::now();
        let rtt = 50 * MS;
        let frames = FrameStats::default();
        let mut path = Watched::new(frames, 3, now);
        assert!(!path.look((frames, 3), rtt, true, now));
        assert_eq!(path.due, None);
        assert!(!path.look((frames, 4), rtt, true, now + 10 * MS));
        assert_eq!(path.due, Some(now + 210 * MS));
        assert!(path.look((frames, 4), rtt, true, now + 210 * MS));
        assert!(!path.look((frames, 5), rtt, true, now + 220 * MS));
        assert!(path.look((frames, 5), rtt, true, now + 340 * MS));
        assert_eq!(path.verdict(rtt), Some(now + 610 * MS));
        let mut heard = frames;
        heard.acks = 1;
        assert!(!path.look((heard, 6), rtt, true, now + 350 * MS));
        assert_eq!(
            (path.due, path.doubted, path.heard),
            (None, None, now + 350 * MS)
        );
    }

    #[test]
    fn a_backup_is_never_doubted_and_a_dead_path_not_asked_for_ever() {
        let now = Instant::now();
        let frames = FrameStats::default();
        let mut path = Watched::new(frames, 0, now);
        assert!(!path.look((frames, 9), MS, false, now));
        assert!(!path.look((frames, 9), MS, false, now + ASKING));
        assert!(path.look((frames, 9), MS, true, now + ASKING));
        assert!(!path.look((frames, 9), MS, true, now + 3 * ASKING));
        assert_eq!(path.due, None);
    }
}
