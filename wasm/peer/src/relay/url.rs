//! Which URLs name the same relay.
//!
//! Two connections of one key to one relay push each other out, so a relay must not be taken for two because
//! a ticket spells it differently.

/// The longest URL.
const MAX_LENGTH: usize = 1024;

/// What is the same for two spellings of one relay's URL: lower case scheme and host, no default port, no dot at
/// the end of the host, no slash at the end of the path, `http` for `ws`. `None` for what can't be a relay.
pub(crate) fn canonical(url: &str) -> Option<String> {
    let printable = url.bytes().all(|byte| byte.is_ascii_graphic());
    if url.len() > MAX_LENGTH || !printable {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => ("http", ":80"),
        "https" | "wss" => ("https", ":443"),
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => authority.split_at(colon),
        _ => (authority, ""),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.contains('@') {
        return None;
    }
    let path = path.trim_end_matches('/');
    Some(format!("{scheme}://{host}{port}{path}"))
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
    }

    #[test]
    fn different_relays_are_not() {
        let different = [
            "https://relay.example",
            "http://relay.example",
            "https://relay.example:8443",
            "https://relay.example/a",
            "https://relay.example/A",
            "https://relay.example/?token=1",
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
            &long,
        ] {
            assert_eq!(canonical(url), None, "{url}");
        }
    }
}
