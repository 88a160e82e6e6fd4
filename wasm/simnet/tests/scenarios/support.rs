//! What every scenario needs.

use anypath_peer::error::{CloseReason, ErrorCode};
use anypath_peer::event::ConnectionKey;
use anypath_peer::peer::Census;
use anypath_simnet::{HostId, Link, Micros, Simulation};

pub(crate) const MS: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const MIB: u64 = 1 << 20;

/// A connection between hosts 0 (which dialled) and 1, and its keys there.
pub(crate) fn connected(seed: u64, link: Link) -> (Simulation, ConnectionKey, ConnectionKey) {
    let mut net = Simulation::pair(seed, link);
    let (dialled, accepted) = connect(&mut net, 0, 1);
    (net, dialled, accepted)
}

/// Connects two hosts and returns the keys that each has.
pub(crate) fn connect(
    net: &mut Simulation,
    from: HostId,
    to: HostId,
) -> (ConnectionKey, ConnectionKey) {
    let before = accepted(net, to).len();
    let dialled = net.dial(from, to).unwrap();
    let up = net.run_until(10 * SECOND, |net| {
        is_connected(net, from, dialled) && accepted(net, to).len() > before
    });
    assert!(up, "not connected: {:?}", net.known(from, dialled));
    (dialled, *accepted(net, to).last().unwrap())
}

pub(crate) fn is_connected(net: &Simulation, host: HostId, key: ConnectionKey) -> bool {
    net.known(host, key)
        .is_some_and(|known| known.connected.is_some())
}

/// When the handshake finished.
pub(crate) fn connected_at(net: &Simulation, host: HostId, key: ConnectionKey) -> Micros {
    net.known(host, key).unwrap().connected.as_ref().unwrap().0
}

/// The connections that a host has accepted, whether or not they are over.
pub(crate) fn accepted(net: &Simulation, host: HostId) -> Vec<ConnectionKey> {
    net.application(host)
        .connections
        .iter()
        .filter(|(_, known)| matches!(&known.connected, Some((_, c)) if c.incoming))
        .map(|(key, _)| *key)
        .collect()
}

pub(crate) fn is_closed(net: &Simulation, host: HostId, key: ConnectionKey) -> bool {
    net.known(host, key)
        .is_some_and(|known| known.closed.is_some())
}

/// Waits for a connection's end and returns when and why it was.
pub(crate) fn end_of(
    net: &mut Simulation,
    host: HostId,
    key: ConnectionKey,
    limit: Micros,
) -> (Micros, CloseReason) {
    let over = net.run_until(limit, |net| is_closed(net, host, key));
    assert!(over, "still open at {} us", net.now());
    net.known(host, key).unwrap().closed.clone().unwrap()
}

/// Why a connection ended, with the application's code.
pub(crate) fn code_of(
    net: &mut Simulation,
    host: HostId,
    key: ConnectionKey,
    limit: Micros,
) -> (ErrorCode, u64) {
    let (_, reason) = end_of(net, host, key, limit);
    (reason.code, reason.wire_code)
}

/// Waits until a host has read all of a stream that the pattern was written to.
pub(crate) fn arrives(
    net: &mut Simulation,
    host: HostId,
    key: ConnectionKey,
    stream: u64,
    length: u64,
    limit: Micros,
) -> bool {
    let ended = net.run_until(limit, |net| {
        net.received(host, key, stream)
            .is_some_and(|received| received.end.is_some())
    });
    ended
        && net
            .received(host, key, stream)
            .is_some_and(|received| received.is_whole(stream, length))
}

/// Nothing of any connection is left in a host.
pub(crate) fn assert_empty(net: &mut Simulation, host: HostId) {
    assert_eq!(net.peer(host).census(), Census::default(), "host {host}");
}
