//! Counting events and bytes, by destination.

use super::DestinationId;
use super::frame::Frame;

/// So many events, so many bytes of payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl Tally {
    /// One event with a payload of this size.
    pub(super) fn one(bytes: usize) -> Self {
        Self { events: 1, bytes: bytes as u64 }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }

    /// So many of these events, of average size.
    pub(super) fn part(self, events: u64) -> Self {
        Self { events, bytes: self.bytes * events / self.events.max(1) }
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_sub(other.events),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// Tallies by destination; a handful of entries, so a list beats a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallies(Vec<(DestinationId, Tally)>);

impl Tallies {
    pub(super) fn entry(&mut self, id: DestinationId) -> &mut Tally {
        let at = match self.0.iter().position(|(known, _)| *known == id) {
            Some(at) => at,
            None => {
                self.0.push((id, Tally::default()));
                self.0.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.0[at].1
    }

    /// Counts an event for each of its destinations. Events that follow each other tend to have the same
    /// ones in the same order, so the place in the list is the first guess.
    pub(super) fn count(&mut self, frame: &Frame<'_>) {
        self.count_for(frame.destinations(), frame.payload.len());
    }

    /// The same for a payload of this size.
    pub(super) fn count_for(&mut self, to: impl Iterator<Item = DestinationId>, bytes: usize) {
        let tally = Tally::one(bytes);
        for (at, id) in to.enumerate() {
            match self.0.get_mut(at) {
                Some((known, sum)) if *known == id => sum.add(tally),
                _ => self.entry(id).add(tally),
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (id, tally) in other.iter() {
            self.entry(id).add(tally);
        }
    }

    pub(super) fn get(&self, id: DestinationId) -> Tally {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, tally)| *tally).unwrap_or_default()
    }

    /// Takes away at most what is there, and says how much that was.
    pub(super) fn take(&mut self, id: DestinationId, tally: Tally) -> Tally {
        let entry = self.entry(id);
        let before = *entry;
        *entry = before.less(tally);
        before.less(*entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DestinationId, Tally)> {
        self.0.iter().copied()
    }

    /// How many destinations are listed.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, tally)| tally.events == 0)
    }
}
