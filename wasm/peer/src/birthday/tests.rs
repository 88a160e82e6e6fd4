use std::net::Ipv4Addr;

use anypath_wire::probe::parse;

use super::*;
use crate::carrier::FIRST_RELAY;

const MS: Duration = Duration::from_millis(1);
const EASY: [u8; 4] = [198, 51, 100, 10];
const HARD: [u8; 4] = [192, 0, 2, 10];
const NAME: Name = Name {
    control: 1,
    number: 0,
};

fn at(ip: [u8; 4], port: u16) -> SocketAddrV6 {
    to_mapped(SocketAddr::from((Ipv4Addr::from(ip), port)))
}

fn terms(side: Side, number: u8) -> Terms {
    Terms {
        name: Name {
            control: number.into(),
            number: 0,
        },
        remote: EndpointId([number; 32]),
        side,
        server: side == Side::Hard,
        address: match side {
            Side::Hard => at(EASY, 4433),
            Side::Easy => at(HARD, 1),
        },
        rtt: 100 * MS,
        exported: [number; EXPORTED],
    }
}

/// An attempt of that side that has begun, with all of its sockets.
fn begun(side: Side, now: Instant) -> Birthday {
    let mut birthday = Birthday::new([7; 32], now);
    birthday.prepare(terms(side, 1), now);
    birthday.begin(NAME, now);
    for order in std::mem::take(&mut birthday.orders) {
        let Order::Open(id) = order else {
            panic!("nothing is closed at the start")
        };
        assert!(birthday.opened(id));
    }
    birthday
}

/// Everything that is sent until `end`, in milliseconds after `start`.
fn sent_until(birthday: &mut Birthday, start: Instant, end: u32) -> Vec<(u32, Route, Vec<u8>)> {
    let mut sent = Vec::new();
    for ms in 0..=end {
        while let Some((route, probe)) = birthday.next(start + MS * ms) {
            sent.push((ms, route, probe.to_vec()));
        }
    }
    sent
}

fn hear(birthday: &mut Birthday, route: Route, probe: &[u8]) -> Heard {
    birthday.hear(route, &parse(probe).expect("a probe"))
}

#[test]
fn each_socket_sends_one_probe_and_each_port_gets_one_at_a_thousand_a_second() {
    let now = Instant::now();
    let hard = sent_until(&mut begun(Side::Hard, now), now, 3000);
    assert_eq!(hard.len(), usize::from(SOCKETS));
    let carriers: std::collections::BTreeSet<_> = hard.iter().map(|sent| sent.1.carrier).collect();
    assert_eq!(carriers.len(), hard.len());
    assert!(
        hard.iter()
            .all(|sent| sent.1.address == at(EASY, 4433).into())
    );
    let easy = sent_until(&mut begun(Side::Easy, now), now, 3000);
    assert_eq!(easy.len(), usize::from(PROBES));
    assert!(easy.iter().all(|sent| sent.1.carrier == MAIN_CARRIER));
    for (index, (ms, ..)) in easy.iter().enumerate() {
        assert!(*ms >= index as u32, "{index} at {ms}");
    }
    assert!(easy.last().is_some_and(|last| last.0 < 2100));
}

#[test]
fn two_attempts_share_the_rate() {
    let now = Instant::now();
    let mut birthday = begun(Side::Easy, now);
    birthday.prepare(terms(Side::Easy, 2), now);
    let second = Name {
        control: 2,
        number: 0,
    };
    birthday.begin(second, now);
    let sent = sent_until(&mut birthday, now, 1000);
    assert!((990..=1011).contains(&sent.len()), "{}", sent.len());
    assert!(
        !birthday.has_room_for(&EndpointId([3; 32])),
        "a third would be too much"
    );
    assert!(birthday.end(second, now).is_some());
    assert!(birthday.has_room_for(&EndpointId([3; 32])));
    assert!(
        !birthday.has_room_for(&EndpointId([1; 32])),
        "one is under way"
    );
}

#[test]
fn a_probe_that_gets_through_is_answered_and_the_answer_is_a_hit() {
    let now = Instant::now();
    let (mut hard, mut easy) = (begun(Side::Hard, now), begun(Side::Easy, now));
    sent_until(&mut hard, now, 300);
    let (_, _, probe) = sent_until(&mut easy, now, 10).swap_remove(0);
    let over = Route::socket(FIRST_SOCKET + 9, at(EASY, 4433));
    let Heard::Authentic(name, Some(answer)) = hear(&mut hard, over, &probe) else {
        panic!("it is authentic, and no answer")
    };
    assert_eq!((name, answer.len()), (NAME, probe.len()));
    let back = Route::socket(MAIN_CARRIER, at(HARD, 50_000));
    assert_eq!(hear(&mut easy, back, &answer), Heard::Authentic(NAME, None));
    assert_eq!(
        easy.end(NAME, now).map(|attempt| attempt.hits),
        Some(vec![back])
    );
    assert_eq!(hear(&mut easy, back, &answer), Heard::Late);
}

#[test]
fn what_is_forged_reflected_or_from_elsewhere_is_no_hit() {
    let now = Instant::now();
    let (mut hard, mut easy) = (begun(Side::Hard, now), begun(Side::Easy, now));
    let (_, _, own) = sent_until(&mut hard, now, 10).swap_remove(0);
    let (_, _, probe) = sent_until(&mut easy, now, 10).swap_remove(0);
    let over = Route::socket(FIRST_SOCKET, at(EASY, 4433));
    for index in 2..PROBE_LENGTH {
        let mut changed = probe.clone();
        changed[index] ^= 1;
        assert_eq!(
            hear(&mut hard, over, &changed),
            Heard::Forged,
            "byte {index}"
        );
    }
    assert_eq!(hear(&mut hard, over, &own), Heard::Forged);
    let strangers = [
        Route::socket(FIRST_SOCKET, at([203, 0, 113, 1], 4433)),
        Route::socket(FIRST_SOCKET + u32::from(SOCKETS), at(EASY, 4433)),
        Route::relay(FIRST_RELAY, EndpointId([1; 32])),
    ];
    for route in strangers {
        assert_eq!(hear(&mut hard, route, &probe), Heard::Forged, "{route:?}");
    }
    assert!(hard.attempts[0].hits.is_empty());
    assert!(matches!(
        hear(&mut hard, over, &probe),
        Heard::Authentic(..)
    ));
}

#[test]
fn all_sockets_are_closed_but_those_that_were_hit_until_no_path_leads_over_them() {
    let now = Instant::now();
    let (mut hard, mut easy) = (begun(Side::Hard, now), begun(Side::Easy, now));
    let probe = sent_until(&mut easy, now, 10).swap_remove(0).2;
    let hit = FIRST_SOCKET + 5;
    let _ = hear(&mut hard, Route::socket(hit, at(EASY, 4433)), &probe);
    assert!(hard.end(NAME, now).is_some());
    assert_eq!(hard.orders.len(), usize::from(SOCKETS) - 1);
    assert!(!hard.orders.contains(&Order::Close(hit)));
    hard.orders.clear();
    assert!(hard.admits(&Route::socket(hit, at(EASY, 9))));
    assert!(!hard.admits(&Route::socket(hit, at(HARD, 9))));
    assert!(!hard.admits(&Route::socket(hit + 1, at(EASY, 9))));
    hard.doubtful = true;
    assert!(hard.may_release(now) && !hard.may_release(now));
    hard.release(|_| false, now);
    assert_eq!(hard.orders.len(), 0, "a path may still come");
    assert!(hard.may_release(now + GRACE));
    hard.release(|id| id == hit, now + GRACE);
    assert_eq!((hard.orders.len(), hard.due(now)), (0, None));
    hard.release(|_| false, now + GRACE);
    assert_eq!(hard.orders.pop_front(), Some(Order::Close(hit)));
    assert_eq!(hard.len(), 0);
}

#[test]
fn an_attempt_that_finds_nothing_is_over_soon_after_its_last_probe_and_never_late() {
    let now = Instant::now();
    let mut easy = begun(Side::Easy, now);
    sent_until(&mut easy, now, 2100);
    assert_eq!(easy.expired(now + 3000 * MS), None);
    assert_eq!(easy.expired(now + 3200 * MS), Some(NAME));
    let mut hard = begun(Side::Hard, now);
    sent_until(&mut hard, now, 2100);
    assert_eq!(hard.expired(now + DEADLINE - MS), None);
    assert_eq!(hard.expired(now + DEADLINE), Some(NAME));
}

#[test]
fn a_socket_that_fails_names_its_attempt_and_one_that_is_not_wanted_is_not_taken() {
    let now = Instant::now();
    let mut hard = begun(Side::Hard, now);
    assert_eq!(hard.failed(FIRST_SOCKET + 1), Some(NAME));
    assert_eq!(hard.failed(FIRST_SOCKET + 1), None);
    assert!(!hard.opened(FIRST_SOCKET + 1) && !hard.opened(FIRST_SOCKET + 9999));
}

#[test]
fn only_public_addresses_of_ipv4_are_used() {
    let parse = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let told = [
        "10.0.0.1:5",
        "[2001:db8::1]:5",
        "192.0.2.1:5",
        "192.0.2.2:5",
    ]
    .map(parse);
    assert_eq!(usable(&told), Some(to_mapped(told[2])));
    let none = ["127.0.0.1:5", "224.0.0.1:5", "100.64.0.1:5", "0.0.0.0:5"].map(parse);
    assert_eq!(usable(&none), None);
}
