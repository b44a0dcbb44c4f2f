//! How far one destination has got, on disk.
//!
//! One file per destination, and these files together are the registry of destinations: each slot names the
//! id and the key it stands for.
//!
//! ```text
//! slot   magic u32, crc u32, length u32, version u16, id u16, generation u64, low-water seq u64,
//!        key length u16, key, note length u16, note, window entries u32, then per entry
//!        seq minus low-water u32; last hand-over taken in u128
//! ```
//!
//! The note is whatever the reader wants to be true exactly when the position is: its accounts. With it stands
//! whose note went into it last, see `handover`.
//!
//! Everything up to the low-water mark is settled; the window lists what is settled above it. A file has
//! three slots. Settling writes one of them without an fsync, which is enough to outlive the process; the
//! slot that is known to be on the medium is never the one written to, and of the other two the older one
//! is taken, so neither a power cut nor a kill in the middle of a write can leave a file without a valid
//! slot. The valid slot of the highest generation counts. An old position only costs repeated deliveries.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codec::{Fields, put};
use super::storage::{Storage, StorageFile};
use super::{DestinationId, Seq};

/// The most events that may be settled above the low-water mark.
pub(super) const WINDOW: usize = 4096;

/// The longest key of a destination.
pub(super) const MAX_KEY: usize = 1024;

/// The longest note.
pub(super) const MAX_NOTE: usize = 512;

const MAGIC: u32 = 0x5243_544E;
const VERSION: u16 = 1;
const SLOTS: u64 = 3;
const STRIDE: u64 = 20 * 1024;
const SUFFIX: &str = ".cursor";

/// Where the cursor of a destination lies.
pub(super) fn path(dir: &Path, id: DestinationId) -> PathBuf {
    dir.join(format!("{:05}{SUFFIX}", id.0))
}

/// The destination a file name stands for, if it is the name of a cursor.
pub(super) fn id_of(name: &str) -> Option<DestinationId> {
    let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 5)?;
    digits.parse().ok().map(DestinationId)
}

/// A position, and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) id: DestinationId,
    pub(super) key: String,
    pub(super) low: Seq,
    /// Settled events above the low-water mark, ascending.
    pub(super) window: Vec<Seq>,
    /// The reader's own words.
    pub(super) note: Vec<u8>,
    /// The last hand-over that the note has taken in.
    pub(super) taken_in: u128,
}

impl Position {
    pub(super) fn covers(&self, seq: Seq) -> bool {
        seq <= self.low || self.window.binary_search(&seq).is_ok()
    }

    fn encode(&self, generation: u64) -> Vec<u8> {
        let deltas: Vec<u32> =
            self.window.iter().filter_map(|seq| seq.0.checked_sub(self.low.0)?.try_into().ok()).collect();
        let mut bytes = vec![0; 12];
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.id.0.to_le_bytes());
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes.extend_from_slice(&self.low.0.to_le_bytes());
        bytes.extend_from_slice(&(self.key.len() as u16).to_le_bytes());
        bytes.extend_from_slice(self.key.as_bytes());
        let note = self.note.get(..self.note.len().min(MAX_NOTE)).unwrap_or_default();
        bytes.extend_from_slice(&(note.len() as u16).to_le_bytes());
        bytes.extend_from_slice(note);
        bytes.extend_from_slice(&(deltas.len().min(WINDOW) as u32).to_le_bytes());
        for delta in deltas.iter().take(WINDOW) {
            bytes.extend_from_slice(&delta.to_le_bytes());
        }
        bytes.extend_from_slice(&self.taken_in.to_le_bytes());
        let length = bytes.len() as u32;
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        put(&mut bytes, 8, &length.to_le_bytes());
        let crc = crc32fast::hash(bytes.get(8..).unwrap_or_default());
        put(&mut bytes, 4, &crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<(u64, Self)> {
        let length = Fields::new(bytes.get(8..)?).u32()? as usize;
        let mut fields = Fields::new(bytes.get(..length)?);
        let (magic, crc, _) = (fields.u32()?, fields.u32()?, fields.u32()?);
        if magic != MAGIC || crc != crc32fast::hash(bytes.get(8..length)?) || fields.u16()? != VERSION {
            return None;
        }
        let id = DestinationId(fields.u16()?);
        let (generation, low) = (fields.u64()?, Seq(fields.u64()?));
        if low > Seq::MAX || generation == u64::MAX {
            return None;
        }
        let key_length = fields.u16()?;
        let key = str::from_utf8(fields.bytes(key_length.into())?).ok()?.to_owned();
        let note_length = fields.u16()?;
        let note = fields.bytes(note_length.into())?.to_vec();
        let count = fields.u32()?;
        let window = (0..count).map(|_| Some(Seq(low.0.saturating_add(fields.u32()?.into()))));
        let mut window = window.collect::<Option<Vec<_>>>()?;
        // Earlier versions did not always write it in order.
        window.sort_unstable();
        let taken_in = fields.u128().unwrap_or_default();
        Some((generation, Self { id, key, low, window, note, taken_in }))
    }
}

/// The open file of a destination's position.
pub(super) struct CursorFile {
    file: Arc<dyn StorageFile>,
    generation: u64,
    /// The slot whose content is on the medium.
    durable: u64,
    /// The slot written last.
    newest: u64,
}

impl CursorFile {
    /// Creates the file and makes it durable, name included, before anything can be addressed to the
    /// destination.
    pub(super) fn create(storage: &dyn Storage, dir: &Path, position: &Position) -> io::Result<Self> {
        Self::create_at(storage, dir, &path(dir, position.id), position)
    }

    /// The same at any path in the directory.
    pub(super) fn create_at(
        storage: &dyn Storage,
        dir: &Path,
        path: &Path,
        position: &Position,
    ) -> io::Result<Self> {
        let file: Arc<dyn StorageFile> = Arc::from(storage.create(path)?);
        let mut cursor = Self { file, generation: 0, durable: SLOTS, newest: SLOTS - 1 };
        // Every slot is written once, so that their blocks exist should the disk be full later.
        let made = (0..SLOTS)
            .try_for_each(|_| cursor.write(position))
            .and_then(|()| cursor.file.sync())
            .and_then(|()| storage.sync_dir(dir));
        if let Err(error) = made {
            let _ = storage.unlink(path);
            return Err(error);
        }
        cursor.durable = cursor.newest;
        Ok(cursor)
    }

    /// Reads the newest position in a file, `None` when no slot is valid.
    pub(super) fn load(file: Box<dyn StorageFile>) -> io::Result<(Self, Option<Position>)> {
        let mut best: Option<(u64, u64, Position)> = None;
        let mut bytes = vec![0; STRIDE as usize];
        for slot in 0..SLOTS {
            let count = file.read_full_at(&mut bytes, slot * STRIDE)?;
            if let Some((generation, position)) = Position::decode(bytes.get(..count).unwrap_or_default())
                && best.as_ref().is_none_or(|(best, ..)| generation > *best)
            {
                best = Some((generation, slot, position));
            }
        }
        let (generation, newest) = best.as_ref().map_or((0, 0), |(generation, slot, _)| (*generation, *slot));
        // The process that wrote it may have been killed before it came to an fsync.
        let durable = if file.sync().is_ok() { newest } else { SLOTS };
        let cursor = Self { file: Arc::from(file), generation, durable, newest };
        Ok((cursor, best.map(|(.., position)| position)))
    }

    /// Writes a position to the kernel, into a slot that nothing depends on.
    pub(super) fn write(&mut self, position: &Position) -> io::Result<()> {
        let mut slot = (self.newest + 1) % SLOTS;
        if slot == self.durable {
            slot = (slot + 1) % SLOTS;
        }
        let generation = self.generation + 1;
        self.file.write_all_at(&position.encode(generation), slot * STRIDE)?;
        self.generation = generation;
        self.newest = slot;
        Ok(())
    }

    /// The file to fsync, and the slot that is durable once that has worked; `None` when it is already.
    pub(super) fn unsynced(&self) -> Option<(Arc<dyn StorageFile>, u64)> {
        (self.newest != self.durable).then(|| (Arc::clone(&self.file), self.newest))
    }

    /// Notes that a slot has reached the medium.
    pub(super) fn synced(&mut self, slot: u64) {
        self.durable = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::storage::Disk;

    fn position(low: u64, window: &[u64]) -> Position {
        let window = window.iter().copied().map(Seq).collect();
        Position {
            id: DestinationId(3),
            key: "slack".into(),
            low: Seq(low),
            window,
            note: low.to_string().into(),
            taken_in: u128::from(low) << 70,
        }
    }

    #[test]
    fn the_newest_valid_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursor = CursorFile::create(&Disk, dir.path(), &position(1, &[])).unwrap();
        for low in 2..9 {
            cursor.write(&position(low, &[low + 2, low + 5])).unwrap();
        }
        let open = || Disk.open(&path(dir.path(), DestinationId(3))).unwrap();
        assert_eq!(CursorFile::load(open()).unwrap().1, Some(position(8, &[10, 13])));
        open().write_all_at(b"xx", cursor.newest * STRIDE + 20).unwrap();
        assert_eq!(CursorFile::load(open()).unwrap().1, Some(position(7, &[9, 12])));
    }

    #[test]
    fn the_durable_slot_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursor = CursorFile::create(&Disk, dir.path(), &position(1, &[])).unwrap();
        for low in 2..9 {
            cursor.write(&position(low, &[])).unwrap();
            assert_ne!(cursor.newest, cursor.durable);
        }
        let (_, slot) = cursor.unsynced().unwrap();
        cursor.synced(slot);
        cursor.write(&position(9, &[])).unwrap();
        assert_ne!(cursor.newest, cursor.durable);
    }

    #[test]
    fn a_file_of_garbage_has_no_position() {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk.create(&path(dir.path(), DestinationId(3))).unwrap();
        file.write_all_at(&[0xFF; 50_000], 0).unwrap();
        assert_eq!(CursorFile::load(file).unwrap().1, None);
    }
}
