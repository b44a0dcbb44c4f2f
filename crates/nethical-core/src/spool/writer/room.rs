//! Keeping the files inside their budget, and each destination inside its own.

use std::io;
use std::sync::Arc;

use super::Writer;
use crate::spool::{Full, segment, squeeze};

impl Writer {
    /// Keeps the files inside the budget and each destination inside its own.
    pub(super) fn make_room(&mut self) {
        let shared = Arc::clone(&self.shared);
        let options = &shared.options;
        let coming = (self.batch.len() - self.written) as u64;
        if matches!(options.full, Full::DropOldest) {
            for destination in shared.destinations().iter() {
                while destination.counters.waiting().bytes > options.destination_bytes
                    && shared.drop_oldest_of(destination)
                {
                    self.trim = true;
                }
            }
        }
        while shared.log().size() + coming > options.max_bytes {
            let freed = self.remove_free().unwrap_or(0) > 0 || self.squeeze();
            if !freed && !self.sacrifice() {
                break;
            }
        }
        let over = shared.log().size() + coming > options.max_bytes;
        shared.mark_laggards(over);
    }

    /// Makes a segment smaller that little waits in; false when there is none, or it did not work.
    fn squeeze(&self) -> bool {
        let Some(ordinal) = squeeze::candidate(&self.shared) else { return false };
        let done = squeeze::rewrite(&self.shared, ordinal);
        if let Err(error) = &done {
            self.shared.note(error);
        }
        done.is_ok()
    }

    /// Drops the oldest segment whatever waits in it; false when there is none to drop.
    pub(super) fn sacrifice(&mut self) -> bool {
        if !matches!(self.shared.options.full, Full::DropOldest) {
            return false;
        }
        let Some(ordinal) = self.shared.log().oldest_sealed() else { return false };
        for destination in self.shared.destinations().iter() {
            self.shared.drop_waiting(destination, ordinal);
        }
        self.remove_free().is_ok_and(|count| count > 0)
    }

    /// Unlinks the free segments at the front; says how many.
    pub(super) fn remove_free(&self) -> io::Result<usize> {
        let shared = &self.shared;
        let free = shared.log().free_front();
        if free.is_empty() {
            return Ok(0);
        }
        for destination in shared.destinations().iter() {
            match destination.persist_durably() {
                // Where there is no space left, making some comes first: a position that is behind the log
                // is mended at the next start.
                Err(error) if !is_full(&error) => return Err(error),
                _ => {}
            }
        }
        for ordinal in &free {
            match shared.storage.unlink(&segment::path(&shared.dir, *ordinal)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => shared.log().remove(*ordinal),
            }
        }
        shared.storage.sync_dir(&shared.dir)?;
        Ok(free.len())
    }
}

/// Whether it is space that is missing.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
