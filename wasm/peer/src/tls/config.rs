//! The TLS configurations that a peer hands to its QUIC endpoint.

use std::fmt;
use std::sync::Arc;

use anypath_wire::client_hello::Alpns;
use anypath_wire::control::CONTROL_ALPN;
use anypath_wire::id::from_server_name;
pub use anypath_wire::id::server_name;
use noq_proto::ConnectError;
use noq_proto::crypto;
use noq_proto::transport_parameters::TransportParameters;
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{DnsName, ServerName};
use rustls::server::{
    AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage, ServerSessionMemoryCache,
};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;

use super::certificate::Certificate;
use super::hello_gate::{Choice, HelloGate};
use super::identity::SecretKey;
use super::provider::{KeyExchange, crypto_provider};
use super::recorder::Recorders;
use super::resumption::SessionCache;
use super::session::{QUIC_V1, Session};
use super::signer::certified_key;
use super::verifier::{AnyKeyVerifier, DialledKeyVerifier};

/// How many pairs of a remote peer and an ALPN a client remembers sessions of (8 for each pair at most).
pub const CLIENT_SESSION_NAMES: usize = 128;

/// How many sessions a server remembers, all clients together; it gives out two for each connection.
pub const SERVER_SESSIONS: usize = 1024;

/// The ALPN of HTTP/3, which is kept for the WebTransport listener ([RFC 9114 § 3.1]).
///
/// [RFC 9114 § 3.1]: https://www.rfc-editor.org/rfc/rfc9114#section-3.1
pub const HTTP3_ALPN: &[u8] = b"h3";

/// The ALPN of QUIC Address Discovery, as iroh's relays have it.
pub const DISCOVERY_ALPN: &[u8] = b"/iroh-qad/0";

/// Protocols that are not the applications'.
const RESERVED_ALPNS: [&[u8]; 3] = [HTTP3_ALPN, DISCOVERY_ALPN, CONTROL_ALPN];

/// An application protocol that can't be dialled or served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `h3` belongs to the WebTransport listener, `/iroh-qad/0` to the address-discovery service, `anypath/1` to control connections.
    #[error("the ALPNs `h3`, `/iroh-qad/0` and `anypath/1` are reserved")]
    ReservedAlpn,
    /// An ALPN has 1 to 255 bytes ([RFC 7301 § 3.1]).
    ///
    /// [RFC 7301 § 3.1]: https://www.rfc-editor.org/rfc/rfc7301#section-3.1
    #[error("an ALPN has 1 to 255 bytes, not {0}")]
    AlpnLength(usize),
}

/// All of a peer's TLS: its key, its verifiers, and its memory of sessions.
///
/// Make one for each peer and keep it: a session is resumed only under the `TlsConfig` that made it.
pub struct TlsConfig {
    provider: Arc<CryptoProvider>,
    time: Arc<dyn TimeProvider>,
    server_key: Arc<AlwaysResolvesServerRawPublicKeys>,
    client_key: Arc<AlwaysResolvesClientRawPublicKeys>,
    dialled_key: Arc<DialledKeyVerifier>,
    any_key: Arc<AnyKeyVerifier>,
    client_sessions: SessionCache,
    server_sessions: Arc<ServerSessionMemoryCache>,
    /// The configuration for clients of the address-discovery service.
    discovery: Option<Arc<rustls::ServerConfig>>,
    /// The configuration for browsers.
    #[cfg(feature = "webtransport")]
    browsers: Option<Arc<rustls::ServerConfig>>,
    /// Whether control connections are served.
    #[cfg(feature = "traversal")]
    control: bool,
    recorders: Recorders,
}

impl TlsConfig {
    /// The TLS of the peer that holds `secret_key`. `time` dates session tickets.
    pub fn new(
        secret_key: &SecretKey,
        key_exchange: KeyExchange,
        time: Arc<dyn TimeProvider>,
    ) -> Self {
        let key = certified_key(secret_key);
        Self {
            provider: crypto_provider(key_exchange),
            time,
            server_key: Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&key))),
            client_key: Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)),
            dialled_key: Arc::new(DialledKeyVerifier),
            any_key: Arc::new(AnyKeyVerifier),
            client_sessions: SessionCache::new(CLIENT_SESSION_NAMES),
            server_sessions: ServerSessionMemoryCache::new(SERVER_SESSIONS),
            discovery: None,
            #[cfg(feature = "webtransport")]
            browsers: None,
            #[cfg(feature = "traversal")]
            control: false,
            recorders: Recorders::default(),
        }
    }

    /// The same, with the packets of every connection recorded for a qlog.
    pub(crate) fn recorded(self) -> Self {
        let recorders = Recorders::on();
        Self { recorders, ..self }
    }

    /// The same, serving control connections beside the applications.
    #[cfg(feature = "traversal")]
    pub(crate) fn controlled(self) -> Self {
        let control = true;
        Self { control, ..self }
    }

    /// The same, serving address discovery beside the applications: with `certificate`, to clients that have none.
    pub fn certified(self, certificate: &Certificate) -> Self {
        let certificates = Arc::new(SingleCertAndKey::from(Arc::clone(&certificate.0)));
        let discovery = Some(Arc::new(self.anonymous(certificates, DISCOVERY_ALPN)));
        Self { discovery, ..self }
    }

    /// The same, serving HTTP/3 beside the applications: with what `certificates` chooses, to clients that have none.
    #[cfg(feature = "webtransport")]
    pub(crate) fn for_browsers(
        self,
        certificates: Arc<dyn rustls::server::ResolvesServerCert>,
    ) -> Self {
        let browsers = Some(Arc::new(self.anonymous(certificates, HTTP3_ALPN)));
        Self { browsers, ..self }
    }

    /// A configuration for clients that have no certificate. A session that is resumed would show none either, so none is.
    #[inline(always)]
    fn anonymous(
        &self,
        certificates: Arc<dyn rustls::server::ResolvesServerCert>,
        alpn: &[u8],
    ) -> rustls::ServerConfig {
        let mut config = self
            .server_builder()
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![alpn.to_vec()];
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config
    }

    /// Where the recorder of each new session is to be had.
    pub(crate) fn recorders(&self) -> &Recorders {
        &self.recorders
    }

    /// The configuration for dialling peers that serve `alpn`. The name to dial is [`server_name`]`(id)`.
    ///
    /// With `early_data` sessions are remembered, and a later connection may send 0-RTT data, which an
    /// attacker can replay to another process that holds the same key ([RFC 8446 § 8]). Without it every
    /// handshake is a full one.
    ///
    /// # Errors
    /// [`ConfigError`] when `alpn` is not an application's.
    ///
    /// [RFC 8446 § 8]: https://www.rfc-editor.org/rfc/rfc8446#section-8
    pub fn client(
        &self,
        alpn: &[u8],
        early_data: bool,
    ) -> Result<Arc<dyn crypto::ClientConfig>, ConfigError> {
        check_alpn(alpn)?;
        Ok(self.dialling(alpn, early_data))
    }

    /// The same for a service of peers, whose ALPN is no application's; there is no early data.
    #[cfg(feature = "traversal")]
    pub(crate) fn client_of_service(&self, alpn: &[u8]) -> Arc<dyn crypto::ClientConfig> {
        self.dialling(alpn, false)
    }

    fn dialling(&self, alpn: &[u8], early_data: bool) -> Arc<dyn crypto::ClientConfig> {
        let builder = rustls::ClientConfig::builder_with_details(
            Arc::clone(&self.provider),
            Arc::clone(&self.time),
        );
        let mut config = builder
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3 suites and groups for them")
            .dangerous()
            .with_custom_certificate_verifier(self.dialled_key.clone())
            .with_client_cert_resolver(self.client_key.clone());
        config.alpn_protocols = vec![alpn.to_vec()];
        // The name is of use on this side only, and would tell an observer who is dialled.
        config.enable_sni = false;
        config.enable_early_data = early_data;
        config.resumption = if early_data {
            Resumption::store(self.client_sessions.of_alpn(alpn))
        } else {
            Resumption::disabled()
        };
        Arc::new(DialConfig {
            tls: Arc::new(config),
            recorders: self.recorders.clone(),
        })
    }

    /// The configuration for asking address-discovery services whose certificates lead to `roots`; `None` when there are none.
    #[cfg(feature = "traversal")]
    pub(crate) fn discovery_client(
        &self,
        roots: rustls::RootCertStore,
    ) -> Option<Arc<dyn crypto::ClientConfig>> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let provider = Arc::new(CryptoProvider {
            signature_verification_algorithms: algorithms,
            ..CryptoProvider::clone(&self.provider)
        });
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let builder = rustls::ClientConfig::builder_with_details(provider, Arc::clone(&self.time));
        let mut config = builder
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3 suites and groups for them")
            .with_webpki_verifier(verifier.build().ok()?)
            .with_no_client_auth();
        config.alpn_protocols = vec![DISCOVERY_ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Some(Arc::new(InquiryConfig {
            tls: Arc::new(config),
            recorders: self.recorders.clone(),
        }))
    }

    /// The configuration for accepting connections to `alpns`, most preferred first.
    ///
    /// With `early_data` it gives out sessions to resume, and accepts each of them once, so that 0-RTT data
    /// can't be replayed to this process. Of the [`SERVER_SESSIONS`] newest, that is: the client of a
    /// forgotten session makes a full handshake.
    ///
    /// # Errors
    /// [`ConfigError`] when one of `alpns` is not an application's.
    pub fn server(
        &self,
        alpns: &[Vec<u8>],
        early_data: bool,
    ) -> Result<Arc<dyn crypto::ServerConfig>, ConfigError> {
        alpns.iter().try_for_each(|alpn| check_alpn(alpn))?;
        let peers = Arc::new(self.peers_config(alpns, early_data));
        let discovery = self.discovery.clone();
        #[cfg(feature = "webtransport")]
        let browsers = self.browsers.clone();
        let choose = move |offered: Alpns<'_>| {
            let serves = |tls: &rustls::ServerConfig| {
                let mut offered = offered;
                offered.any(|alpn| tls.alpn_protocols.iter().any(|served| served == alpn))
            };
            let choice = |tls: &Arc<rustls::ServerConfig>, streams| {
                let tls = Arc::clone(tls);
                serves(&tls).then_some(Choice { tls, streams })
            };
            let choice_of_peers = choice(&peers, true);
            #[cfg(feature = "webtransport")]
            let choice_of_peers = choice_of_peers.or_else(|| choice(browsers.as_ref()?, true));
            choice_of_peers.or_else(|| choice(discovery.as_ref()?, false))
        };
        let gate = HelloGate::new(Arc::new(choose));
        Ok(Arc::new(gate.recorded(self.recorders.clone())))
    }

    fn peers_config(&self, alpns: &[Vec<u8>], early_data: bool) -> rustls::ServerConfig {
        let mut config = self
            .server_builder()
            .with_client_cert_verifier(self.any_key.clone())
            .with_cert_resolver(self.server_key.clone());
        config.alpn_protocols = alpns.to_vec();
        #[cfg(feature = "traversal")]
        if self.control {
            config.alpn_protocols.push(CONTROL_ALPN.to_vec());
        }
        // ChaCha20 first, whatever a client with AES instructions prefers.
        config.ignore_client_order = true;
        if early_data {
            config.session_storage = self.server_sessions.clone();
            // The only value but 0 that QUIC allows (RFC 9001 § 4.6.1).
            config.max_early_data_size = u32::MAX;
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config
    }
}

impl TlsConfig {
    fn server_builder(&self) -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier> {
        rustls::ServerConfig::builder_with_details(
            Arc::clone(&self.provider),
            Arc::clone(&self.time),
        )
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites and groups for them")
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

fn check_alpn(alpn: &[u8]) -> Result<(), ConfigError> {
    if !(1..=255).contains(&alpn.len()) {
        return Err(ConfigError::AlpnLength(alpn.len()));
    }
    if RESERVED_ALPNS.contains(&alpn) {
        return Err(ConfigError::ReservedAlpn);
    }
    Ok(())
}

/// Dials peers by their id.
struct DialConfig {
    tls: Arc<rustls::ClientConfig>,
    recorders: Recorders,
}

impl crypto::ClientConfig for DialConfig {
    fn start_session(
        &self,
        version: u32,
        name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn crypto::Session>, ConnectError> {
        if version != QUIC_V1 {
            return Err(ConnectError::UnsupportedVersion);
        }
        let invalid = || ConnectError::InvalidServerName(name.into());
        from_server_name(name).map_err(|_| invalid())?;
        let name = DnsName::try_from(name.to_owned()).map_err(|_| invalid())?;
        let (tls, name) = (Arc::clone(&self.tls), ServerName::DnsName(name));
        let session =
            Session::client(tls, name, params, self.recorders.start()).map_err(|_| invalid())?;
        Ok(Box::new(session))
    }
}

/// Asks services by the names in their certificates.
#[cfg(feature = "traversal")]
struct InquiryConfig {
    tls: Arc<rustls::ClientConfig>,
    recorders: Recorders,
}

#[cfg(feature = "traversal")]
impl crypto::ClientConfig for InquiryConfig {
    fn start_session(
        &self,
        version: u32,
        name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn crypto::Session>, ConnectError> {
        if version != QUIC_V1 {
            return Err(ConnectError::UnsupportedVersion);
        }
        let invalid = || ConnectError::InvalidServerName(name.into());
        let name = ServerName::try_from(name.to_owned()).map_err(|_| invalid())?;
        let tls = Arc::clone(&self.tls);
        let session =
            Session::client(tls, name, params, self.recorders.start()).map_err(|_| invalid())?;
        Ok(Box::new(session))
    }
}
