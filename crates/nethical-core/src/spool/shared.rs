//! What callers, readers and the writer have in common, and the few operations that touch several of them.
//!
//! Order of locks: the writer's seat, the states of destinations (several only by the writer, in the order of their ids), then
//! the log. The queue's lock is taken last and never held while another one is sought. Wakers are called
//! with no other lock held than the seat.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::destination::{Destination, State};
use super::frame::Frame;
use super::log::Log;
use super::queue::Queue;
use super::storage::Storage;
use super::tally::{Tallies, Tally};
use super::writer::Active;
use super::{Options, lock, quarantine};

/// Things that are counted for the whole spool.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) written_bytes: AtomicU64,
    pub(super) fsyncs: AtomicU64,
    pub(super) write_errors: AtomicU64,
    pub(super) read_errors: AtomicU64,
    pub(super) poisoned: AtomicU64,
    pub(super) damaged_bytes: AtomicU64,
}

/// The common ground.
pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) queue: Queue,
    pub(super) counts: Counts,
    /// The writer has ended and left nothing in memory.
    pub(super) complete: AtomicBool,
    log: Mutex<Log>,
    destinations: Mutex<Arc<Vec<Arc<Destination>>>>,
    last_error: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        options: Options,
        queue: Queue,
        log: Log,
        destinations: Vec<Arc<Destination>>,
    ) -> Self {
        destinations.iter().for_each(|destination| queue.register(Arc::clone(destination)));
        Self {
            storage,
            dir,
            options,
            queue,
            counts: Counts::default(),
            complete: AtomicBool::new(false),
            log: Mutex::new(log),
            destinations: Mutex::new(Arc::new(destinations)),
            last_error: Mutex::new(None),
        }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// The destinations of the moment, by id.
    pub(super) fn destinations(&self) -> Arc<Vec<Arc<Destination>>> {
        Arc::clone(&lock(&self.destinations))
    }

    /// The destination with this key, made by `make` from the known ones if there is none.
    pub(super) fn destination<E>(
        &self,
        key: &str,
        make: impl FnOnce(&[Arc<Destination>]) -> Result<Destination, E>,
    ) -> Result<Arc<Destination>, E> {
        let mut destinations = lock(&self.destinations);
        if let Some(known) = destinations.iter().find(|destination| &*destination.key == key) {
            return Ok(Arc::clone(known));
        }
        let destination = Arc::new(make(&destinations)?);
        let mut list = destinations.to_vec();
        list.push(Arc::clone(&destination));
        list.sort_by_key(|destination| destination.id);
        self.queue.register(Arc::clone(&destination));
        *destinations = Arc::new(list);
        Ok(destination)
    }

    /// Shows frames that have been written to readers.
    pub(super) fn grow(&self, active: &Active, fresh: &Tallies) {
        if let Some(segment) = self.log().get_mut(active.ordinal) {
            segment.last = active.summary.last;
            segment.end = active.summary.end;
            segment.size = active.summary.end;
            segment.remaining.add(fresh);
        }
    }

    /// Takes frames off a poisoned segment, which ends at `cut` from now on.
    pub(super) fn withdraw(&self, ordinal: u64, cut: u64, frames: &[Frame<'_>]) {
        self.with_states(|log, states| {
            each_unsettled(frames, states, |destination, state, frame| {
                log.settle(ordinal, destination.id, Tally::one(frame.payload.len()));
                state.flight_mut(frame.seq).into_iter().for_each(|flight| flight.ordinal = 0);
            });
            if let Some(segment) = log.get_mut(ordinal) {
                segment.sealed = true;
                segment.end = cut;
                segment.size = cut;
                if let Some(first) = frames.first() {
                    segment.last = first.seq.before();
                }
            }
        });
    }

    /// Counts frames that were withdrawn among those of the segment they have been written to now.
    pub(super) fn readmit(&self, ordinal: u64, frames: &[Frame<'_>]) {
        if frames.is_empty() {
            return;
        }
        self.with_states(|log, states| {
            let Some(segment) = log.get_mut(ordinal) else { return };
            each_unsettled(frames, states, |destination, state, frame| {
                segment.remaining.entry(destination.id).add(Tally::one(frame.payload.len()));
                state.flight_mut(frame.seq).into_iter().for_each(|flight| flight.ordinal = ordinal);
            });
        });
    }

    /// Gives up frames that are in no segment.
    pub(super) fn reject(&self, frames: &[Frame<'_>]) {
        self.with_states(|_, states| {
            each_unsettled(frames, states, |destination, state, frame| {
                destination.counters.rejected.add(Tally::one(frame.payload.len()));
                state.settle(frame.seq);
            });
        });
    }

    fn with_states(&self, work: impl FnOnce(&mut Log, &mut [(&Destination, MutexGuard<'_, State>)])) {
        let destinations = self.destinations();
        let mut states: Vec<_> = destinations.iter().map(|d| (d.as_ref(), d.state())).collect();
        work(&mut self.log(), &mut states);
    }

    /// Drops what waits for a destination in its oldest segment; false when nothing waits.
    pub(super) fn drop_oldest_of(&self, destination: &Destination) -> bool {
        let oldest = self.log().oldest_for(destination.id);
        oldest.is_some_and(|ordinal| self.drop_waiting(destination, ordinal).events > 0)
    }

    /// Drops what waits for a destination in a segment, and has not been handed out. What is in flight can
    /// still be settled; should the process die first, it is handed out again as long as the segment exists.
    pub(super) fn drop_waiting(&self, destination: &Destination, ordinal: u64) -> Tally {
        let mut state = destination.state();
        let in_flight = state.in_flight(ordinal);
        let dropped = {
            let mut log = self.log();
            let Some(segment) = log.get_mut(ordinal) else { return Tally::default() };
            let waiting = segment.remaining.get(destination.id);
            segment.remaining.take(destination.id, waiting);
            state.last_read = state.last_read.max(segment.last);
            waiting.less(in_flight)
        };
        state.flights.iter_mut().filter(|f| f.ordinal == ordinal).for_each(|flight| flight.ordinal = 0);
        state.advance();
        let _ = destination.persist(&mut state);
        destination.counters.dropped_oldest.add(dropped);
        dropped
    }

    /// Marks the destinations that hold the oldest segment while the budget is used up.
    pub(super) fn mark_laggards(&self, over: bool) {
        let oldest = if over { self.log().oldest_sealed() } else { None };
        for destination in self.destinations().iter() {
            let lags = oldest.is_some_and(|ordinal| {
                self.log().get(ordinal).is_some_and(|s| s.remaining.get(destination.id).events > 0)
            });
            destination.lags.store(lags, Ordering::Relaxed);
        }
    }

    /// Keeps a copy of damaged bytes and counts them.
    pub(super) fn quarantine(&self, ordinal: u64, from: u64, to: u64) {
        if quarantine::keep(&*self.storage, &self.dir, ordinal, from, to) {
            bump(&self.counts.damaged_bytes, to - from);
        }
    }

    /// Remembers what the disk said last.
    pub(super) fn note(&self, error: &io::Error) {
        *lock(&self.last_error) = Some(error.to_string());
    }

    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    /// Tells callers how things stand.
    pub(super) fn report(&self, stalled: Option<io::ErrorKind>) {
        let size = self.log().size();
        self.queue.report(size, stalled);
    }
}

fn each_unsettled(
    frames: &[Frame<'_>],
    states: &mut [(&Destination, MutexGuard<'_, State>)],
    mut work: impl FnMut(&Destination, &mut State, &Frame<'_>),
) {
    for frame in frames {
        for (destination, state) in states.iter_mut().filter(|(destination, _)| frame.is_for(destination.id))
        {
            if !state.is_settled(frame.seq) {
                work(destination, state, frame);
            }
        }
    }
}

pub(super) fn bump(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
