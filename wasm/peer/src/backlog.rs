//! Whether received stream data piles up, behind a hole or before a reader that does not read.
//!
//! Then packets are given [`Slack`], so that noq can merge what it holds.

use std::collections::BTreeMap;

use noq_proto::StreamId;

use crate::tls::Slack;

/// Frames that may wait before slack is wanted: more than one turn of the event loop brings, so that a reader
/// that keeps up never pays for it, and few against the 1,024 that noq can hold without it.
const MANY: u32 = 384;

/// Reads in a row that found data, after which slack is no longer wanted.
const CALM: u32 = 256;

/// Counts frames that arrived and were not read.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    pub(crate) slack: Slack,
    waiting: BTreeMap<StreamId, u32>,
    /// Fruitful reads since the last sign of a backlog.
    calm: u32,
}

impl Backlog {
    pub(crate) fn frame_arrived(&mut self, id: StreamId) {
        let waiting = self.waiting.entry(id).or_default();
        *waiting += 1;
        if *waiting >= MANY {
            self.calm = 0;
            self.slack.set(true);
        }
    }

    /// A read without data after a frame had arrived means that the frame is behind a hole; a read that leaves
    /// data behind is one of a reader that does not keep up.
    pub(crate) fn has_read(&mut self, id: StreamId, data: bool, dry: bool) {
        if !data {
            self.calm = 0;
            return;
        }
        if !dry {
            return;
        }
        self.waiting.remove(&id);
        self.calm += 1;
        if self.calm >= CALM
            && self.slack.is_wanted()
            && self.waiting.values().all(|waiting| *waiting < MANY)
        {
            self.slack.set(false);
        }
    }

    pub(crate) fn forget(&mut self, id: StreamId) {
        self.waiting.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use noq_proto::{Dir, Side};

    fn stream(index: u64) -> StreamId {
        StreamId::new(Side::Client, Dir::Uni, index)
    }

    #[test]
    fn slack_comes_with_a_backlog_and_goes_after_a_calm_while() {
        let mut backlog = Backlog::default();
        (1..MANY).for_each(|_| backlog.frame_arrived(stream(0)));
        assert!(!backlog.slack.is_wanted());
        backlog.frame_arrived(stream(0));
        assert!(backlog.slack.is_wanted());
        (1..CALM).for_each(|_| backlog.has_read(stream(0), true, true));
        assert!(backlog.slack.is_wanted());
        backlog.has_read(stream(0), true, true);
        assert!(!backlog.slack.is_wanted());
    }

    #[test]
    fn a_reader_that_takes_a_little_now_and_then_does_not_keep_up() {
        let mut backlog = Backlog::default();
        for _ in 0..MANY {
            backlog.frame_arrived(stream(0));
            backlog.has_read(stream(0), true, false);
        }
        assert!(backlog.slack.is_wanted());
    }

    #[test]
    fn slack_stays_while_another_stream_is_unread_or_behind_a_hole() {
        let mut backlog = Backlog::default();
        (0..MANY).for_each(|_| backlog.frame_arrived(stream(0)));
        (0..2 * CALM).for_each(|_| backlog.has_read(stream(1), true, true));
        assert!(backlog.slack.is_wanted());
        backlog.has_read(stream(0), false, true);
        backlog.forget(stream(0));
        (1..CALM).for_each(|_| backlog.has_read(stream(1), true, true));
        assert!(backlog.slack.is_wanted());
        backlog.has_read(stream(1), true, true);
        assert!(!backlog.slack.is_wanted());
    }
}
