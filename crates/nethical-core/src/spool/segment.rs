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
use super::scan::CHUNK;
use super::storage::StorageFile;
use super::tally::{Tallies, Tally};
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

/// Higher ones are never given away.
const LAST_ORDINAL: u64 = 1 << 62;

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
    u64::from_str_radix(digits, 16).ok().filter(|ordinal| *ordinal <= LAST_ORDINAL)
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
        let intact = intact && header.first <= Seq::MAX;
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

    /// The same before it is encoded.
    pub(super) fn count(&mut self, seq: Seq, to: &[DestinationId], payload: usize, end: u64) {
        self.note(seq, seq, 1, end);
        self.tallies.count_for(to.iter().copied(), payload);
    }

    /// Takes a frame in whose destinations are counted elsewhere.
    pub(super) fn extend(&mut self, frame: &Frame<'_>, end: u64) {
        self.note(frame.seq, frame.seq, 1, end);
    }

    /// Takes in what lies behind it.
    pub(super) fn join(&mut self, next: &Self) {
        self.note(next.first, next.last, next.frames, next.end);
        self.tallies.add(&next.tallies);
    }

    pub(super) fn note(&mut self, first: Seq, last: Seq, frames: u64, end: u64) {
        if self.frames == 0 {
            self.first = first;
        }
        // What was written is ascending. Should damage pass for frames, no number is given away twice.
        self.last = self.last.max(last);
        self.frames += frames;
        self.end = end;
    }

    /// The footer that says so, for the segment with this marker.
    pub(super) fn encode(&self, marker: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FOOTER_FIXED + TRAILER);
        for number in [self.first.0, self.last.0, self.frames, self.end] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.tallies.len() as u32).to_le_bytes());
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
            let tally = Tally { events: fields.u64()?, bytes: fields.u64()? };
            if tally.events > frames || tally.bytes > end {
                return None;
            }
            *tallies.entry(id) = tally;
        }
        // There must be numbers left for what comes next.
        let numbered = first <= last && last < Seq::MAX && (frames > 0 || last == Seq(0));
        let possible = numbered && frames <= end;
        possible.then_some(Self { first, last, frames, end, tallies })
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
