//! Which of a session's steps are taken in virtual time, and which never are.

use std::collections::BTreeSet;

use anypath_peer::session::{State, legal};
use anypath_simnet::traversal::{Cell, Condition, connect, network};
use anypath_simnet::{RelayMood, Simulation, address};

use crate::support::*;

type Steps = BTreeSet<(u8, u8)>;

/// The steps of all sessions of a network.
fn taken(net: &Simulation) -> Steps {
    let hosts = (0..net.hosts()).map(|host| net.application(host));
    let connections = hosts.flat_map(|application| application.connections.values());
    let states = connections.flat_map(|known| known.states.iter());
    states
        .map(|(_, step)| (step.from as u8, step.to as u8))
        .collect()
}

/// Two peers that met over a relay, then an outage of the dialler's site of so many seconds, and a goodbye.
fn traversed(kinds: [&'static str; 2], outage: u64) -> Steps {
    let cell = Cell {
        kinds,
        condition: Condition::Calm,
        seed: 1,
    };
    let mut net = network(&cell);
    let keys = connect(&mut net).unwrap();
    net.run_for(15 * SECOND);
    let now = net.now();
    net.cut_off(0, now..now + outage * SECOND);
    net.run_for((outage + 20) * SECOND);
    net.peer(0).close(keys[0], 0, "");
    net.run_for(5 * SECOND);
    taken(&net)
}

/// Direct peers of which one moves, is silent and comes back, or does not.
fn direct(comes_back: bool) -> Steps {
    let (mut net, client, _) = connected(1, anypath_simnet::Link::default());
    net.move_host(0, address([10, 9, 9, 9], 9), true);
    net.run_for(SECOND);
    let now = net.now();
    let length = if comes_back { 8 * SECOND } else { 300 * SECOND };
    for (from, to) in [(0, 1), (1, 0)] {
        net.link(from, to).outages = std::iter::once(now..now + length).collect();
    }
    net.run_for(length.min(200 * SECOND) + 20 * SECOND);
    net.peer(0).close(client, 0, "");
    net.run_for(5 * SECOND);
    taken(&net)
}

/// A dial to nobody.
fn unanswered() -> Steps {
    let mut net = Simulation::new(1);
    net.add_host();
    net.add_host();
    net.unbind(net.address_of(1));
    net.dial(0, 1).unwrap();
    net.run_for(30 * SECOND);
    taken(&net)
}

/// A connection whose relay is lost for good.
fn stranded() -> Steps {
    let cell = Cell {
        kinds: ["udpblock", "linux"],
        condition: Condition::Calm,
        seed: 1,
    };
    let mut net = network(&cell);
    connect(&mut net).unwrap();
    net.run_for(2 * SECOND);
    net.set_relay(anypath_simnet::traversal::RELAY, RelayMood::Down);
    net.run_for(200 * SECOND);
    taken(&net)
}

#[test]
fn every_step_that_is_taken_has_an_arrow_and_those_that_never_are_are_told() {
    let mut all = Steps::new();
    for kinds in [
        ["none", "portrestricted"],
        ["portrestricted", "none"],
        ["udpblock", "linux"],
    ] {
        for outage in [0, 8] {
            all.extend(traversed(kinds, outage));
        }
    }
    all.extend(direct(true));
    all.extend(direct(false));
    all.extend(unanswered());
    all.extend(stranded());
    for (from, to) in &all {
        let state = |number| State::ALL.into_iter().find(|state| *state as u8 == number);
        let (from, to) = (state(*from).unwrap(), state(*to).unwrap());
        assert!(legal(from, to), "{from:?} > {to:?}");
    }
    for from in State::ALL {
        for to in State::ALL {
            let is_taken = all.contains(&(from as u8, to as u8));
            if legal(from, to) && !is_taken {
                println!("never taken here: {from:?} > {to:?}");
            }
        }
    }
    let needed = [
        (State::Idle, State::Connecting),
        (State::Connecting, State::Relayed),
        (State::Connecting, State::Direct),
        (State::Connecting, State::Failed),
        (State::Relayed, State::Traversing),
        (State::Traversing, State::Direct),
        (State::Traversing, State::Relayed),
        (State::Direct, State::Recovering),
        (State::Recovering, State::Direct),
        (State::Recovering, State::Failed),
        (State::Direct, State::Closed),
    ];
    for (from, to) in needed {
        let is_taken = all.contains(&(from as u8, to as u8));
        assert!(is_taken, "never taken: {from:?} > {to:?}");
    }
}
