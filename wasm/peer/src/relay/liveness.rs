//! Pings: how far away a relay is, and whether it is there at all.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use crate::clock::Instant;

/// How long a relay may be silent before it is asked, while timers run on time.
const SILENCE_VISIBLE: Duration = Duration::from_secs(5);

/// The same in a hidden tab, whose timers run when the browser likes.
const SILENCE_HIDDEN: Duration = Duration::from_secs(25);

/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The bounds of how long it may take when the connection is probably dead: three times the round-trip time.
const SHORT_ANSWER: [Duration; 2] = [Duration::from_millis(1000), Duration::from_millis(3000)];

/// A timer that is so late proves that this side slept, and the answer may wait unread.
const LATE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Ping {
    payload: [u8; 8],
    sent: Instant,
    deadline: Instant,
}

/// What to do about a relay's silence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    /// Send this ping.
    Ask([u8; 8]),
    Mute,
}

/// The watch over one connection.
#[derive(Debug)]
pub(crate) struct Liveness {
    heard: Instant,
    ping: Option<Ping>,
    /// Whether a late timer was forgiven since the relay was heard last.
    forgiven: bool,
}

impl Liveness {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            ping: None,
            forgiven: false,
        }
    }

    /// A message has arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.forgiven = false;
    }

    /// A pong has arrived: the round-trip time, if it answers the ping that is under way.
    pub(crate) fn pong(&mut self, payload: &[u8; 8], now: Instant) -> Option<Duration> {
        let ping = self.ping.take_if(|ping| ping.payload == *payload)?;
        Some(now.saturating_duration_since(ping.sent))
    }

    /// Asks now, whatever was asked before. With `short`, as one who expects no answer.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        rng: &mut StdRng,
        short: Option<Option<Duration>>,
    ) -> [u8; 8] {
        let mut payload = [0; 8];
        rng.fill_bytes(&mut payload);
        let [least, most] = SHORT_ANSWER;
        let patience = match short {
            None => ANSWER,
            Some(latency) => latency.map_or(most, |rtt| (rtt * 3).clamp(least, most)),
        };
        self.ping = Some(Ping {
            payload,
            sent: now,
            deadline: now + patience,
        });
        payload
    }

    /// What is due.
    pub(crate) fn check(&mut self, now: Instant, visible: bool, rng: &mut StdRng) -> Verdict {
        match &self.ping {
            Some(ping) if ping.deadline <= now => {
                if self.heard > ping.sent {
                    self.ping = None;
                    return Verdict::Alive;
                }
                if ping.deadline + LATE <= now && !self.forgiven {
                    self.forgiven = true;
                    return Verdict::Ask(self.ask(now, rng, Some(None)));
                }
                Verdict::Mute
            }
            None if self.heard + silence(visible) <= now => Verdict::Ask(self.ask(now, rng, None)),
            _ => Verdict::Alive,
        }
    }

    /// When [`Liveness::check`] has something to say.
    pub(crate) fn due(&self, visible: bool) -> Instant {
        match &self.ping {
            Some(ping) => ping.deadline,
            None => self.heard + silence(visible),
        }
    }
}

fn silence(visible: bool) -> Duration {
    match visible {
        true => SILENCE_VISIBLE,
        false => SILENCE_HIDDEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::backoff::generator;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_mute_relay_is_asked_after_five_seconds_and_given_up_after_five_more() {
        let (start, mut rng) = (Instant::now(), generator([1; 32]));
        let mut liveness = Liveness::new(start);
        assert_eq!(
            liveness.check(start + seconds(4), true, &mut rng),
            Verdict::Alive
        );
        assert_eq!(liveness.due(true), start + seconds(5));
        let asked = liveness.check(start + seconds(5), true, &mut rng);
        assert!(matches!(asked, Verdict::Ask(_)));
        assert_eq!(liveness.due(true), start + seconds(10));
        assert_eq!(
            liveness.check(start + seconds(9), true, &mut rng),
            Verdict::Alive
        );
        assert_eq!(
            liveness.check(start + seconds(10), true, &mut rng),
            Verdict::Mute
        );
    }

    #[test]
    fn a_hidden_tab_asks_later() {
        let (start, mut rng) = (Instant::now(), generator([1; 32]));
        let mut liveness = Liveness::new(start);
        assert_eq!(
            liveness.check(start + seconds(24), false, &mut rng),
            Verdict::Alive
        );
        let asked = liveness.check(start + seconds(25), false, &mut rng);
        assert!(matches!(asked, Verdict::Ask(_)));
    }

    #[test]
    fn the_right_pong_measures_and_another_one_only_shows_life() {
        let (start, mut rng) = (Instant::now(), generator([1; 32]));
        let mut liveness = Liveness::new(start);
        let payload = liveness.ask(start, &mut rng, None);
        let later = start + Duration::from_millis(30);
        assert_eq!(liveness.pong(&[0; 8], later), None);
        let measured = liveness.pong(&payload, later);
        assert_eq!(measured, Some(Duration::from_millis(30)));
        assert_eq!(liveness.pong(&payload, later), None);
    }

    #[test]
    fn a_late_timer_is_forgiven_once_because_the_answer_may_wait_unread() {
        let (start, mut rng) = (Instant::now(), generator([1; 32]));
        let mut liveness = Liveness::new(start);
        liveness.ask(start, &mut rng, None);
        let late = start + seconds(60);
        let again = liveness.check(late, true, &mut rng);
        assert!(matches!(again, Verdict::Ask(_)), "{again:?}");
        assert_eq!(
            liveness.check(late + seconds(60), true, &mut rng),
            Verdict::Mute
        );
    }
}
