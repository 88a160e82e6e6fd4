//! Time as the peer has it: it is told, it never looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub use std::time::{Instant, SystemTime, UNIX_EPOCH};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use web_time::{Instant, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;

/// Turns the driver's milliseconds into the instants that `noq_proto` wants, and keeps the wall clock that
/// tokens and session tickets are dated by.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The instant at which the driver's clock shows 0. Its own value never matters.
    origin: Instant,
    now: Instant,
    epoch_ms: f64,
    wall: Arc<WallClock>,
}

impl Clock {
    pub(crate) fn new(origin: Instant, epoch_ms: f64) -> Self {
        let wall = Arc::new(WallClock(AtomicU64::new(0)));
        let mut clock = Self {
            origin,
            now: origin,
            epoch_ms,
            wall,
        };
        clock.advance(0.0);
        clock
    }

    /// Moves to `now_ms`, or stays where it is when that is in the past.
    pub(crate) fn advance(&mut self, now_ms: f64) -> Instant {
        let now_ms = if now_ms.is_finite() {
            now_ms.max(0.0)
        } else {
            0.0
        };
        self.now = self.now.max(self.instant(now_ms));
        let wall_ms = (self.epoch_ms + self.ms(self.now)).max(0.0);
        self.wall.0.store(wall_ms as u64, Ordering::Relaxed);
        self.now
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn wall(&self) -> Arc<WallClock> {
        Arc::clone(&self.wall)
    }

    /// The wall clock's time, as Unix time in milliseconds.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.wall.0.load(Ordering::Relaxed)
    }

    /// The driver's time of an instant, in milliseconds.
    pub(crate) fn ms(&self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.origin).as_secs_f64() * 1e3
    }

    fn instant(&self, ms: f64) -> Instant {
        // Ten thousand years keep the sum within every platform's range.
        self.origin + Duration::from_secs_f64(ms.min(3.2e14) / 1e3)
    }
}

/// The wall clock of [`Clock`], for `noq_proto` and rustls: Unix time in milliseconds.
#[derive(Debug)]
pub(crate) struct WallClock(AtomicU64);

impl WallClock {
    fn since_epoch(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl noq_proto::TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.since_epoch()
    }
}

impl rustls::time_provider::TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.since_epoch()))
    }
}
