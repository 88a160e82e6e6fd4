//! What is heard on a path, and when its silence is a reason to doubt it.

use std::time::Duration;

use noq_proto::FrameStats;

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

/// What was heard on a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    /// The frames that had arrived: only an authenticated packet has any.
    frames: FrameStats,
    /// The packets sent that are to be acknowledged.
    sent: u64,
    /// Whether more than probes has arrived.
    proven: bool,
    /// When it was heard last.
    pub(crate) heard: Instant,
    /// Since when an answer is missing.
    unanswered: Option<Instant>,
    /// Since when that is too long.
    doubted: Option<Instant>,
    /// When another path was heard for the first time since then: what is silent from now on is this path, and not the network.
    elsewhere: Option<Instant>,
    /// When it is to be looked at again.
    pub(crate) due: Option<Instant>,
}

impl Watched {
    pub(crate) fn new(frames: FrameStats, sent: u64, now: Instant) -> Self {
        Self {
            frames,
            sent,
            proven: is_more_than_probes(&FrameStats::default(), &frames),
            heard: now,
            unanswered: None,
            doubted: None,
            elsewhere: None,
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
            self.elsewhere = None;
            return false;
        };
        let patience = (rtt * 3).clamp(DOUBT.0, DOUBT.1);
        if now < since + patience {
            self.due = Some(since + patience);
            return false;
        }
        let fresh = self.doubted.is_none();
        let doubted = *self.doubted.get_or_insert(now);
        if now > self.elsewhere.unwrap_or(doubted) + ASKING {
            self.due = None;
            return false;
        }
        let ask = fresh || self.due.is_some_and(|due| due <= now);
        if ask {
            self.due = Some(now + ASK_INTERVAL);
        }
        ask
    }

    /// Another path was heard at `at`. Where that is an answer that this doubted one owes, it is asked once more; whether it is.
    pub(crate) fn hear_elsewhere(&mut self, at: Instant, now: Instant) -> bool {
        let first = self.elsewhere.is_none() && self.doubted.is_some_and(|doubted| at > doubted);
        if first {
            self.elsewhere = Some(now);
            self.due = Some(now + ASK_INTERVAL);
        }
        first
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

/// Whether frames have arrived that are not a probe's ([RFC 9000 § 9.1]), which comes from anywhere.
///
/// [RFC 9000 § 9.1]: https://www.rfc-editor.org/rfc/rfc9000#section-9.1
pub(crate) fn is_more_than_probes(before: &FrameStats, after: &FrameStats) -> bool {
    let mut probes = *before;
    probes.path_challenge = after.path_challenge;
    probes.path_response = after.path_response;
    probes.new_connection_id = after.new_connection_id;
    probes.path_new_connection_id = after.path_new_connection_id;
    probes.observed_addr = after.observed_addr;
    probes != *after
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_path_is_doubted_when_an_answer_is_missing_and_asked_until_it_comes() {
        let now = Instant::now();
        let rtt = 50 * MS;
        let mut frames = FrameStats::default();
        frames.acks = 1;
        let mut path = Watched::new(frames, 3, now);
        assert!(!path.look((frames, 3), rtt, true, now));
        assert_eq!(path.due, None);
        assert!(!path.look((frames, 4), rtt, true, now + 10 * MS));
        assert_eq!(path.due, Some(now + 210 * MS));
        assert!(path.look((frames, 4), rtt, true, now + 210 * MS));
        assert!(!path.look((frames, 5), rtt, true, now + 220 * MS));
        assert!(path.look((frames, 5), rtt, true, now + 340 * MS));
        assert_eq!(path.verdict(rtt), None);
        assert!(!path.hear_elsewhere(now + 200 * MS, now + 341 * MS));
        assert!(path.hear_elsewhere(now + 341 * MS, now + 341 * MS));
        assert!(!path.hear_elsewhere(now + 342 * MS, now + 342 * MS));
        assert_eq!(path.verdict(rtt), Some(now + 741 * MS));
        let mut heard = frames;
        heard.acks = 2;
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

    #[test]
    fn a_path_that_has_carried_probes_alone_is_given_time_to_be_validated() {
        let now = Instant::now();
        let mut frames = FrameStats::default();
        frames.path_challenge = 2;
        frames.path_response = 1;
        let mut path = Watched::new(frames, 0, now);
        assert!(!path.look((frames, 1), MS, true, now));
        assert!(path.look((frames, 1), MS, true, now + DOUBT.0));
        let later = now + 2 * DOUBT.0;
        assert!(path.hear_elsewhere(later, later));
        assert_eq!(path.verdict(MS), Some(later + FIRST_VERDICT));
    }

    #[test]
    fn when_an_outage_ends_a_path_is_asked_again_before_it_counts_as_dead() {
        let now = Instant::now();
        let mut frames = FrameStats::default();
        frames.acks = 1;
        let mut path = Watched::new(frames, 0, now);
        assert!(!path.look((frames, 1), MS, true, now));
        assert!(path.look((frames, 1), MS, true, now + DOUBT.0));
        let end = now + 30 * ASKING;
        assert!(!path.look((frames, 2), MS, true, end));
        assert!(path.hear_elsewhere(end, end));
        assert!(path.look((frames, 2), MS, true, end + ASK_INTERVAL));
        assert_eq!(path.verdict(30 * ASKING), Some(end + DOUBT.1));
    }
}
