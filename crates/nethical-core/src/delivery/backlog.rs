//! Where accepted events wait for one destination: in memory, or on disk.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::delivery::{Batch, DropReason, Ledger, Outcome};
use crate::event::{Event, Timestamp};

/// When a batch is closed, and how large it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    /// Events that close a batch at once.
    pub(crate) close_at: usize,
    /// Most events in a batch.
    pub(crate) max_events: usize,
    /// Bytes that close a batch at once, and the most in a batch.
    pub(crate) max_bytes: usize,
    /// Bytes that each event adds on the wire.
    pub(crate) event_overhead: usize,
    /// A batch is closed when its first event has waited this long.
    pub(crate) max_age: Duration,
}

/// Why an event was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// The destination was closed. Counted as dropped, as long as its connector is there.
    Closed,
    /// There is no room, and the policy gives up new events. Counted as dropped.
    Full,
}

/// What came of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Everything came to its end: it is delivered, a dead letter or dropped.
    Settled,
    /// Not everything in time. What is left is on the disk, whatever happens to this process and this machine.
    Kept,
    /// Not everything in time, and what is left is in memory only: it was never meant for the disk, or the disk does
    /// not take it now.
    AtRisk,
}

/// What a flush waits for: for each source of events by its number, how many of them are to be settled.
///
/// Not one number for all: what another source brings in, or settles, must not end somebody's flush.
pub(crate) type FlushMark = Vec<(u32, u64)>;

/// The two ends of a destination's backlog, and its accounts.
///
/// Callers use [`offer`](Self::offer), the one worker [`next`](Self::next) and [`settle`](Self::settle).
#[async_trait]
pub(crate) trait Backlog: Send + Sync {
    /// Take an event from a caller. Waits only where the policy is to wait for room.
    fn offer(&self, event: Event) -> Result<(), Rejected>;

    /// Whether an offer would have to wait now.
    fn would_block(&self) -> bool;

    /// The next batch, once one is due. `None` when the backlog is closed and nothing waits, or when it
    /// is to [`end`](Self::end).
    async fn next(&self, limits: &BatchLimits) -> Option<Batch>;

    /// Events of a batch came to their end.
    fn settle(&self, events: &[Event], outcome: Outcome);

    /// An event that never waited here came to its end.
    fn count(&self, outcome: Outcome);

    /// An event came after the close.
    fn too_late(&self) -> Rejected {
        self.count(Outcome::Dropped(DropReason::Closed));
        Rejected::Closed
    }

    /// The worker ends with these still in its hands.
    fn put_back(&self, events: &[Event]);

    /// Ask for everything that waits now to be delivered at once. Returns what to wait for.
    fn request_flush(&self) -> FlushMark;

    /// Wait for what [`request_flush`](Self::request_flush) returned; `false` if the deadline comes first.
    fn wait_settled(&self, mark: &FlushMark, deadline: Instant) -> bool;

    /// Take no more from callers, and have the worker come to its end when nothing waits.
    fn close(&self);

    /// Have the worker come to its end whatever waits.
    fn end(&self);

    /// The worker has come to its end; what still waits is given up, or stays on disk.
    fn finish(&self);

    /// Wait for the worker's end; `false` if the deadline comes first.
    fn wait_finished(&self, deadline: Instant) -> bool;

    /// Make what waits survive the loss of power, where it waits on disk. `false` if it does not now.
    fn make_durable(&self) -> bool {
        false
    }

    /// The accounts, exact at one moment.
    fn ledger(&self) -> Ledger;

    /// What of the accounts is from earlier processes: as they were when this one took over.
    fn inherited(&self) -> Ledger {
        Ledger::default()
    }

    /// Bytes of the events that wait.
    fn waiting_bytes(&self) -> u64;

    /// When the oldest event that waits happened, or was accepted, if that is known.
    fn oldest(&self) -> Option<Timestamp>;
}
