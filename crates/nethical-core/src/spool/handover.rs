//! Handing the note of a destination over from one spool to another, once and only once.
//!
//! A note is a sum that goes on: the counts of a destination. When a directory has been emptied, its sums are to be
//! added to those of the directory that goes on, and a kill or a power cut at any moment must neither lose them
//! nor add them twice. No write can change two directories at once, but one rename can:
//!
//! 1. A file `<uuid>.handover` is made in the directory of the heir: a cursor with the same position and without a
//!    note.
//! 2. It trades places with the cursor, in one step. Now the note is the heir's, in a file of its own, and the
//!    position is where it was.
//! 3. The heir writes its sum with the note added, and in the same slot the uuid. Once that is durable the file goes.
//!
//! Whoever adds up a directory counts its notes and the files whose uuid is in none of its cursors. That is the same
//! before and after each step.

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::cursor::{self, CursorFile, Position};
use super::storage::Storage;
use super::{DestinationId, random_id};

const SUFFIX: &str = ".handover";

/// A note that has been handed over to a directory and is not part of any sum there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    pub(super) id: u128,
    /// Whose note it was.
    pub key: String,
    /// The note.
    pub note: Vec<u8>,
}

/// Whether this is the name of a file with a note that was handed over.
pub(super) fn is_name(name: &str) -> bool {
    id_of(name).is_some()
}

fn path(dir: &Path, id: u128) -> PathBuf {
    dir.join(format!("{}{SUFFIX}", Uuid::from_u128(id)))
}

fn id_of(name: &str) -> Option<u128> {
    Some(Uuid::try_parse(name.strip_suffix(SUFFIX)?).ok()?.as_u128())
}

/// Hands the note of a destination in the spool at `from`, which nobody has open, over to the directory `to` on
/// the same filesystem. `None` where there is no note, or only zeros.
///
/// # Errors
/// When the filesystem cannot do it; then the note is where it was.
pub fn hand_over(
    storage: &dyn Storage,
    from: &Path,
    id: DestinationId,
    to: &Path,
) -> io::Result<Option<HandedOver>> {
    let old = cursor::path(from, id);
    let Some(mut position) = CursorFile::load(storage.open(&old)?)?.1 else { return Ok(None) };
    let note = std::mem::take(&mut position.note);
    if note.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let handed = HandedOver { id: random_id(), key: position.key.clone(), note };
    let new = path(to, handed.id);
    CursorFile::create_at(storage, to, &new, &position)?;
    if let Err(error) = storage.exchange(&old, &new) {
        let _ = storage.unlink(&new);
        return Err(error);
    }
    // Done, whether or not it is known to be durable: before or after a power cut, the note is in one place.
    let _ = storage.sync_dir(to).and_then(|()| storage.sync_dir(from));
    Ok(Some(handed))
}

/// What has been handed over to a directory and is in none of its sums yet.
///
/// # Errors
/// When the directory cannot be listed.
pub fn handed_over(storage: &dyn Storage, dir: &Path) -> io::Result<Vec<HandedOver>> {
    let names: Vec<String> = storage.list(dir)?.into_iter().map(|entry| entry.name).collect();
    let load = |path: &Path| CursorFile::load(storage.open_read(path).ok()?).ok()?.1;
    let ids: Vec<u128> = names.iter().filter_map(|name| id_of(name)).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let cursors = names.iter().filter_map(|name| cursor::id_of(name));
    let taken_in: Vec<u128> = cursors.filter_map(|id| Some(load(&cursor::path(dir, id))?.taken_in)).collect();
    let open = ids.into_iter().filter(|id| !taken_in.contains(id));
    Ok(open
        .filter_map(|id| {
            let Position { key, note, .. } = load(&path(dir, id))?;
            (!note.is_empty()).then_some(HandedOver { id, key, note })
        })
        .collect())
}

/// Removes the files of what has been taken into sums that are durable by now.
///
/// # Errors
/// When the directory cannot be changed.
pub fn clear_handed_over(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    let open: Vec<u128> = handed_over(storage, dir)?.iter().map(|handed| handed.id).collect();
    let names = storage.list(dir)?.into_iter().filter_map(|entry| id_of(&entry.name));
    let done: Vec<u128> = names.filter(|id| !open.contains(id)).collect();
    for id in &done {
        storage.unlink(&path(dir, *id))?;
    }
    if done.is_empty() { Ok(()) } else { storage.sync_dir(dir) }
}
