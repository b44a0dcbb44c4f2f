//! Where events wait in memory: the seam between the caller and the worker.
//!
//! [`Backlog::offer`] is all that a caller ever runs: one short lock, no I/O. The worker sleeps in
//! [`Backlog::next`] and is only woken when it has something to do: at the first event, so that the
//! batch's age starts, and when a batch is full or a flush is asked for. Under load it is awake
//! anyway, so a call costs no system call, and batches grow with what has come in meanwhile.
//!
//! The accounts live under the same lock, so every picture of them is exact.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::delivery::backlog::{Backlog, BatchLimits, FlushMark, Rejected};
use crate::delivery::{Batch, DropReason, Ledger, Outcome};
use crate::event::{Event, Timestamp};

/// What to do with a new event when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Make the caller wait for room, at most this long; then as [`DropNewest`](Self::DropNewest).
    Block(Duration),
    /// Give up the new event, and tell the caller.
    DropNewest,
    /// Give up the oldest event that waits.
    DropOldest,
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Events. Default 65,536.
    pub max_events: usize,
    /// Bytes of events. Default 64 MiB.
    pub max_bytes: usize,
    /// What happens beyond. Default [`Full::DropNewest`].
    pub full: Full,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { max_events: 65_536, max_bytes: 64 << 20, full: Full::DropNewest }
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    limits: QueueLimits,
    state: Mutex<State>,
    /// The worker sleeps here.
    work: Notify,
    /// Callers who wait for room, a flush or the end sleep here.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    /// Taken by the worker and not settled yet.
    in_flight: usize,
    /// Events that ever entered the queue; those at the door do not count.
    entered: u64,
    /// The batch is closed early while something that entered before this waits.
    flush_before: u64,
    ledger: Ledger,
    wake_worker: Wake,
    closed: bool,
    ended: bool,
    finished: bool,
}

/// What the sleeping worker wants to be woken for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Wake {
    #[default]
    Never,
    FirstEvent,
    FullBatch {
        events: usize,
        bytes: usize,
    },
}

impl State {
    /// The number of the first event that is not settled yet. Events settle in the order they entered.
    fn settled_before(&self) -> u64 {
        self.entered - (self.events.len() + self.in_flight) as u64
    }

    fn flush_is_due(&self) -> bool {
        !self.events.is_empty() && self.entered - (self.events.len() as u64) < self.flush_before
    }

    /// Whether a batch is to be closed before its age is over.
    fn is_due(&self, limits: &BatchLimits) -> bool {
        self.events.len() >= limits.close_at
            || self.bytes >= limits.max_bytes
            || self.flush_is_due()
            || self.closed
    }

    fn has_room(&self, limits: &QueueLimits) -> bool {
        self.events.len() < limits.max_events && self.bytes < limits.max_bytes
    }

    fn worker_is_due(&self) -> bool {
        match self.wake_worker {
            Wake::Never => false,
            Wake::FirstEvent => true,
            Wake::FullBatch { events, bytes } => self.events.len() >= events || self.bytes >= bytes,
        }
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes -= event.json().len();
        Some(event)
    }

    fn drop_oldest(&mut self) {
        if self.pop().is_some() {
            self.ledger.settle(1, Outcome::Dropped(DropReason::Oldest));
        }
    }

    fn take(&mut self, limits: &BatchLimits) -> Batch {
        let mut bytes = 0;
        let fitting = self.events.iter().take(limits.max_events).take_while(|event| {
            bytes += event.json().len() + limits.event_overhead;
            bytes <= limits.max_bytes
        });
        let count = fitting.count().max(1).min(self.events.len());
        let taken: Batch = self.events.drain(..count).collect();
        self.bytes -= taken.iter().map(|event| event.json().len()).sum::<usize>();
        self.in_flight += count;
        taken
    }
}

impl Queue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self { limits, state: Mutex::default(), work: Notify::new(), progress: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_room<'q>(&'q self, mut state: MutexGuard<'q, State>) -> MutexGuard<'q, State> {
        match self.limits.full {
            Full::DropNewest => state,
            Full::DropOldest => {
                while !state.has_room(&self.limits) && !state.events.is_empty() {
                    state.drop_oldest();
                }
                self.progress.notify_all();
                state
            }
            Full::Block(patience) => {
                self.wait(state, Instant::now() + patience, |state| {
                    state.has_room(&self.limits) || state.closed
                })
                .0
            }
        }
    }

    /// Sleep until `done` holds; `false` if it does not by `deadline`.
    fn wait<'q>(
        &'q self,
        state: MutexGuard<'q, State>,
        deadline: Instant,
        done: impl Fn(&State) -> bool,
    ) -> (MutexGuard<'q, State>, bool) {
        let patience = deadline.saturating_duration_since(Instant::now());
        let (state, _) = self
            .progress
            .wait_timeout_while(state, patience, |state| !done(state))
            .unwrap_or_else(PoisonError::into_inner);
        let holds = done(&state);
        (state, holds)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.wake_worker = Wake::Never;
        drop(state);
        self.work.notify_one();
    }

    async fn sleep_until(&self, wake: Wake, due: impl Fn(&State) -> bool) {
        loop {
            {
                let mut state = self.lock();
                if due(&state) {
                    state.wake_worker = Wake::Never;
                    return;
                }
                state.wake_worker = wake;
            }
            self.work.notified().await;
        }
    }
}

#[async_trait]
impl Backlog for Queue {
    fn offer(&self, event: Event) -> Result<(), Rejected> {
        let mut state = self.lock();
        if !state.has_room(&self.limits) && !state.closed {
            state = self.make_room(state);
        }
        if state.closed {
            drop(state);
            return Err(self.too_late());
        }
        state.ledger.accepted += 1;
        if !state.has_room(&self.limits) {
            state.ledger.settle(1, Outcome::Dropped(DropReason::QueueFull));
            return Err(Rejected::Full);
        }
        state.entered += 1;
        state.bytes += event.json().len();
        state.events.push_back(event);
        if state.worker_is_due() {
            self.wake(state);
        }
        Ok(())
    }

    fn would_block(&self) -> bool {
        matches!(self.limits.full, Full::Block(_)) && !self.lock().has_room(&self.limits)
    }

    async fn next(&self, limits: &BatchLimits) -> Option<Batch> {
        let full = Wake::FullBatch { events: limits.close_at, bytes: limits.max_bytes };
        loop {
            self.sleep_until(Wake::FirstEvent, |state| !state.events.is_empty() || state.closed).await;
            // Past its age a batch is due whatever it holds.
            let _ =
                tokio::time::timeout(limits.max_age, self.sleep_until(full, |state| state.is_due(limits)))
                    .await;
            let mut state = self.lock();
            if !state.events.is_empty() && !state.ended {
                let batch = state.take(limits);
                drop(state);
                self.progress.notify_all();
                return Some(batch);
            }
            if state.closed {
                return None;
            }
        }
    }

    fn settle(&self, events: &[Event], outcome: Outcome) {
        let mut state = self.lock();
        state.in_flight -= events.len();
        state.ledger.settle(events.len() as u64, outcome);
        drop(state);
        self.progress.notify_all();
    }

    fn count(&self, outcome: Outcome) {
        let mut state = self.lock();
        state.ledger.accepted += 1;
        state.ledger.settle(1, outcome);
    }

    fn request_flush(&self) -> FlushMark {
        let mut state = self.lock();
        let before = state.entered;
        state.flush_before = before;
        self.wake(state);
        vec![(0, before)]
    }

    fn wait_settled(&self, mark: &FlushMark, deadline: Instant) -> bool {
        let before = mark.first().map_or(0, |(_, before)| *before);
        self.wait(self.lock(), deadline, |state| state.settled_before() >= before).1
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
        self.progress.notify_all();
    }

    fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        self.wake(state);
    }

    /// What the memory of an ending process holds is given up, and counted.
    fn put_back(&self, events: &[Event]) {
        self.settle(events, Outcome::Dropped(DropReason::Closed));
    }

    fn finish(&self) {
        let mut state = self.lock();
        let waiting = state.events.len() as u64;
        state.events.clear();
        state.bytes = 0;
        state.ledger.settle(waiting, Outcome::Dropped(DropReason::Closed));
        state.finished = true;
        drop(state);
        self.progress.notify_all();
    }

    fn wait_finished(&self, deadline: Instant) -> bool {
        self.wait(self.lock(), deadline, |state| state.finished).1
    }

    fn ledger(&self) -> Ledger {
        let state = self.lock();
        let mut ledger = state.ledger;
        ledger.waiting = (state.events.len() + state.in_flight) as u64;
        ledger
    }

    fn waiting_bytes(&self) -> u64 {
        self.lock().bytes as u64
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.lock().events.front().map(Event::at)
    }
}
