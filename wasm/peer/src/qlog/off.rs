//! The same without the cargo feature `qlog`: nothing is written, and nothing of it is in the binary.

use noq_proto::Side;

use crate::carrier::Route;
use crate::clock::Instant;
use crate::event::{ConnectionKey, Event, Outbox};
use crate::tls::Recorder;

/// No qlogs.
#[derive(Default)]
pub(crate) struct Qlogs(());

/// What nobody asks for.
pub(crate) struct Beginning {
    pub(crate) side: Side,
    pub(crate) remote: Option<Route>,
    pub(crate) now: Instant,
    pub(crate) unix_ms: u64,
}

impl Qlogs {
    pub(crate) fn begin(&mut self, _: ConnectionKey, _: Recorder, beginning: &Beginning) {
        let _ = (beginning.side, beginning.remote);
        let _ = (beginning.now, beginning.unix_ms);
    }

    pub(crate) fn collect(&mut self, _: ConnectionKey, _: Instant) {}

    pub(crate) fn observe(&mut self, _: ConnectionKey, _: &mut noq_proto::Connection, _: Instant) {}

    pub(crate) fn tell(&mut self, _: &Event, _: Instant, _: &mut impl Outbox) {}

    pub(crate) fn flush(&mut self, _: &mut impl Outbox) {}
}
