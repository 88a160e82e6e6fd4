//! Log lines of the core, kept until the next drain.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, span};

/// How many lines are kept between two drains; further ones are counted.
const MAX_LINES: usize = 256;

/// The longest line, in bytes.
const MAX_LINE: usize = 1024;

/// One line.
pub(crate) struct Line {
    pub(crate) level: u8,
    pub(crate) target: &'static str,
    pub(crate) message: String,
}

#[derive(Default)]
struct Kept {
    lines: Vec<Line>,
    lost: usize,
}

/// A log at a level; nothing at all at level 0.
pub(crate) struct Log {
    dispatch: Option<Dispatch>,
    kept: Arc<Mutex<Kept>>,
}

impl Log {
    pub(crate) fn new(level: u8) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let max = match level {
            0 => None,
            1 => Some(Level::ERROR),
            2 => Some(Level::WARN),
            3 => Some(Level::INFO),
            4 => Some(Level::DEBUG),
            _ => Some(Level::TRACE),
        };
        let dispatch = max.map(|max| {
            let kept = Arc::clone(&kept);
            Dispatch::new(Keeper { max, kept })
        });
        Self { dispatch, kept }
    }

    /// Runs `work` with its log lines kept.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.dispatch {
            Some(dispatch) => tracing::dispatcher::with_default(dispatch, work),
            None => work(),
        }
    }

    /// The lines since the last time, and how many more there were.
    pub(crate) fn take(&self) -> (Vec<Line>, usize) {
        match self.kept.lock() {
            Ok(mut kept) => {
                let kept = std::mem::take(&mut *kept);
                (kept.lines, kept.lost)
            }
            Err(_) => (Vec::new(), 0),
        }
    }
}

struct Keeper {
    max: Level,
    kept: Arc<Mutex<Kept>>,
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.max
    }

    fn event(&self, event: &Event<'_>) {
        let Ok(mut kept) = self.kept.lock() else {
            return;
        };
        if kept.lines.len() >= MAX_LINES {
            kept.lost += 1;
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let metadata = event.metadata();
        kept.lines.push(Line {
            level: number(*metadata.level()),
            target: metadata.target(),
            message: message.0,
        });
    }

    // Spans only repeat what the events' fields say.
    fn new_span(&self, _attributes: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}
    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}
    fn enter(&self, _span: &span::Id) {}
    fn exit(&self, _span: &span::Id) {}
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The message, and the other fields behind it as `name=value`.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.0.len() >= MAX_LINE {
            return;
        }
        // Writing into a string never fails.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        let end = self.0.floor_char_boundary(self.0.len().min(MAX_LINE));
        self.0.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_up_to_the_level_are_kept_once_and_the_rest_is_counted() {
        let log = Log::new(3);
        log.within(|| {
            tracing::info!(answer = 42, "hello");
            tracing::debug!("too detailed");
        });
        tracing::info!("outside");
        let (lines, lost) = log.take();
        let texts: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!((texts, lost), (vec!["hello answer=42"], 0));
        log.within(|| (0..300).for_each(|_| tracing::warn!("again")));
        let (lines, lost) = log.take();
        assert_eq!((lines.len(), lost), (MAX_LINES, 300 - MAX_LINES));
        assert!(log.take().0.is_empty());
    }
}
