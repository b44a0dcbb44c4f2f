//! One process at a time.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nethical_core::fork::PerProcess;
use nethical_core::spool::Disk;
use nethical_core::spool::storage::{Held, Storage};

/// The files that this process holds. Such a lock belongs to the process and goes when any descriptor of the
/// file is closed, so a file that is held is never opened twice.
static OWN: PerProcess<Mutex<BTreeSet<PathBuf>>> = PerProcess::new();

fn own() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OWN.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lock that goes with this value, and with the process however that ends. Forked children do not have it.
pub(crate) struct Lock {
    path: PathBuf,
    held: Option<Box<dyn Held>>,
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Lock {
    /// Takes the lock that a file stands for, making the file; `None` if somebody has it.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let path = path
            .parent()
            .map(fs::canonicalize)
            .transpose()?
            .map_or_else(|| path.to_owned(), |parent| parent.join(path.file_name().unwrap_or_default()));
        let mut own = own();
        if own.contains(&path) {
            return Ok(None);
        }
        let Some(held) = Disk.lock(&path)? else { return Ok(None) };
        own.insert(path.clone());
        Ok(Some(Self { path, held: Some(held) }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock goes while the list is held, so that nobody here opens the file in between.
        let mut own = own();
        self.held = None;
        own.remove(&self.path);
    }
}
