//! Two modules and the network between them, in virtual time.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anypath_webrtc::agent::{Bases, Malformed};
use anypath_webrtc::agents::{Agents, Signal};
use anypath_webrtc::records::{Kind, put_address, take_address};
use anypath_webrtc::{certificate, crypto};
use proptest::prelude::*;
use str0m::change::SdpAnswer;
use str0m::channel::ChannelConfig;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// One module behind one socket, and what it has said.
struct Side {
    agents: Agents,
    address: SocketAddr,
    id: u32,
    signals: Vec<(Kind, String)>,
    seen: Vec<Kind>,
    messages: Vec<Vec<u8>>,
}

impl Side {
    fn new(address: &str, initiator: bool, now: Instant) -> Self {
        let address = address.parse().expect("an address");
        let mut agents = Agents::default();
        let bases = Bases {
            v4: Some(address),
            v6: None,
        };
        let id = agents.open(initiator, bases, now).expect("random bytes");
        Side {
            agents,
            address,
            id,
            signals: vec![],
            seen: vec![],
            messages: vec![],
        }
    }

    /// Takes records apart; gives the datagrams among them.
    fn poll(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let records = self.agents.poll(now);
        let mut rest = &records[..];
        let mut datagrams = vec![];
        while let Some((header, tail)) = rest.split_at_checked(9) {
            let len = u32::from_le_bytes(header[5..9].try_into().expect("four bytes")) as usize;
            let (payload, tail) = tail.split_at(len);
            rest = tail;
            let text = || String::from_utf8_lossy(payload).into_owned();
            match header[0] {
                1 => {
                    let (to, data) = take_address(payload).expect("an address");
                    datagrams.push((to, data.to_vec()));
                }
                2 => self.signals.push((Kind::Offer, text())),
                3 => self.signals.push((Kind::Answer, text())),
                4 => self.seen.push(Kind::Open),
                5 => self.messages.push(payload[1..].to_vec()),
                6 => self.seen.push(Kind::Room),
                7 => self.seen.push(Kind::Through),
                8 => self.seen.push(Kind::Interrupted),
                9 => self.seen.push(Kind::Closed),
                other => panic!("a record of kind {other}"),
            }
        }
        datagrams
    }

    fn has(&self, kind: Kind) -> bool {
        self.seen.contains(&kind)
    }

    fn candidate(&self) -> String {
        format!(
            "candidate:1 1 udp 2130706431 {} {} typ host",
            self.address.ip(),
            self.address.port()
        )
    }
}

struct Pair {
    sides: [Side; 2],
    now: Instant,
    under_way: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Pair {
    /// Two sides that have exchanged descriptions; `change` is what becomes of them on the way.
    fn negotiated(change: impl Fn(String) -> String) -> Self {
        let now = Instant::now();
        let sides = [
            Side::new("192.0.2.1:1000", true, now),
            Side::new("192.0.2.2:2000", false, now),
        ];
        let mut pair = Pair {
            sides,
            now,
            under_way: VecDeque::new(),
        };
        pair.exchange_descriptions(change);
        pair
    }

    fn exchange_descriptions(&mut self, change: impl Fn(String) -> String) {
        let pair = self;
        let now = pair.now;
        pair.step();
        let [a, b] = &mut pair.sides;
        let offer = change(a.signals.remove(0).1);
        b.agents
            .signal(b.id, Signal::Offer(&offer), now)
            .expect("an offer");
        b.agents
            .signal(b.id, Signal::Candidate(&a.candidate()), now)
            .expect("a candidate");
        pair.step();
        let [a, b] = &mut pair.sides;
        let answer = change(b.signals.remove(0).1);
        a.agents
            .signal(a.id, Signal::Answer(&answer), now)
            .expect("an answer");
        a.agents
            .signal(a.id, Signal::Candidate(&b.candidate()), now)
            .expect("a candidate");
    }

    /// A pair whose channel is open at both sides.
    fn connected() -> Self {
        let mut pair = Pair::negotiated(|sdp| sdp);
        pair.run_until(|[a, b]| a.has(Kind::Open) && b.has(Kind::Open));
        pair
    }

    /// Delivers what is under way, and what it brings, 10 ms later.
    fn step(&mut self) {
        self.now += Duration::from_millis(10);
        for (from, to, data) in std::mem::take(&mut self.under_way) {
            if let Some(side) = self.sides.iter_mut().find(|side| side.address == to) {
                side.agents.receive(from, &data, self.now);
            }
        }
        for side in &mut self.sides {
            let from = side.address;
            let sent = side
                .poll(self.now)
                .into_iter()
                .map(|(to, data)| (from, to, data));
            self.under_way.extend(sent);
        }
    }

    fn run_until(&mut self, done: impl Fn(&[Side; 2]) -> bool) {
        for _ in 0..3000 {
            if done(&self.sides) {
                return;
            }
            self.step();
        }
        let seen: Vec<_> = self.sides.iter().map(|side| side.seen.clone()).collect();
        panic!("30 s of virtual time have passed: {seen:?}");
    }

    /// Sends a message over the open channel, and waits for it.
    fn exchanges(&mut self, from: usize, message: &[u8]) {
        let to = 1 - from;
        let before = self.sides[to].messages.len();
        let id = self.sides[from].id;
        assert!(self.sides[from].agents.send(id, message, self.now));
        self.run_until(|sides| sides[to].messages.len() > before);
        assert_eq!(self.sides[to].messages[before], message);
    }
}

#[test]
fn two_agents_open_a_channel_and_messages_go_both_ways_whole() {
    let mut pair = Pair::connected();
    for size in [1, 1200, 16 * 1024] {
        let message: Vec<u8> = (0..size).map(|at: usize| ((at * 31) >> 3) as u8).collect();
        pair.exchanges(0, &message);
        pair.exchanges(1, &message);
    }
}

#[test]
fn a_channel_that_is_full_takes_no_more_and_says_when_it_has_room() {
    let mut pair = Pair::connected();
    let message = vec![7; 16 * 1024];
    let mut taken = 0;
    while pair.sides[0]
        .agents
        .send(pair.sides[0].id, &message, pair.now)
    {
        taken += 1;
        assert!(taken < 100, "it takes without an end");
    }
    assert!(!pair.sides[0].has(Kind::Room));
    pair.run_until(|[a, b]| a.has(Kind::Room) && b.messages.len() == taken);
    assert!(
        pair.sides[0]
            .agents
            .send(pair.sides[0].id, &message, pair.now)
    );
}

#[test]
fn who_closes_is_noticed_by_the_other_side() {
    let mut pair = Pair::connected();
    let id = pair.sides[0].id;
    pair.sides[0].agents.close(id);
    pair.run_until(|[_, b]| b.has(Kind::Closed));
    assert!(!pair.sides[0].has(Kind::Closed));
    assert_eq!(pair.sides[0].agents.wait(pair.now), None);
}

#[test]
fn a_certificate_that_the_description_does_not_name_opens_nothing() {
    let mut pair = Pair::negotiated(|sdp| {
        let at = sdp.find("sha-256 ").expect("a fingerprint") + 8;
        let digit = if &sdp[at..=at] == "0" { "1" } else { "0" };
        format!("{}{digit}{}", &sdp[..at], &sdp[at + 1..])
    });
    pair.run_until(|[a, b]| a.has(Kind::Closed) || b.has(Kind::Closed));
    assert!(pair.sides.iter().all(|side| !side.has(Kind::Open)));
}

#[test]
fn a_remote_that_falls_silent_interrupts_the_channel() {
    let mut pair = Pair::connected();
    for _ in 0..6000 {
        pair.under_way.clear();
        pair.step();
    }
    assert!(
        pair.sides
            .iter()
            .all(|side| side.has(Kind::Interrupted) || side.has(Kind::Closed))
    );
}

#[test]
fn descriptions_and_candidates_that_are_none_are_refused() {
    let now = Instant::now();
    let mut side = Side::new("192.0.2.1:1000", false, now);
    for sdp in [
        "",
        "v=0",
        "x",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
    ] {
        assert_eq!(
            side.agents.signal(side.id, Signal::Offer(sdp), now),
            Err(Malformed),
            "{sdp}"
        );
        assert_eq!(
            side.agents.signal(side.id, Signal::Answer(sdp), now),
            Err(Malformed),
            "{sdp}"
        );
    }
    for candidate in [
        "",
        "candidate:",
        "candidate:1 1 udp 1 name.local 9 typ host",
        "candidate:1 1 udp 1 2001:db8::1 9 typ host",
    ] {
        assert_eq!(
            side.agents
                .signal(side.id, Signal::Candidate(candidate), now),
            Err(Malformed),
            "{candidate}"
        );
    }
    assert_eq!(
        side.agents.signal(99, Signal::Offer(""), now),
        Err(Malformed)
    );
}

#[test]
fn a_name_that_is_too_long_to_be_called_by_is_no_panic() {
    let now = Instant::now();
    let name = format!("a=ice-ufrag:{}", "x".repeat(120));
    let renamed = |sdp: String| {
        let lines = sdp.lines().map(|line| {
            let is_name = line.starts_with("a=ice-ufrag:");
            format!("{}\r\n", if is_name { &name } else { line })
        });
        lines.collect::<String>()
    };
    let [mut a, mut b] = [
        Side::new("192.0.2.1:1000", true, now),
        Side::new("192.0.2.2:2000", false, now),
    ];
    a.poll(now);
    let offer = renamed(a.signals.remove(0).1);
    let offered = b.agents.signal(b.id, Signal::Offer(&offer), now);
    let answered = a.agents.signal(a.id, Signal::Answer(&offer), now);
    let told = b
        .agents
        .signal(b.id, Signal::Candidate(&a.candidate()), now);
    for step in 0..100 {
        b.poll(now + Duration::from_millis(step * 50));
    }
    assert_eq!(
        (offered, answered, told),
        (Err(Malformed), Err(Malformed), Ok(()))
    );
}

#[test]
fn a_second_offer_changes_nothing() {
    let mut pair = Pair::connected();
    let mut other = Side::new("192.0.2.3:3000", true, pair.now);
    other.poll(pair.now);
    let offer = other.signals.remove(0).1;
    let [_, b] = &mut pair.sides;
    assert_eq!(
        b.agents.signal(b.id, Signal::Offer(&offer), pair.now),
        Err(Malformed)
    );
    pair.exchanges(0, b"still there");
}

#[test]
fn an_offer_of_media_is_answered_without_any() {
    let now = Instant::now();
    let mut side = Side::new("192.0.2.1:1000", false, now);
    let mut other = Side::new("192.0.2.2:2000", true, now);
    other.poll(now);
    let offer = other.signals.remove(0).1;
    let at = offer.find("m=application").expect("a channel");
    let attributes: String = offer[at..]
        .lines()
        .filter(|line| {
            line.starts_with("a=ice-")
                || line.starts_with("a=fingerprint")
                || line.starts_with("a=setup")
        })
        .map(|line| format!("{line}\r\n"))
        .collect();
    let media = format!(
        "{offer}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n{attributes}a=mid:media\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=ssrc:1 cname:x\r\n"
    );
    // Whether it is refused or answered, nothing of SRTP is asked for.
    let _ = side.agents.signal(side.id, Signal::Offer(&media), now);
    for step in 0..100 {
        side.poll(now + Duration::from_millis(step * 10));
    }
}

#[test]
fn what_is_for_nobody_is_left_to_others() {
    let mut pair = Pair::connected();
    let stranger = "198.51.100.1:9".parse().expect("an address");
    let binding_request = [
        0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];
    let mut binding_response = binding_request;
    binding_response[0] = 1;
    let dtls = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    for data in [&binding_request[..], &binding_response, &dtls, &[]] {
        assert!(
            !pair.sides[1].agents.receive(stranger, data, pair.now),
            "{data:?}"
        );
    }
}

#[test]
fn sealed_records_that_come_twice_before_the_keys_are_no_panic() {
    let mut pair = Pair::negotiated(|sdp| sdp);
    let [a, b] = [0, 1].map(|at: usize| pair.sides[at].address);
    let sealed = |first: &[u8]| {
        let record = [23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 5, 0, 40];
        [first, &record, &[7; 40]].concat()
    };
    // Alone, and behind a record that is dropped on the way.
    let warning = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 90];
    for _ in 0..300 {
        for datagram in [sealed(&[]), sealed(&warning)] {
            for _ in 0..2 {
                pair.sides[0].agents.receive(b, &datagram, pair.now);
                pair.sides[1].agents.receive(a, &datagram, pair.now);
            }
        }
        pair.step();
    }
    // A handshake with such in it may fail, and nothing else.
    for side in &mut pair.sides {
        let bases = Bases {
            v4: Some(side.address),
            v6: None,
        };
        assert!(side.agents.open(true, bases, pair.now).is_some());
    }
}

#[test]
fn an_error_response_that_begins_with_its_proof_is_no_panic() {
    let mut pair = Pair::negotiated(|sdp| sdp);
    for _ in 0..300 {
        pair.step();
        let responses: Vec<_> = pair
            .under_way
            .iter()
            .filter(|(_, _, data)| data.starts_with(&[0, 1]))
            .map(|(from, to, data)| {
                let head = [1, 0x11, 0, 24, 0x21, 0x12, 0xa4, 0x42];
                let proof = [0, 8, 0, 20];
                let response = [&head[..], &data[8..20], &proof, &[7; 20]].concat();
                (*to, *from, response)
            })
            .collect();
        pair.under_way.extend(responses);
    }
    pair.exchanges(0, b"whole");
}

/// A binding request that a side has sent to the other one.
fn request_of(pair: &mut Pair, from: usize) -> Vec<u8> {
    for _ in 0..3000 {
        pair.step();
        let from = pair.sides[from].address;
        let request = pair
            .under_way
            .iter()
            .find(|(source, _, data)| *source == from && data.starts_with(&[0, 1]));
        if let Some((_, _, data)) = request {
            return data.clone();
        }
    }
    panic!("it sends none");
}

#[test]
fn a_remote_that_is_everywhere_gets_few_candidates() {
    let mut pair = Pair::connected();
    let request = request_of(&mut pair, 0);
    let mut answered = BTreeSet::new();
    for port in 1..=1000 {
        let source = SocketAddr::new([198, 51, 100, 1].into(), port);
        assert!(pair.sides[1].agents.receive(source, &request, pair.now));
        pair.now += Duration::from_millis(1);
        let sent = pair.sides[1].poll(pair.now);
        answered.extend(sent.into_iter().map(|(to, _)| to));
    }
    assert!((2..=65).contains(&answered.len()), "{}", answered.len());
    pair.exchanges(0, b"whole");
}

#[test]
fn of_requests_that_come_before_the_answer_few_are_kept() {
    let now = Instant::now();
    let [mut a, mut b] = [
        Side::new("192.0.2.1:1000", true, now),
        Side::new("192.0.2.2:2000", false, now),
    ];
    a.poll(now);
    let offer = a.signals.remove(0).1;
    let offered = b.agents.signal(b.id, Signal::Offer(&offer), now);
    offered.expect("an offer");
    let told = b
        .agents
        .signal(b.id, Signal::Candidate(&a.candidate()), now);
    told.expect("a candidate");
    let mut at = now;
    let request = loop {
        at += Duration::from_millis(10);
        if let Some((_, data)) = b.poll(at).into_iter().next() {
            break data;
        }
    };
    for _ in 0..500 {
        assert!(a.agents.receive(b.address, &request, at));
    }
    let answer = b.signals.remove(0).1;
    let answered = a.agents.signal(a.id, Signal::Answer(&answer), at);
    answered.expect("an answer");
    let mut responses = 0;
    for _ in 0..2000 {
        at += Duration::from_millis(10);
        let sent = a.poll(at);
        responses += sent
            .iter()
            .filter(|(_, data)| data.starts_with(&[1, 1]))
            .count();
    }
    assert!((1..=64).contains(&responses), "{responses}");
}

#[test]
fn a_remote_that_opens_channels_without_an_end_is_left() {
    let mut now = Instant::now();
    let mut side = Side::new("192.0.2.1:1000", false, now);
    let address: SocketAddr = "192.0.2.2:2000".parse().expect("an address");
    let mut rtc = Rtc::builder()
        .set_crypto_provider(crypto::provider())
        .set_dtls_cert(certificate::generate().expect("random bytes"))
        .clear_codecs()
        .build(now);
    rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
    let mut changes = rtc.sdp_api();
    changes.add_channel("first".into());
    let (offer, pending) = changes.apply().expect("a change");
    let offered = side
        .agents
        .signal(side.id, Signal::Offer(&offer.to_sdp_string()), now);
    offered.expect("an offer");
    side.poll(now);
    let answer = SdpAnswer::from_sdp_string(&side.signals.remove(0).1).expect("an answer");
    rtc.sdp_api()
        .accept_answer(pending, answer)
        .expect("an answer");
    rtc.add_remote_candidate(Candidate::from_sdp_string(&side.candidate()).expect("a candidate"));
    for _ in 0..3000 {
        now += Duration::from_millis(10);
        for (_, data) in side.poll(now) {
            let received = Receive::new(Protocol::Udp, side.address, address, &data);
            let input = Input::Receive(now, received.expect("a datagram"));
            rtc.handle_input(input).expect("what is taken");
        }
        rtc.handle_input(Input::Timeout(now)).expect("time");
        loop {
            match rtc.poll_output().expect("an output") {
                Output::Timeout(_) => break,
                Output::Transmit(datagram) => {
                    side.agents.receive(address, &datagram.contents, now);
                }
                Output::Event(Event::ChannelOpen(_, label)) if label == "first" => {
                    for _ in 0..40 {
                        rtc.direct_api()
                            .create_data_channel(ChannelConfig::default());
                    }
                }
                Output::Event(_) => {}
            }
        }
        if side.has(Kind::Closed) {
            assert!(side.has(Kind::Open));
            return;
        }
    }
    panic!("it is still there");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Datagrams of strangers, and of who sends from the remote's address: made up, and changed copies of real ones.
    #[test]
    fn no_datagram_of_an_attacker_ends_a_channel(
        made_up in prop::collection::vec((0_u8..64, prop::collection::vec(any::<u8>(), 0..200)), 0..40),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut pair = Pair::connected();
        let stranger: SocketAddr = "198.51.100.1:9".parse().expect("an address");
        let remote = pair.sides[0].address;
        let id = pair.sides[0].id;
        assert!(pair.sides[0].agents.send(id, &[1; 3000], pair.now));
        let real = pair.sides[0].poll(pair.now);
        for (first, rest) in made_up {
            let data = [&[first], &rest[..]].concat();
            pair.sides[1].agents.receive(stranger, &data, pair.now);
            pair.sides[1].agents.receive(remote, &data, pair.now);
        }
        for (which, at, value) in changes {
            let mut data = which.get(&real).1.clone();
            let at = at.index(data.len());
            data[at] = value;
            pair.sides[1].agents.receive(remote, &data, pair.now);
            pair.sides[1].agents.receive(stranger, &data, pair.now);
            data.truncate(at);
            pair.sides[1].agents.receive(remote, &data, pair.now);
        }
        prop_assert!(!pair.sides[1].has(Kind::Closed));
        pair.exchanges(0, b"whole");
        pair.exchanges(1, b"whole");
    }

    #[test]
    fn addresses_are_what_they_were(ip: std::net::IpAddr, port: u16, rest in prop::collection::vec(any::<u8>(), 0..9)) {
        let address = SocketAddr::new(ip, port);
        let bytes = [&put_address(address)[..], &rest].concat();
        prop_assert_eq!(take_address(&bytes), Some((address, &rest[..])));
        prop_assert_eq!(take_address(&bytes[..18]), None);
    }

    #[test]
    fn no_text_of_a_remote_is_a_panic(text in ".{0,300}", line in prop::sample::select(vec!["a=candidate:", "a=ice-ufrag:", "a=fingerprint:", "a=sctp-port:", "m=", "a=setup:", "a=mid:", "a=max-message-size:", "a=group:"])) {
        let now = Instant::now();
        let mut other = Side::new("192.0.2.2:2000", true, now);
        other.poll(now);
        let offer = other.signals.remove(0).1;
        let changed: String = offer.lines().map(|own| if own.starts_with(line) { format!("{line}{text}\r\n") } else { format!("{own}\r\n") }).collect();
        let mut side = Side::new("192.0.2.1:1000", false, now);
        let _ = side.agents.signal(side.id, Signal::Candidate(&text), now);
        let _ = side.agents.signal(side.id, Signal::Candidate(&format!("candidate:{text}")), now);
        let _ = side.agents.signal(side.id, Signal::Offer(&changed), now);
        let _ = other.agents.signal(other.id, Signal::Answer(&changed), now);
        // What was taken is used later.
        for side in [&mut side, &mut other] {
            let candidate = "candidate:1 1 udp 1 192.0.2.3 3000 typ host";
            let _ = side.agents.signal(side.id, Signal::Candidate(candidate), now);
            for step in 0..100 {
                side.poll(now + Duration::from_millis(step * 50));
            }
        }
    }
}

#[test]
fn a_second_channel_between_the_same_sockets_takes_the_place_of_the_first() {
    let mut pair = Pair::connected();
    let now = pair.now;
    let [a, b] = &mut pair.sides;
    for side in [&mut *a, &mut *b] {
        side.seen.clear();
    }
    let bases = |side: &Side| Bases {
        v4: Some(side.address),
        v6: None,
    };
    [a.id, b.id] = [
        a.agents.open(true, bases(a), now).expect("random bytes"),
        b.agents.open(false, bases(b), now).expect("random bytes"),
    ];
    pair.exchange_descriptions(|sdp| sdp);
    pair.run_until(|[a, b]| a.has(Kind::Open) && b.has(Kind::Open));
    pair.exchanges(0, b"over the second");
    pair.exchanges(1, b"over the second");
}
