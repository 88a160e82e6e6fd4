use anypath_simnet::{Link, Simulation};

use crate::support::*;

/// 100 ms there and back, and no limit but the windows.
fn long(loss: f64) -> Link {
    Link {
        delay: 50 * MS,
        loss,
        ..Link::default()
    }
}

#[test]
fn a_reader_that_never_reads_harms_nobody_and_gets_everything_when_it_does() {
    let length = 64 * MIB;
    let mut net = Simulation::pair(1, Link::default());
    net.application_mut(1).reads = false;
    let (client, server) = connect(&mut net, 0, 1);
    let (second, second_server) = connect(&mut net, 0, 1);
    let stuck = net.send(0, client, false, length).unwrap();
    net.run_for(10 * SECOND);
    let written = net.application(0).written((client, stuck)).unwrap();
    // The stream's window at the reader and the writer's buffer: no more is held.
    assert!((2 * MIB..=12 * MIB).contains(&written), "{written}");
    net.application_mut(1).reads = true;
    for (key, server) in [(client, server), (second, second_server)] {
        let stream = net.send(0, key, false, 2 * MIB).unwrap();
        assert!(arrives(&mut net, 1, server, stream, 2 * MIB, 10 * SECOND));
    }
    net.run_for(60 * SECOND);
    assert_eq!(net.application(0).written((client, stuck)), Some(written));
    net.with(1, |peer, application| {
        application.resume(peer, (server, stuck))
    });
    assert!(arrives(&mut net, 1, server, stuck, length, 60 * SECOND));
}

#[test]
fn full_speed_over_a_long_path_never_ends_a_connection() {
    for (seed, loss) in [(1, 0.0), (2, 0.0001), (3, 0.01)] {
        let (mut net, client, server) = connected(seed, long(loss));
        let length = if loss > 0.001 { 4 * MIB } else { 48 * MIB };
        let stream = net.send(0, client, false, length).unwrap();
        let whole = arrives(&mut net, 1, server, stream, length, 120 * SECOND);
        assert!(
            whole,
            "loss {loss}: {:?}",
            net.known(0, client).unwrap().closed
        );
    }
}

#[test]
fn one_lost_packet_at_full_speed_never_ends_a_connection() {
    let (mut net, client, server) = connected(4, long(0.0));
    let stream = net.send(0, client, false, 48 * MIB).unwrap();
    assert!(net.run_until(10 * SECOND, |net| net.counts(0, 1).sent > 5000));
    let next = net.counts(0, 1).sent + 1;
    net.link(0, 1)
        .fates
        .insert(next, anypath_simnet::Fate::Lost);
    let whole = arrives(&mut net, 1, server, stream, 48 * MIB, 60 * SECOND);
    assert!(whole, "{:?}", net.known(0, client).unwrap().closed);
}

#[test]
fn a_full_queue_in_the_network_slows_a_transfer_down_and_nothing_else() {
    let link = Link {
        rate: Some(1_000_000),
        queue_bytes: 30_000,
        ..Link::default()
    };
    let (mut net, client, server) = connected(5, link);
    let stream = net.send(0, client, false, 8 * MIB).unwrap();
    assert!(arrives(&mut net, 1, server, stream, 8 * MIB, 20 * SECOND));
    assert!(net.counts(0, 1).overflowed > 0);
}

#[test]
fn a_slow_start_into_a_full_queue_never_ends_a_connection() {
    let link = Link {
        rate: Some(25_000_000),
        queue_bytes: 2 << 20,
        ..long(0.0)
    };
    let (mut net, client, server) = connected(1, link);
    let stream = net.send(0, client, false, 48 * MIB).unwrap();
    let whole = arrives(&mut net, 1, server, stream, 48 * MIB, 120 * SECOND);
    assert!(whole, "{:?}", net.known(0, client).unwrap().closed);
}
