//! A limit on how often something happens.

use std::time::Duration;

/// A token bucket: so many at once, and so many a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// Thousandths of what is there to take.
    left: u32,
    /// When `left` was right, in milliseconds since the start.
    at_ms: u64,
}

impl Bucket {
    /// A bucket that has been left alone for long.
    pub(crate) const fn full(burst: u32) -> Self {
        Self {
            left: burst * 1000,
            at_ms: 0,
        }
    }

    /// Takes one of what has come in at `per_second` since the last time; false when there is none.
    pub(crate) fn take(&mut self, elapsed: Duration, per_second: u32, burst: u32) -> bool {
        let now_ms = elapsed.as_millis() as u64;
        let came = now_ms
            .saturating_sub(self.at_ms)
            .saturating_mul(per_second.into());
        let left = u64::from(self.left).saturating_add(came);
        self.left = left.min(u64::from(burst) * 1000) as u32;
        self.at_ms = now_ms;
        match self.left.checked_sub(1000) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}
