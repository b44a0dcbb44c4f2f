//! A file of the log.
//!
//! ```text
//! header   48 bytes: "NETHICAL", version u16, header length u16, marker u32, ordinal u64,
//!          first seq u64, created u64, reserved u32, crc u32
//! frames   one behind the other, see `frame`
//! footer   only in a sealed segment: first seq u64, last seq u64, frames u64, end of frames u64,
//!          entries u32, then per destination id u16, events u64, bytes u64;
//!          then crc u32, length of the footer u32, "NETHSEAL"
//! ```
//!
//! The name is the ordinal, which grows by one per segment and is never used again while a later one
//! exists. The footer tells what is inside without reading it: a start with many sealed segments reads two
//! small blocks of each. A segment without a valid footer is read through instead, so a footer is never
//! needed for correctness, and losing the header costs nothing either: the marker is repeated in each frame.
//!
//! A reader refuses a version above its own and leaves such a file alone.

use std::io;
use std::path::{Path, PathBuf};

use super::codec::{Fields, put};
use super::frame::{self, Frame, Parsed};
use super::storage::StorageFile;
use super::{DestinationId, Seq};

/// Bytes before the first frame.
pub(super) const HEADER: u64 = 48;

const MAGIC: &[u8; 8] = b"NETHICAL";
const SEAL: &[u8; 8] = b"NETHSEAL";
const VERSION: u16 = 1;
const TRAILER: usize = 16;
const FOOTER_FIXED: usize = 36;
const FOOTER_ENTRY: usize = 18;
const MAX_FOOTER: u64 = 4 * 1024 * 1024;
const SUFFIX: &str = ".seg";

/// How far into a file without a header a frame is looked for, and how large it may be.
const SALVAGE: usize = 1024 * 1024;
const SALVAGE_FRAME: usize = 64 * 1024;

/// Where a segment lies.
pub(super) fn path(dir: &Path, ordinal: u64) -> PathBuf {
    dir.join(format!("{ordinal:016x}{SUFFIX}"))
}

/// The ordinal a file name stands for, if it is the name of a segment.
pub(super) fn ordinal_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// The first block of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) marker: u32,
    pub(super) ordinal: u64,
    pub(super) first: Seq,
    pub(super) created: u64,
}

/// What the first block of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Ours, of a version this code reads.
    Header(Header),
    /// Ours, written by a later version.
    Newer(u16),
    /// Nothing but zeros, or nothing at all, as a power cut leaves a file behind.
    Zeros,
    /// The header is damaged, yet there is a valid frame, and it tells the marker.
    Salvaged(Header),
    /// Somebody else's.
    Foreign,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER as usize] {
        let mut bytes = [0; HEADER as usize];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 10, &(HEADER as u16).to_le_bytes());
        put(&mut bytes, 12, &self.marker.to_le_bytes());
        put(&mut bytes, 16, &self.ordinal.to_le_bytes());
        put(&mut bytes, 24, &self.first.0.to_le_bytes());
        put(&mut bytes, 32, &self.created.to_le_bytes());
        let crc = crc32fast::hash(bytes.get(..44).unwrap_or_default());
        put(&mut bytes, 44, &crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Opening> {
        let mut fields = Fields::new(bytes.get(..HEADER as usize)?);
        if fields.bytes(MAGIC.len())? != MAGIC {
            return None;
        }
        let version = fields.u16()?;
        if version > VERSION {
            return Some(Opening::Newer(version));
        }
        fields.u16()?;
        let header = Self {
            marker: fields.u32()?,
            ordinal: fields.u64()?,
            first: Seq(fields.u64()?),
            created: fields.u64()?,
        };
        fields.u32()?;
        let intact = fields.u32()? == crc32fast::hash(bytes.get(..44)?);
        intact.then_some(Opening::Header(header))
    }
}

/// Reads the first block of the file named after `ordinal`.
pub(super) fn open_header(file: &dyn StorageFile, ordinal: u64) -> io::Result<Opening> {
    let mut bytes = [0; HEADER as usize];
    let count = file.read_full_at(&mut bytes, 0)?;
    match Header::decode(bytes.get(..count).unwrap_or_default()) {
        Some(Opening::Header(header)) if header.ordinal != ordinal => Ok(Opening::Foreign),
        Some(opening) => Ok(opening),
        None => without_header(file, ordinal),
    }
}

/// Judges a file that does not begin with a valid header by the first frame in it.
fn without_header(file: &dyn StorageFile, ordinal: u64) -> io::Result<Opening> {
    let size = file.size()?;
    let mut bytes = vec![0; SALVAGE.min(size.try_into().unwrap_or(SALVAGE))];
    let count = file.read_full_at(&mut bytes, 0)?;
    let bytes = bytes.get(..count).unwrap_or_default();
    let salvaged = (HEADER as usize..count).find_map(|at| {
        let bytes = bytes.get(at..)?;
        let marker = Fields::new(bytes).u32()?;
        // Most of what is tried here is no frame; a checksum over megabytes each time would take too long.
        let bytes = bytes.get(..SALVAGE_FRAME).unwrap_or(bytes);
        match frame::parse(bytes, marker, at as u64) {
            Parsed::Valid(frame) => Some(Header { marker, ordinal, first: frame.seq, created: frame.time }),
            _ => None,
        }
    });
    match salvaged {
        Some(header) => Ok(Opening::Salvaged(header)),
        None if all_zeros(file, size)? => Ok(Opening::Zeros),
        None => Ok(Opening::Foreign),
    }
}

fn all_zeros(file: &dyn StorageFile, size: u64) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK];
    let mut offset = 0;
    while offset < size {
        let count = file.read_full_at(&mut chunk, offset)?;
        if count == 0 || chunk.get(..count).unwrap_or_default().iter().any(|byte| *byte != 0) {
            return Ok(count == 0);
        }
        offset += count as u64;
    }
    Ok(true)
}

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
        let tally = Tally::one(frame.payload.len());
        for (at, id) in frame.destinations().enumerate() {
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, tally)| tally.events == 0)
    }
}

/// What a segment holds, as its footer says or a scan has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) frames: u64,
    /// Offset behind the last frame.
    pub(super) end: u64,
    pub(super) tallies: Tallies,
}

impl Summary {
    pub(super) fn empty() -> Self {
        Self { end: HEADER, ..Self::default() }
    }

    /// Counts a frame that ends at `end`.
    pub(super) fn add(&mut self, frame: &Frame<'_>, end: u64) {
        self.extend(frame, end);
        self.tallies.count(frame);
    }

    /// Takes a frame in whose destinations are counted elsewhere.
    pub(super) fn extend(&mut self, frame: &Frame<'_>, end: u64) {
        if self.frames == 0 {
            self.first = frame.seq;
        }
        self.last = frame.seq;
        self.frames += 1;
        self.end = end;
    }

    /// The footer that says so, for the segment with this marker.
    pub(super) fn encode(&self, marker: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FOOTER_FIXED + TRAILER);
        for number in [self.first.0, self.last.0, self.frames, self.end] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.tallies.0.len() as u32).to_le_bytes());
        for (id, tally) in self.tallies.iter() {
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.extend_from_slice(&tally.events.to_le_bytes());
            bytes.extend_from_slice(&tally.bytes.to_le_bytes());
        }
        let length = bytes.len() + TRAILER;
        bytes.extend_from_slice(&footer_crc(&bytes, marker).to_le_bytes());
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        bytes.extend_from_slice(SEAL);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let (first, last) = (Seq(fields.u64()?), Seq(fields.u64()?));
        let (frames, end, count) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let mut tallies = Tallies::default();
        for _ in 0..count {
            let id = DestinationId(fields.u16()?);
            *tallies.entry(id) = Tally { events: fields.u64()?, bytes: fields.u64()? };
        }
        Some(Self { first, last, frames, end, tallies })
    }
}

/// Reads the footer of a segment; `None` when it has none that can be believed.
pub(super) fn read_footer(file: &dyn StorageFile, marker: u32) -> io::Result<Option<Summary>> {
    let size = file.size()?;
    let mut trailer = [0; TRAILER];
    let Some(at) = size.checked_sub(TRAILER as u64).filter(|at| *at >= HEADER) else { return Ok(None) };
    file.read_full_at(&mut trailer, at)?;
    let mut fields = Fields::new(&trailer);
    let (Some(crc), Some(length)) = (fields.u32(), fields.u32()) else { return Ok(None) };
    let length = u64::from(length);
    if fields.rest() != SEAL || length > MAX_FOOTER || length < (FOOTER_FIXED + TRAILER) as u64 {
        return Ok(None);
    }
    let Some(start) = size.checked_sub(length).filter(|start| *start >= HEADER) else { return Ok(None) };
    let mut body = vec![0; (length as usize).saturating_sub(TRAILER)];
    file.read_full_at(&mut body, start)?;
    if footer_crc(&body, marker) != crc || !(body.len() - FOOTER_FIXED).is_multiple_of(FOOTER_ENTRY) {
        return Ok(None);
    }
    Ok(Summary::decode(&body).filter(|summary| summary.end == start))
}

fn footer_crc(body: &[u8], marker: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&marker.to_le_bytes());
    crc.update(body);
    crc.finalize()
}

/// Bytes read at a time.
const CHUNK: usize = 128 * 1024;

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
