//! A core without UDP sends no probes.

use crate::clock::Instant;

/// No probes.
#[derive(Debug)]
pub(crate) struct Probes;

impl Probes {
    pub(crate) fn new(_now: Instant) -> Self {
        Self
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        None
    }

    pub(crate) fn len(&self) -> usize {
        0
    }
}
