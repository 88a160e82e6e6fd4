//! The machine against a table, by random events.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A row for each state left, a column for each entered, in the order of [`State::ALL`]; x where there is an arrow.
const ARROWS: [&str; 8] = [
    // idle connecting relayed traversing direct recovering failed closed
    ".x......", // idle
    "..x.x.xx", // connecting
    "...xxxxx", // relayed
    "..x.xxxx", // traversing
    "..x..xxx", // direct
    "..x.x.xx", // recovering
    "........", // failed
    "........", // closed
];

const CAUSES: [Cause; 11] = [
    Cause::Dial,
    Cause::Accepted,
    Cause::Handshake,
    Cause::Silence,
    Cause::Answer,
    Cause::PathChange,
    Cause::NetworkChange,
    Cause::Timeout,
    Cause::Error,
    Cause::Close,
    Cause::Candidates,
];

fn arrow(from: usize, to: usize) -> bool {
    ARROWS[from].as_bytes()[to] == b'x'
}

#[test]
fn the_machine_has_the_arrows_of_the_table_and_no_others() {
    for (from, leaves) in State::ALL.into_iter().enumerate() {
        for (to, enters) in State::ALL.into_iter().enumerate() {
            assert_eq!(
                legal(leaves, enters),
                arrow(from, to),
                "{leaves:?} > {enters:?}"
            );
        }
    }
}

#[test]
fn every_state_can_be_reached_and_every_one_with_a_connection_can_be_left_for_an_end() {
    let mut reached = vec![State::Idle];
    for number in 0.. {
        let Some(from) = reached.get(number).copied() else {
            break;
        };
        let next = State::ALL.into_iter().filter(|to| legal(from, *to));
        let new: Vec<_> = next.filter(|to| !reached.contains(to)).collect();
        reached.extend(new);
    }
    assert_eq!(reached.len(), State::ALL.len(), "{reached:?}");
    for state in State::ALL {
        let alone = matches!(state, State::Idle | State::Failed | State::Closed);
        let ends = [State::Failed, State::Closed].map(|end| legal(state, end));
        assert_eq!(ends, [!alone; 2], "{state:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_of_it_the_machine_goes_where_the_table_lets_it(
        asked in vec((0..8usize, 0..11usize, 0..100_000u64), 0..60),
    ) {
        let mut now = Instant::now();
        let mut session = Session::new(now);
        let (mut state, mut since) = (0, now);
        for (to, cause, pause) in asked {
            now += Duration::from_millis(pause);
            let step = session.step(State::ALL[to], CAUSES[cause], now);
            let expected = arrow(state, to).then(|| Transition {
                from: State::ALL[state],
                to: State::ALL[to],
                cause: CAUSES[cause],
                elapsed: now - since,
            });
            prop_assert_eq!(step, expected);
            if arrow(state, to) {
                (state, since) = (to, now);
            }
            prop_assert_eq!(session.state(), State::ALL[state]);
        }
    }
}
