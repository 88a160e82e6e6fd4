use anypath_peer::error::ErrorCode;
use anypath_peer::event::Event;
use anypath_peer::peer::StreamError;
use anypath_simnet::{Link, Simulation};

use crate::support::*;

/// A link on which sending takes noticeable time.
fn slow() -> Link {
    Link {
        rate: Some(1_000_000),
        ..Link::default()
    }
}

#[test]
fn streams_of_both_kinds_run_both_ways_at_once() {
    let (mut net, client, server) = connected(1, Link::default());
    net.application_mut(0).echoes = true;
    net.application_mut(1).echoes = true;
    let mut opened = Vec::new();
    for (host, key, other, other_key) in [(0, client, 1, server), (1, server, 0, client)] {
        for bidirectional in [true, false] {
            for length in [0, 1, 100_000] {
                let stream = net.send(host, key, bidirectional, length).unwrap();
                opened.push((other, other_key, stream, length));
                if bidirectional {
                    opened.push((host, key, stream, length));
                }
            }
        }
    }
    for (host, key, stream, length) in opened {
        let whole = arrives(&mut net, host, key, stream, length, 10 * SECOND);
        assert!(whole, "stream {stream} of {length} B at host {host}");
    }
    let finished = |event: &&(u64, Event)| matches!(event.1, Event::StreamFinished(..));
    net.run_for(SECOND);
    for host in [0, 1] {
        // Six of its own, and three that echo.
        let count = net.application(host).events.iter().filter(finished).count();
        assert_eq!(count, 9);
    }
}

#[test]
fn a_stream_of_higher_priority_overtakes() {
    let (mut net, client, server) = connected(2, slow());
    let low = net.send(0, client, false, MIB).unwrap();
    let high = net.with(0, |peer, application| {
        let stream = peer.open_stream(client, false).unwrap().unwrap();
        peer.set_priority(client, stream, 10).unwrap();
        application.send(peer, (client, stream), 256 << 10, true);
        stream
    });
    assert!(arrives(&mut net, 1, server, high, 256 << 10, 5 * SECOND));
    let early = net
        .received(1, server, low)
        .map_or(0, |received| received.bytes.len());
    assert!(
        early < 200_000,
        "{early} B of the lower priority came first"
    );
    assert!(arrives(&mut net, 1, server, low, MIB, 10 * SECOND));
}

#[test]
fn a_reset_arrives_with_its_code_and_what_is_written_after_it_is_an_error() {
    let (mut net, client, server) = connected(3, slow());
    let stream = net.send(0, client, true, 4 * MIB).unwrap();
    net.run_for(200 * MS);
    net.peer(0).reset(client, stream, 77).unwrap();
    let ended = |net: &mut Simulation| {
        net.received(1, server, stream)
            .is_some_and(|r| r.end.is_some())
    };
    assert!(net.run_until(SECOND, ended));
    let received = net.received(1, server, stream).unwrap();
    let code = ErrorCode::StreamReset;
    assert_eq!(received.end, Some(Err(StreamError { code, detail: 77 })));
    assert!(received.is_intact(stream) && !received.bytes.is_empty());
    let error = net.peer(0).write(client, stream, b"x").unwrap_err();
    assert_eq!(error.code, ErrorCode::StreamClosed);
    // The other direction is a stream of its own.
    net.with(1, |peer, application| {
        application.send(peer, (server, stream), 1000, true)
    });
    assert!(arrives(&mut net, 0, client, stream, 1000, SECOND));
}

#[test]
fn a_stop_arrives_with_its_code_and_ends_the_writing() {
    let (mut net, client, server) = connected(4, slow());
    let stream = net.send(0, client, false, 4 * MIB).unwrap();
    net.run_for(200 * MS);
    net.peer(1).stop(server, stream, 78).unwrap();
    let told = |net: &mut Simulation| {
        let stopped = Event::StreamStopped(client, stream, 78);
        net.application(0)
            .events
            .iter()
            .any(|(_, event)| *event == stopped)
    };
    assert!(net.run_until(SECOND, told));
    let error = net.peer(0).write(client, stream, b"x").unwrap_err();
    let stopped = StreamError {
        code: ErrorCode::StreamStopped,
        detail: 78,
    };
    assert!(
        error == stopped || error.code == ErrorCode::StreamClosed,
        "{error:?}"
    );
    let error = net
        .peer(1)
        .read(server, stream, 1, &mut Vec::new())
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::StreamClosed);
}

#[test]
fn the_limit_of_streams_holds_and_news_comes_when_one_may_be_opened_again() {
    let (mut net, client, server) = connected(5, Link::default());
    net.application_mut(1).reads = false;
    let opened: Vec<u64> = std::iter::from_fn(|| net.send(0, client, false, 10)).collect();
    assert_eq!(opened.len(), 256);
    net.run_for(SECOND);
    assert_eq!(net.peer(0).open_stream(client, false), Ok(None));
    assert!(net.peer(0).open_stream(client, true).unwrap().is_some());
    net.application_mut(1).reads = true;
    for stream in opened {
        net.with(1, |peer, application| {
            application.resume(peer, (server, stream))
        });
    }
    net.run_for(SECOND);
    let available = Event::StreamsAvailable(client, false);
    assert!(
        net.application(0)
            .events
            .iter()
            .any(|(_, event)| *event == available)
    );
    assert!(net.peer(0).open_stream(client, false).unwrap().is_some());
}

#[test]
fn ten_thousand_small_requests_are_answered_over_one_connection() {
    let (mut net, client, _) = connected(6, Link::default());
    net.application_mut(1).echoes = true;
    let mut open = Vec::new();
    let mut asked = 0;
    while asked < 10_000 || !open.is_empty() {
        assert!(net.now() < 60 * SECOND, "{} wait for an answer", open.len());
        while asked < 10_000
            && let Some(stream) = net.send(0, client, true, 100)
        {
            open.push(stream);
            asked += 1;
        }
        net.run_for(5 * MS);
        open.retain(|stream| {
            let received = net.received(0, client, *stream);
            !received.is_some_and(|received| received.is_whole(*stream, 100))
        });
    }
    net.run_for(SECOND);
    let stats = net.peer(0).connection_stats(client).unwrap();
    assert_eq!(stats.streams_open, 0);
}

#[test]
fn calls_on_streams_that_do_not_exist_are_errors() {
    let (mut net, client, _) = connected(7, Link::default());
    let peer = net.peer(0);
    for stream in [0, 2, 400, 401, u64::MAX] {
        let closed = Some(ErrorCode::StreamClosed);
        assert_eq!(
            peer.write(client, stream, b"x").err().map(|e| e.code),
            closed
        );
        assert_eq!(peer.finish(client, stream).err().map(|e| e.code), closed);
        assert_eq!(peer.reset(client, stream, 1).err().map(|e| e.code), closed);
        assert_eq!(peer.stop(client, stream, 1).err().map(|e| e.code), closed);
        let read = peer.read(client, stream, 10, &mut Vec::new());
        assert_eq!(read.err().map(|e| e.code), closed);
        assert_eq!(
            peer.set_priority(client, stream, 1).err().map(|e| e.code),
            closed
        );
    }
    assert!(peer.open_stream(99, true).is_err());
    assert!(peer.send_datagram(99, b"x").is_err());
    peer.close(99, 0, "");
    peer.ping(99);
    peer.key_update(99);
    assert!(peer.connection_stats(99).is_none());
}
