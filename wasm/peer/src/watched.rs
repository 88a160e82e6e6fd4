//! What is heard on a path, and when its silence is a reason to doubt it.

use std::time::Duration;

use noq_proto::{FrameStats, PathId};

use crate::clock::Instant;

/// The longest that an answer is waited for before a path is doubted, and the shortest.
const DOUBT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// How long a doubted path has to answer while another one does, at least.
const VERDICT: Duration = Duration::from_millis(400);

/// The same for a path over which nothing but probes has come. The remote may not use it before its own challenge is answered, and
/// QUIC repeats a lost one after a second.
const FIRST_VERDICT: Duration = Duration::from_secs(3);

/// How often a doubted path is asked.
const ASK_INTERVAL: Duration = Duration::from_millis(130);

/// For how long it is asked that often; afterwards the silence of the whole remote is what counts.
const ASKING: Duration = Duration::from_secs(3);

/// How many types of frames a probe may have, how many acknowledge, and how many more there are.
const PROBES: usize = 5;
const ACKS: usize = 2;
const OTHERS: usize = 30;

// A type that QUIC counts and this module does not would leave a path silent that is not. Another one in a byte, beside HANDSHAKE_DONE, would
// escape this.
const _: () = assert!(size_of::<FrameStats>() == (PROBES + ACKS + OTHERS) * size_of::<u64>());

/// The frames that have arrived: only an authenticated packet has any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Those of a probe ([RFC 9000 § 9.1]), which comes from anywhere.
    ///
    /// [RFC 9000 § 9.1]: https://www.rfc-editor.org/rfc/rfc9000#section-9.1
    probes: u64,
    acks: u64,
    others: u64,
}

impl Heard {
    /// Sums up what QUIC counts by the type of the frame.
    #[inline(never)]
    pub(crate) fn of(frames: &FrameStats) -> Self {
        let probes: [u64; PROBES] = [
            frames.path_challenge,
            frames.path_response,
            frames.new_connection_id,
            frames.path_new_connection_id,
            frames.observed_addr,
        ];
        let acks: [u64; ACKS] = [frames.acks, frames.path_acks];
        let others: [u64; OTHERS] = [
            frames.ack_frequency,
            frames.crypto,
            frames.connection_close,
            frames.data_blocked,
            frames.datagram,
            frames.handshake_done.into(),
            frames.immediate_ack,
            frames.max_data,
            frames.max_stream_data,
            frames.max_streams_bidi,
            frames.max_streams_uni,
            frames.new_token,
            frames.ping,
            frames.reset_stream,
            frames.retire_connection_id,
            frames.path_retire_connection_id,
            frames.stream_data_blocked,
            frames.streams_blocked_bidi,
            frames.streams_blocked_uni,
            frames.stop_sending,
            frames.stream,
            frames.path_abandon,
            frames.path_status_available,
            frames.path_status_backup,
            frames.max_path_id,
            frames.paths_blocked,
            frames.path_cids_blocked,
            frames.add_address,
            frames.reach_out,
            frames.remove_address,
        ];
        Self {
            probes: probes.iter().sum(),
            acks: acks.iter().sum(),
            others: others.iter().sum(),
        }
    }

    /// What has arrived on both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            probes: self.probes + other.probes,
            acks: self.acks + other.acks,
            others: self.others + other.others,
        }
    }

    fn count(self) -> u64 {
        self.probes + self.acks + self.others
    }

    /// Whether more than probes has arrived since then.
    pub(crate) fn is_more_than_probes(self, before: Self) -> bool {
        (self.acks, self.others) != (before.acks, before.others)
    }
}

/// What has happened on a connection's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What has arrived on the path that carries data.
    pub(crate) own: Heard,
    /// What has arrived on all others.
    pub(crate) others: Heard,
    /// The bytes of packets sent on that path that are to be acknowledged: an acknowledgement is owed no answer, or two idle peers would ask
    /// each other for ever.
    pub(crate) sent: u64,
}

/// What is to be asked for an answer, as QUIC asks: by a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Nothing,
    /// The path in use: the remote uses another one, and so may have no answer on this one, where it is owed nothing.
    Selected,
    All,
    /// All, after QUIC was told that the network may be another: another path has answered what this one has not, whose congestion window may
    /// be full, and QUIC's own probes have become rare.
    Anew,
}

/// The path that carries data, as it is listened to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) path: PathId,
    seen: Seen,
    /// When it was heard last.
    heard_at: Instant,
    /// Whether more than probes has arrived on it.
    proven: bool,
    /// Since when an answer is missing on this path.
    unanswered: Option<Instant>,
    /// Since when that is too long.
    doubted: Option<Instant>,
    /// When another path was heard for the first time since then: what is silent from now on is this path, and not the network.
    elsewhere: Option<Instant>,
    /// Since when nothing has been acknowledged, on any path.
    unacknowledged: Option<Instant>,
    /// When it is to be asked again.
    next: Option<Instant>,
    /// When it is to be looked at again.
    pub(crate) due: Option<Instant>,
}

impl Watched {
    pub(crate) fn new(path: PathId, seen: Seen, now: Instant) -> Self {
        Self {
            path,
            seen,
            heard_at: now,
            proven: seen.own.is_more_than_probes(Heard::default()),
            unanswered: None,
            doubted: None,
            elsewhere: None,
            unacknowledged: None,
            next: None,
            due: None,
        }
    }

    /// Compares what is seen now with what was. What is to be asked.
    pub(crate) fn look(&mut self, seen: Seen, rtt: Duration, now: Instant) -> Ask {
        let before = std::mem::replace(&mut self.seen, seen);
        let patience = (rtt * 3).clamp(DOUBT.0, DOUBT.1);
        let sends = seen.sent > before.sent;
        // Of a path that is gone nothing is counted any more.
        let speaks = seen.others.count() > before.others.count();
        if seen.own.acks + seen.others.acks != before.own.acks + before.others.acks {
            self.unacknowledged = None;
        } else if sends {
            self.unacknowledged.get_or_insert(now);
        }
        self.due = None;
        if seen.own != before.own {
            self.heard_at = now;
            self.proven |= seen.own.is_more_than_probes(before.own);
            (self.unanswered, self.doubted, self.elsewhere) = (None, None, None);
        } else if sends {
            self.unanswered.get_or_insert(now);
        }
        if speaks && self.unanswered.is_none() && now >= self.heard_at + DOUBT.0 {
            return Ask::Selected;
        }
        if speaks && self.elsewhere.is_none() && self.doubted.is_some_and(|doubted| now > doubted) {
            self.elsewhere = Some(now);
            self.next = Some(now + ASK_INTERVAL);
            self.due = self.next;
            return Ask::Anew;
        }
        let doubt = self.unanswered.map(|since| since + patience);
        if let Some(from) = doubt.filter(|from| *from <= now) {
            self.doubted.get_or_insert(now.max(from));
        }
        // A path that carries nothing towards the remote is heard as before. What the remote hears on others then makes it doubt this one.
        let deaf = self.unacknowledged.map(|since| since + patience);
        match [self.ask(doubt, now), self.ask(deaf, now)].contains(&true) {
            true => {
                self.next = Some(now + ASK_INTERVAL);
                self.due = self.next;
                Ask::All
            }
            false => Ask::Nothing,
        }
    }

    /// Whether it is to be asked now because something is missing since then; if not, and not for too long, it is looked at again.
    fn ask(&mut self, from: Option<Instant>, now: Instant) -> bool {
        let Some(from) = from else {
            return false;
        };
        let last = self.elsewhere.unwrap_or(from).max(from) + ASKING;
        if now > last {
            return false;
        }
        let at = self.next.map_or(from, |next| next.max(from));
        if at <= now {
            return true;
        }
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
        false
    }

    /// When the path counts as dead, since another one answers.
    pub(crate) fn verdict(&self, rtt: Duration) -> Option<Instant> {
        let shortest = match self.proven {
            true => VERDICT,
            false => FIRST_VERDICT,
        };
        // An answer to what was sent before an outage makes the round trip seem as long as that was.
        let patience = shortest.max((rtt * 3).min(DOUBT.1));
        self.elsewhere.map(|elsewhere| elsewhere + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::Ask::{All, Anew, Nothing, Selected};
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pings(count: u64) -> Heard {
        let mut frames = FrameStats::default();
        frames.ping = count;
        Heard::of(&frames)
    }

    fn acks(count: u64) -> Heard {
        let mut frames = FrameStats::default();
        frames.acks = count;
        Heard::of(&frames)
    }

    fn seen(own: u64, others: u64, sent: u64) -> Seen {
        Seen {
            own: pings(own),
            others: pings(others),
            sent,
        }
    }

    fn watched(seen: Seen, now: Instant) -> Watched {
        Watched::new(PathId::ZERO, seen, now)
    }

    #[test]
    fn a_path_is_doubted_when_an_answer_is_missing_and_asked_until_it_comes() {
        let now = Instant::now();
        let rtt = 50 * MS;
        let mut path = watched(seen(1, 9, 3), now);
        assert_eq!(path.look(seen(1, 9, 3), rtt, now), Nothing);
        assert_eq!(path.due, None);
        assert_eq!(path.look(seen(1, 9, 4), rtt, now + 10 * MS), Nothing);
        assert_eq!(path.due, Some(now + 210 * MS));
        assert_eq!(path.look(seen(1, 9, 4), rtt, now + 210 * MS), All);
        assert_eq!(path.look(seen(1, 9, 5), rtt, now + 220 * MS), Nothing);
        assert_eq!(path.due, Some(now + 340 * MS));
        assert_eq!(path.look(seen(1, 9, 5), rtt, now + 340 * MS), All);
        assert_eq!(path.verdict(rtt), None);
        assert_eq!(path.look(seen(1, 10, 6), rtt, now + 341 * MS), Anew);
        assert_eq!(path.look(seen(1, 11, 6), rtt, now + 342 * MS), Nothing);
        assert_eq!(path.verdict(rtt), Some(now + 741 * MS));
        let answer = Seen {
            own: acks(2),
            ..seen(1, 11, 6)
        };
        assert_eq!(path.look(answer, rtt, now + 350 * MS), Nothing);
        assert_eq!((path.due, path.doubted), (None, None));
        assert_eq!(path.verdict(rtt), None);
    }

    #[test]
    fn a_dead_path_is_not_asked_for_ever() {
        let now = Instant::now();
        let mut path = watched(seen(0, 0, 0), now);
        assert_eq!(path.look(seen(0, 0, 9), MS, now), Nothing);
        assert_eq!(path.look(seen(0, 0, 9), MS, now + ASKING), All);
        assert_eq!(path.look(seen(0, 0, 9), MS, now + 3 * ASKING), Nothing);
        assert_eq!(path.due, None);
    }

    #[test]
    fn what_came_before_the_doubt_or_is_gone_since_does_not_condemn_a_path() {
        let now = Instant::now();
        let mut path = watched(seen(1, 9, 0), now);
        assert_eq!(path.look(seen(1, 10, 1), MS, now), Nothing);
        assert_eq!(path.look(seen(1, 11, 1), MS, now + DOUBT.0), All);
        assert_eq!(path.look(seen(1, 4, 1), MS, now + DOUBT.0 + MS), Nothing);
        assert_eq!(path.verdict(MS), None);
        assert_eq!(path.look(seen(1, 5, 1), MS, now + DOUBT.0 + 2 * MS), Anew);
    }

    #[test]
    fn a_path_that_has_carried_probes_alone_is_given_time_to_be_validated() {
        let now = Instant::now();
        let mut frames = FrameStats::default();
        frames.path_challenge = 2;
        frames.path_response = 1;
        let probed = |others, sent| Seen {
            own: Heard::of(&frames),
            ..seen(0, others, sent)
        };
        let mut path = watched(probed(9, 0), now);
        assert_eq!(path.look(probed(9, 1), MS, now), Nothing);
        assert_eq!(path.look(probed(9, 1), MS, now + DOUBT.0), All);
        let later = now + 2 * DOUBT.0;
        assert_eq!(path.look(probed(10, 1), MS, later), Anew);
        assert_eq!(path.verdict(MS), Some(later + FIRST_VERDICT));
    }

    #[test]
    fn when_an_outage_ends_a_path_is_asked_again_before_it_counts_as_dead() {
        let now = Instant::now();
        let mut path = watched(seen(1, 9, 0), now);
        assert_eq!(path.look(seen(1, 9, 1), MS, now), Nothing);
        assert_eq!(path.look(seen(1, 9, 1), MS, now + DOUBT.0), All);
        let end = now + 30 * ASKING;
        assert_eq!(path.look(seen(1, 10, 2), MS, end), Anew);
        assert_eq!(path.look(seen(1, 10, 2), MS, end + ASK_INTERVAL), All);
        assert_eq!(path.verdict(30 * ASKING), Some(end + DOUBT.1));
    }

    #[test]
    fn a_path_that_is_silent_while_the_remote_uses_another_one_is_asked() {
        let now = Instant::now();
        let mut path = watched(seen(1, 9, 0), now);
        assert_eq!(path.look(seen(2, 10, 0), MS, now), Nothing);
        let later = now + DOUBT.0;
        assert_eq!(path.look(seen(2, 11, 0), MS, later), Selected);
        // It was asked, and owes an answer.
        assert_eq!(path.look(seen(2, 12, 1), MS, later + MS), Nothing);
        assert_eq!(path.look(seen(2, 12, 1), MS, later + MS + DOUBT.0), All);
    }

    #[test]
    fn where_nothing_is_acknowledged_all_are_asked_though_the_path_is_heard() {
        let now = Instant::now();
        let mut path = watched(seen(1, 9, 0), now);
        assert_eq!(path.look(seen(2, 9, 1), MS, now), Nothing);
        assert_eq!(path.due, Some(now + DOUBT.0));
        assert_eq!(path.look(seen(3, 9, 1), MS, now + DOUBT.0), All);
        assert_eq!(path.verdict(MS), None);
        assert_eq!(path.look(seen(4, 9, 2), MS, now + DOUBT.0 + MS), Nothing);
        assert_eq!(path.due, Some(now + DOUBT.0 + ASK_INTERVAL));
        let answered = Seen {
            others: acks(10),
            ..seen(4, 9, 2)
        };
        assert_eq!(path.look(answered, MS, now + DOUBT.0 + 2 * MS), Nothing);
        assert_eq!(path.due, None);
        assert_eq!(path.look(answered, MS, now + ASKING), Nothing);
    }
}
