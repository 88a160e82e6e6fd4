//! A core without a listener has no sessions that carry packets.

use crate::carrier::Route;

/// Nothing.
#[derive(Debug, Default)]
pub(crate) struct Carried(());

impl Carried {
    #[inline]
    pub(crate) fn take(&mut self, _: Route, _: usize, _: &[u8]) -> bool {
        false
    }
}
