//! Two peers talk in memory; what their qlogs tell is read back and compared with what happened.

mod pair;
mod shape;
mod trace;

use std::collections::BTreeMap;

use anypath_peer::event::Event;
use serde_json::{Value, json};

use pair::Pair;
use trace::Trace;

const SECRET: &[u8] = b"what the application sends is its own business";
const CLOSE_CODE: u64 = 700;

/// A handshake, a stream each way, a reset, a datagram, a close; the traces of the client and the server.
fn conversation() -> (Trace, Trace, Pair) {
    let mut pair = Pair::new(true, false);
    pair.connect();
    let request = SECRET.repeat(1000);
    let stream = pair.client.open(true);
    pair.client.write_all(stream, &request);
    pair.settle();
    let response = pair.server.read(stream);
    assert_eq!(response, request, "the request arrives");
    pair.server.write_all(stream, SECRET);
    let abandoned = pair.client.open(false);
    pair.client.write(abandoned, SECRET);
    pair.settle();
    pair.client.reset(abandoned, 1 << 60);
    pair.client.send_datagram(SECRET);
    pair.settle();
    pair.client.close(CLOSE_CODE, "that \"is\" all");
    pair.settle();
    let traces = (Trace::of(&pair.client), Trace::of(&pair.server));
    (traces.0, traces.1, pair)
}

#[test]
fn what_one_side_has_sent_the_other_has_received() {
    let (client, server, _) = conversation();
    for (sender, receiver) in [(&client, &server), (&server, &client)] {
        let sent = sender.all("quic:packet_sent");
        let received = receiver.all("quic:packet_received");
        assert!(sent.len() > 10, "only {} packets", sent.len());
        assert_eq!(sent.len(), received.len());
        for (sent, received) in sent.iter().zip(&received) {
            assert_eq!(sent, received);
        }
    }
}

#[test]
fn packets_fill_the_datagrams_that_were_sent() {
    let (client, _, pair) = conversation();
    let sent = client.all("quic:packet_sent");
    let length = |data: &Value| data["raw"]["length"].as_u64().expect("a length");
    let total: u64 = sent.iter().map(|data| length(data)).sum();
    assert_eq!(total, pair.client.bytes_sent);
    for data in sent {
        let number = |name: &str| data["raw"][name].as_u64().expect("a number");
        assert!(number("length") > number("payload_length") + 16);
    }
}

#[test]
fn the_bytes_of_streams_add_up() {
    let (client, server, _) = conversation();
    let totals = |trace: &Trace, event: &str| {
        let mut totals = BTreeMap::new();
        for frame in trace.frames(event, "stream") {
            let id = frame["stream_id"].as_u64().expect("an id");
            let bytes = frame["raw"]["payload_length"].as_u64().expect("a length");
            let offset = frame["offset"].as_u64().expect("an offset");
            let total: &mut u64 = totals.entry(id).or_default();
            assert_eq!(offset, *total, "stream {id}");
            *total += bytes;
        }
        totals
    };
    let length = SECRET.len() as u64;
    let expected = BTreeMap::from([(0, length * 1000), (2, length)]);
    assert_eq!(totals(&client, "quic:packet_sent"), expected);
    assert_eq!(totals(&server, "quic:packet_received"), expected);
    let expected = BTreeMap::from([(0, length)]);
    assert_eq!(totals(&server, "quic:packet_sent"), expected);
    let datagrams = server.frames("quic:packet_received", "datagram");
    assert_eq!(datagrams.len(), 1);
    assert_eq!(datagrams[0]["raw"]["payload_length"], json!(length));
}

#[test]
fn a_reset_tells_its_code_exactly() {
    let (_, server, _) = conversation();
    let resets = server.frames("quic:packet_received", "reset_stream");
    let expected = json!({
        "frame_type": "reset_stream",
        "stream_id": 2,
        "error": "unknown",
        "error_code": (1_u64 << 60).to_string(),
        "final_size": SECRET.len(),
    });
    assert_eq!(resets, [expected]);
}

#[test]
fn the_handshake_goes_through_its_packet_types_in_order() {
    let (client, server, _) = conversation();
    for trace in [&client, &server] {
        for event in ["quic:packet_sent", "quic:packet_received"] {
            let mut types: Vec<Value> = Vec::new();
            let mut last: BTreeMap<String, u64> = BTreeMap::new();
            for data in trace.all(event) {
                let header = &data["header"];
                let number = header["packet_number"].as_u64().expect("a number");
                let space = header["packet_type"].as_str().expect("a type").to_owned();
                let before = last.insert(space, number);
                assert!(before.is_none_or(|before| before < number), "{header}");
                if !types.contains(&header["packet_type"]) {
                    types.push(header["packet_type"].clone());
                }
            }
            assert_eq!(types, [json!("initial"), json!("handshake"), json!("1RTT")]);
        }
    }
    let hello: u64 = client
        .all("quic:packet_sent")
        .iter()
        .filter(|data| data["header"]["packet_type"] == "initial")
        .flat_map(|data| data["frames"].as_array().expect("frames").clone())
        .filter(|frame| frame["frame_type"] == "crypto")
        .map(|frame| frame["raw"]["payload_length"].as_u64().expect("a length"))
        .sum();
    assert!(hello > 1216, "a ClientHello with ML-KEM has {hello} bytes");
}

#[test]
fn both_sides_tell_the_close_and_who_closed() {
    let (client, server, _) = conversation();
    for (trace, initiator) in [(&client, "local"), (&server, "remote")] {
        let closed = trace.all("quic:connection_closed");
        assert_eq!(closed.len(), 1);
        assert_eq!(closed[0]["initiator"], initiator);
        assert_eq!(closed[0]["application_error"], "unknown");
        assert_eq!(closed[0]["error_code"], CLOSE_CODE);
        assert_eq!(closed[0]["reason"], "that \"is\" all");
        assert_eq!(closed[0]["trigger"], "application");
    }
    let frames = server.frames("quic:packet_received", "connection_close");
    assert_eq!(frames[0]["error_space"], "application");
    assert_eq!(frames[0]["error_code"], CLOSE_CODE);
}

#[test]
fn both_sides_tell_the_same_parameters_and_belong_to_the_same_group() {
    let (client, server, _) = conversation();
    let parameters = |trace: &Trace, initiator: &str| {
        let set = trace.all("quic:parameters_set");
        let mut one = set
            .into_iter()
            .filter(|data| data["initiator"] == initiator);
        let mut data = one.next().expect("parameters").clone();
        assert_eq!(one.next(), None);
        data["initiator"] = Value::Null;
        data
    };
    assert_eq!(parameters(&client, "local"), parameters(&server, "remote"));
    assert_eq!(parameters(&client, "remote"), parameters(&server, "local"));
    let group = |trace: &Trace| trace.file["trace"]["common_fields"]["group_id"].clone();
    assert_eq!(group(&client), group(&server));
    let first = &client.all("quic:packet_sent")[0]["header"]["dcid"];
    assert_eq!(&group(&client), first);
    let original = &parameters(&server, "local")["original_destination_connection_id"];
    assert_eq!(original, first);
}

#[test]
fn the_life_of_the_connection_is_told() {
    let (client, server, _) = conversation();
    assert_eq!(client.names()[0], "quic:connection_started");
    assert_eq!(server.names()[0], "quic:connection_started");
    let started = &client.all("quic:connection_started")[0]["remote"];
    assert_eq!(*started, json!({"ip_v4": "192.0.2.2", "port_v4": 4433}));
    let states: Vec<_> = client
        .all("anypath:session_state_updated")
        .iter()
        .map(|data| (data["new"].clone(), data["cause"].clone()))
        .collect();
    let expected = [
        ("connecting", "dial"),
        ("direct", "handshake"),
        ("closed", "close"),
    ];
    assert_eq!(
        states,
        expected.map(|(state, cause)| (json!(state), json!(cause)))
    );
    for trace in [&client, &server] {
        let completed = &trace.all("anypath:handshake_completed")[0];
        assert_eq!(completed["tls_group"], 0x11ec);
        assert_eq!(completed["tls_cipher"], 0x1303);
        let alpn = &trace.all("quic:alpn_information")[0]["chosen_alpn"];
        assert_eq!(alpn["string_value"], "qlog/1");
        assert!(!trace.all("quic:tuple_assigned").is_empty());
        let metrics = trace.all("quic:recovery_metrics_updated");
        assert!(
            metrics
                .iter()
                .any(|data| data["smoothed_rtt"].as_f64() >= Some(10.0))
        );
        assert!(trace.all("anypath:packets_lost").is_empty());
    }
}

#[test]
fn early_data_goes_in_packets_of_its_own_type() {
    let mut pair = Pair::new(true, true);
    pair.connect();
    pair.settle();
    pair.client.close(0, "");
    pair.settle();
    pair.forget();
    pair.dial();
    assert!(pair.client.was_early(), "a session is remembered");
    let stream = pair.client.open(true);
    pair.client.write_all(stream, SECRET);
    pair.settle();
    let (client, server) = (Trace::of(&pair.client), Trace::of(&pair.server));
    for (trace, event) in [
        (&client, "quic:packet_sent"),
        (&server, "quic:packet_received"),
    ] {
        let early = trace.all(event).into_iter().filter(|data| {
            let frames = data["frames"].as_array().expect("frames");
            let carries = |frame: &Value| {
                frame["frame_type"] == "stream" && frame["raw"]["payload_length"] == SECRET.len()
            };
            data["header"]["packet_type"] == "0RTT" && frames.iter().any(carries)
        });
        assert_eq!(early.count(), 1, "{event}");
    }
    let answered = client.all("anypath:early_data_answered");
    assert_eq!(answered, [&json!({"accepted": true})]);
}

#[test]
fn packets_under_updated_keys_are_told_too() {
    let mut pair = Pair::new(true, false);
    pair.connect();
    pair.client.update_keys();
    pair.settle();
    let (client, server) = (Trace::of(&pair.client), Trace::of(&pair.server));
    for (sender, receiver) in [(&client, &server), (&server, &client)] {
        let sent = sender.all("quic:packet_sent");
        assert_eq!(sent, receiver.all("quic:packet_received"));
        let phases = sent.iter().map(|data| &data["header"]["key_phase_bit"]);
        let updated = phases.filter(|phase| **phase == true).count();
        assert!(updated > 0, "no packet of the next key phase");
    }
}

#[test]
fn the_records_have_the_shape_of_the_drafts() {
    let (client, server, _) = conversation();
    for (trace, side) in [(&client, "client"), (&server, "server")] {
        shape::check_file(&trace.file, side);
        for event in &trace.events {
            shape::check_event(event);
        }
        let times: Vec<_> = trace.events.iter().map(|e| e["time"].as_f64()).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
}

#[test]
fn neither_keys_nor_tokens_nor_content_are_told() {
    let (_, _, pair) = conversation();
    for host in [&pair.client, &pair.server] {
        let text = host.qlog_text();
        let hex: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
        let half = std::str::from_utf8(&SECRET[..20]).expect("text");
        assert!(!text.contains(half) && !text.contains(&hex[..20]));
        let key: String = host.secret_key.iter().map(|b| format!("{b:02x}")).collect();
        assert!(!text.contains(&key));
        assert!(!text.contains("stateless_reset_token") && !text.contains("\"data\":\""));
    }
}

#[test]
fn nothing_is_written_unless_it_is_wanted() {
    let mut pair = Pair::new(false, false);
    pair.connect();
    pair.client.close(0, "");
    pair.settle();
    for host in [&pair.client, &pair.server] {
        assert!(host.qlog.is_empty());
        assert!(
            host.events
                .iter()
                .any(|event| matches!(event, Event::Drained(_)))
        );
    }
}
