//! Going through the frames of one segment, in chunks and over damage.

use std::io;

use super::frame::{self, Frame, Parsed};
use super::storage::StorageFile;

/// Bytes read at a time.
pub(super) const CHUNK: usize = 128 * 1024;

/// Goes through the frames of one segment in chunks, stepping over damage.
#[derive(Debug)]
pub(super) struct Scanner {
    marker: u32,
    /// Where the next frame begins.
    offset: u64,
    /// Nothing is read from here on.
    end: u64,
    buffer: Vec<u8>,
    /// File offset of the first byte in the buffer.
    base: u64,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A frame and the offset it begins at.
    Frame { frame: Frame<'a>, offset: u64 },
    /// Bytes that are no frame, with a valid frame behind them.
    Damaged { from: u64, to: u64 },
    /// Bytes that are no frame, and no frame behind them either.
    Torn { from: u64, to: u64 },
    /// Nothing more.
    End,
}

impl Scanner {
    pub(super) fn new(marker: u32, offset: u64, end: u64) -> Self {
        Self { marker, offset, end, buffer: Vec::new(), base: offset }
    }

    /// Where the next frame begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lets the scan go further, as a segment grows.
    pub(super) fn extend_to(&mut self, end: u64) {
        self.end = end;
    }

    /// Takes the last step back, so that the next one comes to the same frame.
    pub(super) fn back_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Gives the read-ahead memory back.
    pub(super) fn relax(&mut self) {
        self.buffer = Vec::new();
        self.base = self.offset;
    }

    /// Steps over a stretch that cannot be read, to the next block of the device.
    pub(super) fn skip_block(&mut self) {
        const BLOCK: u64 = 4096;
        self.offset = ((self.offset / BLOCK + 1) * BLOCK).min(self.end);
        self.relax();
    }

    pub(super) fn next(&mut self, file: &dyn StorageFile) -> io::Result<Step<'_>> {
        if self.offset >= self.end {
            return Ok(Step::End);
        }
        let Some(length) = self.frame_at(file, self.offset)? else { return self.resynchronise(file) };
        let offset = self.offset;
        self.offset += length as u64;
        let start = (offset - self.base) as usize;
        let frame = self.buffer.get(start..).and_then(Frame::unchecked);
        // The same bytes have just been parsed, so there is always a frame here.
        Ok(frame.map_or(Step::End, |frame| Step::Frame { frame, offset }))
    }

    /// Steps over damage, if there is any here, and says where it was.
    pub(super) fn skip_damage(&mut self, file: &dyn StorageFile) -> io::Result<Option<(u64, u64)>> {
        let from = self.offset;
        if from < self.end && self.frame_at(file, from)?.is_none() {
            self.resynchronise(file)?;
            return Ok(Some((from, self.offset)));
        }
        Ok(None)
    }

    /// Length of the valid frame at an offset, which is then in the buffer.
    fn frame_at(&mut self, file: &dyn StorageFile, offset: u64) -> io::Result<Option<usize>> {
        let (marker, end) = (self.marker, self.end);
        let mut wanted = frame::HEAD;
        loop {
            if offset + wanted as u64 > end {
                return Ok(None);
            }
            let bytes = self.window(file, offset, wanted)?;
            match frame::parse(bytes, marker, offset) {
                Parsed::Valid(frame) if offset + frame.length as u64 <= end => {
                    return Ok(Some(frame.length));
                }
                Parsed::Short(more) if more > bytes.len() && more > wanted => wanted = more,
                _ => return Ok(None),
            }
        }
    }

    /// The bytes from `offset` on, at least `wanted` of them unless the file is shorter.
    fn window(&mut self, file: &dyn StorageFile, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let held = self.base + self.buffer.len() as u64;
        if offset < self.base || offset + wanted as u64 > held {
            self.refill(file, offset, wanted)?;
        }
        Ok(self.buffer.get((offset - self.base) as usize..).unwrap_or_default())
    }

    fn refill(&mut self, file: &dyn StorageFile, offset: u64, wanted: usize) -> io::Result<()> {
        let kept = match offset.checked_sub(self.base) {
            Some(skip) if (skip as usize) < self.buffer.len() => {
                self.buffer.drain(..skip as usize);
                self.buffer.len()
            }
            _ => 0,
        };
        self.base = offset;
        let room = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        self.buffer.resize(wanted.max(CHUNK).min(room).max(kept), 0);
        let fresh = self.buffer.get_mut(kept..).unwrap_or_default();
        match file.read_full_at(fresh, offset + kept as u64) {
            Ok(count) => self.buffer.truncate(kept + count),
            Err(error) => {
                self.buffer.truncate(kept);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Looks for the next valid frame behind bytes that are none.
    fn resynchronise(&mut self, file: &dyn StorageFile) -> io::Result<Step<'_>> {
        let (from, marker) = (self.offset, self.marker);
        let mut at = from;
        while at < self.end {
            let bytes = self.window(file, at, frame::HEAD)?;
            if bytes.len() < 5 {
                break;
            }
            let Some(found) = frame::find_marker(bytes, marker) else {
                at += bytes.len() as u64 - 4;
                continue;
            };
            at += found as u64;
            if self.frame_at(file, at)?.is_some() {
                self.offset = at;
                return Ok(Step::Damaged { from, to: at });
            }
        }
        self.offset = self.end;
        Ok(Step::Torn { from, to: self.end })
    }
}
