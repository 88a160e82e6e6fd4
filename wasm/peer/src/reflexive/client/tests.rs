use anypath_wire::stun::{UNKNOWN_ATTRIBUTE, answer, attribute};
use proptest::prelude::*;

use super::*;

fn address(text: &str) -> SocketAddrV6 {
    text.parse().expect("an address")
}

fn server(host: u8) -> SocketAddrV6 {
    address(&format!("[::ffff:198.51.100.{host}]:3478"))
}

fn mapped() -> SocketAddrV6 {
    address("[::ffff:203.0.113.1]:6000")
}

fn client(servers: u8) -> StunClient {
    let mut client = StunClient::new([3; 32]);
    let servers: Vec<_> = (1..=servers).map(server).collect();
    assert!(client.set_servers(&servers));
    client
}

/// The requests that are due.
fn sent(client: &mut StunClient, now: Instant) -> Vec<(SocketAddrV6, Vec<u8>)> {
    let tasks = std::iter::from_fn(|| client.poll(now));
    tasks
        .filter_map(|task| match task {
            Task::Send(server, request) => Some((server, request)),
            Task::GivenUp(_) => None,
        })
        .collect()
}

fn success(request: &[u8]) -> Vec<u8> {
    let answer = answer(request, mapped().into()).expect("well formed");
    answer.expect("a Binding request")
}

fn transaction(request: &[u8]) -> TransactionId {
    Message::parse(request).expect("our own").transaction
}

#[test]
fn a_request_is_sent_at_the_times_of_rfc_8489_and_then_given_up() {
    let (start, mut client) = (Instant::now(), client(1));
    client.ask(start);
    let mut times = Vec::new();
    let mut requests = Vec::new();
    let given_up = loop {
        let due = client.due().expect("under way");
        match client.poll(due) {
            Some(Task::Send(_, request)) => {
                times.push((due - start).as_millis());
                requests.push(request);
            }
            Some(Task::GivenUp(silent)) => {
                assert_eq!(silent, server(1));
                break due - start;
            }
            None => panic!("nothing is due"),
        }
    };
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(given_up.as_millis(), 39_500);
    assert!(requests.iter().all(|request| *request == requests[0]));
    assert_eq!(client.due(), None);
}

#[test]
fn every_server_is_asked_once_with_an_id_of_its_own() {
    let (now, mut client) = (Instant::now(), client(3));
    client.ask(now);
    client.ask(now);
    let requests = sent(&mut client, now);
    let servers: Vec<_> = requests.iter().map(|(server, _)| *server).collect();
    assert_eq!(servers, [server(1), server(2), server(3)]);
    let mut ids: Vec<_> = requests.iter().map(|(_, r)| transaction(r).0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn an_answer_tells_the_address_and_ends_the_request() {
    let (now, mut client) = (Instant::now(), client(1));
    client.ask(now);
    let (server, request) = sent(&mut client, now).remove(0);
    let expected = Answer::Mapped {
        server,
        mapped: mapped(),
        sent: now,
        order: 1,
        once: true,
    };
    assert_eq!(client.receive(server, &success(&request)), expected);
    assert_eq!(client.due(), None);
    assert_eq!(client.receive(server, &success(&request)), Answer::Forged);
    assert_eq!(client.is_blocked(), Some(false));
}

#[test]
fn an_answer_from_elsewhere_or_to_another_request_is_forged_and_the_true_one_still_counts() {
    let (now, mut client) = (Instant::now(), client(2));
    client.ask(now);
    let requests = sent(&mut client, now);
    let (asked, request) = &requests[0];
    let other_port = address("[::ffff:198.51.100.1]:3479");
    for source in [server(2), server(9), other_port] {
        assert_eq!(client.receive(source, &success(request)), Answer::Forged);
    }
    let other = MessageWriter::binding_request(TransactionId([9; 12])).finish();
    assert_eq!(client.receive(*asked, &success(&other)), Answer::Forged);
    assert_eq!(client.receive(*asked, &[1, 1]), Answer::Malformed);
    let answer = client.receive(*asked, &success(request));
    assert!(matches!(answer, Answer::Mapped { .. }), "{answer:?}");
}

#[test]
fn an_answer_that_tells_no_usable_address_is_a_refusal() {
    let success = |id| MessageWriter::new(Class::Success, BINDING, id);
    let nowhere = |text: &str| text.parse().expect("an address");
    let builders: [&dyn Fn(TransactionId) -> MessageWriter; 5] = [
        &|id| MessageWriter::new(Class::Error, BINDING, id).error_code(UNKNOWN_ATTRIBUTE, ""),
        &success,
        &|id| success(id).xor_mapped_address(nowhere("203.0.113.1:0")),
        &|id| success(id).xor_mapped_address(nowhere("[::]:1")),
        &|id| {
            let mapped = success(id).xor_mapped_address(mapped().into());
            mapped.attribute(0x7777, &[])
        },
    ];
    for build in builders {
        let (now, mut client) = (Instant::now(), client(1));
        client.ask(now);
        let (asked, request) = sent(&mut client, now).remove(0);
        let refusal = build(transaction(&request)).finish();
        assert_eq!(client.receive(asked, &refusal), Answer::Refused(asked));
        assert_eq!(client.due(), None);
    }
    let broken = success(TransactionId([0; 12])).attribute(attribute::XOR_MAPPED_ADDRESS, &[0, 9]);
    let broken = broken.finish();
    let message = Message::parse(&broken).expect("whole");
    assert_eq!(mapped_address(&message), None);
}

#[test]
fn udp_is_taken_for_blocked_when_no_server_answers_four_requests() {
    let (start, mut client) = (Instant::now(), client(2));
    client.ask(start);
    for ms in [0, 500, 1500] {
        sent(&mut client, start + Duration::from_millis(ms));
        assert_eq!(client.is_blocked(), None, "after {ms} ms");
    }
    let requests = sent(&mut client, start + Duration::from_millis(3500));
    assert_eq!(client.is_blocked(), Some(true));
    let (asked, request) = &requests[0];
    client.receive(*asked, &success(request));
    assert_eq!(client.is_blocked(), Some(false));
    client.reset();
    assert_eq!((client.is_blocked(), client.due()), (None, None));
}

#[test]
fn servers_are_bounded_and_who_is_not_one_any_more_is_not_asked() {
    let mut client = client(30);
    let now = Instant::now();
    client.ask(now);
    assert_eq!(sent(&mut client, now).len(), MAX_SERVERS);
    let same: Vec<_> = (1..=30).map(server).collect();
    assert!(!client.set_servers(&same));
    assert!(client.set_servers(&[server(2), server(2), address("[::1]:0")]));
    assert!(client.asks(&server(2)) && !client.asks(&server(1)));
    let later = now + RTO;
    let repeated: Vec<_> = sent(&mut client, later)
        .into_iter()
        .map(|(to, _)| to)
        .collect();
    assert_eq!(repeated, [server(2)]);
    assert!(client.set_servers(&[]));
    assert!(!client.has_servers());
    assert_eq!(client.due(), None);
}

proptest! {
    #[test]
    fn no_strangers_datagram_makes_it_fail_or_count(datagram: Vec<u8>, header: bool) {
        let (now, mut client) = (Instant::now(), client(1));
        client.ask(now);
        sent(&mut client, now);
        let bytes = match header {
            true => MessageWriter::new(Class::Success, BINDING, TransactionId([1; 12]))
                .attribute(attribute::XOR_MAPPED_ADDRESS, &datagram)
                .finish(),
            false => datagram,
        };
        let answer = client.receive(server(1), &bytes);
        prop_assert!(matches!(answer, Answer::Forged | Answer::Malformed));
        prop_assert!(client.due().is_some());
    }
}
