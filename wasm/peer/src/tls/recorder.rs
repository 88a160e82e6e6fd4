//! Packets as the keys of a connection see them: before they are sealed and after they are opened.
//!
//! Nothing but the keys sees the content of packets outside of `noq_proto`. When a qlog is wanted, every key
//! that a [`Session`](super::session::Session) hands out is wrapped, else none.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use noq_proto::crypto::{CryptoError, KeyPair, Keys, PacketKey};
use noq_proto::{ConnectionId, PathId};

use crate::connection::number_of;
pub(super) use crate::qlog::Level;
use crate::qlog::{Kind, Packet, Parameters, Tape};

/// Hears of a connection's packets, unless it is off. Clones hear of the same connection.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Option<Arc<Mutex<Recording>>>);

struct Recording {
    tape: Tape,
    original_dcid: Option<ConnectionId>,
    local_ack_delay_exponent: u32,
    remote_ack_delay_exponent: u32,
}

impl Recorder {
    fn on() -> Self {
        Self(Some(Arc::new(Mutex::new(Recording {
            tape: Tape::default(),
            original_dcid: None,
            local_ack_delay_exponent: Parameters(&[]).ack_delay_exponent(),
            remote_ack_delay_exponent: Parameters(&[]).ack_delay_exponent(),
        }))))
    }

    /// Whether it hears of anything.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The connection id that the client addressed first.
    pub(crate) fn original_dcid(&self) -> Option<ConnectionId> {
        self.with(|recording| recording.original_dcid)?
    }

    /// Shows what was recorded, and forgets it.
    pub(crate) fn empty(&self, show: impl FnOnce(&Tape)) {
        self.with(|recording| {
            show(&recording.tape);
            recording.tape.clear();
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Recording) -> T) -> Option<T> {
        let recording = self.0.as_ref()?;
        let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
        Some(act(&mut recording))
    }

    /// The keys of Initial packets, wrapped. The first connection id is the original one.
    pub(super) fn initial_keys(&self, dst_cid: ConnectionId, keys: Keys) -> Keys {
        self.with(|recording| recording.original_dcid.get_or_insert(dst_cid).len());
        self.keys(Level::Initial, keys)
    }

    /// Keys for both directions, wrapped.
    pub(super) fn keys(&self, level: Level, keys: Keys) -> Keys {
        let packet = self.pair(level, keys.packet);
        Keys { packet, ..keys }
    }

    /// Packet keys for both directions, wrapped.
    pub(super) fn pair(
        &self,
        level: Level,
        keys: KeyPair<Box<dyn PacketKey>>,
    ) -> KeyPair<Box<dyn PacketKey>> {
        KeyPair {
            local: self.key(level, keys.local),
            remote: self.key(level, keys.remote),
        }
    }

    /// A packet key, wrapped.
    pub(super) fn key(&self, level: Level, inner: Box<dyn PacketKey>) -> Box<dyn PacketKey> {
        match self.is_on() {
            false => inner,
            true => Box::new(RecordedKey {
                inner,
                level,
                recorder: self.clone(),
            }),
        }
    }

    /// Records the transport parameters of one side.
    pub(super) fn parameters(&self, local: bool, bytes: &[u8]) {
        let parameters = Parameters(bytes);
        self.with(|recording| {
            match local {
                true => recording.local_ack_delay_exponent = parameters.ack_delay_exponent(),
                false => recording.remote_ack_delay_exponent = parameters.ack_delay_exponent(),
            }
            if let Some(id) = parameters
                .original_dcid()
                .filter(|id| local && id.len() <= 20)
            {
                recording.original_dcid = Some(ConnectionId::new(id));
            }
            recording.tape.parameters(local, parameters);
        });
    }
}

/// Gives every session its recorder, and whoever starts a session the same one.
#[derive(Clone, Default)]
pub(crate) struct Recorders(Option<Arc<Mutex<Started>>>);

#[derive(Default)]
struct Started {
    /// The recorder of the latest session.
    latest: Recorder,
    /// The packet that made a server start a session, opened before there was one.
    first_packet: Recorder,
}

impl Recorders {
    /// Recorders that hear of something.
    pub(super) fn on() -> Self {
        Self(Some(Arc::new(Mutex::new(Started {
            latest: Recorder::default(),
            first_packet: Recorder::on(),
        }))))
    }

    /// A recorder for a session that is being started.
    pub(super) fn start(&self) -> Recorder {
        let Some(started) = &self.0 else {
            return Recorder::default();
        };
        let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
        started.latest = Recorder::on();
        started.latest.clone()
    }

    /// A recorder for a server's session, which has heard of the client's first packet.
    pub(super) fn start_server(&self) -> Recorder {
        let Some(started) = &self.0 else {
            return Recorder::default();
        };
        let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
        started.latest = std::mem::replace(&mut started.first_packet, Recorder::on());
        started.latest.clone()
    }

    /// The recorder of the session that was started last.
    pub(crate) fn latest(&self) -> Recorder {
        let Some(started) = &self.0 else {
            return Recorder::default();
        };
        let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut started.latest)
    }

    /// The keys with which a server opens a client's first packet, just before it starts the session.
    pub(super) fn first_keys(&self, keys: Keys) -> Keys {
        let Some(started) = &self.0 else {
            return keys;
        };
        let remote = Box::new(FirstKey {
            inner: keys.packet.remote,
            started: Arc::clone(started),
        });
        Keys {
            packet: KeyPair {
                local: keys.packet.local,
                remote,
            },
            header: keys.header,
        }
    }
}

/// A key that records every packet that it seals or opens.
struct RecordedKey {
    inner: Box<dyn PacketKey>,
    level: Level,
    recorder: Recorder,
}

impl PacketKey for RecordedKey {
    fn encrypt(&self, path_id: PathId, packet: u64, buf: &mut [u8], header_len: usize) {
        let tag_len = self.inner.tag_len();
        let (header, rest) = buf.split_at(header_len);
        let payload = &rest[..rest.len().saturating_sub(tag_len)];
        self.recorder.with(|recording| {
            let record = Packet {
                level: self.level,
                path: number_of(path_id),
                number: packet,
                header,
                payload,
                tag_len,
                ack_delay_exponent: recording.local_ack_delay_exponent,
            };
            recording.tape.packet(Kind::PacketSent, &record);
        });
        self.inner.encrypt(path_id, packet, buf, header_len);
    }

    fn decrypt(
        &self,
        path_id: PathId,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let tag_len = self.inner.tag_len();
        // Not all that is there after opening: slack may have been put before it.
        let length = payload.len().saturating_sub(tag_len);
        self.inner.decrypt(path_id, packet, header, payload)?;
        self.recorder.with(|recording| {
            let record = Packet {
                level: self.level,
                path: number_of(path_id),
                number: packet,
                header,
                payload: &payload[payload.len().saturating_sub(length)..],
                tag_len,
                ack_delay_exponent: recording.remote_ack_delay_exponent,
            };
            recording.tape.packet(Kind::PacketReceived, &record);
        });
        Ok(())
    }

    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.inner.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.inner.integrity_limit()
    }
}

/// Opens a client's first packet. If a session follows, it does so before another first packet is opened.
struct FirstKey {
    inner: Box<dyn PacketKey>,
    started: Arc<Mutex<Started>>,
}

impl PacketKey for FirstKey {
    fn encrypt(&self, path_id: PathId, packet: u64, buf: &mut [u8], header_len: usize) {
        self.inner.encrypt(path_id, packet, buf, header_len);
    }

    fn decrypt(
        &self,
        path_id: PathId,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let tag_len = self.inner.tag_len();
        self.inner.decrypt(path_id, packet, header, payload)?;
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.first_packet = Recorder::on();
        started.first_packet.with(|recording| {
            let record = Packet {
                level: Level::Initial,
                path: number_of(path_id),
                number: packet,
                header,
                payload,
                tag_len,
                ack_delay_exponent: recording.remote_ack_delay_exponent,
            };
            recording.tape.packet(Kind::PacketReceived, &record);
        });
        Ok(())
    }

    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.inner.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.inner.integrity_limit()
    }
}
