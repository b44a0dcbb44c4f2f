//! What the disk has to confirm: fsync, and what follows when it fails.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::Writer;
use crate::spool::Durability;
use crate::spool::frame;
use crate::spool::queue::Ticket;
use crate::spool::shared::bump;
use crate::spool::syncer::{Done, Job};

/// In mode `None`, unsynced frames that are kept to be written again.
const KEPT: usize = 4 * 1024 * 1024;

/// In the other modes, those that there may be. A disk that falls back that far makes the writer wait for it.
const MOST: usize = 16 * 1024 * 1024;

impl Writer {
    pub(super) fn give(&mut self, job: Job) {
        self.arrived.extend(self.syncer.give(job));
    }

    /// Waits for something that has been asked for; `None` when it was not.
    pub(super) fn wait_for<T>(&mut self, found: impl Fn(&Done) -> Option<T>) -> Option<T> {
        loop {
            if let Some(at) = self.arrived.iter().position(|done| found(done).is_some()) {
                return found(&self.arrived.remove(at));
            }
            let more = self.syncer.wait();
            if more.is_empty() {
                return None;
            }
            self.arrived.extend(more);
        }
    }

    /// Ends the active segment.
    pub(super) fn seal(&mut self, footer: bool) {
        let Some(active) = self.active.take() else { return };
        if let Some(segment) = self.shared.log().get_mut(active.ordinal) {
            segment.sealed = true;
            segment.size = active.summary.end;
        }
        let footer = footer.then(|| active.summary.encode(active.marker));
        if let Some(cover) = self.unsynced.seal() {
            self.give(Job::Seal(cover, footer));
        }
        self.trim = true;
    }

    /// Asks for an fsync if one is due and none is under way.
    pub(super) fn sync_if_due(&mut self, stop: bool) {
        if self.flying.is_some() || self.unsynced.is_clean() {
            return;
        }
        let due = match self.shared.options.durability {
            Durability::Every => true,
            Durability::Interval => self.sync_at().is_some_and(|at| at <= Instant::now()),
            Durability::None => false,
        };
        if due || stop || !self.tickets.is_empty() {
            self.sync();
        }
    }

    fn sync(&mut self) {
        self.dirty_since = None;
        if let Some(cover) = self.unsynced.cover() {
            self.flying = Some(std::mem::take(&mut self.tickets));
            self.give(Job::Sync(cover));
        }
    }

    /// Keeps what is unsynced within bounds.
    pub(super) fn keep_pace(&mut self) -> io::Result<()> {
        if self.shared.options.durability == Durability::None {
            let gone = self.unsynced.forget(KEPT);
            self.shared.queue.recycle(gone);
            return Ok(());
        }
        while self.unsynced.held() > MOST {
            if self.flying.is_none() {
                self.sync();
            }
            let done = self.syncer.wait();
            if done.is_empty() && self.arrived.is_empty() {
                break;
            }
            self.arrived.extend(done);
            self.look_at_arrived()?;
        }
        Ok(())
    }

    /// Draws the conclusions from what has been done on the side: an error if an fsync has failed.
    pub(super) fn look_at_arrived(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for done in std::mem::take(&mut self.arrived) {
            if let Err(error) = self.look_at(done) {
                result = Err(error);
            }
        }
        result
    }

    fn look_at(&mut self, done: Done) -> io::Result<()> {
        match done {
            // Its segment has been given up.
            Done::Synced { epoch, .. } if epoch != self.unsynced.epoch() => {}
            Done::Synced { ordinal, end, sealed, result: Ok(()), .. } => {
                let gone = self.unsynced.covered(ordinal, end, sealed);
                self.shared.queue.recycle(gone);
                self.failures = 0;
                if !sealed {
                    let waited = self.flying.take().unwrap_or_default();
                    self.answer(&waited);
                }
            }
            Done::Synced { result: Err(error), .. } => {
                self.failures += 1;
                self.poison();
                return Err(error);
            }
            Done::Trimmed(whole) => {
                self.trims = self.trims.saturating_sub(1);
                self.untrimmed |= !whole;
            }
            Done::Squeezed(_) => self.squeezing = false,
        }
        Ok(())
    }

    /// Tells those who waited that what they waited for is durable, unless that cannot be known.
    pub(super) fn answer(&mut self, waited: &[Arc<Ticket>]) {
        let outcome = if self.doubtful { Err(io::ErrorKind::Other) } else { Ok(()) };
        self.doubtful &= waited.is_empty();
        waited.iter().for_each(|ticket| ticket.answer(outcome));
    }

    /// Gives up the segments that an fsync did not cover and takes their frames back into the batch.
    fn poison(&mut self) {
        bump(&self.shared.counts.poisoned, 1);
        let (shared, doubtful) = (&self.shared, &mut self.doubtful);
        let mut frames = self.unsynced.give_up(|segment, frames| {
            *doubtful |= segment.doubtful;
            shared.withdraw(segment.ordinal, segment.kept_from, frames);
            let _ = segment.file.truncate(segment.kept_from);
        });
        frames.append(&mut self.batch);
        self.batch = frames;
        self.tickets.extend(self.flying.take().into_iter().flatten());
        self.active = None;
        self.off_plan = true;
        self.dirty_since = None;
        self.trim = true;
    }

    /// Lets go of frames whose callers have been told that they are not kept.
    pub(super) fn reject(&mut self) {
        for chunk in std::mem::take(&mut self.batch) {
            self.shared.reject(&frame::walk(&chunk.bytes).collect::<Vec<_>>());
            self.off_plan = true;
        }
    }
}
