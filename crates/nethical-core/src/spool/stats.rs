//! How a spool is doing, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::destination::Destination;
use super::shared::Shared;
use super::{DestinationId, Tally};

/// One destination in [`Stats`]. What was accepted is settled, dropped as the oldest, damaged, rejected or
/// waiting; counts begin when the spool is opened, with what waited then as accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationStats {
    /// Its id.
    pub id: DestinationId,
    /// Its key; empty when that is not known any more.
    pub key: Arc<str>,
    /// Taken in for it.
    pub accepted: Tally,
    /// Settled by its reader.
    pub settled: Tally,
    /// Dropped because it lagged.
    pub dropped_oldest: Tally,
    /// Not taken in for it because it lagged.
    pub dropped_newest: Tally,
    /// Lost in damaged files.
    pub damaged: Tally,
    /// Refused by the disk, as the caller was told.
    pub rejected: Tally,
    /// Not settled.
    pub waiting: Tally,
}

/// How a spool is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Its destinations by id.
    pub destinations: Vec<DestinationStats>,
    /// Files of the log.
    pub segments: usize,
    /// Their bytes.
    pub disk_bytes: u64,
    /// Bytes in memory that are not written.
    pub pending_bytes: usize,
    /// Bytes written since it was opened.
    pub written_bytes: u64,
    /// Fsyncs of segments since then.
    pub fsyncs: u64,
    /// Segments given up after a failed fsync.
    pub poisoned: u64,
    /// Writes that failed.
    pub write_errors: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Bytes found damaged while reading.
    pub damaged_bytes: u64,
    /// Why nothing can be written at present.
    pub stalled: Option<std::io::ErrorKind>,
    /// What the disk said when it last refused something.
    pub last_error: Option<String>,
}

impl Shared {
    /// How it is doing.
    pub(super) fn stats(&self) -> Stats {
        let (pending_bytes, stalled) = self.queue.pending();
        let (segments, disk_bytes) = {
            let log = self.log();
            (log.len(), log.size())
        };
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            destinations: self.destinations().iter().map(|destination| destination.stats()).collect(),
            segments,
            disk_bytes,
            pending_bytes,
            written_bytes: get(&self.counts.written_bytes),
            fsyncs: get(&self.counts.fsyncs),
            poisoned: get(&self.counts.poisoned),
            write_errors: get(&self.counts.write_errors),
            read_errors: get(&self.counts.read_errors),
            damaged_bytes: get(&self.counts.damaged_bytes),
            stalled,
            last_error: self.last_error(),
        }
    }
}

impl Destination {
    pub(super) fn stats(&self) -> DestinationStats {
        let counters = &self.counters;
        DestinationStats {
            id: self.id,
            key: Arc::clone(&self.key),
            accepted: counters.accepted.get(),
            settled: counters.settled.get(),
            dropped_oldest: counters.dropped_oldest.get(),
            dropped_newest: counters.dropped_newest.get(),
            damaged: counters.damaged.get(),
            rejected: counters.rejected.get(),
            waiting: counters.waiting(),
        }
    }
}
