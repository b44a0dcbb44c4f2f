//! The segments as this process knows them: where each ends, and what in it still waits for whom.
//!
//! `remaining` is the heart of the bookkeeping. It starts as the tallies of a segment and falls as events
//! are settled; a segment in which nothing remains is free, whatever the cursors say, and what waits for a
//! destination is the sum over all segments. No I/O happens under the lock of this structure.

use std::collections::BTreeMap;

use super::tally::{Tallies, Tally};
use super::{DestinationId, Seq};

/// One segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) marker: u32,
    /// The highest sequence number in it.
    pub(super) last: Seq,
    /// Offset behind the last frame that may be read.
    pub(super) end: u64,
    /// Bytes of the file, footer included.
    pub(super) size: u64,
    /// Nothing more will be written to it.
    pub(super) sealed: bool,
    /// And an fsync has covered it.
    pub(super) durable: bool,
    /// Grows when the file is replaced by a smaller one.
    pub(super) generation: u32,
    pub(super) remaining: Tallies,
}

impl Segment {
    fn is_free(&self) -> bool {
        self.sealed && self.remaining.is_empty()
    }
}

/// All segments by ordinal.
#[derive(Debug, Default)]
pub(super) struct Log {
    segments: BTreeMap<u64, Segment>,
}

impl Log {
    pub(super) fn insert(&mut self, ordinal: u64, segment: Segment) {
        self.segments.insert(ordinal, segment);
    }

    pub(super) fn get(&self, ordinal: u64) -> Option<&Segment> {
        self.segments.get(&ordinal)
    }

    pub(super) fn get_mut(&mut self, ordinal: u64) -> Option<&mut Segment> {
        self.segments.get_mut(&ordinal)
    }

    pub(super) fn remove(&mut self, ordinal: u64) {
        self.segments.remove(&ordinal);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Segment)> {
        self.segments.iter().map(|(ordinal, segment)| (*ordinal, segment))
    }

    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of all files.
    pub(super) fn size(&self) -> u64 {
        self.segments.values().map(|segment| segment.size).sum()
    }

    /// The same without the free ones at the front, which are about to go.
    pub(super) fn wanted_size(&self) -> u64 {
        self.segments.values().skip_while(|segment| segment.is_free()).map(|segment| segment.size).sum()
    }

    /// The first segment behind `ordinal` that a destination standing at `low` has a reason to read.
    pub(super) fn next_for(&self, id: DestinationId, ordinal: u64, low: Seq) -> Option<(u64, &Segment)> {
        self.segments
            .range(ordinal.saturating_add(1)..)
            .find(|(_, segment)| {
                !segment.sealed || (segment.last > low && segment.remaining.get(id).events > 0)
            })
            .map(|(ordinal, segment)| (*ordinal, segment))
    }

    /// Takes settled events off a segment; true when it became free.
    pub(super) fn settle(&mut self, ordinal: u64, id: DestinationId, tally: Tally) -> bool {
        self.segments.get_mut(&ordinal).is_some_and(|segment| {
            segment.remaining.take(id, tally);
            segment.is_free()
        })
    }

    /// The free segments at the front, which can go at once.
    pub(super) fn free_front(&self) -> Vec<u64> {
        self.segments
            .iter()
            .take_while(|(_, segment)| segment.is_free())
            .map(|(ordinal, _)| *ordinal)
            .collect()
    }

    /// The oldest segment that is sealed and still holds something for somebody.
    pub(super) fn oldest_sealed(&self) -> Option<u64> {
        self.segments
            .iter()
            .find(|(_, segment)| segment.sealed && !segment.remaining.is_empty())
            .map(|(ordinal, _)| *ordinal)
    }

    /// The oldest segment in which something waits for a destination.
    pub(super) fn oldest_for(&self, id: DestinationId) -> Option<u64> {
        self.segments
            .iter()
            .find(|(_, segment)| segment.remaining.get(id).events > 0)
            .map(|(ordinal, _)| *ordinal)
    }

    /// What waits for a destination in segments that are known here.
    pub(super) fn remaining(&self, id: DestinationId) -> Tally {
        let mut sum = Tally::default();
        for segment in self.segments.values() {
            sum.add(segment.remaining.get(id));
        }
        sum
    }
}
