//! QUIC's frames in qlog's words.
//!
//! Extensions that the draft has no words for use the lower-case names of their frames.

use std::net::SocketAddr;
use std::time::Duration;

use anypath_wire::frame::{Ack, Frame, FrameError, Frames};

use super::endpoint;
use super::error::transport_error;
use super::json::{List, Object};

/// Writes the frames of `payload`. `ack_delay_exponent` is that of the sender.
pub(super) fn write_frames(list: &mut List<'_>, payload: &[u8], ack_delay_exponent: u32) {
    let mut frames = Frames::new(payload);
    loop {
        let start = frames.offset();
        let Some(frame) = frames.next() else { break };
        let mut object = list.object();
        match frame {
            Ok(frame) => {
                let length = frames.offset() - start;
                write_frame(&mut object, frame, length, ack_delay_exponent);
            }
            Err(
                FrameError::Unknown { frame_type }
                | FrameError::Truncated { frame_type }
                | FrameError::Malformed { frame_type },
            ) => {
                object.text("frame_type", "unknown");
                object.number("frame_type_bytes", frame_type);
                raw(&mut object, payload.len() - start, None);
            }
        }
    }
}

fn write_frame(object: &mut Object<'_>, frame: Frame<'_>, length: usize, exponent: u32) {
    match frame {
        Frame::Padding { .. } => {
            object.text("frame_type", "padding");
            raw(object, length, Some(0));
        }
        Frame::Ping => _ = object.text("frame_type", "ping"),
        Frame::Ack(ack) => write_ack(object, &ack, exponent),
        Frame::Crypto {
            offset,
            length: data,
        } => {
            object.text("frame_type", "crypto").number("offset", offset);
            raw(object, length, Some(data));
        }
        Frame::NewToken { length: token } => {
            object.text("frame_type", "new_token");
            let mut of_token = object.object("token");
            of_token.text("type", "resumption");
            raw(&mut of_token, token, None);
        }
        Frame::Datagram { length: data } => {
            object.text("frame_type", "datagram");
            raw(object, length, Some(data));
        }
        Frame::Stream { .. }
        | Frame::ResetStream { .. }
        | Frame::StopSending { .. }
        | Frame::MaxStreamData { .. }
        | Frame::MaxStreams { .. }
        | Frame::StreamDataBlocked { .. }
        | Frame::StreamsBlocked { .. }
        | Frame::MaxData { .. }
        | Frame::DataBlocked { .. } => write_stream_frame(object, frame, length),
        Frame::TransportClose { .. } | Frame::ApplicationClose { .. } | Frame::HandshakeDone => {
            write_close(object, frame);
        }
        _ => write_path_frame(object, frame),
    }
}

fn write_ack(object: &mut Object<'_>, ack: &Ack<'_>, exponent: u32) {
    match ack.path {
        None => object.text("frame_type", "ack"),
        Some(path) => object
            .text("frame_type", "path_ack")
            .number("path_id", path),
    };
    let micros = ack.delay.saturating_mul(1 << exponent.min(20));
    object.millis("ack_delay", Duration::from_micros(micros));
    {
        let mut ranges = object.list("acked_ranges");
        for range in ack.ranges.iter() {
            let mut pair = ranges.list();
            pair.number(*range.start());
            if range.start() != range.end() {
                pair.number(*range.end());
            }
        }
    }
    if let Some(ecn) = ack.ecn {
        object.number("ect0", ecn.ect0).number("ect1", ecn.ect1);
        object.number("ce", ecn.ce);
    }
}

fn write_stream_frame(object: &mut Object<'_>, frame: Frame<'_>, length: usize) {
    match frame {
        Frame::Stream {
            stream,
            offset,
            length: data,
            fin,
        } => {
            object.text("frame_type", "stream");
            object.number("stream_id", stream).number("offset", offset);
            object.flag("fin", fin);
            raw(object, length, Some(data));
        }
        Frame::ResetStream {
            stream,
            error,
            final_size,
        } => {
            object.text("frame_type", "reset_stream");
            application_error(object.number("stream_id", stream), "error", error);
            object.number("final_size", final_size);
        }
        Frame::StopSending { stream, error } => {
            object.text("frame_type", "stop_sending");
            application_error(object.number("stream_id", stream), "error", error);
        }
        Frame::MaxData { maximum } => {
            object.text("frame_type", "max_data");
            object.number("maximum", maximum);
        }
        Frame::MaxStreamData { stream, maximum } => {
            object.text("frame_type", "max_stream_data");
            object.number("stream_id", stream);
            object.number("maximum", maximum);
        }
        Frame::MaxStreams {
            bidirectional,
            maximum,
        } => {
            object.text("frame_type", "max_streams");
            object.text("stream_type", stream_type(bidirectional));
            object.number("maximum", maximum);
        }
        Frame::DataBlocked { limit } => {
            object.text("frame_type", "data_blocked");
            object.number("limit", limit);
        }
        Frame::StreamDataBlocked { stream, limit } => {
            object.text("frame_type", "stream_data_blocked");
            object.number("stream_id", stream).number("limit", limit);
        }
        Frame::StreamsBlocked {
            bidirectional,
            limit,
        } => {
            object.text("frame_type", "streams_blocked");
            object.text("stream_type", stream_type(bidirectional));
            object.number("limit", limit);
        }
        _ => {}
    }
}

fn write_close(object: &mut Object<'_>, frame: Frame<'_>) {
    match frame {
        Frame::TransportClose {
            error,
            frame_type,
            reason,
        } => {
            object.text("frame_type", "connection_close");
            object.text("error_space", "transport");
            transport_error(object, "error", error);
            object.text("reason", &String::from_utf8_lossy(reason));
            object.number("trigger_frame_type", frame_type);
        }
        Frame::ApplicationClose { error, reason } => {
            object.text("frame_type", "connection_close");
            object.text("error_space", "application");
            application_error(object, "error", error);
            object.text("reason", &String::from_utf8_lossy(reason));
        }
        _ => _ = object.text("frame_type", "handshake_done"),
    }
}

/// The frames about paths, connection ids and addresses.
fn write_path_frame(object: &mut Object<'_>, frame: Frame<'_>) {
    let mut name = |name| _ = object.text("frame_type", name);
    match frame {
        Frame::NewConnectionId {
            path,
            sequence,
            retire_prior_to,
            id,
        } => {
            name(match path {
                None => "new_connection_id",
                Some(_) => "path_new_connection_id",
            });
            if let Some(path) = path {
                object.number("path_id", path);
            }
            object.number("sequence_number", sequence);
            object.number("retire_prior_to", retire_prior_to);
            object.number("connection_id_length", id.len() as u64);
            object.hex("connection_id", id);
        }
        Frame::RetireConnectionId { path, sequence } => {
            name(match path {
                None => "retire_connection_id",
                Some(_) => "path_retire_connection_id",
            });
            if let Some(path) = path {
                object.number("path_id", path);
            }
            object.number("sequence_number", sequence);
        }
        Frame::PathChallenge(data) => {
            name("path_challenge");
            object.hex("data", &data);
        }
        Frame::PathResponse(data) => {
            name("path_response");
            object.hex("data", &data);
        }
        Frame::PathAbandon { path, error } => {
            name("path_abandon");
            transport_error(object.number("path_id", path), "error", error);
        }
        Frame::PathStatus {
            path,
            sequence,
            available,
        } => {
            name(match available {
                true => "path_status_available",
                false => "path_status_backup",
            });
            object.number("path_id", path);
            object.number("sequence_number", sequence);
        }
        Frame::MaxPathId { maximum } => {
            name("max_path_id");
            object.number("maximum", maximum);
        }
        Frame::PathsBlocked { limit } => {
            name("paths_blocked");
            object.number("limit", limit);
        }
        Frame::PathCidsBlocked {
            path,
            next_sequence,
        } => {
            name("path_cids_blocked");
            object.number("path_id", path);
            object.number("sequence_number", next_sequence);
        }
        _ => write_address_frame(object, frame),
    }
}

fn write_address_frame(object: &mut Object<'_>, frame: Frame<'_>) {
    let mut with_address = |name, number_name, number: u64, address: SocketAddr| {
        object.text("frame_type", name).number(number_name, number);
        endpoint(object, address);
    };
    match frame {
        Frame::ObservedAddress { sequence, address } => {
            with_address("observed_address", "sequence_number", sequence, address);
        }
        Frame::AddAddress { sequence, address } => {
            with_address("add_address", "sequence_number", sequence, address);
        }
        Frame::ReachOut { round, address } => with_address("reach_out", "round", round, address),
        Frame::RemoveAddress { sequence } => {
            object.text("frame_type", "remove_address");
            object.number("sequence_number", sequence);
        }
        Frame::AckFrequency {
            sequence,
            threshold,
            max_delay_us,
            reordering,
        } => {
            object.text("frame_type", "ack_frequency");
            object.number("sequence_number", sequence);
            object.number("ack_eliciting_threshold", threshold);
            object.millis(
                "requested_max_ack_delay",
                Duration::from_micros(max_delay_us),
            );
            object.number("reordering_threshold", reordering);
        }
        _ => _ = object.text("frame_type", "immediate_ack"),
    }
}

/// Lengths only: what was carried is nobody's business.
fn raw(object: &mut Object<'_>, length: usize, payload: Option<usize>) {
    let mut raw = object.object("raw");
    raw.number("length", length as u64);
    if let Some(payload) = payload {
        raw.number("payload_length", payload as u64);
    }
}

/// Codes of applications have no names here.
pub(super) fn application_error(object: &mut Object<'_>, name: &str, code: u64) {
    object.text(name, "unknown").number("error_code", code);
}

fn stream_type(bidirectional: bool) -> &'static str {
    match bidirectional {
        true => "bidirectional",
        false => "unidirectional",
    }
}
