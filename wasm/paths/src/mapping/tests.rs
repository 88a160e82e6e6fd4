use proptest::prelude::*;

use super::*;

const LOCAL: &str = "[::ffff:192.168.1.2]:5000";

fn address(text: &str) -> SocketAddrV6 {
    text.parse().expect("an address")
}

/// What servers say who are asked in this order at this time: their last octet and port, and what they see.
fn told(at_ms: f64, told: &[((u8, u16), &str)]) -> Observations {
    let mut observations = Observations::default();
    hear(&mut observations, at_ms, told);
    observations
}

fn hear(observations: &mut Observations, at_ms: f64, told: &[((u8, u16), &str)]) {
    for (order, ((host, port), mapped)) in told.iter().enumerate() {
        observations.add(Observation {
            observer: Observer::Server,
            server: address(&format!("[::ffff:198.51.100.{host}]:{port}")),
            mapped: address(&format!(
                "[::ffff:{}]:{}",
                mapped.split(':').next().expect("an IP"),
                mapped.split(':').nth(1).expect("a port")
            )),
            sent_ms: at_ms,
            order: order as u64,
            rtt_ms: None,
        });
    }
}

fn peers_word(mapped: &str, sent_ms: f64) -> Observation {
    Observation {
        observer: Observer::Peer,
        server: address("[::ffff:203.0.113.9]:4433"),
        mapped: address(mapped),
        sent_ms,
        order: 0,
        rtt_ms: None,
    }
}

fn report(observations: &Observations) -> NatReport {
    observations.report(&[address(LOCAL)], true)
}

#[test]
fn nothing_is_known_before_anybody_spoke() {
    let nothing = report(&Observations::default());
    assert_eq!(nothing.public, None);
    assert_eq!(
        (nothing.mapping, nothing.ports),
        (Mapping::Unknown, Ports::Unknown)
    );
    assert!(nothing.pool.is_empty());
}

#[test]
fn a_socket_that_is_seen_at_its_own_address_is_public() {
    let all = told(
        0.0,
        &[
            ((1, 3478), "192.168.1.2:5000"),
            ((2, 3478), "192.168.1.2:5000"),
        ],
    );
    let report = report(&all);
    assert_eq!(report.public, Some(true));
    assert_eq!(
        (report.mapping, report.ports),
        (Mapping::EndpointIndependent, Ports::Preserved)
    );
    assert!(all.addresses(&[address(LOCAL)]).is_empty());
}

#[test]
fn servers_that_see_the_same_address_tell_of_an_endpoint_independent_mapping() {
    for (port, ports) in [(5000, Ports::Preserved), (61_000, Ports::Unknown)] {
        let mapped = format!("203.0.113.1:{port}");
        let all = told(
            0.0,
            &[((1, 3478), mapped.as_str()), ((2, 3478), mapped.as_str())],
        );
        let report = report(&all);
        assert_eq!(report.public, Some(false));
        assert_eq!(
            (report.mapping, report.ports),
            (Mapping::EndpointIndependent, ports)
        );
        assert_eq!(report.pool, [*address("[::ffff:203.0.113.1]:1").ip()]);
    }
}

#[test]
fn one_server_and_one_host_with_two_ports_that_agree_tell_no_mapping() {
    let one = told(0.0, &[((1, 3478), "203.0.113.1:6000")]);
    assert_eq!(report(&one).mapping, Mapping::Unknown);
    let host = told(
        0.0,
        &[
            ((1, 3478), "203.0.113.1:6000"),
            ((1, 3479), "203.0.113.1:6000"),
        ],
    );
    assert_eq!(report(&host).mapping, Mapping::Unknown);
}

#[test]
fn destinations_that_have_their_own_mappings_are_told_apart() {
    let by_port = told(
        0.0,
        &[
            ((1, 3478), "203.0.113.1:6000"),
            ((1, 3479), "203.0.113.1:6001"),
        ],
    );
    assert_eq!(report(&by_port).mapping, Mapping::AddressAndPortDependent);
    let by_host = told(
        0.0,
        &[
            ((1, 3478), "203.0.113.1:6000"),
            ((1, 3479), "203.0.113.1:6000"),
            ((2, 3478), "203.0.113.1:6001"),
        ],
    );
    assert_eq!(report(&by_host).mapping, Mapping::AddressDependent);
    let either = told(
        0.0,
        &[
            ((1, 3478), "203.0.113.1:6000"),
            ((2, 3478), "203.0.113.1:6001"),
        ],
    );
    assert_eq!(report(&either).mapping, Mapping::Dependent);
}

#[test]
fn words_of_different_times_are_not_compared() {
    let mut apart = told(0.0, &[((1, 3478), "203.0.113.1:6000")]);
    hear(&mut apart, 30_000.0, &[((2, 3478), "203.0.113.1:7000")]);
    assert_eq!(report(&apart).mapping, Mapping::Unknown);
}

#[test]
fn a_sequence_is_predicted_and_others_are_not() {
    let seen = |ports: &[u16]| {
        let words: Vec<_> = ports
            .iter()
            .map(|port| format!("203.0.113.1:{port}"))
            .collect();
        let hosts = words.iter().enumerate();
        let words: Vec<_> = hosts
            .map(|(at, word)| ((at as u8 + 1, 3478), word.as_str()))
            .collect();
        told(0.0, &words)
    };
    let local = [address(LOCAL)];
    for (ports, kind, next) in [
        (&[6000, 6001][..], Ports::Stride(1), Some(6002)),
        (&[6000, 6002, 6006], Ports::Stride(2), Some(6008)),
        (&[6002, 6001, 6000], Ports::Stride(-1), Some(5999)),
        (&[65_535, 1024], Ports::Stride(1), Some(1025)),
        (&[6000, 6100], Ports::Unknown, None),
        (&[6000, 26_000], Ports::Random, None),
        (&[6000, 6001, 6000 - 7], Ports::Random, None),
        (&[6000, 6000], Ports::Unknown, None),
    ] {
        let all = seen(ports);
        assert_eq!(report(&all).ports, kind, "{ports:?}");
        let predicted = all.predicted(&local, 0);
        assert_eq!(predicted.first().map(SocketAddrV6::port), next, "{ports:?}");
        assert!(predicted.is_empty() || predicted.len() == prediction::MAX_PREDICTED);
    }
}

#[test]
fn the_address_that_was_seen_latest_comes_first_and_what_is_gone_is_not_told() {
    let mut all = told(
        0.0,
        &[
            ((1, 3478), "203.0.113.1:6000"),
            ((2, 3478), "203.0.113.2:6001"),
        ],
    );
    let newest = address("[::ffff:203.0.113.2]:6001");
    let older = address("[::ffff:203.0.113.1]:6000");
    assert_eq!(all.addresses(&[]), [newest, older]);
    assert_eq!(report(&all).pool.len(), 2);
    all.forget(Observer::Server, &address("[::ffff:198.51.100.2]:3478"));
    assert_eq!(all.addresses(&[]), [older]);
    hear(&mut all, 1.0, &[((1, 3478), "203.0.113.1:7000")]);
    assert_eq!(all.addresses(&[]), [address("[::ffff:203.0.113.1]:7000")]);
    all.keep_servers(|_| false);
    assert!(all.addresses(&[]).is_empty());
    all.add(peers_word("[::ffff:203.0.113.1]:7000", 2.0));
    all.clear();
    assert!(all.addresses(&[]).is_empty());
}

#[test]
fn a_peer_is_believed_where_no_server_says_otherwise() {
    let mut all = Observations::default();
    let seen = address("[::ffff:203.0.113.1]:6000");
    all.add(peers_word("[::ffff:203.0.113.1]:6000", 0.0));
    assert_eq!(all.addresses(&[]), [seen]);
    hear(&mut all, 1.0, &[((1, 3478), "203.0.113.77:6000")]);
    assert_eq!(all.addresses(&[]), [address("[::ffff:203.0.113.77]:6000")]);
    all.add(peers_word("[::ffff:203.0.113.77]:6005", 2.0));
    assert_eq!(all.addresses(&[]).len(), 2);
    hear(&mut all, 100_000.0, &[((1, 3478), "203.0.113.77:6000")]);
    assert_eq!(all.addresses(&[]), [address("[::ffff:203.0.113.77]:6000")]);
}

#[test]
fn a_peer_of_the_same_network_does_not_make_a_socket_public() {
    let mut all = told(0.0, &[((1, 3478), "203.0.113.1:6000")]);
    all.add(peers_word(LOCAL, 0.0));
    let report = report(&all);
    assert_eq!(
        (report.public, report.mapping),
        (Some(false), Mapping::Unknown)
    );
}

#[test]
fn many_peers_neither_make_memory_grow_nor_drive_out_a_server() {
    let mut all = told(0.0, &[((1, 3478), "203.0.113.1:6000")]);
    for port in 1..1000 {
        let mut word = peers_word("[::ffff:203.0.113.1]:6000", f64::from(port));
        word.server.set_port(port);
        all.add(word);
    }
    assert_eq!(all.heard().len(), MAX_OBSERVATIONS);
    assert!(all.heard().iter().any(is_server));
}

/// A NAT with one mapping for each key that its kind makes of a destination.
fn behind(kind: Mapping, first: u16, stride: u16, servers: &[(u8, u16)]) -> Observations {
    let mut keys = Vec::new();
    let mut all = Observations::default();
    for (order, (host, port)) in servers.iter().enumerate() {
        let key = match kind {
            Mapping::EndpointIndependent => (0, 0),
            Mapping::AddressDependent => (*host, 0),
            _ => (*host, *port),
        };
        let index = keys
            .iter()
            .position(|other| *other == key)
            .unwrap_or(keys.len());
        if index == keys.len() {
            keys.push(key);
        }
        let mapped = format!("203.0.113.1:{}", first + index as u16 * stride);
        let word = [((*host, *port), mapped.as_str())];
        let mut one = told(0.0, &word).heard()[0];
        one.order = order as u64;
        all.add(one);
    }
    all
}

proptest! {
    #[test]
    fn two_hosts_with_two_ports_tell_every_mapping_and_the_next_port(
        number in 0_usize..3, first in 1024_u16..60_000, stride in 1_u16..=16,
    ) {
        let kinds = [Mapping::EndpointIndependent, Mapping::AddressDependent, Mapping::AddressAndPortDependent];
        let kind = kinds[number];
        let all = behind(kind, first, stride, &[(1, 1), (1, 2), (2, 1), (2, 2)]);
        let local = [address(LOCAL)];
        let report = all.report(&local, true);
        prop_assert_eq!(report.mapping, kind);
        let made = [1, 2, 4][number];
        let predicted = all.predicted(&local, 0);
        if kind.is_dependent() {
            prop_assert_eq!(report.ports, Ports::Stride(stride as i16));
            prop_assert_eq!(predicted[0].port(), first + made * stride);
        } else {
            prop_assert!(predicted.is_empty());
        }
    }

    #[test]
    fn no_words_make_it_fail(words in prop::collection::vec((any::<u128>(), any::<u16>(), any::<u128>(), any::<u16>(), any::<f64>(), any::<bool>()), 0..100)) {
        let mut all = Observations::default();
        for (order, (host, port, ip, seen, sent_ms, peer)) in words.into_iter().enumerate() {
            let observer = if peer { Observer::Peer } else { Observer::Server };
            let server = SocketAddrV6::new(host.into(), port, 0, 0);
            let mapped = SocketAddrV6::new(ip.into(), seen, 0, 0);
            all.add(Observation { observer, server, mapped, sent_ms, order: order as u64, rtt_ms: None });
        }
        prop_assert!(all.heard().len() <= MAX_OBSERVATIONS);
        prop_assert!(all.addresses(&[]).len() <= MAX_ADDRESSES);
        let _ = (all.report(&[], true), all.report(&[], false), all.predicted(&[], 3));
    }
}
