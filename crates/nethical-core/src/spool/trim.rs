//! Removing segments in which nothing waits for anybody.

use std::io;

use super::segment;
use super::shared::Shared;

/// Unlinks the free segments at the front; false if that did not work. Before that, the positions of all readers are
/// durable.
pub(super) fn all(shared: &Shared) -> bool {
    let done = remove_free(shared);
    if let Err(error) = &done {
        shared.note(error);
    }
    done.is_ok()
}

fn remove_free(shared: &Shared) -> io::Result<()> {
    let free = shared.log().free_front();
    if free.is_empty() {
        return Ok(());
    }
    for destination in shared.destinations().iter() {
        match destination.persist_durably() {
            // Where there is no space left, making some comes first: a position that is behind the log
            // is mended at the next start.
            Err(error) if !is_full(&error) => return Err(error),
            _ => {}
        }
    }
    for ordinal in &free {
        match shared.storage.unlink(&segment::path(&shared.dir, *ordinal)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => shared.log().remove(*ordinal),
        }
    }
    shared.storage.sync_dir(&shared.dir)
}

/// Whether it is space that is missing.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
