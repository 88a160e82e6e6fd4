use super::*;
use crate::relay::backoff::generator;

/// A client, its surroundings and its clock.
struct Rig {
    client: Client,
    rng: StdRng,
    key: SecretKey,
    counts: RelayCounts,
    start: Instant,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            client: Client::new(start),
            rng: generator([3; 32]),
            key: SecretKey::from_bytes([7; 32]),
            counts: RelayCounts::default(),
            start,
            now: start,
        }
    }

    /// One whose relay has let it in at once.
    fn connected() -> Self {
        let mut rig = Self::new();
        rig.act(|client, cx| client.open(cx));
        rig.act(|client, cx| client.opened(2, cx));
        rig.hears(&[2]);
        assert_eq!(rig.client.state(), RelayState::Connected);
        rig.client.outputs().for_each(drop);
        rig.client.notices().for_each(drop);
        rig
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Client, &mut Context<'_>) -> T) -> T {
        let mut cx = Context {
            now: self.now,
            visible: true,
            awaited: false,
            rng: &mut self.rng,
            key: &self.key,
            counts: &mut self.counts,
        };
        act(&mut self.client, &mut cx)
    }

    fn hears(&mut self, message: &[u8]) {
        self.act(|client, cx| {
            client.message(message, cx);
        });
    }

    fn wait(&mut self, span: Duration) {
        self.now += span;
        self.act(|client, cx| client.tick(cx));
    }

    /// Waits for the next thing that is due.
    fn wait_for_due(&mut self) -> Duration {
        let due = self.client.due(true).expect("something is due");
        let span = due.saturating_duration_since(self.now);
        self.wait(span);
        span
    }

    fn outputs(&mut self) -> Vec<Output> {
        self.client.outputs().collect()
    }

    fn last_notice(&mut self) -> Notice {
        self.client.notices().last().expect("a notice")
    }
}

fn challenge() -> Vec<u8> {
    [&[0][..], &[9; 16]].concat()
}

fn denial(reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let denies = ServerHandshake::Denies { reason };
    denies.encode(&mut out).expect("a short reason");
    out
}

#[test]
fn a_challenge_is_answered_once_and_the_first_ping_follows_the_confirmation_at_once() {
    let mut rig = Rig::new();
    rig.act(|client, cx| client.open(cx));
    assert_eq!(rig.outputs(), [Output::Open]);
    rig.act(|client, cx| client.opened(2, cx));
    rig.hears(&challenge());
    let [Output::Send(answer)] = &rig.outputs()[..] else {
        panic!("no answer")
    };
    assert_eq!((answer.len(), answer[0]), (1 + 32 + 1 + 64, 1));
    rig.hears(&[2]);
    let [Output::Send(ping)] = &rig.outputs()[..] else {
        panic!("no ping")
    };
    assert_eq!((ping.len(), ping[0]), (9, 9));
    let mut pong = ping.clone();
    pong[0] = 10;
    rig.now += Duration::from_millis(30);
    rig.hears(&pong);
    assert_eq!(rig.client.latency(), Some(Duration::from_millis(30)));
    assert_eq!(rig.client.measured_since(rig.start), rig.client.latency());
    assert_eq!(
        rig.client
            .measured_since(rig.now + Duration::from_millis(1)),
        None
    );
}

#[test]
fn a_second_challenge_breaks_the_protocol() {
    let mut rig = Rig::new();
    rig.act(|client, cx| client.open(cx));
    rig.act(|client, cx| client.opened(1, cx));
    rig.hears(&challenge());
    rig.outputs();
    rig.hears(&challenge());
    assert_eq!(rig.outputs(), [Output::Close]);
    assert_eq!(rig.client.waits_because(), Some(RelayCause::Protocol));
}

#[test]
fn a_websocket_that_does_not_open_is_given_up_after_ten_seconds_and_a_silent_relay_after_five() {
    let mut rig = Rig::new();
    rig.act(|client, cx| client.open(cx));
    rig.outputs();
    assert_eq!(rig.wait_for_due(), Duration::from_secs(10));
    assert_eq!(rig.outputs(), [Output::Close]);
    assert_eq!(rig.client.waits_because(), Some(RelayCause::Timeout));
    rig.wait_for_due();
    assert_eq!(rig.outputs(), [Output::Open]);
    rig.act(|client, cx| client.opened(2, cx));
    assert_eq!(rig.wait_for_due(), Duration::from_secs(5));
    assert_eq!(rig.outputs(), [Output::Close]);
}

#[test]
fn a_subprotocol_that_is_not_known_is_given_up() {
    let mut rig = Rig::new();
    rig.act(|client, cx| client.open(cx));
    rig.outputs();
    rig.act(|client, cx| client.opened(0, cx));
    assert_eq!(rig.outputs(), [Output::Close]);
    assert_eq!(rig.client.waits_because(), Some(RelayCause::Protocol));
}

#[test]
fn a_denial_waits_long_and_twice_as_long_the_second_time() {
    let mut rig = Rig::new();
    rig.act(|client, cx| client.open(cx));
    for least in [30, 60] {
        rig.act(|client, cx| client.opened(2, cx));
        rig.hears(&denial("no"));
        let notice = rig.last_notice();
        assert_eq!(
            (notice.cause, notice.detail.as_str()),
            (RelayCause::Denied, "no")
        );
        let wait = notice.retry_in.expect("another try");
        assert!(wait >= Duration::from_secs(least), "{wait:?}");
        assert!(wait <= Duration::from_secs(3 * least), "{wait:?}");
        rig.wait_for_due();
        assert_eq!(rig.client.state(), RelayState::Connecting);
    }
}

#[test]
fn failures_count_from_the_start_once_a_connection_has_held() {
    let mut rig = Rig::connected();
    rig.act(|client, cx| client.socket_closed("", cx));
    assert_eq!(rig.client.failures(), 1);
    for failures in 2..6 {
        rig.wait_for_due();
        rig.act(|client, cx| client.socket_closed("refused", cx));
        assert_eq!(rig.client.failures(), failures);
    }
    rig.wait_for_due();
    rig.act(|client, cx| client.opened(2, cx));
    rig.hears(&[2]);
    rig.now += HELD;
    rig.hears(&[9, 1, 2, 3, 4, 5, 6, 7, 8]);
    rig.act(|client, cx| client.socket_closed("", cx));
    assert_eq!(rig.client.failures(), 1);
}

#[test]
fn a_mute_relay_is_left_and_what_waits_is_sent_when_it_is_back() {
    let mut rig = Rig::connected();
    rig.hears(&[9, 1, 2, 3, 4, 5, 6, 7, 8]);
    while rig.client.waits_because().is_none() {
        rig.wait_for_due();
    }
    assert!(rig.outputs().contains(&Output::Close));
    assert!(rig.now - rig.start <= Duration::from_secs(10));
    rig.act(|client, cx| client.keep(1, vec![4; 100], cx));
    rig.wait_for_due();
    rig.act(|client, cx| client.opened(2, cx));
    rig.hears(&[2]);
    assert!(rig.outputs().contains(&Output::Send(vec![4; 100])));
}

#[test]
fn a_flood_of_pings_is_answered_up_to_a_bound() {
    let mut rig = Rig::connected();
    for _ in 0..10_000 {
        rig.hears(&[9, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
    let outputs = rig.outputs();
    assert_eq!(outputs.len(), MAX_OUTPUTS);
    assert!(
        outputs
            .iter()
            .all(|output| matches!(output, Output::Send(pong) if pong[0] == 10))
    );
}

#[test]
fn a_flood_of_problems_is_told_once_a_second_and_each_in_short() {
    let mut rig = Rig::new();
    rig.act(|client, cx| client.open(cx));
    rig.act(|client, cx| client.opened(1, cx));
    rig.hears(&[2]);
    rig.client.notices().for_each(drop);
    let problem = [&[11][..], "é".repeat(5000).as_bytes()].concat();
    for _ in 0..100 {
        rig.hears(&problem);
    }
    let notices: Vec<_> = rig.client.notices().collect();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].cause, RelayCause::Health);
    assert_eq!(notices[0].detail.len(), MAX_DETAIL);
    assert_eq!(rig.client.state(), RelayState::Connected);
}

#[test]
fn a_relay_that_is_given_up_before_its_websocket_was_asked_for_asks_for_none() {
    let mut rig = Rig::new();
    rig.act(|client, cx| client.open(cx));
    rig.act(|client, cx| client.close(cx));
    assert_eq!(rig.outputs(), []);
    assert_eq!(rig.client.state(), RelayState::Closed);
    assert_eq!(rig.client.due(true), None);
}

#[test]
fn what_still_arrives_from_a_websocket_that_was_given_up_is_ignored() {
    let mut rig = Rig::connected();
    rig.act(|client, cx| client.close(cx));
    rig.outputs();
    rig.hears(&[9, 1, 2, 3, 4, 5, 6, 7, 8]);
    rig.act(|client, cx| client.opened(2, cx));
    rig.act(|client, cx| client.socket_closed("late", cx));
    assert_eq!(rig.outputs(), []);
    assert_eq!(rig.client.state(), RelayState::Closed);
}

#[test]
fn a_probe_expects_a_quick_answer_and_ends_a_wait() {
    let mut rig = Rig::connected();
    rig.act(|client, cx| client.probe(cx));
    let wait = rig.wait_for_due();
    assert!(wait <= Duration::from_secs(3), "{wait:?}");
    assert_eq!(rig.client.waits_because(), Some(RelayCause::Timeout));
    rig.outputs();
    rig.act(|client, cx| client.probe(cx));
    assert_eq!(rig.outputs(), [Output::Open]);
}

#[test]
fn a_relay_that_restarts_again_and_again_is_come_back_to_less_and_less_often() {
    let mut rig = Rig::connected();
    let mut restarting = Vec::new();
    let now = RelayMessage::Restarting {
        reconnect_in_ms: 0,
        try_for_ms: 0,
    };
    now.encode(Version::V2, &mut restarting).expect("fits");
    let mut comings = 0;
    while rig.now - rig.start < Duration::from_secs(600) {
        rig.hears(&restarting);
        assert_eq!(rig.client.waits_because(), Some(RelayCause::Restarting));
        rig.wait_for_due();
        rig.act(|client, cx| client.opened(2, cx));
        rig.hears(&[2]);
        rig.outputs();
        comings += 1;
    }
    assert!(comings < 60, "{comings} times in ten minutes");
}
