//! Notices that the path in use has died while another one lives, and leaves it.
//!
//! QUIC itself gives a path up only when nothing at all has come over it for long; and one that carries packets in one direction alone, never.

use noq_proto::PathId;

use super::Peer;
use super::lifecycle::hasten;
use super::rerouting::NOT_NEEDED;
use crate::clock::Instant;
use crate::connection::{Connection, Phase};
use crate::event::ConnectionKey;
use crate::watched::{Ask, Heard, Seen, Watched};

impl Peer {
    /// Looks at a connection's paths.
    pub(super) fn watch_paths(&mut self, key: ConnectionKey) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        // While a path is kept whose place another one has taken, the remote may answer over that.
        let is_watched = connection.phase == Phase::Established
            && connection.path_ids().nth(1).is_some()
            && connection.former().is_none();
        let Some(selected) = connection.selected.filter(|_| is_watched) else {
            connection.watched = None;
            return;
        };
        let paths: Vec<PathId> = connection.path_ids().collect();
        let mut others = Heard::default();
        let mut selection = None;
        for path in paths {
            let Some(stats) = connection.quic.path_stats(path) else {
                continue;
            };
            let heard = Heard::of(&stats.frame_rx);
            match path == selected {
                true => selection = Some((heard, stats.sent_bytes, stats.rtt)),
                false => others = others.and(heard),
            }
        }
        let Some((own, sent, rtt)) = selection else {
            connection.watched = None;
            return;
        };
        let seen = Seen { own, others, sent };
        let mut fresh = Watched::new(selected, seen, now);
        let watched = match &mut connection.watched {
            Some(watched) if watched.path == selected => watched,
            _ => &mut fresh,
        };
        let ask = watched.look(seen, rtt, now);
        let dead = watched.verdict(rtt).is_some_and(|at| at <= now);
        connection.watched = Some(*watched);
        match dead {
            true => self.leave_dead(key, selected),
            false if ask_paths(connection, selected, ask, now) => self.queue(key),
            false => {}
        }
    }

    fn leave_dead(&mut self, key: ConnectionKey, path: PathId) {
        let now = self.clock.now();
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let place = connection.quic.network_path(path).ok();
        if connection.quic.close_path(now, path, NOT_NEEDED).is_err() {
            return;
        }
        let route = place.and_then(|place| self.carriers.outward(place.remote()));
        let direct = route.is_some_and(|route| !route.is_relayed());
        self.stats.direct_paths_lost += u64::from(direct);
        self.queue(key);
    }
}

/// Whether anything was asked.
fn ask_paths(connection: &mut Connection, selected: PathId, ask: Ask, now: Instant) -> bool {
    if ask == Ask::Anew {
        hasten(connection, now);
    }
    let asked = |path: &PathId| match ask {
        Ask::Nothing => false,
        Ask::Selected => *path == selected,
        Ask::All | Ask::Anew => true,
    };
    for path in connection.path_ids().filter(asked).collect::<Vec<_>>() {
        let _ = connection.quic.ping_path(path);
    }
    ask != Ask::Nothing
}

/// When a connection's paths are to be looked at again.
pub(super) fn watch_due(connection: &Connection) -> Option<Instant> {
    connection.watched.and_then(|watched| watched.due)
}
