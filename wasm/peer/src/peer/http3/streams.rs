//! The application's calls on a session's streams and datagrams, which are those on a connection's.

use anypath_wire::http3::error;

use crate::error::ErrorCode;
use crate::event::ConnectionKey;
use crate::peer::{Peer, ReadOutcome, StreamError};
use crate::web_transport::{Sides, Stage};

const RECEIVED: Sides = Sides {
    sends: false,
    receives: true,
};
const SENT: Sides = Sides {
    sends: true,
    receives: false,
};

/// A call on a session's stream, as [`Peer`]'s own answer it; `None` when the key is no session's.
type Answer<T> = Option<Result<T, StreamError>>;

impl Peer {
    pub(in crate::peer) fn open_in_session(
        &mut self,
        session: ConnectionKey,
        both: bool,
    ) -> Answer<Option<u64>> {
        let found = self.session(session)?;
        let (key, head) = (found.connection, found.stream_head(both));
        if found.stage != Stage::Open {
            return Some(Ok(None));
        }
        let opened = self.open_stream(key, both);
        if let Ok(Some(id)) = opened {
            self.own_stream(
                session,
                id,
                Sides {
                    sends: true,
                    receives: both,
                },
            );
            self.send_on(key, id, &head, false);
        }
        Some(opened)
    }

    /// The connection of a session's stream.
    fn of_session(&self, session: ConnectionKey, id: u64) -> Answer<ConnectionKey> {
        let found = self.session(session)?;
        let is_its = found.streams.contains_key(&id);
        let closed = StreamError {
            code: ErrorCode::StreamClosed,
            detail: 0,
        };
        Some(is_its.then_some(found.connection).ok_or(closed))
    }

    pub(in crate::peer) fn write_in_session(
        &mut self,
        session: ConnectionKey,
        id: u64,
        data: &[u8],
    ) -> Answer<usize> {
        let key = match self.of_session(session, id)? {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        // What says whose stream it is goes first.
        if !self.flush(key, id) {
            return Some(Ok(0));
        }
        Some(self.write(key, id, data).map_err(of_application))
    }

    pub(in crate::peer) fn read_in_session(
        &mut self,
        session: ConnectionKey,
        id: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> Answer<ReadOutcome> {
        let key = match self.of_session(session, id)? {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        let read = self.read(key, id, max, into).map_err(of_application);
        if matches!(read, Ok(ReadOutcome::Finished) | Err(_)) {
            self.side_over(key, id, RECEIVED);
        }
        Some(read)
    }

    pub(in crate::peer) fn finish_in_session(
        &mut self,
        session: ConnectionKey,
        id: u64,
    ) -> Answer<()> {
        let key = match self.of_session(session, id)? {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        if let Some(unwritten) = self
            .http3(key)
            .and_then(|http3| http3.unwritten.get_mut(&id))
        {
            unwritten.finish = true;
            return Some(Ok(()));
        }
        Some(self.finish(key, id).map_err(of_application))
    }

    pub(in crate::peer) fn reset_in_session(
        &mut self,
        session: ConnectionKey,
        id: u64,
        code: u64,
    ) -> Answer<()> {
        let key = match self.of_session(session, id)? {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        let result = self.reset(key, id, on_wire(code));
        self.side_over(key, id, SENT);
        Some(result)
    }

    pub(in crate::peer) fn stop_in_session(
        &mut self,
        session: ConnectionKey,
        id: u64,
        code: u64,
    ) -> Answer<()> {
        let key = match self.of_session(session, id)? {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        let result = self.stop(key, id, on_wire(code));
        self.side_over(key, id, RECEIVED);
        Some(result)
    }

    pub(in crate::peer) fn send_datagram_in_session(
        &mut self,
        session: ConnectionKey,
        data: &[u8],
    ) -> Answer<()> {
        let found = self.session(session)?;
        let key = found.connection;
        let mut datagram = found.datagram_head();
        datagram.extend_from_slice(data);
        Some(self.send_datagram(key, &datagram))
    }

    pub(in crate::peer) fn max_datagram_in_session(
        &mut self,
        session: ConnectionKey,
    ) -> Option<usize> {
        let found = self.session(session)?;
        let (key, head) = (found.connection, found.datagram_head().len());
        Some(self.max_datagram_bytes(key).saturating_sub(head))
    }
}

/// An application's code, as the draft puts it on the wire.
fn on_wire(code: u64) -> u64 {
    error::from_application(u32::try_from(code).unwrap_or(u32::MAX))
}

/// The same error with the application's code, or 0 where the remote gave one of HTTP's own.
fn of_application(error: StreamError) -> StreamError {
    let detail = error::to_application(error.detail).unwrap_or(0).into();
    StreamError { detail, ..error }
}
