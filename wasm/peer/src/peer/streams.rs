//! Streams and datagrams of the application.

use bytes::Bytes;
use noq_proto::{
    ClosedStream, Dir, FinishError, ReadError, SendDatagramError, StreamId, VarInt, WriteError,
};

use super::Peer;
use crate::connection::{Connection, Phase};
use crate::error::ErrorCode;
use crate::event::ConnectionKey;

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes were appended.
    Data(usize),
    /// Nothing now; `Readable` follows.
    Blocked,
    /// The end.
    Finished,
}

/// A stream operation that failed, with the remote's application error code where it gave one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamError {
    /// The row of the error table.
    pub code: ErrorCode,
    /// The code that came with a reset or a stop; else 0.
    pub detail: u64,
}

impl StreamError {
    const fn new(code: ErrorCode, detail: u64) -> Self {
        Self { code, detail }
    }
}

const CLOSED: StreamError = StreamError::new(ErrorCode::StreamClosed, 0);

impl From<ClosedStream> for StreamError {
    fn from(_: ClosedStream) -> Self {
        CLOSED
    }
}

impl Peer {
    fn live(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.connections
            .get_mut(&key)
            .filter(|connection| connection.phase != Phase::Over)
    }

    /// The connection of a stream that this side may send on. QUIC takes a unidirectional stream of the
    /// remote for a fault of its caller.
    fn sender(&mut self, key: ConnectionKey, id: StreamId) -> Result<&mut Connection, StreamError> {
        let connection = self.live(key).ok_or(CLOSED)?;
        let sends = id.dir() == Dir::Bi || id.initiator() == connection.quic.side();
        sends.then_some(connection).ok_or(CLOSED)
    }

    /// The connection of a stream that this side may receive on.
    fn receiver(
        &mut self,
        key: ConnectionKey,
        id: StreamId,
    ) -> Result<&mut Connection, StreamError> {
        // What arrived before the end can still be read, until QUIC forgets the connection.
        let connection = self.connections.get_mut(&key).ok_or(CLOSED)?;
        let receives = id.dir() == Dir::Bi || id.initiator() != connection.quic.side();
        receives.then_some(connection).ok_or(CLOSED)
    }

    /// Opens a stream: `Ok(None)` when the remote allows no more now.
    ///
    /// # Errors
    /// `StreamClosed` when the connection is over.
    pub fn open_stream(
        &mut self,
        key: ConnectionKey,
        bidirectional: bool,
    ) -> Result<Option<u64>, StreamError> {
        if let Some(opened) = self.open_in_session(key, bidirectional) {
            return opened;
        }
        let dir = if bidirectional { Dir::Bi } else { Dir::Uni };
        let connection = self.live(key).ok_or(CLOSED)?;
        Ok(connection.quic.streams().open(dir).map(u64::from))
    }

    /// Writes what flow control allows and returns how much that was; 0 until `Writable`.
    ///
    /// # Errors
    /// `StreamStopped` with the remote's code, `StreamClosed`.
    pub fn write(
        &mut self,
        key: ConnectionKey,
        stream: u64,
        data: &[u8],
    ) -> Result<usize, StreamError> {
        if let Some(written) = self.write_in_session(key, stream, data) {
            return written;
        }
        let id = stream_id(stream)?;
        let connection = self.sender(key, id)?;
        let written = match connection.quic.send_stream(id).write(data) {
            Ok(written) => written,
            Err(WriteError::Blocked) => 0,
            Err(WriteError::Stopped(code)) => {
                return Err(StreamError::new(
                    ErrorCode::StreamStopped,
                    code.into_inner(),
                ));
            }
            Err(WriteError::ClosedStream) => return Err(CLOSED),
        };
        if written > 0 {
            self.queue(key);
        }
        Ok(written)
    }

    /// Appends what has arrived in order, at most `max` bytes, to `into`.
    ///
    /// # Errors
    /// `StreamReset` with the remote's code, `StreamClosed`.
    pub fn read(
        &mut self,
        key: ConnectionKey,
        stream: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> Result<ReadOutcome, StreamError> {
        if let Some(read) = self.read_in_session(key, stream, max, into) {
            return read;
        }
        let id = stream_id(stream)?;
        let connection = self.receiver(key, id)?;
        if let Some(end) = connection.ended.remove(&id) {
            connection.forget_stream(id);
            return end;
        }
        let over = connection.phase == Phase::Over;
        let (read, end, transmit) = read_chunks(&mut connection.quic, id, max, into);
        connection.has_read(id, read, end.is_some());
        // QUIC forgets a stream when it tells of its end, which is news only after the data.
        if let Some(end @ (Ok(ReadOutcome::Finished) | Err(_))) = end
            && read > 0
        {
            connection.ended.insert(id, end);
        }
        if read == 0 && matches!(end, Some(Ok(ReadOutcome::Finished) | Err(_))) {
            connection.forget_stream(id);
        }
        if transmit {
            self.queue(key);
        }
        match end {
            _ if read > 0 => Ok(ReadOutcome::Data(read)),
            Some(Ok(ReadOutcome::Blocked)) if over => Err(CLOSED),
            Some(outcome) => outcome,
            None => Ok(ReadOutcome::Blocked),
        }
    }

    /// Ends the stream after what was written.
    ///
    /// # Errors
    /// `StreamStopped` with the remote's code, `StreamClosed`.
    pub fn finish(&mut self, key: ConnectionKey, stream: u64) -> Result<(), StreamError> {
        if let Some(finished) = self.finish_in_session(key, stream) {
            return finished;
        }
        let id = stream_id(stream)?;
        let connection = self.sender(key, id)?;
        let result = connection.quic.send_stream(id).finish();
        self.queue(key);
        result.map_err(|error| match error {
            FinishError::Stopped(code) => {
                StreamError::new(ErrorCode::StreamStopped, code.into_inner())
            }
            FinishError::ClosedStream => CLOSED,
        })
    }

    /// Abandons what was written and not yet delivered (RESET_STREAM).
    ///
    /// # Errors
    /// `StreamClosed`.
    pub fn reset(&mut self, key: ConnectionKey, stream: u64, code: u64) -> Result<(), StreamError> {
        if let Some(reset) = self.reset_in_session(key, stream, code) {
            return reset;
        }
        let id = stream_id(stream)?;
        let connection = self.sender(key, id)?;
        connection
            .quic
            .send_stream(id)
            .reset(application_code(code))?;
        self.queue(key);
        Ok(())
    }

    /// Asks the remote to stop sending (STOP_SENDING) and drops what has arrived.
    ///
    /// # Errors
    /// `StreamClosed`.
    pub fn stop(&mut self, key: ConnectionKey, stream: u64, code: u64) -> Result<(), StreamError> {
        if let Some(stopped) = self.stop_in_session(key, stream, code) {
            return stopped;
        }
        let id = stream_id(stream)?;
        let connection = self.receiver(key, id)?;
        connection.forget_stream(id);
        connection
            .quic
            .recv_stream(id)
            .stop(application_code(code))?;
        self.queue(key);
        Ok(())
    }

    /// Sends the stream's data before that of streams with a smaller number; 0 at first.
    ///
    /// # Errors
    /// `StreamClosed`.
    pub fn set_priority(
        &mut self,
        key: ConnectionKey,
        stream: u64,
        priority: i32,
    ) -> Result<(), StreamError> {
        let id = stream_id(stream)?;
        let key = self.bearer(key);
        let connection = self.sender(key, id)?;
        connection.quic.send_stream(id).set_priority(priority)?;
        Ok(())
    }

    /// Queues a datagram; the oldest ones are dropped to make room, and counted.
    ///
    /// # Errors
    /// `DatagramTooLarge`, `DatagramsUnsupported`, `StreamClosed` when the connection is over.
    pub fn send_datagram(&mut self, key: ConnectionKey, data: &[u8]) -> Result<(), StreamError> {
        if let Some(sent) = self.send_datagram_in_session(key, data) {
            return sent;
        }
        let connection = self.live(key).ok_or(CLOSED)?;
        let mut datagrams = connection.quic.datagrams();
        let full = datagrams.send_buffer_space() < data.len();
        datagrams
            .send(Bytes::copy_from_slice(data), true)
            .map_err(|error| match error {
                SendDatagramError::TooLarge => StreamError::new(ErrorCode::DatagramTooLarge, 0),
                _ => StreamError::new(ErrorCode::DatagramsUnsupported, 0),
            })?;
        connection.datagrams_dropped += u64::from(full);
        self.queue(key);
        Ok(())
    }

    /// The largest datagram that the path takes now; 0 when the remote takes none.
    pub fn max_datagram_bytes(&mut self, key: ConnectionKey) -> usize {
        if let Some(bytes) = self.max_datagram_in_session(key) {
            return bytes;
        }
        self.live(key)
            .and_then(|connection| connection.quic.datagrams().max_size())
            .unwrap_or(0)
    }
}

/// Reads until `max` bytes are there, or until there is no more; tells how much was read, how it ended, and
/// whether the remote is to be told of new flow control credit.
fn read_chunks(
    quic: &mut noq_proto::Connection,
    id: StreamId,
    max: usize,
    into: &mut Vec<u8>,
) -> (usize, Option<Result<ReadOutcome, StreamError>>, bool) {
    let before = into.len();
    let mut recv = quic.recv_stream(id);
    let Ok(mut chunks) = recv.read(true) else {
        return (0, Some(Err(CLOSED)), false);
    };
    let mut end = None;
    while end.is_none() && into.len() - before < max {
        match chunks.next(max - (into.len() - before)) {
            Ok(Some(chunk)) => into.extend_from_slice(&chunk.bytes),
            Ok(None) => end = Some(Ok(ReadOutcome::Finished)),
            Err(ReadError::Blocked) => end = Some(Ok(ReadOutcome::Blocked)),
            Err(ReadError::Reset(code)) => {
                let error = StreamError::new(ErrorCode::StreamReset, code.into_inner());
                end = Some(Err(error));
            }
        }
    }
    let transmit = chunks.finalize().should_transmit();
    (into.len() - before, end, transmit)
}

fn stream_id(stream: u64) -> Result<StreamId, StreamError> {
    VarInt::from_u64(stream)
        .map(StreamId::from)
        .map_err(|_| CLOSED)
}

fn application_code(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}
