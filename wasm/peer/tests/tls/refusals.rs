//! Who is turned away, and how each side learns why.

use std::sync::Arc;

use anypath_peer::tls::{ConfigError, HandshakeInfo, WrongKey};
use noq_proto::{ConnectionError, TransportErrorCode};
use rustls::AlertDescription;

use crate::net::{Clock, Net, Ours, no_parameters};
use crate::stock::Stock;

fn alert_of(error: &ConnectionError) -> Option<TransportErrorCode> {
    match error {
        ConnectionError::TransportError(error) => Some(error.code),
        ConnectionError::ConnectionClosed(close) => Some(close.error_code),
        _ => None,
    }
}

fn code(alert: AlertDescription) -> Option<TransportErrorCode> {
    Some(TransportErrorCode::crypto(alert.into()))
}

#[test]
fn a_wrong_key_at_the_address_names_both_keys() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let expected = Ours::new(3, &clock).id();
    let mut net = Net::new(clock, bob.server(&["chat/1"], false));
    let handle = net.connect(alice.client("chat/1", false), expected);

    let loss = net.client.loss(handle).expect("refused");
    let actual = bob.id();
    assert_eq!(
        WrongKey::in_error(loss),
        Some(WrongKey { expected, actual })
    );
    assert!(HandshakeInfo::of(&net.client.connections[&handle]).is_none());
    let connection = net.server.connections.values().last().expect("accepted");
    assert!(HandshakeInfo::of(connection).is_none());
}

#[test]
fn a_client_without_a_key_is_refused() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Stock::new(1), Ours::new(2, &clock));
    let mut net = Net::new(clock, bob.server(&["chat/1"], false));
    let handle = net.dial(alice.anonymous_client("chat/1"), bob.id());
    net.run_until(|net| net.client.loss(handle).is_some());

    let alert = alert_of(net.client.loss(handle).expect("refused"));
    // A client that can't do raw public keys at all fails earlier than one that has none.
    let expected = [
        code(AlertDescription::CertificateRequired),
        code(AlertDescription::HandshakeFailure),
        code(AlertDescription::UnsupportedCertificate),
    ];
    assert!(expected.contains(&alert), "{alert:?}");
    for connection in net.server.connections.values() {
        assert!(HandshakeInfo::of(connection).is_none());
    }
}

#[test]
fn an_alpn_that_nobody_serves_gets_the_alert_no_application_protocol() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    // "h3" in one of the ALPNs of the client must not open a way around the table either.
    let mut net = Net::new(clock, bob.server(&["chat/1"], false));
    let handle = net.connect(alice.client("chat/2", false), bob.id());
    let alert = alert_of(net.client.loss(handle).expect("refused"));
    assert_eq!(alert, code(AlertDescription::NoApplicationProtocol));
    assert_eq!(u8::from(AlertDescription::NoApplicationProtocol), 120);

    // The same in one datagram: refused before there is a connection.
    let stock = Stock::new(3);
    let handle = net.connect(stock.client("h3"), bob.id());
    let alert = alert_of(net.client.loss(handle).expect("refused"));
    assert_eq!(alert, code(AlertDescription::NoApplicationProtocol));
    assert_eq!(net.server.refused.len(), 1);
}

#[test]
fn a_server_without_alpns_refuses_everybody() {
    let clock = Arc::new(Clock::default());
    let (alice, bob) = (Ours::new(1, &clock), Ours::new(2, &clock));
    let mut net = Net::new(clock, bob.server(&[], false));
    let handle = net.connect(alice.client("chat/1", false), bob.id());
    let alert = alert_of(net.client.loss(handle).expect("refused"));
    assert_eq!(alert, code(AlertDescription::NoApplicationProtocol));
}

#[test]
fn an_alpn_that_no_application_may_have_is_an_error_at_once() {
    let clock = Arc::new(Clock::default());
    let tls = Ours::new(1, &clock).tls;
    let client = |alpn: &[u8]| tls.client(alpn, false).err();
    let server = |alpn: &[u8]| {
        tls.server(&[b"chat/1".to_vec(), alpn.to_vec()], false)
            .err()
    };
    for refusal in [&client as &dyn Fn(&[u8]) -> _, &server] {
        assert_eq!(refusal(b"h3"), Some(ConfigError::ReservedAlpn));
        assert_eq!(refusal(b""), Some(ConfigError::AlpnLength(0)));
        assert_eq!(refusal(&[b'a'; 256]), Some(ConfigError::AlpnLength(256)));
        assert_eq!(refusal(&[b'a'; 255]), None);
    }
}

#[test]
fn a_name_that_is_no_peer_can_not_be_dialled() {
    let clock = Arc::new(Clock::default());
    let config = Ours::new(1, &clock).client("chat/1", false);
    for name in ["", "localhost", "example.org", "0.iroh.invalid"] {
        let session = config.start_session(1, name, &no_parameters());
        assert!(session.is_err(), "{name}");
    }
}
