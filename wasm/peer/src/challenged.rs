//! The paths of a search that have not proven themselves.

use noq_proto::PathId;

use crate::clock::Instant;

/// How many paths may be given up without a sign that the remote knows of them. QUIC has few paths at once, and the place of one that the
/// remote never saw does not come back.
const MOST_GIVEN_UP: usize = 2;

/// Paths that a client is opening, and when each is opened once more.
#[derive(Debug)]
pub(crate) struct Challenged {
    opening: Vec<Opening>,
    /// The newest that was ever seen: QUIC also lists those that are closed, and numbers only grow.
    newest: PathId,
    /// Closed before they were established, as long as QUIC lists them.
    given_up: Vec<PathId>,
}

#[derive(Debug)]
struct Opening {
    id: PathId,
    /// `None`: it was, or is left to QUIC.
    due: Option<Instant>,
}

impl Challenged {
    pub(crate) fn new() -> Self {
        Self {
            opening: Vec::new(),
            newest: PathId::ZERO,
            given_up: Vec::new(),
        }
    }

    /// Takes note of the paths that QUIC lists, and of those among them that are not established; those that are new are opened once more at
    /// `due`, if that is given.
    pub(crate) fn note(&mut self, listed: &[PathId], unproven: &[PathId], due: Option<Instant>) {
        self.given_up.retain(|id| listed.contains(id));
        self.opening.retain(|path| unproven.contains(&path.id));
        for id in unproven.iter().copied() {
            if id > self.newest {
                self.opening.push(Opening { id, due });
            }
        }
        let newest = listed.iter().copied().max().unwrap_or_default();
        self.newest = self.newest.max(newest);
    }

    /// When the next is opened once more.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.opening.iter().filter_map(|path| path.due).min()
    }

    /// The paths whose time has come; it comes once.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<PathId> {
        let mut overdue = Vec::new();
        for path in &mut self.opening {
            if path.due.take_if(|due| *due <= now).is_some() {
                overdue.push(path.id);
            }
        }
        overdue
    }

    /// How many more may be given up.
    pub(crate) fn room(&self) -> usize {
        MOST_GIVEN_UP.saturating_sub(self.given_up.len())
    }

    /// A path was closed that was not established.
    pub(crate) fn give_up(&mut self, id: PathId) {
        self.opening.retain(|path| path.id != id);
        self.given_up.push(id);
    }

    /// All that are not established.
    pub(crate) fn unproven(&self) -> Vec<PathId> {
        self.opening.iter().map(|path| path.id).collect()
    }

    /// Whether a path was closed before it was established. QUIC lists it all the same, and sends nothing there.
    pub(crate) fn has_given_up(&self, id: PathId) -> bool {
        self.given_up.contains(&id)
    }

    /// The search is over: what is not established is not opened once more.
    pub(crate) fn rest(&mut self) {
        for path in &mut self.opening {
            path.due = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn ids(range: std::ops::Range<u32>) -> Vec<PathId> {
        range.map(PathId::from).collect()
    }

    #[test]
    fn a_path_is_opened_once_more_when_its_time_has_come_and_once() {
        let now = Instant::now();
        let mut challenged = Challenged::new();
        challenged.note(&ids(0..3), &ids(1..3), Some(now + 150 * MS));
        challenged.note(&ids(0..3), &ids(2..3), Some(now + 200 * MS));
        assert_eq!(challenged.due(), Some(now + 150 * MS));
        assert_eq!(challenged.take_overdue(now + 149 * MS), []);
        assert_eq!(challenged.take_overdue(now + 150 * MS), ids(2..3));
        assert_eq!(challenged.take_overdue(now + 150 * MS), []);
        assert_eq!(challenged.due(), None);
        assert_eq!(challenged.unproven(), ids(2..3));
    }

    #[test]
    fn what_was_there_before_the_search_is_left_alone() {
        let now = Instant::now();
        let mut challenged = Challenged::new();
        challenged.note(&ids(0..4), &[], Some(now));
        challenged.note(&ids(0..5), &ids(3..5), Some(now));
        assert_eq!(challenged.take_overdue(now), ids(4..5));
    }

    #[test]
    fn few_are_given_up_until_quic_lists_them_no_more() {
        let now = Instant::now();
        let mut challenged = Challenged::new();
        challenged.note(&ids(0..4), &ids(1..4), Some(now));
        for id in ids(1..3) {
            challenged.give_up(id);
            assert!(challenged.has_given_up(id));
        }
        assert_eq!((challenged.room(), challenged.unproven()), (0, ids(3..4)));
        challenged.note(&ids(0..4), &ids(1..4), None);
        assert_eq!((challenged.room(), challenged.unproven()), (0, ids(3..4)));
        challenged.note(&[PathId::ZERO, PathId::from(2u8)], &[], None);
        assert_eq!(challenged.room(), 1);
    }

    #[test]
    fn when_the_search_is_over_nothing_is_opened_once_more() {
        let now = Instant::now();
        let mut challenged = Challenged::new();
        challenged.note(&ids(0..2), &ids(1..2), Some(now));
        challenged.rest();
        assert_eq!((challenged.due(), challenged.unproven()), (None, ids(1..2)));
    }
}
