//! What has been written and no fsync has covered.
//!
//! The frames stay in memory until they are durable, because after a failed fsync they are written once more.
//! They may lie in several segments: when one is full the next begins, and the fsync of the full one follows.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::spool::chunk::Chunk;
use crate::spool::frame::{self, Frame};
use crate::spool::storage::StorageFile;
use crate::spool::syncer::Cover;

/// A segment that is not durable as a whole.
pub(super) struct Open {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) ordinal: u64,
    /// The frames from here on are in memory.
    pub(super) kept_from: u64,
    pub(super) end: u64,
    /// Its name is not durable.
    pub(super) fresh: bool,
    /// There were frames that are not in memory any more, though no fsync has covered them.
    pub(super) doubtful: bool,
    sealed: bool,
}

impl Open {
    pub(super) fn new(file: Arc<dyn StorageFile>, ordinal: u64, end: u64, fresh: bool) -> Self {
        Self { file, ordinal, kept_from: end, end, fresh, doubtful: false, sealed: false }
    }

    fn is_clean(&self) -> bool {
        self.kept_from == self.end && !self.doubtful && !self.sealed
    }

    /// What an fsync of it would cover now.
    pub(super) fn cover(&self, epoch: u64) -> Cover {
        let Self { ordinal, end, fresh, .. } = *self;
        Cover { file: Arc::clone(&self.file), ordinal, end, epoch, fresh }
    }
}

/// All of them, and their frames.
#[derive(Default)]
pub(super) struct Unsynced {
    segments: VecDeque<Open>,
    chunks: VecDeque<Vec<u8>>,
    /// Bytes at the front of the first chunk that are durable.
    skip: usize,
    held: usize,
    epoch: u64,
}

impl Unsynced {
    /// Grows by one with each failed fsync.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Bytes of the frames.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Whether everything written is durable.
    pub(super) fn is_clean(&self) -> bool {
        self.segments.iter().all(Open::is_clean)
    }

    pub(super) fn begin(&mut self, segment: Open) {
        self.segments.push_back(segment);
    }

    /// The segment that grows has reached this size.
    pub(super) fn grow(&mut self, end: u64) {
        self.segments.back_mut().into_iter().for_each(|last| last.end = end);
    }

    /// Takes frames that have been written.
    pub(super) fn keep(&mut self, chunk: Vec<u8>) {
        self.held += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// What an fsync of the segment that grows would cover now.
    pub(super) fn cover(&self) -> Option<Cover> {
        self.segments.back().filter(|last| !last.sealed).map(|last| last.cover(self.epoch))
    }

    /// The segment that grows does so no more; what is to be covered of it.
    pub(super) fn seal(&mut self) -> Option<Cover> {
        let cover = self.cover();
        self.segments.back_mut().into_iter().for_each(|last| last.sealed = true);
        cover
    }

    /// An fsync has covered a segment up to `end`, after all earlier ones. Gives back the memory.
    pub(super) fn covered(&mut self, ordinal: u64, end: u64, sealed: bool) -> Vec<Vec<u8>> {
        let mut bytes = 0;
        while let Some(first) = self.segments.front_mut().filter(|first| first.ordinal <= ordinal) {
            let to = if first.ordinal == ordinal { end } else { first.end };
            bytes += to.saturating_sub(first.kept_from);
            first.doubtful &= to < first.kept_from;
            first.kept_from = first.kept_from.max(to);
            first.fresh = false;
            if first.ordinal == ordinal && !sealed {
                break;
            }
            self.segments.pop_front();
        }
        self.let_go(bytes as usize)
    }

    fn let_go(&mut self, bytes: usize) -> Vec<Vec<u8>> {
        self.skip += bytes;
        self.held = self.held.saturating_sub(bytes);
        let mut gone = Vec::new();
        while let Some(chunk) = self.chunks.pop_front_if(|first| first.len() <= self.skip) {
            self.skip -= chunk.len();
            gone.push(chunk);
        }
        gone
    }

    /// Keeps only the newest frames, about `limit` bytes of them.
    pub(super) fn forget(&mut self, limit: usize) -> Vec<Vec<u8>> {
        let mut gone = Vec::new();
        while self.held > limit
            && self.chunks.len() > 1
            && let Some(first) = self.chunks.front()
        {
            let mut bytes = (first.len() - self.skip) as u64;
            gone.extend(self.let_go(bytes as usize));
            for segment in &mut self.segments {
                let here = bytes.min(segment.end - segment.kept_from);
                segment.kept_from += here;
                segment.doubtful |= here > 0;
                bytes -= here;
            }
        }
        gone
    }

    /// Gives up all of these segments: the frames, and each segment with those of them that are in it.
    pub(super) fn give_up(&mut self, mut each: impl FnMut(&Open, &[Frame<'_>])) -> VecDeque<Chunk> {
        if let Some(first) = self.chunks.front_mut() {
            first.drain(..self.skip.min(first.len()));
        }
        let mut frames = self.chunks.iter().flat_map(|chunk| frame::walk(chunk));
        for segment in self.segments.drain(..) {
            let mut left = segment.end - segment.kept_from;
            let mut here = Vec::new();
            while left > 0
                && let Some(frame) = frames.next()
            {
                left = left.saturating_sub(frame.length as u64);
                here.push(frame);
            }
            each(&segment, &here);
        }
        drop(frames);
        (self.skip, self.held, self.epoch) = (0, 0, self.epoch + 1);
        self.chunks.drain(..).map(Chunk::unbound).collect()
    }
}
