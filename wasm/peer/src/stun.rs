//! The STUN responder: tells whoever asks at which address it is seen [RFC 8489].
//!
//! Nothing is kept about a client. Sources are limited by a table of fixed size, so that strangers, whose
//! addresses may be forged, can neither make it grow nor use it to flood somebody else: an answer has at most
//! three times the bytes of its request, and one address gets few of them.

use std::net::{IpAddr, SocketAddr};

use anypath_wire::address::to_mapped;
use anypath_wire::stun;

use crate::admission::subnet;
use crate::bucket::Bucket;
use crate::clock::Instant;

/// Answers to one IP address (IPv6: to one /64) in a second. A browser asks some tens of times when it
/// gathers candidates, and a whole office may share an address.
const PER_SOURCE: u32 = 100;

/// Answers to one address at once, when it has been quiet.
const SOURCE_BURST: u32 = 200;

/// Answers to everybody in a second, about a megabyte.
const IN_ALL: u32 = 20_000;

/// Answers to everybody at once.
const BURST_IN_ALL: u32 = 20_000;

/// Places in the table of sources. Two sources may share one, and then share its answers.
const PLACES: usize = 4096;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// It is to be answered with this.
    Answer(Vec<u8>),
    /// It is well formed, and wants no answer of a server.
    None,
    /// Its source, or all together, asked too often.
    Limited,
    /// It is not STUN, or its source can't be answered.
    Malformed,
}

/// Answers Binding requests within limits.
#[derive(Debug)]
pub(crate) struct StunResponder {
    /// Chooses places, so that a stranger can't choose to share one with somebody.
    key: ring::hmac::Key,
    places: Box<[Bucket]>,
    all: Bucket,
    start: Instant,
}

impl StunResponder {
    /// A responder whose clock starts at `now`; `seed` is a secret.
    pub(crate) fn new(seed: &[u8; 32], now: Instant) -> Self {
        Self {
            key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, seed),
            places: vec![Bucket::full(SOURCE_BURST); PLACES].into_boxed_slice(),
            all: Bucket::full(BURST_IN_ALL),
            start: now,
        }
    }

    /// What to answer to a datagram that looks like STUN.
    pub(crate) fn respond(
        &mut self,
        datagram: &[u8],
        source: SocketAddr,
        now: Instant,
    ) -> Response {
        // Nothing can be sent to port 0.
        if source.port() == 0 {
            return Response::Malformed;
        }
        let answer = match stun::answer(datagram, source) {
            Ok(Some(answer)) => answer,
            Ok(None) => return Response::None,
            Err(_) => return Response::Malformed,
        };
        let elapsed = now.duration_since(self.start);
        let place = self.place_of(source);
        // One noisy source must not use up what is there for the others.
        let granted = self.places[place].take(elapsed, PER_SOURCE, SOURCE_BURST)
            && self.all.take(elapsed, IN_ALL, BURST_IN_ALL);
        match granted {
            true => Response::Answer(answer),
            false => Response::Limited,
        }
    }

    fn place_of(&self, source: SocketAddr) -> usize {
        let tag = match subnet(to_mapped(source)) {
            IpAddr::V4(ip) => ring::hmac::sign(&self.key, &ip.octets()),
            IpAddr::V6(ip) => ring::hmac::sign(&self.key, &ip.octets()),
        };
        let number = tag
            .as_ref()
            .iter()
            .take(4)
            .fold(0, |number, byte| (number << 8) | usize::from(*byte));
        number % PLACES
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anypath_wire::stun::{Class, Message, MessageWriter, TransactionId};

    use super::*;

    struct Bench {
        responder: StunResponder,
        now: Instant,
        request: Vec<u8>,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                responder: StunResponder::new(&[7; 32], now),
                now,
                request: MessageWriter::binding_request(TransactionId([1; 12])).finish(),
            }
        }

        fn ask(&mut self, source: &str) -> Response {
            let source = source.parse().expect("an address");
            self.responder.respond(&self.request, source, self.now)
        }

        /// How many of `count` requests are answered.
        fn answered(&mut self, source: &str, count: usize) -> usize {
            let answers = (0..count).map(|_| self.ask(source));
            answers
                .filter(|answer| matches!(answer, Response::Answer(_)))
                .count()
        }
    }

    #[test]
    fn a_client_is_told_its_address() {
        let mut bench = Bench::new();
        let Response::Answer(answer) = bench.ask("[::ffff:192.0.2.7]:4000") else {
            panic!("not answered")
        };
        let answer = Message::parse(&answer).expect("well formed");
        let seen = "192.0.2.7:4000".parse().ok();
        assert_eq!(answer.xor_mapped_address(), Ok(seen));
    }

    #[test]
    fn one_source_gets_its_rate_and_no_more_whatever_its_port() {
        let mut bench = Bench::new();
        assert_eq!(bench.answered("192.0.2.7:1", 300), 200);
        assert_eq!(bench.answered("192.0.2.7:2", 1), 0);
        bench.now += Duration::from_millis(500);
        assert_eq!(bench.answered("192.0.2.7:3", 300), 50);
        assert_eq!(bench.answered("192.0.2.8:1", 1), 1);
        bench.now += Duration::from_secs(3600);
        assert_eq!(bench.answered("192.0.2.7:1", 300), 200);
    }

    #[test]
    fn a_customers_ipv6_network_counts_as_one_source() {
        let mut bench = Bench::new();
        assert_eq!(bench.answered("[2001:db8::1]:1", 200), 200);
        assert_eq!(bench.answered("[2001:db8::2]:1", 1), 0);
        assert_eq!(bench.answered("[2001:db8:0:1::2]:1", 1), 1);
    }

    #[test]
    fn many_sources_get_the_rate_of_all_and_nothing_grows() {
        let mut bench = Bench::new();
        let mut answered = 0;
        for number in 0..200_000_u32 {
            let [_, a, b, c] = number.to_be_bytes();
            answered += bench.answered(&format!("10.{a}.{b}.{c}:1"), 1);
        }
        assert_eq!(answered, BURST_IN_ALL as usize);
        assert_eq!(bench.responder.places.len(), PLACES);
        bench.now += Duration::from_secs(1);
        assert_eq!(bench.answered("192.0.2.7:1", 10), 10);
    }

    #[test]
    fn what_wants_no_answer_costs_nobody_one() {
        let mut bench = Bench::new();
        let request = std::mem::take(&mut bench.request);
        bench.request = MessageWriter::new(Class::Success, 1, TransactionId([1; 12])).finish();
        assert_eq!(bench.ask("192.0.2.7:1"), Response::None);
        bench.request = request[..19].to_vec();
        assert_eq!(bench.ask("192.0.2.7:1"), Response::Malformed);
        bench.request = request;
        assert_eq!(bench.ask("192.0.2.7:0"), Response::Malformed);
        assert_eq!(bench.answered("192.0.2.7:1", 300), 200);
    }
}
