//! The TLS session of one QUIC connection: `noq_proto`'s [`Session`](crypto::Session) over rustls.
//!
//! `noq_proto` has such a session too, but it hides the cipher suite and needs the server's configuration
//! before the first byte of the ClientHello. Here a server's session starts [gathering](super::hello_gate).

use std::any::Any;
use std::io;
use std::sync::Arc;

use noq_proto::crypto::{self, ExportKeyingMaterialError, KeyPair, Keys};
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::pki_types::ServerName;
use rustls::quic::{ClientConnection, Connection, DirectionalKeys, KeyChange, Secrets, Version};
use rustls::{CipherSuite, HandshakeKind, NamedGroup};

use super::hello_gate::Gathering;
use super::identity::{EndpointId, id_from_spki};
use super::recorder::{Level, Recorder};
use super::slack::{Slack, SlackKey};
use super::{provider, retry_integrity};

/// The only version of QUIC spoken ([RFC 9000]).
///
/// [RFC 9000]: https://www.rfc-editor.org/rfc/rfc9000
pub(super) const QUIC_V1: u32 = 1;

/// What a finished handshake agreed on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HandshakeInfo {
    /// Who is at the other end: the key that it has proven to hold.
    pub remote_id: EndpointId,
    /// The application's protocol.
    pub alpn: Vec<u8>,
    /// The key exchange group; its `Debug` form is its name in the IANA registry, `u16::from` its number.
    pub group: NamedGroup,
    /// The cipher suite; its `Debug` form is its name in the IANA registry, `u16::from` its number.
    pub cipher: CipherSuite,
    /// What kind of handshake it was: full, full after a HelloRetryRequest, or resumed.
    pub kind: HandshakeKind,
    /// Whether the server accepted 0-RTT data. On a server always false: it cannot tell.
    pub early_data_accepted: bool,
}

impl HandshakeInfo {
    /// What the handshake of `connection` agreed on, or `None` until it has finished.
    pub fn of(connection: &noq_proto::Connection) -> Option<Self> {
        let data = HandshakeData::of(connection)?;
        if !data.finished {
            return None;
        }
        Some(Self {
            remote_id: data.remote_id?,
            alpn: data.alpn?,
            group: data.group?,
            cipher: data.cipher?,
            kind: data.kind?,
            early_data_accepted: data.early_data_accepted,
        })
    }
}

/// What is known of a handshake so far.
///
/// It is what `handshake_data` of a session returns. Until the handshake is [finished](Self::finished) none
/// of it is authenticated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HandshakeData {
    /// Who claims to be at the other end. `None` on a server until the client's key has arrived, and for a
    /// client that needs none.
    pub remote_id: Option<EndpointId>,
    /// The application's protocol.
    pub alpn: Option<Vec<u8>>,
    /// The key exchange group.
    pub group: Option<NamedGroup>,
    /// The cipher suite.
    pub cipher: Option<CipherSuite>,
    /// What kind of handshake it is.
    pub kind: Option<HandshakeKind>,
    /// Whether the server accepted 0-RTT data. On a server always false: it cannot tell.
    pub early_data_accepted: bool,
    /// Whether the handshake is over and everything here is authenticated.
    pub finished: bool,
    /// The switch for slack in this connection's packets.
    pub slack: Slack,
}

impl HandshakeData {
    /// What is known of the handshake of `connection`; `None` before the event `HandshakeDataReady`.
    pub fn of(connection: &noq_proto::Connection) -> Option<Self> {
        let data = connection.crypto_session().handshake_data()?;
        Some(*data.downcast().ok()?)
    }
}

/// A TLS session, of either side.
pub(super) struct Session {
    phase: Phase,
    /// Whether [`HandshakeData`] has been announced.
    announced: bool,
    next_secrets: Option<Secrets>,
    slack: Slack,
    recorder: Recorder,
}

enum Phase {
    /// A server that has not seen the whole ClientHello.
    Gathering(Gathering),
    Running(Box<Connection>),
}

impl Session {
    /// A client's session with the peer called `name`.
    pub(super) fn client(
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
        params: &TransportParameters,
        recorder: Recorder,
    ) -> Result<Self, rustls::Error> {
        let params = encode(params);
        recorder.parameters(true, &params);
        let connection = ClientConnection::new(config, Version::V1, name, params)?;
        let phase = Phase::Running(Box::new(connection.into()));
        Ok(Self::new(phase, recorder))
    }

    /// A server's session, which will choose its configuration by the ClientHello.
    pub(super) fn server(gathering: Gathering, recorder: Recorder) -> Self {
        Self::new(Phase::Gathering(gathering), recorder)
    }

    fn new(phase: Phase, recorder: Recorder) -> Self {
        Self {
            phase,
            announced: false,
            next_secrets: None,
            slack: Slack::default(),
            recorder,
        }
    }

    fn running(&self) -> Option<&Connection> {
        match &self.phase {
            Phase::Gathering(_) => None,
            Phase::Running(connection) => Some(connection),
        }
    }

    fn running_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::Gathering(_) => None,
            Phase::Running(connection) => Some(connection),
        }
    }

    fn with_slack(&self, inner: Box<dyn rustls::quic::PacketKey>) -> Box<dyn crypto::PacketKey> {
        let slack = self.slack.clone();
        Box::new(SlackKey { inner, slack })
    }

    fn side(&self) -> Side {
        match self.running() {
            Some(Connection::Client(_)) => Side::Client,
            Some(Connection::Server(_)) | None => Side::Server,
        }
    }
}

impl crypto::Session for Session {
    fn initial_keys(&self, dst_cid: ConnectionId, side: Side) -> Keys {
        self.recorder
            .initial_keys(dst_cid, initial_keys(dst_cid, side))
    }

    /// The `Any` is a [`HandshakeData`].
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let connection = self.running().filter(|_| self.announced)?;
        Some(Box::new(HandshakeData {
            remote_id: remote_id(connection),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            group: connection
                .negotiated_key_exchange_group()
                .map(|group| group.name()),
            cipher: connection
                .negotiated_cipher_suite()
                .map(|suite| suite.suite()),
            kind: connection.handshake_kind(),
            early_data_accepted: match connection {
                Connection::Client(client) => client.is_early_data_accepted(),
                Connection::Server(_) => false,
            },
            finished: !connection.is_handshaking(),
            slack: self.slack.clone(),
        }))
    }

    /// The `Any` is the [`EndpointId`] of the other side.
    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        let id = remote_id(self.running()?)?;
        Some(Box::new(id))
    }

    fn early_crypto(&self) -> Option<(Box<dyn crypto::HeaderKey>, Box<dyn crypto::PacketKey>)> {
        let keys = self.running()?.zero_rtt_keys()?;
        let packet = self.recorder.key(Level::ZeroRtt, Box::new(keys.packet));
        Some((Box::new(keys.header), packet))
    }

    fn early_data_accepted(&self) -> Option<bool> {
        match self.running()? {
            Connection::Client(client) => Some(client.is_early_data_accepted()),
            Connection::Server(_) => None,
        }
    }

    fn is_handshaking(&self) -> bool {
        self.running()
            .is_none_or(|running| running.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        match &mut self.phase {
            Phase::Running(connection) => read(connection, bytes)?,
            Phase::Gathering(gathering) => {
                let Some(started) = gathering.read(bytes)? else {
                    return Ok(false);
                };
                let mut connection = Box::new(Connection::Server(started.connection));
                read(&mut connection, &started.received)?;
                self.phase = Phase::Running(connection);
            }
        }
        // rustls has no event for it. Both sides know the protocol as soon as they know anything.
        let ready = self
            .running()
            .is_some_and(|connection| connection.alpn_protocol().is_some());
        let first_time = ready && !self.announced;
        self.announced |= ready;
        Ok(first_time)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(bytes) = self
            .running()
            .and_then(|connection| connection.quic_transport_parameters())
        else {
            return Ok(None);
        };
        Ok(Some(TransportParameters::read(
            self.side(),
            &mut io::Cursor::new(bytes),
        )?))
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        match self.running_mut()?.write_hs(buf)? {
            KeyChange::Handshake { keys } => {
                Some(self.recorder.keys(Level::Handshake, boxed(keys)))
            }
            KeyChange::OneRtt { keys, next } => {
                self.next_secrets = Some(next);
                // By now both sides' parameters are known, and not only remembered.
                if let Some(params) = self.running()?.quic_transport_parameters() {
                    self.recorder.parameters(false, params);
                }
                let remote = keys.remote.packet;
                let keys = Keys {
                    header: KeyPair {
                        local: Box::new(keys.local.header),
                        remote: Box::new(keys.remote.header),
                    },
                    packet: KeyPair {
                        local: Box::new(keys.local.packet),
                        remote: self.with_slack(remote),
                    },
                };
                Some(self.recorder.keys(Level::OneRtt, keys))
            }
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn crypto::PacketKey>>> {
        let keys = self.next_secrets.as_mut()?.next_packet_keys();
        let keys = KeyPair {
            local: Box::new(keys.local) as Box<dyn crypto::PacketKey>,
            remote: self.with_slack(keys.remote),
        };
        Some(self.recorder.pair(Level::OneRtt, keys))
    }

    fn is_valid_retry(&self, orig_dst_cid: ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        let Some((token, tag)) = payload.split_last_chunk::<{ retry_integrity::TAG_LEN }>() else {
            return false;
        };
        // Not a secret: the key of the tag is printed in the RFC.
        retry_integrity::tag(&orig_dst_cid, [header, token]) == *tag
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.running()
            .ok_or(ExportKeyingMaterialError)?
            .export_keying_material(output, label, Some(context))
            .map(|_| ())
            .map_err(|_| ExportKeyingMaterialError)
    }
}

/// The keys of Initial packets ([RFC 9001 § 5.2]).
///
/// [RFC 9001 § 5.2]: https://www.rfc-editor.org/rfc/rfc9001#section-5.2
pub(super) fn initial_keys(dst_cid: ConnectionId, side: Side) -> Keys {
    boxed(provider::initial_suite().keys(&dst_cid, side.into(), Version::V1))
}

/// The transport parameters as the TLS extension carries them.
pub(super) fn encode(params: &TransportParameters) -> Vec<u8> {
    let mut bytes = Vec::new();
    params.write(&mut bytes);
    bytes
}

fn read(connection: &mut Connection, bytes: &[u8]) -> Result<(), TransportError> {
    connection.read_hs(bytes).map_err(|error| {
        let code = match connection.alert() {
            Some(alert) => TransportErrorCode::crypto(alert.into()),
            None => TransportErrorCode::PROTOCOL_VIOLATION,
        };
        transport_error(code, error)
    })
}

/// An error that closes the connection with `code` and tells this side the cause.
pub(super) fn transport_error(code: TransportErrorCode, cause: rustls::Error) -> TransportError {
    let mut error = TransportError::new(code, cause.to_string());
    error.crypto = Some(Arc::new(cause));
    error
}

fn remote_id(connection: &Connection) -> Option<EndpointId> {
    id_from_spki(connection.peer_certificates()?.first()?)
}

fn boxed(keys: rustls::quic::Keys) -> Keys {
    let DirectionalKeys { header, packet, .. } = keys.local;
    let DirectionalKeys {
        header: remote_header,
        packet: remote_packet,
        ..
    } = keys.remote;
    Keys {
        header: KeyPair {
            local: Box::new(header),
            remote: Box::new(remote_header),
        },
        packet: KeyPair {
            local: Box::new(packet),
            remote: Box::new(remote_packet),
        },
    }
}
