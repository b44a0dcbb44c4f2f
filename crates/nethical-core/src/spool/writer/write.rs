//! Frames into segments.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::unsynced::Open;
use super::{Active, Writer};
use crate::spool::chunk::{Chunk, Place};
use crate::spool::destination::Destination;
use crate::spool::frame::{self, Frame};
use crate::spool::log::Segment;
use crate::spool::segment::{self, HEADER, Header, Summary};
use crate::spool::shared::bump;
use crate::spool::storage::StorageFile;
use crate::spool::tally::Tallies;
use crate::spool::{Seq, now_micros, random_marker, trim};

impl Writer {
    /// Writes what is left of the batch.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        loop {
            // A failed fsync puts frames back, so this comes first.
            self.keep_pace()?;
            let Some(chunk) = self.batch.pop_front() else { return Ok(()) };
            match self.making_room(|writer| writer.write_as_planned(&chunk)) {
                Ok(true) => self.unsynced.keep(chunk.bytes),
                Ok(false) => self.write_elsewhere(chunk.bytes)?,
                Err(error) => {
                    // Its segment may have been given up for it.
                    let chunk = if self.off_plan { Chunk::unbound(chunk.bytes) } else { chunk };
                    self.batch.push_front(chunk);
                    return Err(error);
                }
            }
        }
    }

    /// Tries again as long as the disk is full and something can be given up for it.
    fn making_room<T>(&mut self, mut write: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<T> {
        loop {
            match write(self) {
                Err(error) if trim::is_full(&error) && self.sacrifice_now() => {}
                result => return result,
            }
        }
    }

    /// Writes a chunk to the place that its frames are bound to; false when that is not free.
    fn write_as_planned(&mut self, chunk: &Chunk) -> io::Result<bool> {
        let Chunk { bytes, place, summary } = chunk;
        let is_empty = self.active.as_ref().is_some_and(|active| active.summary.frames == 0);
        if place.begins_segment() && !is_empty {
            self.seal(true);
            self.begin(place.marker, summary.first)?;
            self.off_plan = false;
        }
        let Some(active) = self.active.as_mut().filter(|active| active.place() == *place) else {
            return Ok(false);
        };
        if let Err(error) = active.file.write_all_at(bytes, place.offset) {
            self.undo_write();
            return Err(error);
        }
        active.summary.join(summary);
        self.written(bytes.len());
        self.publish(&summary.tallies, &[]);
        Ok(true)
    }

    /// Writes frames wherever there is room, and binds them to that place.
    fn write_elsewhere(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        self.off_plan = true;
        let mut written = 0;
        let result = loop {
            match self.making_room(|writer| writer.write_run(&mut bytes, written)) {
                Ok(0) => break Ok(()),
                Ok(length) => written += length,
                Err(error) => break Err(error),
            }
        };
        if written < bytes.len() {
            self.batch.push_front(Chunk::unbound(bytes.split_off(written)));
        }
        if written > 0 {
            self.unsynced.keep(bytes);
        }
        result
    }

    /// Writes as many of the frames from `from` on as fit the segment. Says how many bytes they are.
    fn write_run(&mut self, bytes: &mut [u8], from: usize) -> io::Result<usize> {
        let run = bytes.get_mut(from..).unwrap_or_default();
        let Some(first) = Frame::unchecked(run) else { return Ok(0) };
        self.make_active(first.seq, first.length as u64)?;
        let Some(active) = &mut self.active else { return Err(io::ErrorKind::NotFound.into()) };
        let limit = self.shared.options.segment_bytes.saturating_sub(active.summary.end) as usize;
        let length = bind_frames(run, active.place(), limit);
        let run = run.get(..length).unwrap_or_default();
        if let Err(error) = active.file.write_all_at(run, active.summary.end) {
            self.undo_write();
            return Err(error);
        }
        let mut fresh = Tallies::default();
        let mut again = Vec::new();
        for frame in frame::walk(run) {
            active.summary.extend(&frame, active.summary.end + frame.length as u64);
            if frame.seq > self.published {
                fresh.count(&frame);
            } else {
                active.summary.tallies.count(&frame);
                again.push(frame);
            }
        }
        active.summary.tallies.add(&fresh);
        self.written(length);
        self.publish(&fresh, &again);
        Ok(length)
    }

    /// Notes that the segment has grown by so many bytes.
    fn written(&mut self, bytes: usize) {
        bump(&self.shared.counts.written_bytes, bytes as u64);
        self.dirty_since.get_or_insert(self.since.unwrap_or_else(Instant::now));
    }

    /// Lets readers see frames that have been written, for the first time or once more.
    fn publish(&mut self, fresh: &Tallies, again: &[Frame<'_>]) {
        let Some(active) = &self.active else { return };
        self.unsynced.grow(active.summary.end);
        self.published = self.published.max(active.summary.last);
        self.shared.readmit(active.ordinal, again);
        self.shared.grow(active, fresh);
        let destinations = self.shared.destinations();
        let woken = |d: &&Arc<Destination>| !again.is_empty() || fresh.get(d.id).events > 0;
        destinations.iter().filter(woken).for_each(|destination| destination.wake());
    }

    /// Removes what a failed write may have left; gives the segment up when that fails too.
    fn undo_write(&mut self) {
        bump(&self.shared.counts.write_errors, 1);
        let cut = self.active.as_ref().map(|active| active.file.truncate(active.summary.end));
        if let Some(Err(_)) = cut {
            self.seal(false);
            self.off_plan = true;
        }
    }

    /// Makes sure that there is a segment with room for a frame.
    fn make_active(&mut self, first: Seq, length: u64) -> io::Result<()> {
        let limit = self.shared.options.segment_bytes;
        let full = |active: &Active| active.summary.frames > 0 && active.summary.end + length > limit;
        if self.active.as_ref().is_some_and(full) {
            self.seal(true);
        }
        if self.active.is_none() { self.begin(random_marker(), first) } else { Ok(()) }
    }

    /// Begins a segment.
    fn begin(&mut self, marker: u32, first: Seq) -> io::Result<()> {
        let active = self.create(marker, first)?;
        self.unsynced.begin(Open::new(Arc::clone(&active.file), active.ordinal, HEADER, true));
        self.active = Some(active);
        self.next_ordinal += 1;
        Ok(())
    }

    fn create(&self, marker: u32, first: Seq) -> io::Result<Active> {
        let shared = &self.shared;
        let path = segment::path(&shared.dir, self.next_ordinal);
        let header = Header { marker, ordinal: self.next_ordinal, first, created: now_micros() };
        let file: Arc<dyn StorageFile> = shared.storage.create(&path)?.into();
        if let Err(error) = file.write_all_at(&header.encode(), 0) {
            let _ = shared.storage.unlink(&path);
            return Err(error);
        }
        let segment = Segment {
            marker,
            last: Seq(first.0.saturating_sub(1)),
            end: HEADER,
            size: HEADER,
            sealed: false,
            durable: false,
            generation: 0,
            remaining: Tallies::default(),
        };
        shared.log().insert(self.next_ordinal, segment);
        Ok(Active { file, ordinal: self.next_ordinal, marker, summary: Summary::empty() })
    }
}

/// Binds the first frames of `run` to this place and what follows it; says how many bytes they are. The first
/// one is always among them.
fn bind_frames(run: &mut [u8], place: Place, limit: usize) -> usize {
    let mut length = 0;
    while let Some(rest) = run.get_mut(length..)
        && let Some(size) = Frame::unchecked(rest).map(|frame| frame.length)
        && (length == 0 || length + size <= limit)
        && let Some(bytes) = rest.get_mut(..size)
    {
        frame::place(bytes, place.marker, place.offset + length as u64);
        length += size;
    }
    length
}
