//! How many events have been where nothing can be read any more.
//!
//! Numbers are given away one after the other, so the frames on both sides of a damaged stretch tell how many
//! were between them. Whom those were for is taken from the frame before it, or behind it at the start of a
//! file. A log also skips numbers where a position was ahead of it, so no more are believed than have room in
//! the stretch.

use crate::spool::frame::{self, Frame};
use crate::spool::segment::Summary;
use crate::spool::tally::Tally;
use crate::spool::{DestinationId, Seq};

/// Follows a scan, and remembers what lies in front of a stretch.
pub(super) struct Gap {
    before: Seq,
    to: Vec<DestinationId>,
    bytes: u64,
}

/// Events that cannot be read: as many as there are numbers above `after` and below `next`.
pub(super) struct Lost<'a> {
    pub(super) after: Seq,
    pub(super) next: Seq,
    pub(super) to: &'a [DestinationId],
    /// What each of these has lost.
    all: Tally,
}

impl Gap {
    /// At the start of a segment, with the last number before it.
    pub(super) fn new(before: Seq) -> Self {
        Self { before, to: Vec::new(), bytes: 0 }
    }

    /// So many bytes cannot be read.
    pub(super) fn widen(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// A frame is there; whom the events between it and the last one were for is told by that.
    pub(super) fn pass(&mut self, frame: &Frame<'_>) {
        (self.before, self.bytes) = (frame.seq, 0);
        self.to.clear();
        self.to.extend(frame.destinations());
    }

    /// What is missing before a frame, and below the number with which the next segment begins.
    pub(super) fn until(&mut self, frame: &Frame<'_>, limit: Seq) -> Option<Lost<'_>> {
        if self.bytes > 0 && self.to.is_empty() {
            self.to.extend(frame.destinations());
        }
        self.close(frame.seq.min(limit))
    }

    /// What is missing before the number that comes next; nothing that nobody is known to wait for.
    pub(super) fn close(&self, next: Seq) -> Option<Lost<'_>> {
        let head = frame::encoded_len(0, self.to.len()) as u64;
        let missing = next.before().0.saturating_sub(self.before.0);
        let count = if self.to.is_empty() { 0 } else { missing.min(self.bytes / head) };
        let all = Tally { events: count, bytes: self.bytes - count * head };
        (count > 0).then(|| Lost { after: Seq(next.before().0 - count), next, to: &self.to, all })
    }
}

impl Lost<'_> {
    pub(super) fn events(&self) -> u64 {
        self.all.events
    }

    /// So many of them.
    pub(super) fn tally(&self, events: u64) -> Tally {
        self.all.part(events)
    }
}

impl Summary {
    /// Takes in what was there once and cannot be read.
    pub(super) fn lose(&mut self, lost: &Lost<'_>) {
        self.note(lost.after.next(), lost.next.before(), lost.events(), self.end);
        for id in lost.to {
            self.tallies.entry(*id).add(lost.all);
        }
    }
}
