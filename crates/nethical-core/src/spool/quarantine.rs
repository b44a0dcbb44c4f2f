//! Copies of bytes that were damaged, for whoever wants to look into what happened.
//!
//! They lie in `quarantine/` inside the spool, named after their segment and offset, and are never read
//! again. Only so much is kept: damage can be large, and disks that damage things are often full as well.

use std::io;
use std::path::Path;

use super::segment;
use super::storage::Storage;

/// The most that is copied of one stretch, and the most files that are kept.
const MAX_BYTES: u64 = 1024 * 1024;
const MAX_FILES: usize = 64;

/// Keeps a copy of a stretch of a segment; false when that stretch is known already.
pub(super) fn keep(storage: &dyn Storage, dir: &Path, ordinal: u64, from: u64, to: u64) -> bool {
    let home = dir.join("quarantine");
    let known = storage.list(&home).unwrap_or_default();
    let name = format!("{ordinal:016x}-{from:x}");
    if known.iter().any(|file| file.name == name) {
        return false;
    }
    if known.len() < MAX_FILES {
        // A copy is a courtesy; without it the damage is counted all the same.
        let _ = copy(storage, dir, &home.join(name), ordinal, from, to);
    }
    true
}

fn copy(
    storage: &dyn Storage,
    dir: &Path,
    to_path: &Path,
    ordinal: u64,
    from: u64,
    to: u64,
) -> io::Result<()> {
    let mut bytes = vec![0; (to - from).min(MAX_BYTES) as usize];
    let count = storage.open_read(&segment::path(dir, ordinal))?.read_full_at(&mut bytes, from)?;
    if let Some(home) = to_path.parent() {
        storage.create_dir(home)?;
    }
    storage.create(to_path)?.write_all_at(bytes.get(..count).unwrap_or_default(), 0)
}
