//! The client's memory of sessions to resume, and with them of the servers' transport parameters.

use std::sync::Arc;

use ring::digest;
use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::{DnsName, ServerName};

/// How many tickets rustls' cache keeps for each name.
const TICKETS_PER_NAME: usize = 8;

/// The sessions of all remote peers, the oldest of which are forgotten first.
#[derive(Debug, Clone)]
pub(super) struct SessionCache(Arc<ClientSessionMemoryCache>);

impl SessionCache {
    /// A cache for `names` pairs of a remote peer and an ALPN.
    pub(super) fn new(names: usize) -> Self {
        Self(Arc::new(ClientSessionMemoryCache::new(
            names * TICKETS_PER_NAME,
        )))
    }

    /// The part of the cache for one ALPN.
    ///
    /// rustls keeps sessions by the remote peer's name only. A server refuses the early data of a session
    /// that had another ALPN ([RFC 8446 § 4.2.10]), so offering such a session would waste it.
    ///
    /// [RFC 8446 § 4.2.10]: https://www.rfc-editor.org/rfc/rfc8446#section-4.2.10
    pub(super) fn of_alpn(&self, alpn: &[u8]) -> Arc<dyn ClientSessionStore> {
        let hash = digest::digest(&digest::SHA256, alpn);
        let label = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}"));
        Arc::new(AlpnSessions {
            cache: Arc::clone(&self.0),
            label: label.collect(),
        })
    }
}

#[derive(Debug)]
struct AlpnSessions {
    cache: Arc<ClientSessionMemoryCache>,
    /// Put before the peer's name, as a DNS label of its own.
    label: String,
}

impl AlpnSessions {
    fn key(&self, name: &ServerName<'_>) -> Option<ServerName<'static>> {
        let name = format!("{}.{}", self.label, name.to_str());
        Some(ServerName::DnsName(DnsName::try_from(name).ok()?))
    }
}

impl ClientSessionStore for AlpnSessions {
    /// Does nothing: see [`kx_hint`](Self::kx_hint).
    fn set_kx_hint(&self, _name: ServerName<'static>, _group: NamedGroup) {}

    /// Always `None`, so that a peer which once knew only X25519 is offered the hybrid group again.
    fn kx_hint(&self, _name: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _name: ServerName<'static>, _value: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _name: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        if let Some(key) = self.key(&name) {
            self.cache.insert_tls13_ticket(key, value);
        }
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.cache.take_tls13_ticket(&self.key(name)?)
    }
}
