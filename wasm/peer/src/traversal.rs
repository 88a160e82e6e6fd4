//! What a connection knows about its way to a direct path.

use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use anypath_paths::candidate::MAX_CANDIDATES;
use noq_proto::PathId;

use crate::bucket::Bucket;
use crate::challenged::Challenged;
use crate::clock::Instant;
use crate::few::Few;

/// How long after the first round's start a direct path is late: probes that can meet have met by then, unless they were lost.
const LATE: Duration = Duration::from_secs(2);

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

/// How many rounds in a row may come to nothing before only news begins another.
const MAX_FAILED: u32 = 12;

/// Probes and answers to probes that a connection may send at once: two rounds of all candidates.
const BURST: u32 = 2 * 9 * MAX_CANDIDATES as u32;

/// The same in a second: a round each [`ROUND_GAP`].
const PER_SECOND: u32 = 9 * MAX_CANDIDATES as u32 / 5;

/// Answers to challenges from where no path leads that are given between two rounds: each makes QUIC's client remember a challenge of
/// its own until the next, and a remote can ask from ever new addresses. Two rounds of an honest one ask for no more than [`BURST`].
const MAX_ANSWERS: u32 = 8 * BURST;

/// The time in which probes are counted by their destination: that of two rounds, for this peer may have news after the first.
const AIMING: Duration = Duration::from_secs(10);

/// Probes that an address gets in that time, and answers: what two rounds have.
const MAX_AIMED: u8 = 2 * 9;

/// Addresses that get any.
const MAX_TARGETS: usize = 2 * MAX_CANDIDATES;

/// How often at once a remote may say that this peer is elsewhere; then once a second. A NAT that is renumbered is noticed once by each path.
const OBSERVED_BURST: u32 = 8;

/// Whether a search has begun with a dial of the remote's public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialled {
    NotYet,
    /// Rounds wait for it.
    UnderWay,
    InVain,
}

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
    /// When the first of them began, also when they are over.
    first: Instant,
    /// When a direct path is late.
    pub(crate) late: Option<Instant>,
    /// Whether there was a direct path when that was asked last.
    pub(crate) direct: bool,
    /// For how long this client's probes are held back.
    pub(crate) held: Option<Duration>,
    /// Whether the remote was dialled in this search, without a round.
    dialled: Dialled,
    /// When it was last.
    dialled_at: Option<Instant>,
    /// The paths of this search that are not established yet.
    pub(crate) challenged: Challenged,
    /// Where the birthday scheme had paths opened last.
    pub(crate) hits: Vec<SocketAddr>,
    /// The path that the remote has left by a rebinding of its NAT, and the one that is to take its place.
    pub(crate) successor: Option<(PathId, PathId)>,
    /// The former, once it has.
    pub(crate) former: Option<PathId>,
    /// When the client may follow its server again.
    pub(crate) next_follow: Option<Instant>,
    /// When unneeded paths are closed, and a relay as a backup is looked for.
    pub(crate) next_tidy: Option<Instant>,
    budget: Bucket,
    /// What the remote may say of this peer's address.
    observed: Bucket,
    /// Where probes, and answers to probes, went since `aimed_since`, and how many.
    aimed: Few<SocketAddrV6, [u8; 2]>,
    aimed_since: Instant,
    /// Rounds, and probes, since there was no direct path.
    rounds: u32,
    probes: u32,
    answers: u32,
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
            late: None,
            first: now,
            direct: false,
            held: None,
            dialled: Dialled::NotYet,
            dialled_at: None,
            challenged: Challenged::new(),
            hits: Vec::new(),
            successor: None,
            former: None,
            next_follow: None,
            next_tidy: None,
            budget: Bucket::full(BURST),
            observed: Bucket::full(OBSERVED_BURST),
            aimed: Few::default(),
            aimed_since: now,
            rounds: 0,
            probes: 0,
            answers: 0,
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

    /// A round is wanted because a remote, perhaps another one, says that this peer is elsewhere. It may lie, so this changes nothing about how
    /// often and how long is searched.
    pub(crate) fn hear_of_own_address(&mut self, now: Instant) {
        let soonest = self.began.map_or(now, |began| began + ROUND_GAP);
        self.wish(soonest.max(now + GATHERING));
    }

    /// A round is wanted because this peer has learned an address of its own, or has lost its direct path.
    pub(crate) fn learn_address(&mut self, now: Instant) {
        self.failed = 0;
        let soonest = self.began.map_or(now, |began| began + NEWS_GAP);
        self.wish(soonest.max(now + GATHERING));
    }

    fn wish(&mut self, at: Instant) {
        if self.dialled == Dialled::UnderWay {
            return;
        }
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Whether a round is to begin now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// Whether a remote that needs no punching may be dialled: once in a search, and not more often than two rounds may send to an address.
    pub(crate) fn may_dial(&self, now: Instant) -> bool {
        let rests = self.dialled_at.is_none_or(|at| at + AIMING <= now);
        self.dialled == Dialled::NotYet && rests
    }

    /// Paths were opened to a remote that needs no punching. A round begins when none has proven itself in time.
    pub(crate) fn dial(&mut self, patience: Duration, now: Instant) {
        self.begin_search(now);
        self.began = Some(now);
        self.dialled = Dialled::UnderWay;
        self.dialled_at = Some(now);
        self.next = Some(now + patience);
    }

    /// Ends that; whether there was one.
    pub(crate) fn end_dial(&mut self) -> bool {
        let before = std::mem::replace(&mut self.dialled, Dialled::InVain);
        before == Dialled::UnderWay
    }

    /// Whether there are paths that have not proven themselves.
    pub(crate) fn has_unproven(&self) -> bool {
        !self.challenged.unproven().is_empty()
    }

    fn begin_search(&mut self, now: Instant) {
        if self.since.is_none() {
            self.since = Some(now);
            self.late = Some(now + LATE);
            (self.first, self.rounds, self.probes) = (now, 0, 0);
        }
    }

    /// A round begins, with so many addresses of the remote to probe.
    pub(crate) fn begin(&mut self, targets: usize, now: Instant) {
        self.began = Some(now);
        self.begin_search(now);
        self.rounds += 1;
        if self.rounds == 1 {
            // A dial that came before it has no probes.
            self.late = Some(now + LATE);
        }
        // Whoever has told of none is likely to have none: a browser.
        self.until = Some(now + if targets == 0 { LATE } else { ROUND });
        self.next = None;
        self.answers = 0;
    }

    /// Counts an answer to a challenge from where no path leads; false when there are more than an honest remote asks for.
    pub(crate) fn may_answer(&mut self) -> bool {
        self.answers += 1;
        self.answers <= MAX_ANSWERS
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
            // The first is repeated at once, for it may have been bad luck.
            let gap = match self.failed {
                1 => Duration::ZERO,
                failed => ROUND_GAP * (1 << (failed - 2).min(3)),
            };
            let soonest = self.began.map_or(now, |began| began + ROUND_GAP);
            self.wish(soonest.max(now + gap));
        }
        true
    }

    /// There is a direct path; how long it took.
    pub(crate) fn succeed(&mut self, now: Instant) -> Option<Duration> {
        self.next = None;
        self.until = None;
        self.failed = 0;
        self.late = None;
        self.dialled = Dialled::NotYet;
        self.challenged.rest();
        self.since
            .take()
            .map(|since| now.saturating_duration_since(since))
    }

    /// Whether the connection may send one more probe, or answer to one.
    pub(crate) fn may_send(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        let may = self.budget.take(elapsed, PER_SECOND, BURST);
        self.probes += u32::from(may);
        may
    }

    /// Whether what the remote says of this peer's address may be news once more: all remotes are told of it.
    pub(crate) fn may_hear(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        self.observed.take(elapsed, 1, OBSERVED_BURST)
    }

    /// Whether one more probe, or answer to one, may go to an address.
    pub(crate) fn may_aim(&mut self, to: SocketAddrV6, is_answer: bool, now: Instant) -> bool {
        if self.aimed_since + AIMING <= now {
            self.aimed = Few::default();
            self.aimed_since = now;
        }
        if !self.aimed.contains_key(&to) {
            if self.aimed.len() >= MAX_TARGETS {
                return false;
            }
            self.aimed.insert(to, [0; 2]);
        }
        let Some(counts) = self.aimed.get_mut(&to) else {
            return false;
        };
        let count = &mut counts[usize::from(is_answer)];
        let may = *count < MAX_AIMED;
        *count += u8::from(may);
        may
    }

    /// Whether a round is under way, or a dial without one.
    pub(crate) fn is_searching(&self) -> bool {
        self.until.is_some() || self.dialled == Dialled::UnderWay
    }

    /// The time since the first round.
    pub(crate) fn searched(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.first)
    }

    /// The number of the round, and the probes since the first.
    pub(crate) fn spent(&self) -> (u32, u32) {
        (self.rounds, self.probes)
    }

    /// When something is to be done next.
    pub(crate) fn due(&self) -> Option<Instant> {
        let challenged = self.challenged.due();
        let times = [self.next, self.until, self.next_tidy, self.late, challenged];
        times.into_iter().flatten().min()
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
    fn a_round_with_a_remote_that_has_told_of_no_address_is_short() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(0, now);
        assert!(!traversal.expire(now + LATE - MS));
        assert!(traversal.expire(now + LATE));
        assert!(traversal.is_due(now + ROUND_GAP) && !traversal.is_due(now + ROUND_GAP - MS));
        traversal.begin(1, now + ROUND);
        assert!(!traversal.expire(now + ROUND + LATE));
    }

    #[test]
    fn a_remote_can_not_make_rounds_follow_each_other_quickly() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(1, now);
        traversal.hear_of_address(now + MS);
        assert!(!traversal.is_due(now + 4999 * MS) && traversal.is_due(now + ROUND_GAP));
        traversal.learn_address(now + MS);
        assert!(traversal.is_due(now + NEWS_GAP));
    }

    #[test]
    fn rounds_that_come_to_nothing_become_rare_and_end() {
        let mut now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(1, now);
        let mut gaps = Vec::new();
        loop {
            now += ROUND;
            assert!(traversal.expire(now));
            let Some(next) = traversal.next else { break };
            gaps.push((next - now).as_secs());
            now = next;
            traversal.begin(1, now);
        }
        assert_eq!(gaps, [0, 5, 10, 20, 40, 40, 40, 40, 40, 40, 40]);
        traversal.hear_of_address(now);
        assert!(traversal.is_due(now + ROUND_GAP));
    }

    #[test]
    fn success_ends_everything_and_tells_the_time_since_the_first_round() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(1, now);
        assert!(traversal.expire(now + ROUND));
        traversal.begin(1, now + 2 * ROUND);
        assert_eq!(
            traversal.succeed(now + 2 * ROUND + 9 * MS),
            Some(2 * ROUND + 9 * MS)
        );
        assert_eq!(traversal.succeed(now), None);
        assert_eq!(traversal.due(), None);
    }

    #[test]
    fn an_address_gets_the_probes_of_two_rounds_in_their_time_and_not_many_addresses_get_any() {
        use std::net::Ipv6Addr;
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        let at = |port| SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
        let mut count = |is_answer, at_ms| {
            let now = now + at_ms * MS;
            (0..100)
                .filter(|_| traversal.may_aim(at(1), is_answer, now))
                .count()
        };
        assert_eq!((count(false, 0), count(true, 0)), (18, 18));
        assert_eq!((count(false, 9_999), count(false, 10_000)), (0, 18));
        let mut aim = |port| traversal.may_aim(at(port), false, now + AIMING);
        assert_eq!((2..1000).filter(|port| aim(*port)).count(), 63);
    }

    #[test]
    fn what_remotes_say_of_this_peers_address_makes_rounds_neither_frequent_nor_endless() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.begin(1, now);
        assert!(traversal.expire(now + ROUND));
        traversal.begin(1, now + ROUND);
        traversal.hear_of_own_address(now + ROUND + MS);
        assert!(!traversal.is_due(now + ROUND + ROUND_GAP - MS));
        assert_eq!(traversal.failed, 1);
    }

    #[test]
    fn a_remote_can_not_make_this_peer_move_from_place_to_place() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        let mut count = |at| (0..10_000).filter(|_| traversal.may_hear(at)).count();
        assert_eq!(count(now), 8);
        assert_eq!(count(now + Duration::from_secs(3)), 3);
    }

    #[test]
    fn a_search_may_begin_with_one_dial_and_the_round_waits_for_it() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        assert!(traversal.may_dial(now));
        traversal.dial(300 * MS, now);
        traversal.learn_address(now);
        assert!(traversal.is_searching() && !traversal.may_dial(now + AIMING));
        assert_eq!(traversal.due(), Some(now + 300 * MS));
        assert!(traversal.end_dial());
        traversal.begin(1, now + 300 * MS);
        assert_eq!(traversal.late, Some(now + 300 * MS + LATE));
        assert!(!traversal.may_dial(now + AIMING) && !traversal.end_dial());
        assert_eq!(traversal.succeed(now + 500 * MS), Some(500 * MS));
        assert!(!traversal.may_dial(now + AIMING - MS) && traversal.may_dial(now + AIMING));
    }

    #[test]
    fn rounds_and_probes_are_counted_from_the_first_round_on() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        traversal.may_send(now);
        for round in 1..=3 {
            traversal.begin(1, now);
            traversal.may_send(now);
            assert_eq!(traversal.spent(), (round, round));
            traversal.expire(now + ROUND);
        }
        traversal.succeed(now);
        traversal.begin(1, now);
        assert_eq!(traversal.spent(), (1, 0));
    }

    #[test]
    fn probes_are_bounded_by_two_rounds_at_once_and_a_round_in_five_seconds() {
        let now = Instant::now();
        let mut traversal = Traversal::new(now);
        let mut count = |at| (0..10_000).filter(|_| traversal.may_send(at)).count();
        assert_eq!(count(now), 576);
        assert_eq!(count(now + Duration::from_secs(5)), 285);
    }
}
