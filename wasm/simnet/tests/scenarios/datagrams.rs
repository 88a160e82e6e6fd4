use anypath_peer::error::ErrorCode;
use anypath_simnet::simulation::config;
use anypath_simnet::{Link, Simulation};

use crate::support::*;

#[test]
fn datagrams_arrive_whole_and_the_largest_size_is_told() {
    let (mut net, client, server) = connected(1, Link::default());
    net.run_for(2 * SECOND);
    let largest = net.peer(0).max_datagram_bytes(client);
    assert!((1300..1452).contains(&largest), "{largest}");
    for size in [0, 1, largest] {
        net.peer(0).send_datagram(client, &vec![7; size]).unwrap();
    }
    net.run_for(SECOND);
    let sizes: Vec<_> = net
        .known(1, server)
        .unwrap()
        .datagrams
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(sizes, [0, 1, largest]);
    let error = net
        .peer(0)
        .send_datagram(client, &vec![7; largest + 1])
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::DatagramTooLarge);
}

#[test]
fn a_full_queue_drops_the_oldest_datagrams_and_counts_them() {
    let mut net = Simulation::pair(2, Link::default());
    let mut small = config(0, 2);
    small.datagram_send_buffer = 10_000;
    net.restart(0, small);
    let (client, server) = connect(&mut net, 0, 1);
    for number in 0..100_u8 {
        net.peer(0).send_datagram(client, &[number; 1000]).unwrap();
    }
    net.run_for(SECOND);
    let arrived: Vec<u8> = net
        .known(1, server)
        .unwrap()
        .datagrams
        .iter()
        .map(|d| d[0])
        .collect();
    let dropped = net
        .peer(0)
        .connection_stats(client)
        .unwrap()
        .datagrams_dropped;
    assert_eq!(arrived.len() as u64 + dropped, 100);
    assert_eq!(arrived.last(), Some(&99));
    assert!(arrived.len() < 12, "{}", arrived.len());
    assert!(arrived.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_remote_that_takes_no_datagrams_says_so() {
    let mut net = Simulation::pair(3, Link::default());
    let mut none = config(1, 3);
    none.datagram_receive_buffer = 0;
    net.restart(1, none);
    let (client, _) = connect(&mut net, 0, 1);
    assert_eq!(net.peer(0).max_datagram_bytes(client), 0);
    let error = net.peer(0).send_datagram(client, b"x").unwrap_err();
    assert_eq!(error.code, ErrorCode::DatagramsUnsupported);
}

#[test]
fn lost_datagrams_are_not_sent_again() {
    let link = Link {
        loss: 0.2,
        ..Link::default()
    };
    let (mut net, client, server) = connected(4, link);
    for number in 0..200_u8 {
        net.peer(0).send_datagram(client, &[number]).unwrap();
        net.run_for(10 * MS);
    }
    net.run_for(5 * SECOND);
    let arrived = net.known(1, server).unwrap().datagrams.len();
    assert!((120..195).contains(&arrived), "{arrived}");
}
