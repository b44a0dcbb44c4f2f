//! The one who writes: frames into segments, and nothing else.
//!
//! A turn takes the batch that callers have filled, makes room for it, writes it, and has it fsynced when the mode
//! or a ticket asks for it. Whatever waits for the disk is done on the side (`syncer`). Invariants:
//!
//! - Frames are written in the order of their sequence numbers, and a reader sees only whole ones.
//! - The frames that no fsync has covered stay in memory (`unsynced`), up to a limit in mode `None`. After a failed
//!   fsync the kernel may have thrown their pages away while still showing them, so the segments they are in
//!   are *poisoned*: cut back to what is known to be durable, never written to again, and the frames are
//!   written once more, with their old sequence numbers, to a new segment. Where that begins the old ones
//!   end, even if they could not be cut.
//! - After a failed write the partial frame is cut off. If not even that works the segment is given up like
//!   a full one; what a reader finds behind its last whole frame is no frame.
//! - While the disk refuses, what was accepted is kept and tried again; callers meet the full policy. In
//!   mode `Every` the callers are waiting, so they are told at once instead.
//! - Before a segment is unlinked the positions of all its readers are durable.

mod durability;
mod room;
mod unsynced;
mod write;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::chunk::{Chunk, Place};
use super::queue::{Batch, Patience, Ticket};
use super::segment::Summary;
use super::shared::Shared;
use super::storage::StorageFile;
use super::syncer::{Done, Job, Syncer};
use super::{Durability, Seq};
use unsynced::{Open, Unsynced};

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// The segment that grows.
pub(super) struct Active {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) ordinal: u64,
    pub(super) marker: u32,
    pub(super) summary: Summary,
}

impl Active {
    /// Where the next frame will lie.
    pub(super) const fn place(&self) -> Place {
        Place { marker: self.marker, offset: self.summary.end }
    }
}

/// When and why to try again what the disk refused.
struct Retry {
    at: Instant,
    pause: Duration,
    reason: io::ErrorKind,
}

/// The state of the writer between turns.
pub(super) struct Writer {
    shared: Arc<Shared>,
    syncer: Syncer,
    /// What has been done on the side and not been looked at.
    arrived: Vec<Done>,
    active: Option<Active>,
    next_ordinal: u64,
    /// Frames to be written.
    batch: VecDeque<Chunk>,
    /// Callers bind frames to places that they will not get.
    off_plan: bool,
    unsynced: Unsynced,
    /// An fsync failed while frames were forgotten: whether those are durable cannot be known.
    doubtful: bool,
    /// The highest sequence number readers have been shown.
    published: Seq,
    dirty_since: Option<Instant>,
    since: Option<Instant>,
    tickets: Vec<Arc<Ticket>>,
    /// Who waits for the fsync that is under way, if one is.
    flying: Option<Vec<Arc<Ticket>>>,
    /// Fsyncs that have failed one after the other.
    failures: u32,
    trim: bool,
    /// Removals that have been asked for and are not done.
    trims: usize,
    /// One of them failed. It is tried again when something is written.
    untrimmed: bool,
    squeezing: bool,
    retry: Option<Retry>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        syncer: Syncer,
        active: Option<Active>,
        next_ordinal: u64,
        published: Seq,
    ) -> Self {
        let mut unsynced = Unsynced::default();
        if let Some(active) = &active {
            unsynced.begin(Open::new(Arc::clone(&active.file), active.ordinal, active.summary.end, false));
        }
        Self {
            shared,
            syncer,
            arrived: Vec::new(),
            active,
            next_ordinal,
            batch: VecDeque::new(),
            off_plan: false,
            unsynced,
            doubtful: false,
            published,
            dirty_since: None,
            since: None,
            tickets: Vec::new(),
            flying: None,
            failures: 0,
            trim: true,
            trims: 0,
            untrimmed: false,
            squeezing: false,
            retry: None,
        }
    }

    /// How long it can wait.
    pub(super) fn patience(&self) -> Patience {
        let interval = self.shared.options.interval;
        let every = self.shared.options.durability == Durability::Every;
        let until = self.retry.as_ref().map(|retry| retry.at).or_else(|| self.sync_at());
        // Most of the interval is left to the scheduler, which may have others to serve first.
        let linger = if every { Duration::ZERO } else { interval / 10 };
        Patience { until, linger, holding: self.is_holding() }
    }

    /// Frames are left that could not be written.
    pub(super) fn is_holding(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Bytes of them.
    fn holding(&self) -> usize {
        self.batch.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    /// When an fsync is due without anybody asking: half the interval is left to the disk.
    fn sync_at(&self) -> Option<Instant> {
        let options = &self.shared.options;
        if options.durability == Durability::None || self.flying.is_some() {
            return None;
        }
        self.dirty_since.map(|since| since + options.interval / 2)
    }

    /// One round of work; false when it was the last.
    pub(super) fn turn(&mut self) -> bool {
        let order = self.shared.queue.take(self.is_holding());
        self.trim |= order.trim;
        let done = self.syncer.came_back(order.done);
        self.arrived.extend(done);
        order.batch.into_iter().for_each(|batch| self.take(batch));
        let heard = self.look_at_arrived();
        self.make_room();
        // What fails in a new segment as well is not tried again at once.
        let done = match heard {
            Err(error) if self.failures > 1 => Err(error),
            _ if self.is_out_of_favour() && !order.stop => Ok(()),
            _ => self.write_and_sync(order.stop),
        };
        self.settle_up(done);
        if self.off_plan && !self.is_holding() {
            self.off_plan = false;
            self.shared.queue.replan(self.active.as_ref().map(Active::place));
        }
        if std::mem::take(&mut self.trim) && !self.shared.log().free_front().is_empty() {
            self.trims += 1;
            self.give(Job::Trim);
        }
        self.shared.report(self.retry.as_ref().map(|retry| retry.reason));
        if order.stop {
            self.finish();
        }
        !order.stop
    }

    fn take(&mut self, batch: Batch) {
        self.since = batch.since;
        self.trim |= !batch.chunks.is_empty() && std::mem::take(&mut self.untrimmed);
        self.tickets.extend(batch.ticket);
        self.batch = batch.chunks;
    }

    /// Fsyncs fail one after the other, and it is not time yet for the next attempt. In mode `Every` the callers
    /// make the pauses.
    fn is_out_of_favour(&self) -> bool {
        let every = self.shared.options.durability == Durability::Every;
        !every && self.failures > 1 && self.retry.as_ref().is_some_and(|retry| retry.at > Instant::now())
    }

    /// Tells those who wait how it went, and decides when to try again.
    fn settle_up(&mut self, done: io::Result<()>) {
        match done {
            Ok(()) => {
                if self.failures == 0 {
                    self.retry = None;
                }
                if !self.is_holding() && self.unsynced.is_clean() {
                    let waiting = std::mem::take(&mut self.tickets);
                    self.answer(&waiting);
                }
            }
            Err(error) => {
                self.shared.note(&error);
                let pause = self.retry.as_ref().map_or(FIRST_RETRY, |last| (last.pause * 2).min(LAST_RETRY));
                self.retry = Some(Retry { at: Instant::now() + pause, pause, reason: error.kind() });
                if self.shared.options.durability == Durability::Every {
                    self.reject();
                    self.tickets.drain(..).for_each(|ticket| ticket.answer(Err(error.kind())));
                }
            }
        }
    }

    /// Writes the batch and has it made as durable as it is due to be. After a poisoned segment there is one
    /// more attempt at once, in a new one.
    fn write_and_sync(&mut self, stop: bool) -> io::Result<()> {
        let epoch = self.unsynced.epoch();
        let done = self.attempt(stop);
        if done.is_ok() || epoch == self.unsynced.epoch() {
            return done;
        }
        self.attempt(stop)
    }

    fn attempt(&mut self, stop: bool) -> io::Result<()> {
        self.write_out()?;
        self.sync_if_due(stop);
        self.look_at_arrived()?;
        while stop && !self.unsynced.is_clean() {
            let done = self.syncer.wait();
            if done.is_empty() {
                // Nothing is under way, so what is left began while the last fsync was.
                self.sync_if_due(stop);
            }
            self.arrived.extend(done);
            self.look_at_arrived()?;
        }
        Ok(())
    }

    /// Does one thing that waits for the disk.
    #[cfg(test)]
    pub(super) fn work_on_the_side(&mut self) -> bool {
        self.syncer.run_later()
    }

    /// Leaves everything durable. A small segment stays open for the next start to go on with.
    fn finish(&mut self) {
        if !self.is_holding() {
            // What came in while the writer was busy with frames that it could not write.
            self.shared.queue.take(false).batch.into_iter().for_each(|batch| self.take(batch));
            let done = self.write_and_sync(true);
            self.settle_up(done);
        }
        let large = self.shared.options.segment_bytes / 2;
        if self.active.as_ref().is_some_and(|active| active.summary.end > large) {
            self.seal(true);
            let done = self.attempt(true);
            self.settle_up(done);
        }
        for destination in self.shared.destinations().iter() {
            let _ = destination.persist_durably();
            destination.wake();
        }
        let complete = !self.is_holding() && self.unsynced.is_clean();
        self.shared.complete.store(complete, Ordering::Release);
    }
}

/// Nobody is left waiting for a writer that is gone, for whatever reason.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.close();
        let left = self.shared.queue.take(false);
        let ticket = left.batch.and_then(|batch| batch.ticket);
        let tickets = self.tickets.drain(..).chain(ticket).chain(self.flying.take().into_iter().flatten());
        tickets.for_each(|ticket| ticket.answer(Err(io::ErrorKind::BrokenPipe)));
    }
}
