//! What a client's streams are, and what is said on those that are HTTP's own.

use anypath_wire::http3::{WEB_TRANSPORT_STREAM, capsule, error, frame, qpack, settings, stream};
use anypath_wire::varint::read_varint;

use crate::event::ConnectionKey;
use crate::peer::Peer;
use crate::web_transport::framing::{Framer, Piece};
use crate::web_transport::request::Request;
use crate::web_transport::{
    MAX_FIELDS, REQUESTS_PER_CONNECTION, Role, on_capsule, on_control, on_request,
};

/// What one look at a stream reads.
const READ_BYTES: usize = 4096;

/// What a look at a stream came to, or the code with which the connection has to be closed.
pub(super) type Outcome = Result<Progress, u64>;

/// How a look at a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is nothing more now.
    Waiting,
    /// The stream has ended.
    Ended,
    /// The stream was reset.
    Broken,
    /// The stream has become another's to read.
    HandedOver,
}

impl Peer {
    /// Finds out what a stream is, without reading further than that.
    pub(super) fn look_unknown(
        &mut self,
        key: ConnectionKey,
        id: u64,
        both: bool,
        mut head: Vec<u8>,
    ) -> Outcome {
        loop {
            if let Some(outcome) = self.recognise(key, id, both, &head) {
                return outcome;
            }
            match self.arrived(key, id, 1) {
                Ok(byte) => head.extend(byte),
                Err(Progress::Ended | Progress::Broken) => {
                    if both {
                        self.refuse_stream(key, id, error::REQUEST_INCOMPLETE);
                    }
                    return Ok(Progress::HandedOver);
                }
                Err(progress) => {
                    self.keep(key, id, Role::Unknown { both, head });
                    return Ok(progress);
                }
            }
        }
    }

    /// What a stream that begins so is; `None` when more has to come.
    fn recognise(
        &mut self,
        key: ConnectionKey,
        id: u64,
        both: bool,
        head: &[u8],
    ) -> Option<Outcome> {
        let (kind, rest) = read_varint(head)?;
        let of_session = match both {
            true => kind == WEB_TRANSPORT_STREAM,
            false => kind == stream::WEB_TRANSPORT,
        };
        if of_session {
            let (session, _) = read_varint(rest)?;
            return Some(self.join(key, id, session, both));
        }
        Some(match both {
            // The head is that of the first frame.
            true => self.begin_request(key, id, head),
            false => self.begin_one_way(key, id, kind),
        })
    }

    fn begin_request(&mut self, key: ConnectionKey, id: u64, head: &[u8]) -> Outcome {
        let unfinished = self
            .http3(key)
            .map_or(0, |http3| http3.unfinished_requests());
        if unfinished >= REQUESTS_PER_CONNECTION {
            self.stats.web_transport.refused += 1;
            self.refuse_stream(key, id, error::REQUEST_REJECTED);
            return Ok(Progress::HandedOver);
        }
        let mut framer = Framer::default();
        let mut found = Vec::new();
        framer.push(head, |head| on_request(head, false), &mut found)?;
        self.look_request(key, id, framer)
    }

    fn begin_one_way(&mut self, key: ConnectionKey, id: u64, kind: u64) -> Outcome {
        let critical = matches!(
            kind,
            stream::CONTROL | stream::QPACK_ENCODER | stream::QPACK_DECODER
        );
        if critical {
            let twice = self
                .http3(key)
                .and_then(|http3| http3.critical.insert(kind, id));
            if twice.is_some() {
                return Err(error::STREAM_CREATION_ERROR);
            }
        }
        match kind {
            stream::CONTROL => self.look_control(key, id, Framer::default()),
            stream::QPACK_ENCODER => self.look_encoder(key, id),
            stream::QPACK_DECODER => self.drop_arrived(key, id),
            stream::PUSH => Err(error::STREAM_CREATION_ERROR),
            _ => {
                let _ = self.stop(key, id, error::STREAM_CREATION_ERROR);
                Ok(Progress::HandedOver)
            }
        }
    }

    /// Reads what nobody is interested in.
    pub(super) fn drop_arrived(&mut self, key: ConnectionKey, id: u64) -> Outcome {
        loop {
            if let Err(progress) = self.arrived(key, id, READ_BYTES) {
                if progress == Progress::Waiting {
                    self.keep(key, id, Role::Ignored);
                }
                return Ok(progress);
            }
        }
    }

    /// A client that was announced no table may only say that it uses none ([RFC 9204 § 4.3.1]).
    ///
    /// [RFC 9204 § 4.3.1]: https://www.rfc-editor.org/rfc/rfc9204#section-4.3.1
    pub(super) fn look_encoder(&mut self, key: ConnectionKey, id: u64) -> Outcome {
        const CAPACITY_OF_NOTHING: u8 = 0x20;
        loop {
            match self.arrived(key, id, READ_BYTES) {
                Ok(bytes) if bytes.iter().all(|byte| *byte == CAPACITY_OF_NOTHING) => {}
                Ok(_) => return Err(error::QPACK_ENCODER_STREAM_ERROR),
                Err(progress) => {
                    if progress == Progress::Waiting {
                        self.keep(key, id, Role::Encoder);
                    }
                    return Ok(progress);
                }
            }
        }
    }

    pub(super) fn look_control(
        &mut self,
        key: ConnectionKey,
        id: u64,
        mut framer: Framer,
    ) -> Outcome {
        loop {
            let bytes = match self.arrived(key, id, READ_BYTES) {
                Ok(bytes) => bytes,
                Err(progress) => {
                    self.keep(key, id, Role::Control(framer));
                    return Ok(progress);
                }
            };
            // Frame by frame, for what may follow depends on whether the settings were among them.
            for byte in bytes {
                let settled = self.http3(key).is_none_or(|http3| http3.settled);
                let mut found = Vec::new();
                framer.push(&[byte], |head| on_control(head, settled), &mut found)?;
                for piece in found {
                    if let Piece::Whole(frame::SETTINGS, payload) = piece {
                        self.settle(key, &payload)?;
                    }
                }
            }
        }
    }

    /// The client's settings are there, and with them what its requests need.
    fn settle(&mut self, key: ConnectionKey, payload: &[u8]) -> Result<(), u64> {
        let client = settings::read_client(payload).map_err(|error| match error {
            settings::SettingsError::Truncated => error::FRAME_ERROR,
            _ => error::SETTINGS_ERROR,
        })?;
        let Some(http3) = self.http3(key) else {
            return Ok(());
        };
        http3.settled = true;
        let early: Vec<_> = http3
            .roles
            .iter()
            .filter(|(_, role)| matches!(role, Role::Early(_)))
            .map(|(id, _)| *id)
            .collect();
        if !client.datagrams {
            return Err(error::SETTINGS_ERROR);
        }
        for id in early {
            let role = self.http3(key).and_then(|http3| http3.roles.remove(&id));
            if let Some(Role::Early(request)) = role {
                self.ask(key, id, request);
                self.look(key, id);
            }
        }
        Ok(())
    }

    pub(super) fn look_request(
        &mut self,
        key: ConnectionKey,
        id: u64,
        mut framer: Framer,
    ) -> Outcome {
        loop {
            // Frame by frame, for what follows the fields is read by others.
            let bytes = match self.arrived(key, id, framer.wanted().min(READ_BYTES)) {
                Ok(bytes) => bytes,
                Err(Progress::Ended) if !framer.is_between() => return Err(error::FRAME_ERROR),
                Err(Progress::Ended | Progress::Broken) => {
                    self.refuse_stream(key, id, error::REQUEST_INCOMPLETE);
                    return Ok(Progress::HandedOver);
                }
                Err(progress) => {
                    self.keep(key, id, Role::Request(framer));
                    return Ok(progress);
                }
            };
            let mut found = Vec::new();
            framer.push(&bytes, |head| on_request(head, false), &mut found)?;
            if let Some(Piece::Whole(_, section)) = found.pop() {
                return self.take_request(key, id, &section);
            }
        }
    }

    /// The fields of a request are there.
    fn take_request(&mut self, key: ConnectionKey, id: u64, section: &[u8]) -> Outcome {
        let fields = qpack::read(section, MAX_FIELDS).map_err(|error| match error {
            qpack::QpackError::TooLarge => error::EXCESSIVE_LOAD,
            _ => error::QPACK_DECOMPRESSION_FAILED,
        })?;
        match Request::read(&fields) {
            Ok(Request::Session(request)) => {
                match self.http3(key).is_some_and(|http3| http3.settled) {
                    true => self.ask(key, id, request),
                    false => self.keep(key, id, Role::Early(request)),
                }
                self.look(key, id);
                Ok(Progress::HandedOver)
            }
            Ok(Request::Other(status)) => {
                self.answer(key, id, status, false);
                let _ = self.stop(key, id, error::NO_ERROR);
                Ok(Progress::HandedOver)
            }
            Err(code) => {
                self.refuse_stream(key, id, code);
                Ok(Progress::HandedOver)
            }
        }
    }

    /// Capsules, in the content of a session's CONNECT stream.
    pub(super) fn look_connect(
        &mut self,
        key: ConnectionKey,
        id: u64,
        session: ConnectionKey,
        mut frames: Framer,
        mut capsules: Framer,
    ) -> Outcome {
        loop {
            let bytes = match self.arrived(key, id, READ_BYTES) {
                Ok(bytes) => bytes,
                Err(Progress::Waiting) => {
                    let role = Role::Connect {
                        session,
                        frames,
                        capsules,
                    };
                    self.keep(key, id, role);
                    return Ok(Progress::Waiting);
                }
                Err(Progress::Broken) => {
                    self.end_session(session, error::NO_ERROR);
                    return Ok(Progress::HandedOver);
                }
                Err(_) if !frames.is_between() || !capsules.is_between() => {
                    self.end_session(session, error::MESSAGE_ERROR);
                    return Ok(Progress::HandedOver);
                }
                // A session that ends without a capsule ends with nothing to say.
                Err(_) => {
                    self.remote_closed(session, 0, "");
                    return Ok(Progress::HandedOver);
                }
            };
            let mut found = Vec::new();
            frames.push(&bytes, |head| on_request(head, true), &mut found)?;
            let mut told = Vec::new();
            for piece in found {
                if let Piece::Part(content) = piece
                    && let Err(code) = capsules.push(&content, on_capsule, &mut told)
                {
                    self.end_session(session, code);
                    return Ok(Progress::HandedOver);
                }
            }
            for piece in told {
                match piece {
                    Piece::Whole(capsule::CLOSE_SESSION, payload) => {
                        match capsule::Close::read(&payload) {
                            Ok(close) => self.remote_closed(session, close.code, close.reason),
                            Err(_) => self.end_session(session, error::MESSAGE_ERROR),
                        }
                        return Ok(Progress::HandedOver);
                    }
                    Piece::Whole(capsule::DATAGRAM, payload) => {
                        self.deliver_datagram(session, payload.into());
                    }
                    _ => {}
                }
            }
        }
    }
}
