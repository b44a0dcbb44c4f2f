//! Frames on their way to the disk.
//!
//! A caller binds its frame to a place that is planned: behind the frame before it, or at the beginning of the
//! next segment when this one is full. As long as nothing goes wrong the writer has nothing to do with single
//! frames: it writes whole chunks where they belong. When something does, the places are taken or gone, and it
//! binds the frames anew.

use super::frame::{self, Payload};
use super::segment::{HEADER, Summary};
use super::{DestinationId, Seq, random_marker};

/// Bytes of a chunk, unless one event is larger. When so much has come together the writer starts at once.
pub(super) const CHUNK: usize = 256 * 1024;

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the segment.
    pub(super) marker: u32,
    pub(super) offset: u64,
}

impl Place {
    /// Where frames are that have to be bound anew.
    const NONE: Self = Self { marker: frame::NOWHERE, offset: 0 };

    /// The beginning of a segment that does not exist yet.
    pub(super) fn in_new_segment() -> Self {
        Self { marker: random_marker(), offset: HEADER }
    }

    pub(super) const fn begins_segment(self) -> bool {
        self.offset == HEADER
    }
}

/// Whole frames, one behind the other.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// Where the first of them is to lie.
    pub(super) place: Place,
    /// What is in it, unless its frames have to be bound anew.
    pub(super) summary: Summary,
}

impl Chunk {
    /// An empty one for this place, in memory that is used again.
    pub(super) fn new(bytes: Vec<u8>, place: Place) -> Self {
        Self { bytes, place, summary: Summary { end: place.offset, ..Summary::default() } }
    }

    /// Frames that have to be bound anew.
    pub(super) fn unbound(bytes: Vec<u8>) -> Self {
        Self::new(bytes, Place::NONE)
    }

    /// Whether a frame of this length can lie behind the others, at this place.
    pub(super) fn takes(&self, length: usize, place: Place) -> bool {
        self.bytes.len() + length <= self.bytes.capacity() && self.end() == place
    }

    pub(super) fn push(&mut self, seq: Seq, time: u64, to: &[DestinationId], payload: &Payload<'_>) {
        let start = self.bytes.len();
        frame::encode(&mut self.bytes, seq, time, to, payload);
        let Place { marker, offset } = self.end();
        let frame = self.bytes.get_mut(start..).unwrap_or_default();
        frame::place(frame, marker, offset);
        let end = offset + frame.len() as u64;
        self.summary.count(seq, to, payload.len(), end);
    }

    fn end(&self) -> Place {
        Place { marker: self.place.marker, offset: self.summary.end }
    }
}
