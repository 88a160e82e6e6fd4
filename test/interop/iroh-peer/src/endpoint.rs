//! How an endpoint is bound, and what relays it has.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use iroh::endpoint::presets;
use iroh::tls::CaTlsConfig;
use iroh::{Endpoint, RelayConfig, RelayMap, RelayMode, RelayUrl, SecretKey};

use crate::lookup::LookupArgs;

const LOOPBACK: &str = "127.0.0.1:0";

#[derive(Args)]
pub struct EndpointArgs {
    #[arg(long)]
    pub alpn: String,
    /// Addresses to bind; may be repeated. Without any, 127.0.0.1 and a free port; with a relay, none.
    #[arg(long)]
    bind: Vec<SocketAddr>,
    /// Relays to use; may be repeated.
    #[arg(long)]
    pub relay: Vec<RelayUrl>,
    /// The token that these relays ask for.
    #[arg(long, requires = "relay")]
    relay_token: Option<String>,
    /// The UDP port at which these relays serve address discovery; iroh's own otherwise.
    #[arg(long, requires = "relay")]
    qad_port: Option<u16>,
    /// The only certificate of relays that is trusted: a file in DER.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// How long the first relay may take to answer.
    #[arg(long, default_value_t = 20_000)]
    relay_wait_ms: u64,
    /// The secret key, 64 hex characters; a new one otherwise.
    #[arg(long)]
    key: Option<SecretKey>,
    #[command(flatten)]
    pub lookup: LookupArgs,
}

impl EndpointArgs {
    pub async fn bind(&self) -> Result<Endpoint> {
        let mut builder = Endpoint::builder(presets::Minimal)
            .alpns(vec![self.alpn.as_bytes().to_vec()])
            .clear_ip_transports();
        if let Some(key) = &self.key {
            builder = builder.secret_key(key.clone());
        }
        if let Some(file) = &self.trust {
            let root = std::fs::read(file).context("can't read the certificate")?;
            builder = builder.ca_tls_config(CaTlsConfig::custom_roots([root.into()]));
        }
        if !self.relay.is_empty() {
            builder = builder.relay_mode(RelayMode::Custom(self.relay_map()));
        } else if self.bind.is_empty() {
            builder = builder.bind_addr(LOOPBACK)?;
        }
        for address in &self.bind {
            builder = builder.bind_addr(*address)?;
        }
        self.lookup
            .apply(builder, !self.relay.is_empty())
            .bind()
            .await
            .context("can't bind")
    }

    /// Waits until a relay answers, if there are any.
    ///
    /// # Errors
    /// When none does in time.
    pub async fn online(&self, endpoint: &Endpoint) -> Result<()> {
        if self.relay.is_empty() {
            return Ok(());
        }
        let wait = Duration::from_millis(self.relay_wait_ms);
        tokio::time::timeout(wait, endpoint.online())
            .await
            .context("no relay answers")
    }

    fn relay_map(&self) -> RelayMap {
        let relays = RelayMap::from_iter(self.relay.iter().cloned().map(|url| {
            let mut relay = RelayConfig::from(url);
            if let (Some(port), Some(quic)) = (self.qad_port, relay.quic.as_mut()) {
                quic.port = port;
            }
            relay
        }));
        match &self.relay_token {
            Some(token) => relays.with_auth_token(token),
            None => relays,
        }
    }
}
