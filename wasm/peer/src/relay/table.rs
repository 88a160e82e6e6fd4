//! All relays: who is wanted, and for how long.

use std::num::NonZeroU16;
use std::time::Duration;

use anypath_wire::id::EndpointId;
use anypath_wire::relay::{ClientMessage, Datagrams, Ecn};
use rand::rngs::StdRng;

use super::backoff::generator;
use super::client::{Client, Context, Notice, Output, Received, count_sent};
use super::home::{Home, Standing};
use super::url::canonical;
use super::{FIRST_RELAY, RelayCause, RelayCounts, RelayId, RelayState, RelayStatus};
use crate::clock::Instant;
use crate::event::{Event, Outbox};
use crate::few::Few;
use crate::tls::SecretKey;

/// How many relays there may be. Tickets, which strangers make, name them.
const MAX_RELAYS: usize = 16;

/// How many of them may be configured.
pub const MAX_CONFIGURED: usize = 8;

/// How long a relay that nobody needs stays connected.
const IDLE: Duration = Duration::from_secs(60);

/// How long all configured relays are kept for a connection that looks for another way.
const SEARCH: Duration = Duration::from_secs(10);

/// What happened to a relay that concerns connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Datagrams can flow.
    Up(RelayId),
    /// It was lost, and the first try to have it back failed.
    Failing(RelayId),
    /// Its id means nothing any more.
    Removed(RelayId),
}

#[derive(Debug)]
struct Entry {
    url: String,
    /// What is the same for every spelling of it.
    canonical: String,
    client: Client,
    /// When something but the choice of a home was known to need it last.
    needed: Option<Instant>,
    up: bool,
    failing: bool,
}

impl Entry {
    /// Until when it may be idle.
    fn idle_until(&self) -> Option<Instant> {
        self.needed.map(|needed| needed + IDLE)
    }
}

/// The relays.
#[derive(Debug)]
pub(crate) struct Relays {
    key: SecretKey,
    rng: StdRng,
    visible: bool,
    entries: Few<RelayId, Entry>,
    next_id: RelayId,
    home: Home,
    told_home: Option<RelayId>,
    search_until: Option<Instant>,
    counts: RelayCounts,
    changes: Vec<Change>,
    header: Vec<u8>,
}

impl Relays {
    pub(crate) fn new(key: SecretKey, seed: [u8; 32]) -> Self {
        Self {
            key,
            rng: generator(seed),
            visible: true,
            entries: Few::default(),
            next_id: FIRST_RELAY,
            home: Home::default(),
            told_home: None,
            search_until: None,
            counts: RelayCounts::default(),
            changes: Vec::new(),
            header: Vec::new(),
        }
    }

    /// Whether relays are used at all.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.home.candidates().is_empty()
    }

    /// The configured relays from now on. What can't be a relay's URL is left out.
    pub(crate) fn set<'a>(&mut self, urls: impl IntoIterator<Item = &'a str>, now: Instant) {
        let mut candidates = Vec::new();
        for url in urls {
            if candidates.len() == MAX_CONFIGURED {
                break;
            }
            if let Some(id) = self.id_of(url, now)
                && !candidates.contains(&id)
            {
                candidates.push(id);
            }
        }
        self.home.set(candidates.clone(), now);
        for id in candidates {
            if self.home.wants(id) {
                self.with(id, now, |client, cx| client.open(cx));
            }
            // A denied token may be another one now.
            self.with(id, now, |client, cx| client.hurry(cx));
        }
    }

    /// Closes everything for good.
    pub(crate) fn close_all(&mut self, now: Instant) {
        self.home.set(Vec::new(), now);
        for id in self.entries.keys().copied().collect::<Vec<_>>() {
            self.with(id, now, |client, cx| client.close(cx));
        }
    }

    /// The id of a relay that a ticket or a discovery names, which is connected to. `None` where relays are not
    /// used, for what is no relay's URL, and when there are too many.
    pub(crate) fn acquire(&mut self, url: &str, now: Instant) -> Option<RelayId> {
        if !self.is_enabled() {
            return None;
        }
        let id = self.id_of(url, now)?;
        self.want(id, now);
        // Who waits for it now should not wait for a backoff.
        if let Some(RelayCause::Closed | RelayCause::Timeout) = self.waits_because(id) {
            self.with(id, now, |client, cx| client.open(cx));
        }
        Some(id)
    }

    /// Connects to a relay that is needed now.
    pub(crate) fn want(&mut self, id: RelayId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.needed = Some(now);
            if entry.client.state() == RelayState::Closed {
                self.with(id, now, |client, cx| client.open(cx));
            }
        }
    }

    /// Connects to all configured relays for a while, for a connection that looks for another way.
    pub(crate) fn search(&mut self, now: Instant) {
        self.search_until = Some(now + SEARCH);
        for id in self.home.candidates().to_vec() {
            let closed = |entry: &Entry| entry.client.state() == RelayState::Closed;
            if self.entries.get(&id).is_some_and(closed) {
                self.with(id, now, |client, cx| client.open(cx));
            }
        }
    }

    pub(crate) fn configured(&self) -> &[RelayId] {
        self.home.candidates()
    }

    pub(crate) fn is_connected(&self, id: RelayId) -> bool {
        self.entries
            .get(&id)
            .is_some_and(|entry| entry.client.is_connected())
    }

    fn waits_because(&self, id: RelayId) -> Option<RelayCause> {
        self.entries.get(&id)?.client.waits_because()
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> u64 {
        let up = |entry: &&Entry| entry.client.is_connected();
        self.entries.values().filter(up).count() as u64
    }

    /// Whether a relay has told this peer that it does not serve it.
    pub(crate) fn is_denied_by(&self, id: RelayId) -> bool {
        let client = self.entries.get(&id).map(|entry| &entry.client);
        client.and_then(Client::waits_because) == Some(RelayCause::Denied)
    }

    pub(crate) fn counts(&self) -> RelayCounts {
        self.counts
    }

    pub(crate) fn opened(&mut self, id: RelayId, protocol: u8, now: Instant) {
        self.with(id, now, |client, cx| client.opened(protocol, cx));
    }

    pub(crate) fn closed(&mut self, id: RelayId, reason: &str, now: Instant) {
        self.with(id, now, |client, cx| client.socket_closed(reason, cx));
    }

    pub(crate) fn message<'a>(
        &mut self,
        id: RelayId,
        message: &'a [u8],
        now: Instant,
    ) -> Received<'a> {
        let mut received = Received::Nothing;
        self.with(id, now, |client, cx| received = client.message(message, cx));
        received
    }

    pub(crate) fn set_visible(&mut self, visible: bool) {
        self.visible = visible;
    }

    /// Connections may be dead without a word.
    pub(crate) fn probe(&mut self, now: Instant) {
        for id in self.entries.keys().copied().collect::<Vec<_>>() {
            self.with(id, now, |client, cx| client.probe(cx));
        }
    }

    /// Sends datagrams to a remote, or keeps them for a while if its relay is not connected.
    pub(crate) fn send(
        &mut self,
        (id, remote): (RelayId, EndpointId),
        ecn: u8,
        segment_bytes: usize,
        contents: &[u8],
        now: Instant,
        outbox: &mut impl Outbox,
    ) {
        let several = (1..contents.len()).contains(&segment_bytes);
        let segment_size = match several {
            true => u16::try_from(segment_bytes).ok().and_then(NonZeroU16::new),
            false => None,
        };
        let datagrams = Datagrams {
            ecn: Ecn::from_bits(ecn),
            segment_size,
            contents: &[],
        };
        let message = ClientMessage::Datagrams {
            destination: remote,
            datagrams,
        };
        self.header.clear();
        // The contents follow; noq's batches are far below what a message may hold.
        if message.encode(&mut self.header).is_err() {
            return;
        }
        if self.is_connected(id) {
            count_sent(&mut self.counts, self.header.len() + contents.len());
            outbox.relay_send(id, &self.header, contents);
            return;
        }
        self.want(id, now);
        let count = match several {
            true => contents.len().div_ceil(segment_bytes) as u64,
            false => 1,
        };
        let message = [&self.header, contents].concat();
        self.with(id, now, |client, cx| client.keep(count, message, cx));
    }

    /// Does what is due. `in_use` tells which relays a live connection needs; it is asked only when that matters.
    pub(crate) fn tick(&mut self, now: Instant, in_use: impl Fn() -> Vec<RelayId>) {
        let due = |entry: &Entry, visible| entry.client.due(visible).is_some_and(|due| due <= now);
        let visible = self.visible;
        let ids: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, e)| due(e, visible))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.with(id, now, |client, cx| client.tick(cx));
        }
        if self.search_until.is_some_and(|until| until <= now) {
            self.search_until = None;
        }
        self.choose_home(now);
        self.release(now, in_use);
    }

    /// When [`Relays::tick`] has something to do.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let clients = self
            .entries
            .values()
            .filter_map(|entry| entry.client.due(self.visible));
        let idle = self
            .entries
            .iter()
            .filter(|(id, entry)| self.may_release(**id, entry));
        let idle = idle.map(|(_, entry)| entry.idle_until().unwrap_or(now));
        clients
            .chain(idle)
            .chain(self.home.due(now))
            .chain(self.search_until)
            .min()
    }

    /// Whether something waits for the next drain.
    pub(crate) fn has_news(&self) -> bool {
        !self.changes.is_empty() || self.entries.values().any(|entry| entry.client.has_news())
    }

    pub(crate) fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Puts out what is to be done and told.
    pub(crate) fn flush(&mut self, outbox: &mut impl Outbox) {
        let home = self.home.chosen();
        for (id, entry) in self.entries.iter_mut() {
            for output in entry.client.outputs() {
                match output {
                    Output::Open => outbox.relay_open(*id, &entry.url),
                    Output::Send(message) => outbox.relay_send(*id, &message, &[]),
                    Output::Close => outbox.relay_close(*id),
                }
            }
            let latency = entry.client.latency();
            for notice in entry.client.notices() {
                let status = status(notice, &entry.url, latency, home == Some(*id));
                outbox.event(Event::Relay(*id, Box::new(status)));
            }
        }
        self.tell_home(outbox);
        self.forget_closed();
    }

    fn tell_home(&mut self, outbox: &mut impl Outbox) {
        let home = self.home.chosen();
        if self.told_home == home {
            return;
        }
        for id in [self.told_home, home].into_iter().flatten() {
            if let Some(entry) = self.entries.get(&id) {
                let latency = entry.client.latency();
                let notice = entry.client.status(RelayCause::Home);
                let status = status(notice, &entry.url, latency, home == Some(id));
                outbox.event(Event::Relay(id, Box::new(status)));
            }
        }
        self.told_home = home;
    }

    fn forget_closed(&mut self) {
        let candidates = self.home.candidates();
        let changes = &mut self.changes;
        self.entries.retain(|id, entry| {
            let kept = entry.client.state() != RelayState::Closed || candidates.contains(id);
            if !kept {
                changes.push(Change::Removed(*id));
            }
            kept
        });
    }

    fn choose_home(&mut self, now: Instant) {
        loop {
            let started = self.home.started().unwrap_or(now);
            let entries = &self.entries;
            let standing = |id| match entries.get(&id).map(|entry| &entry.client) {
                None => Standing::Failed,
                Some(client) => match client.measured_since(started) {
                    Some(latency) => Standing::Measured(latency),
                    None if client.waits_because().is_some() => Standing::Failed,
                    None => Standing::UnderWay,
                },
            };
            let step = self.home.step(now, standing);
            if step.measure.is_empty() {
                return;
            }
            for id in step.measure {
                self.with(id, now, |client, cx| {
                    client.open(cx);
                    client.measure(cx);
                });
            }
        }
    }

    /// Closes relays that nobody needs.
    fn release(&mut self, now: Instant, in_use: impl Fn() -> Vec<RelayId>) {
        let due = |(id, entry): &(&RelayId, &Entry)| {
            let idle = entry.idle_until().is_none_or(|until| until <= now);
            idle && self.may_release(**id, entry)
        };
        let due: Vec<_> = self.entries.iter().filter(due).map(|(id, _)| *id).collect();
        if due.is_empty() {
            return;
        }
        let in_use = in_use();
        for id in due {
            match self.entries.get_mut(&id) {
                Some(entry) if in_use.contains(&id) => entry.needed = Some(now),
                _ => self.with(id, now, |client, cx| client.close(cx)),
            }
        }
    }

    fn may_release(&self, id: RelayId, entry: &Entry) -> bool {
        let searched = self.search_until.is_some() && self.home.candidates().contains(&id);
        entry.client.state() != RelayState::Closed && !self.home.wants(id) && !searched
    }

    fn id_of(&mut self, url: &str, now: Instant) -> Option<RelayId> {
        let canonical = canonical(url)?;
        let known = |(_, entry): &(&RelayId, &Entry)| entry.canonical == canonical;
        if let Some((id, _)) = self.entries.iter().find(known) {
            return Some(*id);
        }
        if self.entries.len() >= MAX_RELAYS {
            return None;
        }
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1)?;
        let entry = Entry {
            url: url.to_owned(),
            canonical,
            client: Client::new(now),
            needed: None,
            up: false,
            failing: false,
        };
        self.entries.insert(id, entry);
        Some(id)
    }

    /// Lets a client act, and notices what follows from it.
    fn with(&mut self, id: RelayId, now: Instant, act: impl FnOnce(&mut Client, &mut Context<'_>)) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let mut cx = Context {
            now,
            visible: self.visible,
            awaited: entry.idle_until().is_some_and(|until| until > now),
            rng: &mut self.rng,
            key: &self.key,
            counts: &mut self.counts,
        };
        act(&mut entry.client, &mut cx);
        let up = entry.client.is_connected();
        if up != entry.up {
            entry.up = up;
            if up {
                entry.failing = false;
                self.changes.push(Change::Up(id));
            } else if self.home.chosen() == Some(id)
                && entry.client.waits_because() != Some(RelayCause::SameEndpoint)
            {
                self.home.measure(now);
            }
        }
        let failing = match entry.client.waits_because() {
            Some(RelayCause::Denied | RelayCause::SameEndpoint) => true,
            Some(_) => entry.client.failures() > 1,
            None => false,
        };
        if failing && !entry.failing {
            entry.failing = true;
            self.changes.push(Change::Failing(id));
        }
    }
}

fn status(notice: Notice, url: &str, latency: Option<Duration>, home: bool) -> RelayStatus {
    RelayStatus {
        state: notice.state,
        home,
        cause: notice.cause,
        latency,
        retry_in: notice.retry_in,
        url: url.to_owned(),
        detail: notice.detail,
    }
}
