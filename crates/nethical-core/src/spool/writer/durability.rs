//! What the disk has to confirm: fsync, and what follows when it fails.

use std::io;
use std::time::Instant;

use super::{UNSYNCED, Writer};
use crate::spool::Durability;
use crate::spool::frame;
use crate::spool::segment::HEADER;
use crate::spool::shared::bump;

impl Writer {
    /// Ends the active segment, durably. The footer comes after the fsync of what it vouches for, and is
    /// not worth one of its own: a segment whose footer is lost, or cannot be written, is read through.
    pub(super) fn seal(&mut self, footer: bool) -> io::Result<()> {
        self.sync()?;
        let Some(active) = self.active.take() else { return Ok(()) };
        let mut size = active.summary.end;
        if footer {
            let bytes = active.summary.encode(active.marker);
            match active.file.write_all_at(&bytes, size) {
                Ok(()) => size += bytes.len() as u64,
                Err(_) => drop(active.file.truncate(size)),
            }
        }
        if let Some(segment) = self.shared.log().get_mut(active.ordinal) {
            segment.sealed = true;
            segment.size = size;
        }
        self.trim = true;
        Ok(())
    }

    pub(super) fn sync_if_due(&mut self, stop: bool) -> io::Result<()> {
        if self.dirty_since.is_none() {
            return Ok(());
        }
        let held: usize = self.unsynced.iter().map(Vec::len).sum();
        let due = match self.shared.options.durability {
            Durability::Every => true,
            Durability::Interval => held > UNSYNCED || self.sync_at().is_some_and(|at| at <= Instant::now()),
            Durability::None => false,
        };
        if due || stop || !self.tickets.is_empty() {
            return self.sync();
        }
        self.forget(held);
        Ok(())
    }

    /// In mode `None`, keeps only the newest unsynced frames in memory.
    fn forget(&mut self, mut held: usize) {
        while held > UNSYNCED && self.shared.options.durability == Durability::None {
            let oldest = self.unsynced.remove(0);
            held -= oldest.len();
            self.forgotten = true;
            self.shared.queue.recycle(oldest);
        }
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(active) = &self.active else { return Ok(()) };
        bump(&self.shared.counts.fsyncs, 1);
        if let Err(error) = active.file.sync() {
            self.poison();
            return Err(error);
        }
        self.dirty_since = None;
        self.forgotten = false;
        self.synced = self.written;
        self.unsynced.drain(..).for_each(|bytes| self.shared.queue.recycle(bytes));
        Ok(())
    }

    /// Gives up a segment whose fsync failed and takes its unsynced frames back into the batch.
    fn poison(&mut self) {
        bump(&self.shared.counts.poisoned, 1);
        let mut frames: Vec<u8> = self.unsynced.drain(..).flatten().collect();
        frames.extend_from_slice(self.batch.get(self.synced..self.written).unwrap_or_default());
        let published = frames.len();
        frames.extend_from_slice(self.batch.get(self.written..).unwrap_or_default());
        if let Some(active) = self.active.take() {
            let cut = active.summary.end.saturating_sub(published as u64).max(HEADER);
            let withdrawn = frame::walk(frames.get(..published).unwrap_or_default()).collect::<Vec<_>>();
            self.doubtful |= std::mem::take(&mut self.forgotten);
            self.shared.withdraw(active.ordinal, cut, &withdrawn);
            let _ = active.file.truncate(cut);
        }
        (self.batch, self.written, self.synced) = (frames, 0, 0);
        self.dirty_since = None;
        self.trim = true;
    }

    /// Lets go of frames whose callers have been told that they are not kept.
    pub(super) fn reject(&mut self) {
        let rest = self.batch.get(self.written..).unwrap_or_default();
        self.shared.reject(&frame::walk(rest).collect::<Vec<_>>());
        self.batch.truncate(self.written);
    }
}
