//! The fields that the drafts define, required ones and optional ones.

use serde_json::{Map, Value};

/// Names of fields; an optional one has a question mark in front.
type Fields = &'static [&'static str];

const RAW: Fields = &["?length", "?payload_length"];
const HEADER: Fields = &[
    "packet_type",
    "?packet_number_length",
    "?packet_number",
    "?key_phase_bit",
    "?version",
    "?scid",
    "?dcid",
    "?path_id",
];
const ENDPOINT: Fields = &["?ip_v4", "?port_v4", "?ip_v6", "?port_v6"];

pub(crate) fn check_file(file: &Value, side: &str) {
    check(
        file,
        &["file_schema", "serialization_format", "?title", "trace"],
    );
    assert_eq!(file["file_schema"], "urn:ietf:params:qlog:file:sequential");
    assert_eq!(file["serialization_format"], "application/qlog+json-seq");
    let trace = &file["trace"];
    check(trace, &["common_fields", "vantage_point", "event_schemas"]);
    assert_eq!(trace["vantage_point"]["type"], side);
    let common = &trace["common_fields"];
    check(common, &["group_id", "time_format", "reference_time"]);
    assert_eq!(common["time_format"], "relative_to_epoch");
    let reference = &common["reference_time"];
    check(reference, &["clock_type", "epoch", "wall_clock_time"]);
    assert_eq!(reference["clock_type"], "monotonic");
    assert_eq!(reference["epoch"], "unknown");
    let wall = reference["wall_clock_time"].as_str().expect("a time");
    assert!(wall.starts_with("2026-01-01T00:00:0"), "{wall}");
}

pub(crate) fn check_event(event: &Value) {
    check(event, &["time", "name", "data"]);
    let (name, data) = (event["name"].as_str().expect("a name"), &event["data"]);
    if name.starts_with("anypath:") {
        return;
    }
    check(data, fields_of(name));
    match name {
        "quic:packet_sent" | "quic:packet_received" => {
            check(&data["header"], HEADER);
            check(&data["raw"], RAW);
            let frames = data["frames"].as_array().expect("frames");
            assert!(!frames.is_empty(), "a packet without frames");
            frames.iter().for_each(check_frame);
        }
        "quic:connection_started" => {
            check(&data["local"], ENDPOINT);
            check(&data["remote"], ENDPOINT);
        }
        "quic:parameters_set" => {
            for unknown in data["unknown_parameters"].as_array().expect("a list") {
                check(unknown, &["id", "value"]);
            }
        }
        _ => {}
    }
}

fn fields_of(name: &str) -> Fields {
    match name {
        "quic:packet_sent" | "quic:packet_received" => &["header", "frames", "raw"],
        "quic:connection_started" => &["local", "remote"],
        "quic:connection_closed" => &[
            "?initiator",
            "?connection_error",
            "?application_error",
            "?error_code",
            "?internal_code",
            "?reason",
            "?trigger",
        ],
        "quic:connection_state_updated" => &["?old", "new"],
        "quic:alpn_information" => &["chosen_alpn"],
        "quic:tuple_assigned" => &["tuple_id", "?tuple_remote"],
        "quic:mtu_updated" => &["?old", "new", "?path_id"],
        "quic:recovery_metrics_updated" => &[
            "?smoothed_rtt",
            "?min_rtt",
            "?congestion_window",
            "?path_id",
        ],
        "quic:parameters_set" => &[
            "initiator",
            "?original_destination_connection_id",
            "?initial_source_connection_id",
            "?disable_active_migration",
            "?max_idle_timeout",
            "?max_udp_payload_size",
            "?ack_delay_exponent",
            "?max_ack_delay",
            "?active_connection_id_limit",
            "?initial_max_data",
            "?initial_max_stream_data_bidi_local",
            "?initial_max_stream_data_bidi_remote",
            "?initial_max_stream_data_uni",
            "?initial_max_streams_bidi",
            "?initial_max_streams_uni",
            "?max_datagram_frame_size",
            "?grease_quic_bit",
            "unknown_parameters",
        ],
        other => panic!("{other} is not an event of the draft that is written here"),
    }
}

fn check_frame(frame: &Value) {
    let frame_type = frame["frame_type"].as_str().expect("a type");
    let fields: Fields = match frame_type {
        "ping" | "handshake_done" | "immediate_ack" => &["frame_type"],
        "padding" | "datagram" => &["frame_type", "raw"],
        "ack" => &[
            "frame_type",
            "ack_delay",
            "acked_ranges",
            "?ect0",
            "?ect1",
            "?ce",
        ],
        "path_ack" => &[
            "frame_type",
            "path_id",
            "ack_delay",
            "acked_ranges",
            "?ect0",
            "?ect1",
            "?ce",
        ],
        "crypto" => &["frame_type", "offset", "raw"],
        "new_token" => &["frame_type", "token"],
        "stream" => &["frame_type", "stream_id", "offset", "fin", "raw"],
        "reset_stream" => &[
            "frame_type",
            "stream_id",
            "error",
            "?error_code",
            "final_size",
        ],
        "max_data" => &["frame_type", "maximum"],
        "max_stream_data" => &["frame_type", "stream_id", "maximum"],
        "max_streams" => &["frame_type", "stream_type", "maximum"],
        "new_connection_id" | "path_new_connection_id" => &[
            "frame_type",
            "?path_id",
            "sequence_number",
            "retire_prior_to",
            "connection_id_length",
            "connection_id",
        ],
        "retire_connection_id" | "path_retire_connection_id" => {
            &["frame_type", "?path_id", "sequence_number"]
        }
        "connection_close" => &[
            "frame_type",
            "error_space",
            "error",
            "?error_code",
            "reason",
            "?trigger_frame_type",
        ],
        "observed_address" => &[
            "frame_type",
            "sequence_number",
            "?ip_v4",
            "?port_v4",
            "?ip_v6",
            "?port_v6",
        ],
        other => panic!("{other}: {frame}"),
    };
    check(frame, fields);
    if let Some(ranges) = frame["acked_ranges"].as_array() {
        assert!(!ranges.is_empty());
        for range in ranges {
            let bounds = range.as_array().expect("a range");
            assert!((1..=2).contains(&bounds.len()), "{range}");
        }
    }
}

#[track_caller]
fn check(value: &Value, fields: Fields) {
    let object: &Map<_, _> = value.as_object().expect("an object");
    for name in object.keys() {
        let known = |field: &&str| field.trim_start_matches('?') == name;
        assert!(fields.iter().any(known), "unknown field {name} in {value}");
    }
    for field in fields.iter().filter(|field| !field.starts_with('?')) {
        assert!(object.contains_key(*field), "no {field} in {value}");
    }
}
