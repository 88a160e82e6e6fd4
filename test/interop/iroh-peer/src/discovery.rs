//! Asks an address-discovery service, as an endpoint does that has a relay beside one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use iroh::endpoint::{RelayMode, presets};
use iroh::tls::CaTlsConfig;
use iroh::{Endpoint, RelayConfig, RelayUrl, Watcher};
use serde_json::{Value, json};

#[derive(Args)]
pub struct DiscoverArgs {
    /// The relay beside which the service is; the relay itself is not needed.
    #[arg(long)]
    relay: RelayUrl,
    /// The service's UDP port.
    #[arg(long)]
    port: u16,
    /// The only certificate that is trusted: a file in DER.
    #[arg(long)]
    trust: PathBuf,
    /// The address to bind.
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// How long to try.
    #[arg(long, default_value_t = 10_000)]
    timeout_ms: u64,
}

/// What the endpoint finds out about itself; `global_v4` and `global_v6` are null when it learns nothing.
pub async fn discover(args: DiscoverArgs) -> Result<Value> {
    let root = std::fs::read(&args.trust).context("can't read the certificate")?;
    let mut relay = RelayConfig::new(args.relay, Some(Default::default()));
    if let Some(quic) = relay.quic.as_mut() {
        quic.port = args.port;
    }
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Custom(relay.into()))
        .ca_tls_config(CaTlsConfig::custom_roots([root.into()]))
        .clear_ip_transports()
        .bind_addr(args.bind)?
        .bind()
        .await
        .context("can't bind")?;
    let mut reports = endpoint.net_report();
    let found = async {
        loop {
            let report = reports.initialized().await;
            if report.global_v4.is_some() || report.global_v6.is_some() {
                break report;
            }
            if reports.updated().await.is_err() {
                break report;
            }
        }
    };
    let report = tokio::time::timeout(Duration::from_millis(args.timeout_ms), found).await;
    let report = report.unwrap_or_default();
    let bound = endpoint.bound_sockets().first().map(SocketAddr::port);
    endpoint.close().await;
    Ok(json!({
        "event": "discovered",
        "port": bound,
        "global_v4": report.global_v4.map(|address| address.to_string()),
        "global_v6": report.global_v6.map(|address| address.to_string()),
    }))
}
