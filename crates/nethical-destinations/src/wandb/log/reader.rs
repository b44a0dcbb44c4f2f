//! Reading a run log, also while it grows.
//!
//! A chunk that is cut off by the end of the file is waited for, or cut and counted if the file grows no more.
//! Where a checksum is wrong the rest of the block is skipped and counted, and reading goes on behind it.

use std::io;
use std::path::Path;

use nethical_core::spool::Disk;
use nethical_core::spool::storage::{Storage, StorageFile};
use prost::Message;

use super::frame::{self, Found, HEADER, Part};
use super::record::{Record, field_of};

/// Bytes that are read at a time.
const READ: usize = 256 * 1024;

/// What was found where a record should be.
#[derive(Debug)]
pub(crate) enum Next {
    /// A record of a known kind.
    Record(Box<Record>),
    /// A record of a kind that is not known here, by its field number.
    Unknown(Option<u32>),
    /// Nothing more for now.
    End,
}

/// What could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Stretches whose checksum was wrong.
    pub(crate) places: u64,
    /// Records that are missing there, by their numbers.
    pub(crate) records: u64,
}

/// Reads a run log from its start.
pub(crate) struct Reader {
    file: Box<dyn StorageFile>,
    /// Where in the file `bytes` begin.
    at: u64,
    bytes: Vec<u8>,
    /// How much of `bytes` is done with.
    done: usize,
    /// The parts of a record so far; `None` while looking for the start of one.
    partial: Option<Vec<u8>>,
    damage: Damage,
    /// Something was damaged since the last whole record.
    hurt: bool,
    last_num: i64,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a log and reads its header.
    ///
    /// # Errors
    /// If it cannot be read, or is no run log of a version that is known.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::of(Disk.open_read(path)?)
    }

    /// The same with a file that is open.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub(crate) fn of(file: Box<dyn StorageFile>) -> io::Result<Self> {
        let mut header = [0; HEADER.len()];
        let mut read = 0;
        while let Some(room) = header.get_mut(read..).filter(|room| !room.is_empty()) {
            match file.read_at(room, read as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        if header != HEADER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no W&B run log of version 0"));
        }
        let at = HEADER.len() as u64;
        Ok(Self {
            file,
            at,
            bytes: Vec::new(),
            done: 0,
            partial: None,
            damage: Damage::default(),
            hurt: false,
            last_num: 0,
        })
    }

    /// The next record; [`Next::End`] if there is none yet.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        loop {
            let rest = self.bytes.get(self.done..).unwrap_or_default();
            let at = self.at + self.done as u64;
            match frame::look(rest, at) {
                Found::Padding(length) => self.done += length,
                Found::Damaged => {
                    self.damage.places += 1;
                    (self.partial, self.hurt) = (None, true);
                    self.skip_block(at)?;
                }
                Found::Incomplete => {
                    if !self.fill()? {
                        return Ok(Next::End);
                    }
                }
                Found::Chunk(part, piece, length) => {
                    let whole = match part {
                        Part::Full => Some(piece.to_vec()),
                        Part::First => {
                            self.partial = Some(piece.to_vec());
                            None
                        }
                        Part::Middle | Part::Last => {
                            if let Some(partial) = &mut self.partial {
                                partial.extend_from_slice(piece);
                            }
                            (part == Part::Last).then(|| self.partial.take()).flatten()
                        }
                    };
                    self.done += length;
                    if let Some(whole) = whole {
                        return Ok(self.decode(&whole));
                    }
                }
            }
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Next {
        let Ok(record) = Record::decode(bytes) else {
            self.damage.places += 1;
            self.hurt = true;
            return Next::Unknown(None);
        };
        if record.num > 0 {
            // Other clients leave numbers out, so a gap alone means nothing.
            let missing = u64::try_from(record.num.saturating_sub(self.last_num) - 1).unwrap_or(0);
            self.damage.records += if std::mem::take(&mut self.hurt) { missing } else { 0 };
            self.last_num = record.num;
        }
        match record.kind {
            Some(_) => Next::Record(Box::new(record)),
            None => Next::Unknown(field_of(bytes)),
        }
    }

    /// Goes on behind the block in which `at` stands, as far as it is written.
    fn skip_block(&mut self, at: u64) -> io::Result<()> {
        let end = at + frame::left_in_block(at) as u64;
        while self.at + (self.bytes.len() as u64) < end && self.fill()? {}
        self.done = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(())
    }

    /// Reads on; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.done);
        self.at += self.done as u64;
        self.done = 0;
        let held = self.bytes.len();
        self.bytes.resize(held + READ, 0);
        let room = self.bytes.get_mut(held..).unwrap_or_default();
        let read = self.file.read_at(room, self.at + held as u64);
        self.bytes.truncate(held + read.as_ref().ok().copied().unwrap_or(0));
        Ok(read? > 0)
    }

    /// Bytes at the end that are no whole record.
    pub(crate) fn torn(&self) -> u64 {
        let begun = self.partial.as_ref().map_or(0, Vec::len);
        (self.bytes.len() - self.done + begun) as u64
    }

    /// What could not be read so far.
    pub(crate) const fn damage(&self) -> Damage {
        self.damage
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
