//! The class.

use anypath_peer::admission::Admission;
use anypath_peer::carrier::CarrierKind;
use anypath_peer::clock::Instant;
use anypath_peer::error::ErrorCode;
use anypath_peer::peer::{Peer, PeerError, ReadOutcome, StreamError};
use anypath_peer::pkarr;
use anypath_wire::record::Records as InputRecords;
use anypath_wire::ticket::Ticket;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use crate::encode::{self, Records};
use crate::log::Log;
use crate::relays::resolve;
use crate::{config, decode, panic};

/// Kinds of input records.
const DATAGRAM: u8 = 1;
const RELAY_MESSAGE: u8 = 2;

const FINISHED: i32 = -1;

/// A peer, its buffers and its log.
#[wasm_bindgen]
pub struct Core {
    pub(crate) peer: Peer,
    log: Log,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    last_error: (u32, usize),
    last_detail: f64,
    /// Input that could not be read: a fault of the driver, told in the log.
    pub(crate) malformed_input: u32,
}

#[wasm_bindgen]
impl Core {
    /// A peer with this configuration.
    #[wasm_bindgen(constructor)]
    pub fn new(config: &[u8]) -> Result<Core, JsValue> {
        panic::keep_message();
        let invalid = |message: String| {
            let code = ErrorCode::InvalidConfig.number();
            JsValue::from(JsError::new(&format!("{code}: {message}")))
        };
        let (config, log_level) = config::read(config).map_err(invalid)?;
        let log = Log::new(log_level);
        let peer = log
            .within(|| Peer::new(config, Instant::now()))
            .map_err(|error| invalid(error.message))?;
        Ok(Self {
            peer,
            log,
            input: Vec::new(),
            output: Vec::new(),
            last_error: (0, 0),
            last_detail: 0.0,
            malformed_input: 0,
        })
    }

    /// Where the input buffer starts, which holds at least `len` bytes.
    pub fn input(&mut self, len: u32) -> *const u8 {
        if self.input.len() < len as usize {
            self.input.resize(len as usize, 0);
        }
        self.input.as_ptr()
    }

    /// Where the output buffer starts.
    pub fn output(&self) -> *const u8 {
        self.output.as_ptr()
    }

    /// Reads the input records.
    pub fn ingest(&mut self, now: f64, len: u32) {
        let Self {
            peer, log, input, ..
        } = self;
        let bytes = input.get(..len as usize).unwrap_or(input);
        let mut malformed = 0;
        peer.advance(now);
        log.within(|| {
            for record in InputRecords::new(bytes) {
                let taken = match record {
                    Ok(record) if record.kind == DATAGRAM => {
                        decode::datagram(record.id, record.payload)
                            .map(|(route, ecn, packet)| peer.receive(route, ecn, packet))
                            .is_ok()
                    }
                    Ok(record) if record.kind == RELAY_MESSAGE => {
                        peer.receive_relayed(record.id, record.payload);
                        true
                    }
                    _ => false,
                };
                malformed += u32::from(!taken);
            }
        });
        self.malformed_input += malformed;
    }

    /// Writes the output records and returns their length.
    pub fn drain(&mut self, now: f64, max_bytes: u32) -> u32 {
        let Self {
            peer, log, output, ..
        } = self;
        output.clear();
        peer.advance(now);
        log.within(|| peer.drain(max_bytes as usize, &mut Records(output)));
        let (lines, lost) = log.take();
        for line in lines {
            encode::log(output, line.level, line.target, &line.message);
        }
        if lost > 0 {
            let message = format!("{lost} more lines");
            encode::log(output, 2, "anypath", &message);
        }
        if self.malformed_input > 0 {
            let message = format!("{} malformed input records", self.malformed_input);
            encode::log(output, 1, "anypath", &message);
            self.malformed_input = 0;
        }
        self.output.len() as u32
    }

    /// When to drain next at the latest.
    pub fn next_wake(&self) -> f64 {
        self.peer.next_wake().unwrap_or(f64::INFINITY)
    }

    /// Adds or changes a carrier; false for an unknown kind.
    pub fn set_carrier(&mut self, now: f64, id: u32, kind: u8, max_packet_bytes: u16) -> bool {
        self.peer.advance(now);
        let known = CarrierKind::try_from(kind);
        if let Ok(kind) = known {
            self.peer.set_carrier(id, kind, max_packet_bytes.into());
        }
        known.is_ok()
    }

    /// Takes a carrier away.
    pub fn remove_carrier(&mut self, now: f64, id: u32) {
        self.peer.advance(now);
        self.peer.remove_carrier(id);
    }

    /// Dials; 0 is an error.
    pub fn connect(&mut self, now: f64, len: u32) -> u32 {
        self.peer.advance(now);
        let Self {
            peer, log, input, ..
        } = self;
        let bytes = input.get(..len as usize).unwrap_or(input);
        let request = match decode::dial(bytes) {
            Ok(request) => request,
            Err(error) => return self.fail(ErrorCode::InvalidArgument, &error.to_string()),
        };
        let dialled = log.within(|| {
            let (targets, ignored) = resolve(peer, request.remote, request.targets);
            if targets.is_empty() && ignored && !peer.uses_relays() {
                let message = "the peer is behind a relay, and no relay is configured here";
                return Err(PeerError::new(ErrorCode::NoRelayConfigured, message));
            }
            peer.connect(request.remote, request.alpn, &targets, request.early_data)
        });
        match dialled {
            Ok(key) => key,
            Err(PeerError { code, message }) => self.fail(code, &message),
        }
    }

    /// Answers an `INCOMING` record.
    pub fn admit(&mut self, now: f64, incoming: u32, decision: u8) -> bool {
        self.peer.advance(now);
        let admission = match decision {
            0 => Admission::Accept,
            2 => Admission::Retry,
            3 => Admission::Ignore,
            _ => Admission::Refuse,
        };
        let Self { peer, log, .. } = self;
        log.within(|| peer.admit(incoming, admission))
    }

    /// Opens a stream: its id, -1 when there may be no more now, -2 when the connection is over.
    pub fn open_stream(&mut self, connection: u32, bidirectional: bool) -> f64 {
        match self.peer.open_stream(connection, bidirectional) {
            Ok(Some(id)) => id as f64,
            Ok(None) => -1.0,
            Err(_) => -2.0,
        }
    }

    /// Writes from the input buffer and returns how much was taken.
    pub fn write(&mut self, connection: u32, stream: f64, len: u32) -> i32 {
        let bytes = self.input.get(..len as usize).unwrap_or(&self.input);
        let written = self.peer.write(connection, stream as u64, bytes);
        self.answer(written.map(|count| count as i32))
    }

    /// Reads into the output buffer and returns how much there is.
    pub fn read(&mut self, connection: u32, stream: f64, max: u32) -> i32 {
        self.output.clear();
        let Self { peer, output, .. } = self;
        let read = peer.read(connection, stream as u64, max as usize, output);
        self.answer(read.map(|outcome| match outcome {
            ReadOutcome::Data(count) => count as i32,
            ReadOutcome::Blocked => 0,
            ReadOutcome::Finished => FINISHED,
        }))
    }

    /// Ends a stream.
    pub fn finish(&mut self, connection: u32, stream: f64) -> i32 {
        let result = self.peer.finish(connection, stream as u64);
        self.answer(result.map(|()| 0))
    }

    /// Abandons a stream's sending side.
    pub fn reset(&mut self, connection: u32, stream: f64, code: f64) -> i32 {
        let result = self.peer.reset(connection, stream as u64, code as u64);
        self.answer(result.map(|()| 0))
    }

    /// Refuses the rest of a stream.
    pub fn stop(&mut self, connection: u32, stream: f64, code: f64) -> i32 {
        let result = self.peer.stop(connection, stream as u64, code as u64);
        self.answer(result.map(|()| 0))
    }

    /// Orders a stream among the others.
    pub fn set_priority(&mut self, connection: u32, stream: f64, priority: i32) -> i32 {
        let result = self.peer.set_priority(connection, stream as u64, priority);
        self.answer(result.map(|()| 0))
    }

    /// Queues the datagram in the input buffer.
    pub fn send_datagram(&mut self, connection: u32, len: u32) -> i32 {
        let bytes = self.input.get(..len as usize).unwrap_or(&self.input);
        let result = self.peer.send_datagram(connection, bytes);
        self.answer(result.map(|()| 0))
    }

    /// The largest datagram now.
    pub fn max_datagram_bytes(&mut self, connection: u32) -> i32 {
        self.peer.max_datagram_bytes(connection) as i32
    }

    /// Closes a connection with the reason in the input buffer.
    pub fn close(&mut self, now: f64, connection: u32, code: f64, len: u32) {
        self.peer.advance(now);
        let reason = String::from_utf8_lossy(self.given(len)).into_owned();
        self.peer.close(connection, code as u64, &reason);
    }

    /// Closes everything with the reason in the input buffer.
    pub fn shutdown(&mut self, now: f64, code: f64, len: u32) {
        self.peer.advance(now);
        let reason = String::from_utf8_lossy(self.given(len)).into_owned();
        self.peer.shutdown(code as u64, &reason);
    }

    /// Writes a connection's figures to the output buffer.
    pub fn connection_stats(&mut self, connection: u32) -> u32 {
        self.output.clear();
        if let Some(stats) = self.peer.connection_stats(connection) {
            encode::connection_stats(&mut self.output, &stats);
        }
        self.output.len() as u32
    }

    /// Writes the peer's figures to the output buffer.
    pub fn peer_stats(&mut self) -> u32 {
        self.output.clear();
        encode::peer_stats(&mut self.output, &self.peer.stats(), memory_bytes());
        #[cfg(feature = "node")]
        encode::observations(&mut self.output, self.peer.observations());
        self.output.len() as u32
    }

    /// Probes a connection's paths.
    pub fn ping(&mut self, connection: u32) {
        self.peer.ping(connection);
    }

    /// Starts a key update.
    pub fn key_update(&mut self, connection: u32) {
        self.peer.key_update(connection);
    }

    /// Tries every path again.
    pub fn network_changed(&mut self, now: f64) {
        self.peer.advance(now);
        self.peer.network_changed();
    }

    /// Takes the text in the input buffer apart.
    pub fn parse_ticket(&mut self, len: u32) -> u32 {
        let text = std::str::from_utf8(self.given(len)).map_err(|error| error.to_string());
        let ticket = text.and_then(|text| text.parse::<Ticket>().map_err(|e| e.to_string()));
        match ticket {
            Ok(ticket) => {
                self.output.clear();
                encode::ticket(&mut self.output, &ticket);
                self.output.len() as u32
            }
            Err(message) => self.fail(ErrorCode::InvalidTicket, &message),
        }
    }

    /// Writes the text of the ticket in the input buffer.
    pub fn format_ticket(&mut self, len: u32) -> u32 {
        match decode::ticket(self.given(len)) {
            Ok(ticket) => {
                self.output.clear();
                self.output.extend_from_slice(ticket.to_string().as_bytes());
                self.output.len() as u32
            }
            Err(error) => self.fail(ErrorCode::InvalidTicket, &error.to_string()),
        }
    }

    /// Signs the record in the input buffer and writes the packet to the output buffer.
    pub fn sign_record(&mut self, timestamp: f64, len: u32) -> u32 {
        let signed = match decode::record(self.given(len)) {
            Ok(request) => {
                let timestamp = timestamp as u64;
                let signed = self.peer.sign_record(&request.info, request.ttl, timestamp);
                signed.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match signed {
            Ok(packet) => {
                self.output = packet;
                self.output.len() as u32
            }
            Err(message) => self.fail(ErrorCode::InvalidArgument, &message),
        }
    }

    /// Checks the packet in the input buffer and takes it apart.
    pub fn read_record(&mut self, len: u32) -> u32 {
        match pkarr::read(self.given(len)) {
            Ok(record) => {
                self.output.clear();
                encode::record(&mut self.output, &record);
                self.output.len() as u32
            }
            Err(error) => self.fail(ErrorCode::InvalidRecord, &error.to_string()),
        }
    }

    /// Writes the public key to the output buffer.
    pub fn endpoint_id(&mut self) {
        self.output.clear();
        self.output.extend_from_slice(self.peer.id().as_bytes());
    }

    /// The code of the last failed call.
    pub fn last_error(&self) -> u32 {
        self.last_error.0
    }

    /// The length of its message, which is in the output buffer.
    pub fn last_error_length(&self) -> u32 {
        self.last_error.1 as u32
    }

    /// The application's code of the last reset or stop.
    pub fn last_detail(&self) -> f64 {
        self.last_detail
    }

    pub(crate) fn given(&self, len: u32) -> &[u8] {
        self.input.get(..len as usize).unwrap_or(&self.input)
    }

    fn fail(&mut self, code: ErrorCode, message: &str) -> u32 {
        self.output.clear();
        self.output.extend_from_slice(message.as_bytes());
        self.last_error = (code.number().into(), message.len());
        0
    }

    fn answer(&mut self, result: Result<i32, StreamError>) -> i32 {
        result.unwrap_or_else(|error| {
            self.last_detail = error.detail as f64;
            -i32::from(error.code.number())
        })
    }
}

#[cfg(target_arch = "wasm32")]
fn memory_bytes() -> f64 {
    core::arch::wasm32::memory_size::<0>() as f64 * 65_536.0
}

#[cfg(not(target_arch = "wasm32"))]
fn memory_bytes() -> f64 {
    0.0
}
