//! Where an endpoint publishes its addresses, and looks up those of others.

use std::net::SocketAddr;

use clap::Args;
use iroh::address_lookup::{AddrFilter, DnsAddressLookup, PkarrPublisher, PkarrResolver};
use iroh::dns::DnsResolver;
use iroh::endpoint::Builder;
use iroh_mdns_address_lookup::MdnsAddressLookup;
use url::Url;

#[derive(Args)]
pub struct LookupArgs {
    /// A pkarr relay where its addresses are published and those of others are looked up, such as http://127.0.0.1:8080/pkarr.
    #[arg(long)]
    pkarr: Option<Url>,
    /// A name server that is asked for the addresses of others.
    #[arg(long, requires = "dns_origin")]
    dns: Option<SocketAddr>,
    /// The domain below which that name server has them.
    #[arg(long, requires = "dns")]
    dns_origin: Option<String>,
    /// Announces itself on the local network by mDNS, and looks others up there.
    #[arg(long)]
    mdns: bool,
}

impl LookupArgs {
    /// Whether others can be found by their id alone.
    pub fn finds(&self) -> bool {
        self.pkarr.is_some() || self.dns.is_some() || self.mdns
    }

    /// Sets up what was asked for; `has_relay`: published is the relay alone, as iroh does by default.
    pub fn apply(&self, mut builder: Builder, has_relay: bool) -> Builder {
        if let Some(url) = &self.pkarr {
            let filter = if has_relay {
                AddrFilter::relay_only()
            } else {
                AddrFilter::unfiltered()
            };
            builder = builder
                .address_lookup(PkarrPublisher::builder(url.clone()).addr_filter(filter))
                .address_lookup(PkarrResolver::builder(url.clone()));
        }
        if let (Some(server), Some(origin)) = (self.dns, &self.dns_origin) {
            let resolver = DnsResolver::with_nameserver(server);
            let lookup = DnsAddressLookup::builder(origin.clone()).dns_resolver(resolver);
            builder = builder.address_lookup(lookup);
        }
        if self.mdns {
            builder = builder.address_lookup(MdnsAddressLookup::builder());
        }
        builder
    }
}
