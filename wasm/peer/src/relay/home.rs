//! At which relay others find this peer.
//!
//! All configured relays are connected to, measured, and all but the best one are closed again. A better one
//! has to be clearly better, so that two equal ones don't take turns. A home that stops answering is left for
//! the best of the others, after a moment for a restart.

use std::time::Duration;

use super::RelayId;
use crate::clock::Instant;

/// How many relays are connected to at once for a measurement.
const AT_ONCE: usize = 4;

/// How long the slower relays are waited for, and a home that is lost.
const ROUND: Duration = Duration::from_secs(3);

/// How long a choice is kept without another look.
const KEPT: Duration = Duration::from_secs(300);

/// By how much another relay must be better than the home.
const BETTER_BY: Duration = Duration::from_millis(10);

/// How a relay does in a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    UnderWay,
    Measured(Duration),
    Failed,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Relays to connect to, or to measure again.
    pub(crate) measure: Vec<RelayId>,
    /// The measurement is over.
    pub(crate) over: bool,
}

#[derive(Debug)]
struct Round {
    started: Instant,
    begun: Vec<RelayId>,
}

/// The choice.
#[derive(Debug, Default)]
pub(crate) struct Home {
    candidates: Vec<RelayId>,
    chosen: Option<RelayId>,
    round: Option<Round>,
    next: Option<Instant>,
}

impl Home {
    /// Chooses among these from now on. The home stays for now if it is one of them.
    pub(crate) fn set(&mut self, candidates: Vec<RelayId>, now: Instant) {
        self.chosen = match candidates[..] {
            [only] => Some(only),
            _ => self.chosen.filter(|id| candidates.contains(id)),
        };
        self.candidates = candidates;
        self.round = None;
        self.next = None;
        self.measure(now);
    }

    pub(crate) fn candidates(&self) -> &[RelayId] {
        &self.candidates
    }

    pub(crate) fn chosen(&self) -> Option<RelayId> {
        self.chosen
    }

    /// Whether the relay is to be connected now.
    pub(crate) fn wants(&self, id: RelayId) -> bool {
        let begun = |round: &Round| round.begun.contains(&id);
        self.chosen == Some(id) || self.round.as_ref().is_some_and(begun)
    }

    /// When the measurement under way began.
    pub(crate) fn started(&self) -> Option<Instant> {
        self.round.as_ref().map(|round| round.started)
    }

    /// Begins a measurement, unless there is nothing to choose from.
    pub(crate) fn measure(&mut self, now: Instant) {
        if self.candidates.len() > 1 && self.round.is_none() {
            let begun = Vec::new();
            self.round = Some(Round {
                started: now,
                begun,
            });
        }
    }

    /// Goes on with the measurement.
    pub(crate) fn step(&mut self, now: Instant, standing: impl Fn(RelayId) -> Standing) -> Step {
        if self.round.is_none() && self.next.is_some_and(|next| next <= now) {
            self.measure(now);
        }
        let mut step = Step::default();
        let Some(round) = &mut self.round else {
            return step;
        };
        let under_way = |id: &&RelayId| standing(**id) == Standing::UnderWay;
        let mut room = AT_ONCE.saturating_sub(round.begun.iter().filter(under_way).count());
        for id in &self.candidates {
            if room > 0 && !round.begun.contains(id) {
                round.begun.push(*id);
                step.measure.push(*id);
                room -= 1;
            }
        }
        if !step.measure.is_empty() {
            return step;
        }
        let results: Vec<_> = self
            .candidates
            .iter()
            .map(|id| (*id, standing(*id)))
            .collect();
        let elapsed = now.saturating_duration_since(round.started) >= ROUND;
        let settled = |(id, standing): &(RelayId, Standing)| match standing {
            Standing::Measured(_) => true,
            Standing::Failed => self.chosen != Some(*id),
            Standing::UnderWay => false,
        };
        if !elapsed && !results.iter().all(settled) {
            return step;
        }
        if let Some(best) = best(&results, self.chosen) {
            self.chosen = Some(best);
            self.round = None;
            self.next = Some(now + KEPT);
            step.over = true;
        }
        step
    }

    /// When [`Home::step`] has something to do without anything having happened.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match &self.round {
            Some(round) => Some(round.started + ROUND).filter(|due| *due > now),
            None => self.next,
        }
    }
}

/// The best one; the home unless another is better by a third and [`BETTER_BY`].
fn best(results: &[(RelayId, Standing)], home: Option<RelayId>) -> Option<RelayId> {
    let measured = |(id, standing): &(RelayId, Standing)| match standing {
        Standing::Measured(latency) => Some((*latency, *id)),
        _ => None,
    };
    let (latency, best) = results.iter().filter_map(measured).min()?;
    let of_home = results
        .iter()
        .filter_map(measured)
        .find(|(_, id)| home == Some(*id));
    match of_home {
        Some((own, home)) if latency * 3 > own * 2 || latency + BETTER_BY > own => Some(home),
        _ => Some(best),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Standing {
        Standing::Measured(Duration::from_millis(count))
    }

    #[test]
    fn another_relay_must_be_better_by_a_third_and_ten_milliseconds() {
        for (home, other, stays) in [
            (90, 61, true),
            (90, 60, false),
            (20, 11, true),
            (20, 10, false),
            (9, 1, true),
        ] {
            let chosen = best(&[(1, ms(home)), (2, ms(other))], Some(1));
            assert_eq!(chosen, Some(if stays { 1 } else { 2 }), "{home} {other}");
        }
        assert_eq!(best(&[(1, ms(90)), (2, ms(80))], None), Some(2));
        assert_eq!(
            best(&[(1, Standing::Failed), (2, ms(80))], Some(1)),
            Some(2)
        );
        assert_eq!(best(&[(1, Standing::Failed)], Some(1)), None);
    }

    #[test]
    fn at_most_four_are_measured_at_once() {
        let (now, mut home) = (Instant::now(), Home::default());
        home.set((1..=6).collect(), now);
        let step = home.step(now, |_| Standing::UnderWay);
        assert_eq!(step.measure, [1, 2, 3, 4]);
        assert_eq!(home.step(now, |_| Standing::UnderWay), Step::default());
        let two_done = |id| {
            if id <= 2 {
                Standing::Failed
            } else {
                Standing::UnderWay
            }
        };
        assert_eq!(home.step(now, two_done).measure, [5, 6]);
    }

    #[test]
    fn slow_relays_are_waited_for_and_then_no_longer() {
        let (now, mut home) = (Instant::now(), Home::default());
        home.set(vec![1, 2], now);
        home.step(now, |_| Standing::UnderWay);
        let one = |id| if id == 1 { ms(50) } else { Standing::UnderWay };
        assert!(!home.step(now, one).over);
        assert_eq!(home.due(now), Some(now + ROUND));
        assert!(home.step(now + ROUND, one).over);
        assert_eq!(home.chosen(), Some(1));
        assert_eq!(home.due(now + ROUND), Some(now + ROUND + KEPT));
    }

    #[test]
    fn a_lost_home_has_a_moment_to_come_back() {
        let (now, mut home) = (Instant::now(), Home::default());
        home.set(vec![1, 2], now);
        home.step(now, |_| Standing::UnderWay);
        home.step(now, |id| ms(u64::from(id) * 50));
        assert_eq!(home.chosen(), Some(1));
        home.measure(now);
        home.step(now, |_| Standing::Failed);
        let lost = |id| if id == 1 { Standing::Failed } else { ms(100) };
        assert!(!home.step(now + ROUND / 2, lost).over);
        assert!(home.step(now + ROUND, lost).over);
        assert_eq!(home.chosen(), Some(2));
    }

    #[test]
    fn a_single_relay_is_the_home_at_once() {
        let (now, mut home) = (Instant::now(), Home::default());
        home.set(vec![7], now);
        assert_eq!(home.chosen(), Some(7));
        assert_eq!(home.due(now), None);
        home.set(vec![], now);
        assert_eq!(home.chosen(), None);
    }
}
