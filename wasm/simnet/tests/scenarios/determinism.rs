use anypath_simnet::{Link, Simulation, address};

use crate::support::*;

fn rough() -> Link {
    Link {
        jitter: 4 * MS,
        loss: 0.03,
        duplicate: 0.02,
        reorder: 0.05,
        reorder_delay: 15 * MS,
        rate: Some(2_000_000),
        queue_bytes: 60_000,
        ..Link::default()
    }
}

/// A run with a bit of everything, with its transcript.
fn run(seed: u64) -> Simulation {
    let mut net = Simulation::pair(seed, rough());
    net.transcript.keep_lines();
    net.application_mut(1).echoes = true;
    let client = net.dial(0, 1).unwrap();
    net.run_until(10 * SECOND, |net| is_connected(net, 0, client));
    let stream = net.send(0, client, true, 300_000).unwrap();
    net.send(0, client, false, 100_000).unwrap();
    net.run_for(100 * MS);
    net.move_host(0, address([10, 5, 5, 5], 5), true);
    net.peer(0).key_update(client);
    net.peer(0).send_datagram(client, &[1; 500]).unwrap();
    assert!(arrives(&mut net, 0, client, stream, 300_000, 60 * SECOND));
    net.peer(0).close(client, 1, "done");
    net.run_for(5 * SECOND);
    net
}

#[test]
fn one_seed_gives_one_transcript_and_another_seed_another() {
    for seed in [1, 2] {
        let (one, other) = (run(seed), run(seed));
        let pairs = one.transcript.lines().iter().zip(other.transcript.lines());
        for (number, (a, b)) in pairs.enumerate() {
            assert_eq!(a, b, "seed {seed} parts at line {number}");
        }
        assert_eq!(one.transcript.hash(), other.transcript.hash());
    }
    assert_ne!(run(1).transcript.hash(), run(2).transcript.hash());
}
