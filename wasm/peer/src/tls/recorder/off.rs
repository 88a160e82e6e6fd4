//! The same without the cargo feature `qlog`: keys stay as they are.

use noq_proto::ConnectionId;
use noq_proto::crypto::{KeyPair, Keys, PacketKey};

/// How a packet is protected.
#[derive(Clone, Copy)]
pub(super) enum Level {
    ZeroRtt,
    Handshake,
    OneRtt,
}

/// Hears of nothing.
#[derive(Clone, Default)]
pub(crate) struct Recorder(());

impl Recorder {
    pub(super) fn initial_keys(&self, _: ConnectionId, keys: Keys) -> Keys {
        keys
    }

    pub(super) fn keys(&self, _: Level, keys: Keys) -> Keys {
        keys
    }

    pub(super) fn pair(
        &self,
        _: Level,
        keys: KeyPair<Box<dyn PacketKey>>,
    ) -> KeyPair<Box<dyn PacketKey>> {
        keys
    }

    pub(super) fn key(&self, _: Level, key: Box<dyn PacketKey>) -> Box<dyn PacketKey> {
        key
    }

    pub(super) fn parameters(&self, _local: bool, _: &[u8]) {}
}

/// Gives out recorders that hear of nothing.
#[derive(Clone, Default)]
pub(crate) struct Recorders(());

impl Recorders {
    pub(super) fn on() -> Self {
        Self(())
    }

    pub(super) fn start(&self) -> Recorder {
        Recorder(())
    }

    pub(super) fn start_server(&self) -> Recorder {
        Recorder(())
    }

    pub(crate) fn latest(&self) -> Recorder {
        Recorder(())
    }

    pub(super) fn first_keys(&self, keys: Keys) -> Keys {
        keys
    }
}
