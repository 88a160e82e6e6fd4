//! Which of a connection's paths carries its data.
//!
//! A direct path is better than a relayed one, whatever their round-trip times: relays are shared, and paid for by
//! somebody. Among paths of a tier the shorter round trip counts, and only a clearly shorter one makes a change,
//! since each change costs the new path its slow start.

use std::time::Duration;

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathQuality<Id> {
    /// Which.
    pub id: Id,
    /// Whether a relay is between.
    pub relayed: bool,
    /// Its smoothed round-trip time.
    pub rtt: Duration,
}

/// The path to use: `current` stays, if it is there, unless another one is clearly better. `None` where there is none.
pub fn select<Id: Copy + PartialEq>(paths: &[PathQuality<Id>], current: Option<Id>) -> Option<Id> {
    let best = paths.iter().min_by_key(|path| (path.relayed, path.rtt))?;
    let current = paths.iter().find(|path| Some(path.id) == current);
    match current {
        Some(current) if !is_clearly_better(best, current) => Some(current.id),
        _ => Some(best.id),
    }
}

/// By a fifth and by 5 ms, or by its tier.
fn is_clearly_better<Id>(one: &PathQuality<Id>, other: &PathQuality<Id>) -> bool {
    if one.relayed != other.relayed {
        return other.relayed;
    }
    let margin = (other.rtt / 5).max(Duration::from_millis(5));
    one.rtt + margin < other.rtt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(id: u8, relayed: bool, rtt_ms: u64) -> PathQuality<u8> {
        let rtt = Duration::from_millis(rtt_ms);
        PathQuality { id, relayed, rtt }
    }

    #[test]
    fn a_direct_path_is_used_even_where_the_relay_is_nearer() {
        let paths = [path(0, true, 10), path(1, false, 80)];
        assert_eq!(select(&paths, Some(0)), Some(1));
        assert_eq!(select(&paths, None), Some(1));
        assert_eq!(select(&paths[..1], Some(1)), Some(0));
        assert_eq!(select::<u8>(&[], Some(1)), None);
    }

    #[test]
    fn a_path_in_use_is_left_for_a_clearly_shorter_one_alone() {
        let near = |rtt| [path(0, false, 100), path(1, false, rtt)];
        assert_eq!(select(&near(85), Some(0)), Some(0));
        assert_eq!(select(&near(79), Some(0)), Some(1));
        assert_eq!(select(&near(85), None), Some(1));
        let close = [path(0, false, 6), path(1, false, 2)];
        assert_eq!(select(&close, Some(0)), Some(0));
    }
}
