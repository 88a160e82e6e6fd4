//! The session with one remote peer: what its connections amount to.
//!
//! ```text
//! idle -> connecting -> relayed -> traversing -> direct
//!              \----------------------------------^
//! direct -> recovering -> direct | relayed      any -> failed | closed
//! ```
//!
//! One session exists for each remote peer with a connection, however many connections there are. Every
//! transition goes through [`Session::step`], which alone knows which are legal. What precedes the first dial
//! and follows the last connection, the states numbered 1 and 7, is the API's, which waits for discovery and
//! dials again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Instant;
use crate::event::ConnectionKey;

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// No connection yet.
    Idle = 0,
    /// A handshake is under way.
    Connecting = 2,
    /// Connected over a relay.
    Relayed = 3,
    /// Connected over a relay, and looking for a direct path.
    Traversing = 4,
    /// Connected over a direct path.
    Direct = 5,
    /// Connected, but the remote has been silent for [`SILENCE`], or for [`ABSENCE`] since it left its relay.
    Recovering = 6,
    /// The last connection failed.
    Failed = 8,
    /// The last connection was closed.
    Closed = 9,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Connecting,
        Self::Relayed,
        Self::Traversing,
        Self::Direct,
        Self::Recovering,
        Self::Failed,
        Self::Closed,
    ];
}

/// Why a transition happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// This side dialled.
    Dial = 0,
    /// The remote dialled.
    Accepted = 1,
    /// A handshake finished.
    Handshake = 2,
    /// Nothing was heard for [`SILENCE`], or for [`ABSENCE`] since the remote left its relay.
    Silence = 3,
    /// The remote was heard again.
    Answer = 4,
    /// Another path is in use.
    PathChange = 5,
    /// The local network changed.
    NetworkChange = 6,
    /// A deadline passed.
    Timeout = 7,
    /// A connection failed.
    Error = 8,
    /// A connection was closed.
    Close = 9,
    /// Both sides try their candidates.
    Candidates = 10,
}

/// One step of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// How long `from` lasted.
    pub elapsed: Duration,
}

/// How long a remote may be silent before it is asked and its session is [`State::Recovering`]. Keep-alives are more frequent by
/// default, so a living remote never is; where they are less, it is so for a round trip each time.
pub const SILENCE: Duration = Duration::from_millis(4500);

/// The same for a remote that has left the relay that all ways to it lead over. One whose WebSocket just broke
/// opens another at once and is heard sooner.
pub const ABSENCE: Duration = Duration::from_secs(1);

/// The machine.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    since: Instant,
    /// When the remote counts as silent unless it is heard before, on any connection.
    silent_at: Instant,
    /// Connections of this session that are not over.
    pub(crate) connections: BTreeSet<ConnectionKey>,
}

impl Session {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: State::Idle,
            since: now,
            silent_at: now + SILENCE,
            connections: BTreeSet::new(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn silent_at(&self) -> Instant {
        self.silent_at
    }

    /// The remote was heard.
    pub(crate) fn hear(&mut self, now: Instant) {
        self.silent_at = now + SILENCE;
    }

    /// The remote has left its relay.
    pub(crate) fn miss(&mut self, now: Instant) {
        self.silent_at = self.silent_at.min(now + ABSENCE);
    }

    /// Moves to `to`; `None` when it is there already or may not go there.
    pub(crate) fn step(&mut self, to: State, cause: Cause, now: Instant) -> Option<Transition> {
        if !legal(self.state, to) {
            return None;
        }
        let transition = Transition {
            from: self.state,
            to,
            cause,
            elapsed: now.saturating_duration_since(self.since),
        };
        self.state = to;
        self.since = now;
        Some(transition)
    }
}

/// Whether the diagram at the top of this module has the arrow.
pub fn legal(from: State, to: State) -> bool {
    use State::*;
    match (from, to) {
        (from, to) if from == to => false,
        (Failed | Closed, _) => false,
        (Idle, Failed | Closed) => false,
        (_, Failed | Closed) => true,
        (Idle, Connecting) => true,
        (Connecting, Relayed | Direct) => true,
        (Relayed, Traversing | Direct | Recovering) => true,
        (Traversing, Relayed | Direct | Recovering) => true,
        (Direct, Recovering | Relayed) => true,
        (Recovering, Direct | Relayed) => true,
        _ => false,
    }
}

#[cfg(test)]
#[path = "session/model_tests.rs"]
mod model_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_leads_to_itself_and_the_last_ones_lead_nowhere() {
        for state in State::ALL {
            assert!(!legal(state, state));
            assert!(!legal(State::Failed, state));
            assert!(!legal(State::Closed, state));
        }
    }

    #[test]
    fn every_state_with_a_connection_can_fail_and_close() {
        for state in State::ALL
            .into_iter()
            .filter(|s| !matches!(s, State::Idle | State::Failed | State::Closed))
        {
            assert!(legal(state, State::Failed));
            assert!(legal(state, State::Closed));
        }
    }

    #[test]
    fn an_illegal_step_changes_nothing_and_a_legal_one_tells_the_time_spent() {
        let start = Instant::now();
        let mut session = Session::new(start);
        assert_eq!(session.step(State::Recovering, Cause::Silence, start), None);
        assert_eq!(session.state(), State::Idle);
        session.step(State::Connecting, Cause::Dial, start);
        let later = start + Duration::from_millis(7);
        let step = session.step(State::Direct, Cause::Handshake, later);
        let expected = Transition {
            from: State::Connecting,
            to: State::Direct,
            cause: Cause::Handshake,
            elapsed: Duration::from_millis(7),
        };
        assert_eq!(step, Some(expected));
    }
}
