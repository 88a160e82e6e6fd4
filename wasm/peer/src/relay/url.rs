//! Which URLs name the same relay.
//!
//! A relay is a host and a port: its WebSocket is at `/relay` there, whatever path and query its URL has. Two
//! connections of one key to one relay push each other out, so a relay must not be taken for two because a
//! ticket, which a stranger may have written, spells it differently.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest URL.
const MAX_LENGTH: usize = 1024;

/// What is the same for two spellings of one relay's URL: lower case scheme and host, no default port, no dot at
/// the end of the host, no path, `http` for `ws`. `None` for what can't be a relay, and for spellings that URL parsers
/// take for another host than the one that is written (percent encoding, credentials, IPv4 addresses as numbers).
pub(crate) fn canonical(url: &str) -> Option<String> {
    let printable = url.bytes().all(|byte| byte.is_ascii_graphic());
    if url.len() > MAX_LENGTH || !printable {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => ("http", 80),
        "https" | "wss" => ("https", 443),
        _ => return None,
    };
    // URL parsers take a backslash for a slash.
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = rest[..end].to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port_of(port, default_port)?),
        _ => (authority.as_str(), default_port),
    };
    let host = host_of(host)?;
    Some(match port == default_port {
        true => format!("{scheme}://{host}"),
        false => format!("{scheme}://{host}:{port}"),
    })
}

fn port_of(text: &str, default: u16) -> Option<u16> {
    if text.is_empty() {
        return Some(default);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn host_of(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('[') {
        let ip: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{ip}]"));
    }
    let host = text.strip_suffix('.').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let last = host.rsplit('.').next().filter(|last| !last.is_empty())?;
    if !host.bytes().all(plain) {
        return None;
    }
    // A host that ends in a number is an IPv4 address, of which there are many spellings: one is taken.
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        let ip: Ipv4Addr = host.parse().ok()?;
        return Some(ip.to_string());
    }
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn spellings_of_one_relay_are_the_same() {
        let same = [
            "https://relay.example",
            "https://relay.example/",
            "HTTPS://Relay.Example./",
            "wss://relay.example:443/",
            "https://relay.example.:443/#x",
            "https://relay.example:0443",
            "https://relay.example:",
            "https://relay.example/a",
            "https://relay.example/./%2e",
            "https://relay.example?token=1",
            "https://relay.example\\",
            "https://relay.example\\@evil.example",
        ];
        for url in same {
            assert_eq!(
                canonical(url).as_deref(),
                Some("https://relay.example"),
                "{url}"
            );
        }
        assert_eq!(
            canonical("http://[::1]:3340/").as_deref(),
            Some("http://[::1]:3340")
        );
        assert_eq!(canonical("http://[::1]/").as_deref(), Some("http://[::1]"));
        assert_eq!(canonical("http://[0:0::0:1]"), canonical("http://[::1]:80"));
    }

    #[test]
    fn different_relays_are_not() {
        let different = [
            "https://relay.example",
            "http://relay.example",
            "https://relay.example:8443",
            "https://relay.example.org",
            "https://127.0.0.1",
        ];
        for (number, url) in different.iter().enumerate() {
            for other in &different[..number] {
                assert_ne!(canonical(url), canonical(other), "{url} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_relays_url_is_refused() {
        let long = format!("https://{}", "a".repeat(2000));
        for url in [
            "",
            "relay.example",
            "ftp://a",
            "https://",
            "https://a b",
            "https://u@h",
            "https://:1",
            "https://a:+1",
            "https://a:65536",
            "https://%72elay.example",
            "https://[::1",
            "http://127.1",
            "http://0x7f.0.0.1",
            "http://2130706433",
            "http://0177.0.0.1",
            "https:///relay.example",
            "https://bücher.example",
            &long,
        ] {
            assert_eq!(canonical(url), None, "{url}");
        }
    }
}
