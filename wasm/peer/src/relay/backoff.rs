//! When to try a relay again.
//!
//! A relay that restarts loses all its clients at one instant. Every delay has jitter, so that they do not
//! come back at one instant, too.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng as _};

/// The first delay, before jitter.
const FIRST: Duration = Duration::from_millis(250);

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest delay while somebody waits for the relay, and for how many tries, which take a quarter of a minute.
const AWAITED_LONGEST: Duration = Duration::from_secs(1);
const AWAITED_TRIES: u32 = 16;

/// The first delay after a denial; the following ones double up to [`DENIED_LONGEST`]. Somebody has to do
/// something about it before another try helps.
const DENIED: Duration = Duration::from_secs(60);
const DENIED_LONGEST: Duration = Duration::from_secs(900);

/// How long this peer stays away from a relay where its key is in use elsewhere.
const IN_USE: Duration = Duration::from_secs(300);

/// The longest time for which a relay may send its clients away before it restarts.
const RESTART_LONGEST: Duration = Duration::from_secs(30);

/// The tries since a connection held last.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
    denials: u32,
}

impl Backoff {
    /// The delay after a failure. A relay that restarts is soon back, and where a connection has no other way (`awaited`) it should
    /// not take several times as long as that.
    pub(crate) fn next(&mut self, awaited: bool, rng: &mut StdRng) -> Duration {
        let longest = match awaited && self.tries < AWAITED_TRIES {
            true => AWAITED_LONGEST,
            false => LONGEST,
        };
        let delay = doubled(FIRST, self.tries, longest);
        self.tries = self.tries.saturating_add(1);
        jittered(delay, rng).min(LONGEST)
    }

    /// The delay after a denial.
    pub(crate) fn denied(&mut self, rng: &mut StdRng) -> Duration {
        let delay = doubled(DENIED, self.denials, DENIED_LONGEST);
        self.denials = self.denials.saturating_add(1);
        jittered(delay, rng)
    }

    /// The delay where another process has the same key.
    pub(crate) fn in_use(&self, rng: &mut StdRng) -> Duration {
        jittered(IN_USE, rng)
    }

    /// The delay that a restarting relay asked for.
    pub(crate) fn restart(&self, reconnect_in_ms: u32, rng: &mut StdRng) -> Duration {
        let asked = Duration::from_millis(reconnect_in_ms.into()).min(RESTART_LONGEST);
        asked + FIRST.mul_f64(2.0 * rng.random::<f64>())
    }

    /// How many tries in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.tries
    }

    /// A connection held, or the network is another one.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}

/// Half to one and a half of a delay.
fn jittered(delay: Duration, rng: &mut StdRng) -> Duration {
    delay.mul_f64(0.5 + rng.random::<f64>())
}

/// The generator of one table's jitter.
pub(crate) fn generator(seed: [u8; 32]) -> StdRng {
    StdRng::from_seed(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_thirty_seconds_and_begin_anew_after_a_reset() {
        let (mut backoff, mut rng) = (Backoff::default(), generator([1; 32]));
        let mut nominal = FIRST;
        for _ in 0..12 {
            let delay = backoff.next(false, &mut rng);
            assert!(
                delay >= nominal / 2 && delay <= nominal * 3 / 2,
                "{delay:?}"
            );
            assert!(delay <= LONGEST);
            nominal = (nominal * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next(false, &mut rng) <= FIRST * 3 / 2);
    }

    #[test]
    fn a_relay_that_somebody_waits_for_is_tried_each_second_and_not_for_ever() {
        let (mut backoff, mut rng) = (Backoff::default(), generator([3; 32]));
        for _ in 0..AWAITED_TRIES {
            assert!(backoff.next(true, &mut rng) <= AWAITED_LONGEST * 3 / 2);
        }
        for _ in 0..3 {
            assert!(backoff.next(true, &mut rng) >= LONGEST / 2);
        }
    }

    #[test]
    fn a_thousand_clients_of_one_relay_come_back_spread_out() {
        let delay = |seed: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&seed.to_le_bytes());
            Backoff::default().next(false, &mut generator(bytes))
        };
        let mut buckets = [0; 10];
        for seed in 0..1000 {
            let share = (delay(seed) - FIRST / 2).as_secs_f64() / FIRST.as_secs_f64();
            buckets[((share * 10.0) as usize).min(9)] += 1;
        }
        assert!(
            buckets.iter().all(|count| (60..150).contains(count)),
            "{buckets:?}"
        );
    }

    #[test]
    fn a_relay_cannot_send_its_clients_away_for_long() {
        let mut rng = generator([2; 32]);
        let delay = Backoff::default().restart(u32::MAX, &mut rng);
        assert!(delay <= RESTART_LONGEST + FIRST * 2);
    }
}
