//! What the author of a destination writes.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::delivery::{Answer, Error, Policy, Schedule};
use crate::event::{Event, Family};

/// One endpoint that events are delivered to.
///
/// An implementation only knows how to deliver one batch once. Queueing, pace, retries, breaker,
/// dead letters and accounts are the [`Connector`](crate::delivery::Connector)'s.
#[async_trait]
pub trait Destination: Send + Sync + 'static {
    /// What this destination can take and promise. Asked once.
    fn profile(&self) -> Profile;

    /// Deliver the batch, once, within a deadline of its own.
    ///
    /// # Errors
    /// An endpoint fault concerns the whole batch, which is held and tried again. A refusal of a batch
    /// of several is narrowed down by halves; of one, it ends as a dead letter.
    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error>;

    /// See whether a delivery would work, without delivering anything. Returns what was found, for people.
    ///
    /// # Errors
    /// What a delivery would meet.
    async fn probe(&self) -> Result<String, Error>;

    /// Let go of files that somebody else has moved away. Without this it is done at the next batch.
    async fn reopen(&self) {}

    /// Let go of files and connections. Nothing is delivered after this.
    async fn close(&self) {}
}

/// What a destination can take and promise.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Most events in one batch.
    pub max_events: usize,
    /// Most bytes in one batch: the events' plus [`event_overhead`](Self::event_overhead) each. A larger event goes alone.
    pub max_bytes: usize,
    /// Bytes that the protocol adds to each event.
    pub event_overhead: usize,
    /// Whether a batch may be sent again when nobody knows if it was applied: because a repeat does no
    /// harm, or because at-least-once is this destination's stated promise.
    pub repeat_safe: bool,
    /// What a success means.
    pub receipt: ReceiptKind,
    /// Whether this destination is itself a file on this machine. Such a one is fed from memory; the
    /// others through the spool, unless the settings say otherwise.
    pub local: bool,
    /// Waits between attempts while the endpoint is at fault.
    pub retry: Schedule,
    /// How a delivery is repeated for which its caller waits.
    pub policy: Policy,
    /// What tells this endpoint from others: whoever in the process has it open keeps one pace with the others.
    /// May be secret; it is never shown.
    pub endpoint: Option<Arc<str>>,
    /// Only one attempt at a time may be under way to the endpoint, because its answer sets the pace of the next.
    pub one_at_a_time: bool,
    /// Each event is a request of its own, so that under a rate limit they go one by one.
    pub request_each: bool,
    /// Its address as people may see it. Where there is one, a record is kept of every delivery.
    pub address: Option<Arc<str>>,
    /// It takes log entries and nothing else: messages and alerts reach it as such.
    pub log_entries: bool,
}

impl Default for Profile {
    /// 1,000 events, 1 MiB, no overhead, not repeat-safe, confirmed, not local, any event, the usual waits.
    fn default() -> Self {
        Self {
            max_events: 1_000,
            max_bytes: 1 << 20,
            event_overhead: 0,
            repeat_safe: false,
            receipt: ReceiptKind::Confirmed,
            local: false,
            retry: Schedule { first: Duration::from_millis(200), cap: Duration::from_secs(30) },
            policy: Policy::default(),
            endpoint: None,
            one_at_a_time: false,
            request_each: false,
            address: None,
            log_entries: false,
        }
    }
}

/// What a success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptKind {
    /// The receiver said that it has the event.
    Confirmed,
    /// The event was sent; the protocol knows no receipt.
    Sent,
}

/// Some events, in order. A clone shares them.
#[derive(Debug, Clone)]
pub struct Batch(Arc<[Event]>);

impl Batch {
    /// The events at `indices`.
    pub(crate) fn pick(&self, indices: &[usize]) -> Self {
        indices.iter().filter_map(|&index| self.0.get(index).cloned()).collect()
    }

    /// The events that stand in neither list.
    pub(crate) fn without(&self, some: &[usize], others: &[usize]) -> Self {
        if some.is_empty() && others.is_empty() {
            return self.clone();
        }
        let left_out: HashSet<_> = some.iter().chain(others).collect();
        let kept = self.0.iter().enumerate().filter(|(index, _)| !left_out.contains(index));
        kept.map(|(_, event)| event.clone()).collect()
    }

    /// The same with log entries in the place of messages; `None` if there are none. What cannot be read stays.
    pub(crate) fn as_entries(&self) -> Option<Self> {
        let has_messages = self.0.iter().any(|event| event.family() == Family::Alerts);
        let entry = |event: &Event| event.to_entry().unwrap_or_else(|_| event.clone());
        has_messages.then(|| self.0.iter().map(entry).collect())
    }

    /// The first half and the rest.
    pub(crate) fn halves(&self) -> (Self, Self) {
        let (first, rest) = self.0.split_at(self.0.len() / 2);
        (Self(first.into()), Self(rest.into()))
    }
}

impl From<Vec<Event>> for Batch {
    fn from(events: Vec<Event>) -> Self {
        Self(events.into())
    }
}

impl FromIterator<Event> for Batch {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        Self(events.into_iter().collect())
    }
}

impl Deref for Batch {
    type Target = [Event];

    fn deref(&self) -> &[Event] {
        &self.0
    }
}

/// What became of a batch that the endpoint answered. Whatever is not named here was taken.
#[derive(Debug, Default)]
pub struct Receipt {
    /// Events that the endpoint refused: they are dead-lettered.
    pub refused: Vec<Refusal>,
    /// Events that were not taken because of a fault on the way: they are tried again.
    pub unfinished: Option<Unfinished>,
    /// The endpoint wants to be left alone this long before the next attempt.
    pub pause: Option<Duration>,
    /// What the endpoint answered about the events that it took, by their places in the batch, for the record.
    pub answers: Vec<(usize, Answer)>,
}

impl Receipt {
    /// Everything was taken.
    pub fn all() -> Self {
        Self::default()
    }
}

/// An event that the endpoint refused.
#[derive(Debug)]
pub struct Refusal {
    /// Its place in the batch.
    pub index: usize,
    /// Why.
    pub error: Error,
}

/// Events of a batch that are still to be delivered.
#[derive(Debug)]
pub struct Unfinished {
    /// Their places in the batch.
    pub indices: Vec<usize>,
    /// Why they were not taken.
    pub error: Error,
}
