//! The paths of a search that have not proven themselves.

use noq_proto::PathId;

use crate::clock::Instant;

/// How many paths are opened once more in a search.
const MOST: u32 = 4;

/// Paths that a client is opening, and when each is opened once more.
#[derive(Debug)]
pub(crate) struct Challenged {
    waiting: Vec<(PathId, Instant)>,
    /// The newest that was ever seen: QUIC also lists those that are closed, and numbers only grow.
    newest: PathId,
    repeated: u32,
}

impl Challenged {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Vec::new(),
            newest: PathId::ZERO,
            repeated: 0,
        }
    }

    /// Takes note of the paths that are not established; those that are new are opened once more at `due`.
    pub(crate) fn note(&mut self, opening: &[PathId], due: Instant) {
        self.waiting.retain(|(id, _)| opening.contains(id));
        for id in opening {
            if *id > self.newest {
                self.newest = *id;
                self.waiting.push((*id, due));
            }
        }
    }

    /// When the next is opened once more.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|(_, due)| *due).min()
    }

    /// Takes the paths that are opened once more now. Those beyond the limit of a search are left to QUIC.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<PathId> {
        let mut overdue = Vec::new();
        self.waiting.retain(|(id, due)| {
            let is_overdue = *due <= now;
            if is_overdue && self.repeated < MOST {
                self.repeated += 1;
                overdue.push(*id);
            }
            !is_overdue
        });
        overdue
    }

    /// Takes all paths that are waited for.
    pub(crate) fn take_all(&mut self) -> Vec<PathId> {
        self.waiting.drain(..).map(|(id, _)| id).collect()
    }

    /// The search is over.
    pub(crate) fn end(&mut self) {
        self.waiting.clear();
        self.repeated = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_path_is_opened_once_more_when_its_time_has_come() {
        let now = Instant::now();
        let mut challenged = Challenged::new();
        challenged.note(&[PathId::from(1u8), PathId::from(2u8)], now + 150 * MS);
        challenged.note(&[PathId::from(2u8)], now + 200 * MS);
        assert_eq!(challenged.due(), Some(now + 150 * MS));
        assert_eq!(challenged.take_overdue(now + 149 * MS), []);
        assert_eq!(challenged.take_overdue(now + 150 * MS), [PathId::from(2u8)]);
        assert_eq!(challenged.due(), None);
    }

    #[test]
    fn paths_that_were_closed_are_not_opened_again() {
        let now = Instant::now();
        let mut challenged = Challenged::new();
        challenged.note(&[PathId::from(1u8), PathId::from(2u8)], now);
        assert_eq!(
            challenged.take_all(),
            [PathId::from(1u8), PathId::from(2u8)]
        );
        challenged.note(
            &[PathId::from(1u8), PathId::from(2u8), PathId::from(3u8)],
            now,
        );
        assert_eq!(challenged.take_overdue(now), [PathId::from(3u8)]);
    }

    #[test]
    fn in_a_search_few_are_opened_once_more_and_in_the_next_few_again() {
        let now = Instant::now();
        let mut challenged = Challenged::new();
        let ids = |range: std::ops::Range<u32>| range.map(PathId::from).collect::<Vec<_>>();
        challenged.note(&ids(1..20), now);
        assert_eq!(challenged.take_overdue(now), ids(1..5));
        assert_eq!(challenged.due(), None);
        challenged.end();
        challenged.note(&ids(1..22), now);
        assert_eq!(challenged.take_overdue(now), ids(20..22));
    }
}
