//! HTTP/3 ([RFC 9114]) as far as WebTransport over it needs it ([draft-ietf-webtrans-http3]).
//!
//! | module | what it reads and writes |
//! |---|---|
//! | [`frame`] | the frames of request and control streams |
//! | [`settings`] | what both sides tell of themselves first |
//! | [`qpack`] | the fields of requests and answers, without a dynamic table |
//! | [`capsule`] | what the two ends of a session tell each other |
//! | [`error`] | codes that close connections and streams |
//!
//! [RFC 9114]: https://www.rfc-editor.org/rfc/rfc9114
//! [draft-ietf-webtrans-http3]: https://datatracker.ietf.org/doc/draft-ietf-webtrans-http3/

pub mod capsule;
pub mod error;
pub mod frame;
pub mod qpack;
pub mod settings;

/// What a unidirectional stream begins with.
pub mod stream {
    /// Frames about the connection ([RFC 9114 § 6.2.1](https://www.rfc-editor.org/rfc/rfc9114#section-6.2.1)).
    pub const CONTROL: u64 = 0x00;
    /// Only servers push ([RFC 9114 § 6.2.2](https://www.rfc-editor.org/rfc/rfc9114#section-6.2.2)).
    pub const PUSH: u64 = 0x01;
    /// Instructions to a dynamic table ([RFC 9204 § 4.2](https://www.rfc-editor.org/rfc/rfc9204#section-4.2)).
    pub const QPACK_ENCODER: u64 = 0x02;
    /// What a decoder answers to them.
    pub const QPACK_DECODER: u64 = 0x03;
    /// A session's stream; the session's id follows.
    pub const WEB_TRANSPORT: u64 = 0x54;
}

/// What a bidirectional stream of a session begins with, where else the type of a frame is; the session's id follows.
pub const WEB_TRANSPORT_STREAM: u64 = 0x41;
