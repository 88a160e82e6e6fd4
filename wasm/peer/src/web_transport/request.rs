//! Requests, and whether they ask for a session.

use anypath_wire::http3::error::MESSAGE_ERROR;
use anypath_wire::http3::qpack::Field;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// A session.
    Session(SessionRequest),
    /// Something else: the status to answer with.
    Other(u16),
}

/// Who wants a session, and for what, as the client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRequest {
    /// The host and port of the URL.
    pub authority: String,
    /// The path and query of the URL.
    pub path: String,
    /// The origin of the page ([RFC 6454]); empty where the client is no browser.
    ///
    /// [RFC 6454]: https://www.rfc-editor.org/rfc/rfc6454
    pub origin: String,
    /// Whether the answer has to name the second draft.
    pub(crate) second_draft: bool,
}

/// The pseudo-headers of a request ([RFC 9114 § 4.3.1], [RFC 8441 § 4]).
///
/// [RFC 9114 § 4.3.1]: https://www.rfc-editor.org/rfc/rfc9114#section-4.3.1
/// [RFC 8441 § 4]: https://www.rfc-editor.org/rfc/rfc8441#section-4
const PSEUDO: [&str; 5] = [":method", ":scheme", ":authority", ":path", ":protocol"];

/// The names of the protocol in its drafts, older ones first.
const PROTOCOLS: [&str; 2] = ["webtransport", "webtransport-h3"];

impl Request {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// [`MESSAGE_ERROR`], for the stream, when they are malformed ([RFC 9114 § 4.1.2]).
    ///
    /// [RFC 9114 § 4.1.2]: https://www.rfc-editor.org/rfc/rfc9114#section-4.1.2
    pub(crate) fn read(fields: &[Field]) -> Result<Self, u64> {
        let mut pseudo = [None; PSEUDO.len()];
        let (mut origin, mut second_draft, mut ordinary) = (None, false, false);
        for Field { name, value } in fields {
            let name = std::str::from_utf8(name).map_err(|_| MESSAGE_ERROR)?;
            let value = std::str::from_utf8(value).map_err(|_| MESSAGE_ERROR)?;
            if !is_name(name) || !is_value(value) {
                return Err(MESSAGE_ERROR);
            }
            if name.starts_with(':') {
                let at = PSEUDO.iter().position(|known| *known == name);
                let place = at.and_then(|at| pseudo.get_mut(at));
                let place = place.filter(|_| !ordinary).ok_or(MESSAGE_ERROR)?;
                if place.replace(value).is_some() {
                    return Err(MESSAGE_ERROR);
                }
                continue;
            }
            ordinary = true;
            match name {
                "origin" if origin.replace(value).is_some() => return Err(MESSAGE_ERROR),
                "sec-webtransport-http3-draft02" => second_draft = true,
                _ => {}
            }
        }
        let [method, scheme, authority, path, protocol] = pseudo;
        let method = method.ok_or(MESSAGE_ERROR)?;
        match (method, protocol) {
            ("CONNECT", Some(protocol)) if PROTOCOLS.contains(&protocol) => {
                let (scheme, path) = (scheme.ok_or(MESSAGE_ERROR)?, path.ok_or(MESSAGE_ERROR)?);
                let authority = authority.ok_or(MESSAGE_ERROR)?;
                if scheme != "https" || !path.starts_with('/') || authority.is_empty() {
                    return Err(MESSAGE_ERROR);
                }
                Ok(Self::Session(SessionRequest {
                    authority: authority.to_owned(),
                    path: path.to_owned(),
                    origin: origin.unwrap_or_default().to_owned(),
                    second_draft,
                }))
            }
            // RFC 9220 § 3: another protocol over CONNECT, or a tunnel, is not implemented.
            ("CONNECT", _) => Ok(Self::Other(501)),
            (_, Some(_)) => Err(MESSAGE_ERROR),
            (_, None) => Ok(Self::Other(404)),
        }
    }
}

/// A name without upper case, space and control characters ([RFC 9114 § 4.2]).
///
/// [RFC 9114 § 4.2]: https://www.rfc-editor.org/rfc/rfc9114#section-4.2
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    !name.is_empty() && name.bytes().all(plain)
}

fn is_value(value: &str) -> bool {
    !value.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: [(&str, &str); 5] = [
        (":method", "CONNECT"),
        (":protocol", "webtransport"),
        (":scheme", "https"),
        (":authority", "192.0.2.1:4433"),
        (":path", "/echo?x=1"),
    ];

    fn read(fields: &[(&str, &str)]) -> Result<Request, u64> {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| Field {
                name: name.as_bytes().to_vec(),
                value: value.as_bytes().to_vec(),
            })
            .collect();
        Request::read(&fields)
    }

    #[test]
    fn a_browsers_request_asks_for_a_session() {
        let browser = [
            &SESSION[..],
            &[
                ("sec-webtransport-http3-draft02", "1"),
                ("origin", "https://example.com"),
            ],
        ];
        let expected = SessionRequest {
            authority: "192.0.2.1:4433".into(),
            path: "/echo?x=1".into(),
            origin: "https://example.com".into(),
            second_draft: true,
        };
        assert_eq!(read(&browser.concat()), Ok(Request::Session(expected)));
        let Ok(Request::Session(plain)) = read(&SESSION) else {
            panic!("a session");
        };
        assert_eq!((plain.origin.as_str(), plain.second_draft), ("", false));
    }

    #[test]
    fn other_requests_are_answered_and_are_no_error() {
        let get = [(":method", "GET"), (":scheme", "https"), (":path", "/")];
        assert_eq!(read(&get), Ok(Request::Other(404)));
        let tunnel = [(":method", "CONNECT"), (":authority", "example.com:443")];
        assert_eq!(read(&tunnel), Ok(Request::Other(501)));
        let mut other = SESSION;
        other[1].1 = "websocket";
        assert_eq!(read(&other), Ok(Request::Other(501)));
    }

    #[test]
    fn malformed_requests_are_errors_of_their_stream() {
        for missing in [2, 3, 4] {
            let mut fields = SESSION.to_vec();
            fields.remove(missing);
            assert_eq!(read(&fields), Err(MESSAGE_ERROR), "without {missing}");
        }
        let cases: [&[(&str, &str)]; 8] = [
            &[(":method", "CONNECT")],
            &[(":unknown", "1")],
            &[("origin", "a"), ("origin", "b")],
            &[("Upper", "case")],
            &[("", "nameless")],
            &[("with space", "1")],
            &[("value", "with\nline")],
            &[("ordinary", "first"), (":path", "/")],
        ];
        for extra in cases {
            let fields = [&SESSION[..], extra].concat();
            assert_eq!(read(&fields), Err(MESSAGE_ERROR), "{extra:?}");
        }
        assert_eq!(read(&[]), Err(MESSAGE_ERROR));
        let mut plain = SESSION;
        plain[2].1 = "http";
        assert_eq!(read(&plain), Err(MESSAGE_ERROR));
    }
}
