//! The server side of the handshake, which reads the whole ClientHello before it chooses a configuration.
//!
//! Peers authenticate both ways with raw public keys; browsers (WebTransport over HTTP/3) expect an X.509
//! certificate and present nothing. rustls fixes that per configuration, so it must be chosen by the ALPN
//! list of the ClientHello. A post-quantum ClientHello spans two datagrams, whose CRYPTO frames may be split
//! anywhere: a session gathers them, in the order that QUIC restores, and only then starts rustls.

use std::fmt;
use std::mem::take;
use std::sync::Arc;

use anypath_wire::client_hello::{Alpns, ClientHello, ClientHelloError, Progress, progress};
use noq_proto::crypto::{self, Keys, UnsupportedVersion};
use noq_proto::transport_parameters::TransportParameters;
use noq_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::quic::{ServerConnection, Version};
use rustls::{AlertDescription, OtherError, ServerConfig};

use super::recorder::Recorders;
use super::refusal::Refusal;
use super::retry_integrity;
use super::session::{QUIC_V1, Session, encode, initial_keys, transport_error};
use super::withheld::without_streams;

/// Chooses the configuration of a connection by the protocols that the client offers, in its order.
///
/// `None` refuses the client with the alert `no_application_protocol`.
pub type Choose = dyn Fn(Alpns<'_>) -> Option<Choice> + Send + Sync;

/// How a client is served.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The configuration of rustls.
    pub tls: Arc<ServerConfig>,
    /// Whether the client may open streams and send datagrams: otherwise the transport parameters allow none.
    pub streams: bool,
}

/// Accepts connections for several TLS configurations behind one endpoint.
#[derive(Clone)]
pub struct HelloGate {
    choose: Arc<Choose>,
    recorders: Recorders,
}

impl HelloGate {
    /// A gate that chooses by `choose`. Each configuration must be fit for QUIC: TLS 1.3, and a
    /// `max_early_data_size` of 0 or `u32::MAX`; otherwise its connections fail with `internal_error`.
    pub fn new(choose: Arc<Choose>) -> Self {
        Self {
            choose,
            recorders: Recorders::default(),
        }
    }

    /// A gate whose sessions are recorded.
    pub(super) fn recorded(self, recorders: Recorders) -> Self {
        Self { recorders, ..self }
    }
}

impl crypto::ServerConfig for HelloGate {
    fn initial_keys(
        &self,
        version: u32,
        dst_cid: ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        if version != QUIC_V1 {
            return Err(UnsupportedVersion);
        }
        let keys = initial_keys(dst_cid, Side::Server);
        Ok(self.recorders.first_keys(keys))
    }

    fn retry_tag(&self, _version: u32, orig_dst_cid: ConnectionId, packet: &[u8]) -> [u8; 16] {
        retry_integrity::tag(&orig_dst_cid, [packet, &[]])
    }

    fn start_session(
        &self,
        _version: u32,
        params: &TransportParameters,
    ) -> Box<dyn crypto::Session> {
        let params = encode(params);
        let recorder = self.recorders.start_server();
        recorder.parameters(true, &params);
        let gathering = Gathering {
            choose: Arc::clone(&self.choose),
            params,
            received: Vec::new(),
        };
        Box::new(Session::server(gathering, recorder))
    }
}

impl fmt::Debug for HelloGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HelloGate").finish_non_exhaustive()
    }
}

/// A server's session before its ClientHello is whole.
pub(super) struct Gathering {
    choose: Arc<Choose>,
    /// Our transport parameters, for the connection to come.
    params: Vec<u8>,
    /// At most [`MAX_CLIENT_HELLO`](anypath_wire::client_hello::MAX_CLIENT_HELLO) bytes and a datagram.
    received: Vec<u8>,
}

/// What follows the gathering.
pub(super) struct Started {
    /// A connection that has read nothing yet.
    pub(super) connection: ServerConnection,
    /// All that was received, for it to read.
    pub(super) received: Vec<u8>,
}

impl Gathering {
    /// Takes more bytes of the handshake; returns the connection once the ClientHello is whole.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Started>, TransportError> {
        self.received.extend_from_slice(bytes);
        let hello = match progress(&self.received).map_err(malformed)? {
            Progress::Complete(hello) => hello,
            Progress::NeedMore { at_least } => {
                let missing = at_least.saturating_sub(self.received.len());
                self.received.reserve_exact(missing);
                return Ok(None);
            }
        };
        let choice = (self.choose)(hello.alpns()).ok_or_else(|| {
            let cause = rustls::Error::NoApplicationProtocol;
            self.refusal(AlertDescription::NoApplicationProtocol, cause, &hello)
        })?;
        let params = match choice.streams {
            true => take(&mut self.params),
            false => without_streams(&self.params),
        };
        let connection = ServerConnection::new(choice.tls, Version::V1, params)
            .map_err(|error| transport_error(code_of(AlertDescription::InternalError), error))?;
        Ok(Some(Started {
            connection,
            received: take(&mut self.received),
        }))
    }

    /// The error for a client that is to hear of its refusal.
    fn refusal(
        &self,
        alert: AlertDescription,
        cause: rustls::Error,
        hello: &ClientHello<'_>,
    ) -> TransportError {
        let client = hello.transport_parameters();
        let refusal = Refusal::new(cause, code_of(alert), client, &self.params);
        let cause = rustls::Error::Other(OtherError(Arc::new(refusal)));
        transport_error(code_of(alert), cause)
    }
}

/// The alert of [RFC 8446 § 6.2] for what is not a ClientHello, or the error of QUIC for one that is longer
/// than this side buffers ([RFC 9000 § 7.5]).
///
/// [RFC 8446 § 6.2]: https://www.rfc-editor.org/rfc/rfc8446#section-6.2
/// [RFC 9000 § 7.5]: https://www.rfc-editor.org/rfc/rfc9000#section-7.5
fn malformed(error: ClientHelloError) -> TransportError {
    let code = match error {
        ClientHelloError::TooLong { .. } => TransportErrorCode::CRYPTO_BUFFER_EXCEEDED,
        ClientHelloError::MessageType { .. } => code_of(AlertDescription::UnexpectedMessage),
        ClientHelloError::Duplicate(_) | ClientHelloError::ServerName => {
            code_of(AlertDescription::IllegalParameter)
        }
        ClientHelloError::Length(_) | ClientHelloError::TrailingBytes { .. } => {
            code_of(AlertDescription::DecodeError)
        }
    };
    transport_error(code, rustls::Error::Other(OtherError(Arc::new(error))))
}

fn code_of(alert: AlertDescription) -> TransportErrorCode {
    TransportErrorCode::crypto(alert.into())
}
