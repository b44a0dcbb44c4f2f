//! Keeping the files inside their budget, and each destination inside its own.

use std::sync::Arc;

use super::Writer;
use crate::spool::syncer::{Done, Job};
use crate::spool::{Full, squeeze};

impl Writer {
    /// Keeps the files inside the budget and each destination inside its own. Segments in which nothing waits any
    /// more do not count, though it takes a moment until they are gone.
    pub(super) fn make_room(&mut self) {
        let shared = Arc::clone(&self.shared);
        let options = &shared.options;
        let coming = self.holding() as u64;
        if matches!(options.full, Full::DropOldest) {
            for destination in shared.destinations().iter() {
                while destination.counters.waiting().bytes > options.destination_bytes
                    && shared.drop_oldest_of(destination)
                {
                    self.trim = true;
                }
            }
        }
        let wanted = || shared.log().wanted_size() + coming;
        while wanted() > options.max_bytes && (self.squeeze_now() || self.sacrifice()) {}
        // The disk may lag behind by a segment, not by any number of them.
        let size = || shared.log().size() + coming;
        while size() > options.max_bytes + options.segment_bytes && self.trim_now() > 0 {}
        if wanted() > options.max_bytes / 8 * 7 {
            self.squeeze_ahead();
        }
        shared.mark_laggards(wanted() > options.max_bytes);
    }

    /// Makes a segment smaller on the side while there is still room.
    fn squeeze_ahead(&mut self) {
        if !self.squeezing && squeeze::candidate(&self.shared).is_some() {
            self.squeezing = true;
            self.give(Job::Squeeze);
        }
    }

    /// The same, and waits for it; false when there is none, or it did not work.
    fn squeeze_now(&mut self) -> bool {
        self.squeeze_ahead();
        let squeezed = |done: &Done| match done {
            Done::Squeezed(worked) => Some(*worked),
            _ => None,
        };
        std::mem::take(&mut self.squeezing) && self.wait_for(squeezed).unwrap_or(false)
    }

    /// Removes what is free, and waits for it; says how many segments went.
    fn trim_now(&mut self) -> usize {
        let before = self.shared.log().len();
        self.give(Job::Trim);
        self.trims += 1;
        // An earlier one may have been under way.
        while self.trims > 0 && self.wait_for(|done| matches!(done, Done::Trimmed(_)).then_some(())).is_some()
        {
            self.trims -= 1;
        }
        before.saturating_sub(self.shared.log().len())
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
        self.trim = true;
        true
    }

    /// The same for a disk that is full: the space is there when this returns.
    pub(super) fn sacrifice_now(&mut self) -> bool {
        let dropped = self.sacrifice();
        dropped && self.trim_now() > 0
    }
}
