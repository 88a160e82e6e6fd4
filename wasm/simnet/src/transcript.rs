//! What is compared between two runs: events, sizes and times.

use std::hash::{DefaultHasher, Hasher};

/// A running hash, and the lines behind it where they are wanted.
#[derive(Debug, Default)]
pub struct Transcript {
    hasher: DefaultHasher,
    lines: Option<Vec<String>>,
}

impl Transcript {
    /// Keeps the lines from now on, to show where two runs part.
    pub fn keep_lines(&mut self) {
        self.lines.get_or_insert_default();
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: std::fmt::Arguments<'_>) {
        let text = line.to_string();
        self.hasher.write(text.as_bytes());
        self.hasher.write_u8(b'\n');
        if let Some(lines) = &mut self.lines {
            lines.push(text);
        }
    }

    /// Adds numbers, which is cheaper than a line.
    pub(crate) fn add_packet(&mut self, time: u64, from: usize, to: usize, bytes: usize) {
        for number in [time, from as u64, to as u64, bytes as u64] {
            self.hasher.write_u64(number);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{time} {from}->{to} {bytes} B"));
        }
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The kept lines.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
