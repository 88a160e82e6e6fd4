//! What waits for a relay to be connected.
//!
//! A WebSocket that is being opened takes nothing, and QUIC can't be told to wait. So a little is kept, for as
//! long as it may still be of use; QUIC's loss recovery does the rest.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Instant;

/// How much waits.
const MAX_BYTES: usize = 64 << 10;

/// How long it waits: three times QUIC's first probe timeout.
const MAX_AGE: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Waiting {
    since: Instant,
    datagrams: u64,
    message: Vec<u8>,
}

/// Messages, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    messages: VecDeque<Waiting>,
    bytes: usize,
}

impl Queue {
    /// Adds a message that holds so many datagrams, and returns how many older ones were dropped for it.
    pub(crate) fn push(&mut self, now: Instant, datagrams: u64, message: Vec<u8>) -> u64 {
        let mut dropped = self.expire(now);
        if message.len() > MAX_BYTES {
            return dropped + datagrams;
        }
        while self.bytes + message.len() > MAX_BYTES {
            dropped += self.drop_oldest();
        }
        self.bytes += message.len();
        self.messages.push_back(Waiting {
            since: now,
            datagrams,
            message,
        });
        dropped
    }

    /// Drops what has waited too long, and returns how many datagrams that were.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let mut dropped = 0;
        while let Some(oldest) = self.messages.front()
            && oldest.since + MAX_AGE <= now
        {
            dropped += self.drop_oldest();
        }
        dropped
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
            .into_iter()
            .map(|waiting| waiting.message)
    }

    /// Drops everything, and returns how many datagrams that was.
    pub(crate) fn clear(&mut self) -> u64 {
        self.bytes = 0;
        self.messages
            .drain(..)
            .map(|waiting| waiting.datagrams)
            .sum()
    }

    fn drop_oldest(&mut self) -> u64 {
        self.messages.pop_front().map_or(0, |oldest| {
            self.bytes -= oldest.message.len();
            oldest.datagrams
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_bytes_and_the_oldest_goes_first() {
        let (now, mut queue) = (Instant::now(), Queue::default());
        let dropped: u64 = (0..10)
            .map(|number| queue.push(now, 2, vec![number; 10_000]))
            .sum();
        assert_eq!(dropped, 8);
        let kept: Vec<u8> = queue.take().map(|message| message[0]).collect();
        assert_eq!(kept, [4, 5, 6, 7, 8, 9]);
        assert_eq!(queue.push(now, 1, vec![0; MAX_BYTES + 1]), 1);
        assert_eq!(queue.take().count(), 0);
    }

    #[test]
    fn what_waits_three_seconds_is_dropped() {
        let (now, mut queue) = (Instant::now(), Queue::default());
        queue.push(now, 1, vec![1]);
        queue.push(now + Duration::from_secs(2), 1, vec![2]);
        assert_eq!(queue.expire(now + MAX_AGE), 1);
        assert_eq!(queue.take().collect::<Vec<_>>(), [vec![2]]);
    }
}
