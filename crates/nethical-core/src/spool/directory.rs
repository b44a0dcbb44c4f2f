//! Who owns which directory.
//!
//! ```text
//! <home>/<uuid>/lock           held by the process that uses the directory
//! <home>/<uuid>/...            its spool
//! <home>/dead/                 dead letters of all processes
//! ```
//!
//! Each process that opens a spool makes a directory of its own under the home; what a process leaves
//! behind is adopted, directory by directory, by whichever process finds its lock free. The name is a
//! uuid, not a pid, so a recycled pid means nothing.
//!
//! The lock is a record lock (`F_SETLK`): it goes with the process however that ends, and a forked child
//! does not inherit it. Such locks have one trap: they belong to the process, so a second descriptor gets
//! the lock again, and closing *any* descriptor of the file gives it up. Therefore a list of what this
//! process owns is kept, and an owned lock file is never opened twice.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use uuid::Uuid;

use super::storage::{Held, Storage};
use super::{cursor, handover, lock, random_id, segment};
use crate::fork::PerProcess;

const LOCK: &str = "lock";

/// How often a new directory may be taken away before that is a fault.
const ATTEMPTS: u32 = 1_000;

/// What the owner writes down about itself.
pub const STATUS: &str = "status.json";

/// Directories owned by this process. A forked child owns none, and must not even look at the list of its
/// parent: another thread may have held the lock on it at the fork.
static OWNED: PerProcess<Mutex<BTreeSet<PathBuf>>> = PerProcess::new();

fn owned() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    lock(OWNED.get(Mutex::default))
}

/// The place under which every process has its directory.
#[derive(Clone)]
pub struct Home {
    storage: Arc<dyn Storage>,
    path: PathBuf,
}

impl Home {
    /// The home at a path, which need not exist yet.
    pub fn new(storage: Arc<dyn Storage>, path: impl Into<PathBuf>) -> Self {
        Self { storage, path: path.into() }
    }

    /// `$NETHICAL_HOME`, else `$XDG_STATE_HOME/nethical`, else `~/.local/state/nethical`; `None` when none
    /// of the variables is set.
    pub fn default_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("NETHICAL_HOME")
            .or_else(|| {
                set("XDG_STATE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("nethical"))
            })
            .or_else(|| set("HOME").map(|path| path.join(".local/state/nethical")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the dead letters of all processes are.
    pub fn dead_letters(&self) -> PathBuf {
        self.path.join("dead")
    }

    /// A new directory for this process.
    ///
    /// # Errors
    /// When the home cannot be written.
    pub fn create(&self) -> io::Result<Directory> {
        for _ in 0..ATTEMPTS {
            let path = self.path.join(fresh_name());
            self.storage.create_dir(&path)?;
            // Somebody may have adopted it between these two lines, and removed it, as it is empty. Then it was theirs.
            if let Some(directory) = self.claim(path)? {
                self.storage.sync_dir(&self.path)?;
                return Ok(directory);
            }
        }
        Err(io::Error::other("every new directory is taken away at once"))
    }

    /// Takes over the oldest directory that no process owns and that is `wanted`, if there is one.
    ///
    /// # Errors
    /// When the home cannot be listed. A directory that cannot be locked is left out.
    pub fn adopt_one(&self, wanted: impl Fn(&Path) -> bool) -> io::Result<Option<Directory>> {
        let free = |path| self.claim(path).ok().flatten();
        Ok(self.list()?.into_iter().filter_map(free).find(|directory| wanted(directory.path())))
    }

    /// Takes over every directory that no process owns.
    ///
    /// # Errors
    /// When the home cannot be listed. A directory that cannot be locked is left out.
    pub fn adopt(&self) -> io::Result<Vec<Directory>> {
        self.adopt_unless(|_| false)
    }

    /// The same, without those that `left_alone` names.
    ///
    /// # Errors
    /// When the home cannot be listed. A directory that cannot be locked is left out.
    pub fn adopt_unless(&self, left_alone: impl Fn(&Path) -> bool) -> io::Result<Vec<Directory>> {
        let paths = self.list()?.into_iter().filter(|path| !left_alone(path));
        Ok(paths.filter_map(|path| self.claim(path).ok().flatten()).collect())
    }

    /// All directories, oldest first, whoever owns them.
    ///
    /// # Errors
    /// When the home cannot be listed; a home that does not exist is empty.
    pub fn list(&self) -> io::Result<Vec<PathBuf>> {
        let listed = match self.storage.list(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        let ours = |name: &str| Uuid::try_parse(name).is_ok();
        let mut names: Vec<String> = listed
            .into_iter()
            .filter(|entry| entry.is_dir && ours(&entry.name))
            .map(|entry| entry.name)
            .collect();
        names.sort_unstable();
        Ok(names.into_iter().map(|name| self.path.join(name)).collect())
    }

    /// Whether this process owns a directory.
    pub fn owns(&self, path: &Path) -> bool {
        owned().contains(path)
    }

    fn claim(&self, path: PathBuf) -> io::Result<Option<Directory>> {
        let mut owned = owned();
        if owned.contains(&path) {
            return Ok(None);
        }
        let Some(held) = there(self.storage.lock(&path.join(LOCK)))?.flatten() else { return Ok(None) };
        // Its last owner may have removed it between our opening the file and getting the lock.
        if !there(self.storage.list(&path))?.is_some_and(|all| all.iter().any(|entry| entry.name == LOCK)) {
            return Ok(None);
        }
        owned.insert(path.clone());
        Ok(Some(Directory { storage: Arc::clone(&self.storage), path, held: Some(held) }))
    }
}

/// A directory that this process owns, as long as this value lives.
pub struct Directory {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    held: Option<Box<dyn Held>>,
}

impl Directory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory and the spool in it, which is closed and has nothing waiting. Files that are
    /// no part of a spool, such as those in the quarantine, stay, and the directory with them.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        let names: Vec<String> = self.storage.list(&self.path)?.into_iter().map(|entry| entry.name).collect();
        let part = |name: &&String| {
            segment::ordinal_of(name).is_some()
                || cursor::id_of(name).is_some()
                || handover::is_name(name)
                || *name == STATUS
        };
        for name in names.iter().filter(part) {
            self.storage.unlink(&self.path.join(name))?;
        }
        if names.iter().all(|name| name == LOCK || part(&name)) {
            self.storage.unlink(&self.path.join(LOCK))?;
            self.storage.remove_dir(&self.path)?;
        }
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // The lock goes while the list is held, so that nobody here opens the file in between.
        let mut owned = owned();
        self.held = None;
        owned.remove(&self.path);
    }
}

/// `None` for what is gone.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// A uuid that sorts by time.
fn fresh_name() -> String {
    Uuid::from_u128(random_id()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Disk;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(Arc::new(Disk), dir.path().join("home"));
        (dir, home)
    }

    #[test]
    fn each_directory_has_one_owner() {
        let (_dir, home) = home();
        let first = home.create().unwrap();
        let second = home.create().unwrap();
        assert_eq!(home.list().unwrap().len(), 2);
        assert!(home.owns(first.path()) && home.owns(second.path()));
        assert!(home.adopt().unwrap().is_empty());
        let path = first.path().to_owned();
        drop(first);
        let adopted = home.adopt().unwrap();
        assert_eq!(adopted.iter().map(Directory::path).collect::<Vec<_>>(), [path]);
    }

    #[test]
    fn a_directory_that_is_gone_is_nobodys_and_no_fault() {
        let (_dir, home) = home();
        let gone = home.path().join(fresh_name());
        assert!(home.claim(gone).unwrap().is_none());
        // Others tidy up while directories are made: they take what is free and remove it.
        std::thread::scope(|scope| {
            let tidy = || {
                for free in (0..200).flat_map(|_| home.adopt().unwrap()) {
                    free.remove().unwrap();
                }
            };
            scope.spawn(tidy);
            (0..200).for_each(|_| drop(home.create().unwrap()));
        });
    }

    #[test]
    fn another_process_cannot_adopt_what_is_locked() {
        let (_dir, home) = home();
        let ours = home.create().unwrap();
        // flock(1) takes another kind of lock, so ask Python, which speaks the same one.
        let script = "import fcntl,sys\nf=open(sys.argv[1],'r+')\ntry:\n fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB)\nexcept OSError:\n sys.exit(7)";
        let tried =
            std::process::Command::new("python3").args(["-c", script]).arg(ours.path().join(LOCK)).status();
        if let Ok(status) = tried {
            assert_eq!(status.code(), Some(7));
        }
    }

    #[test]
    fn a_drained_directory_is_removed_and_a_quarantine_kept() {
        let (_dir, home) = home();
        let directory = home.create().unwrap();
        std::fs::write(directory.path().join("0000000000000001.seg"), b"x").unwrap();
        let path = directory.path().to_owned();
        directory.remove().unwrap();
        assert!(!path.exists());
        let directory = home.create().unwrap();
        std::fs::create_dir(directory.path().join("quarantine")).unwrap();
        let path = directory.path().to_owned();
        directory.remove().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn the_environment_says_where_home_is() {
        let with = |pairs: &'static [(&str, &str)]| {
            Home::default_path(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).into()))
        };
        assert_eq!(with(&[("NETHICAL_HOME", "/n"), ("HOME", "/h")]), Some("/n".into()));
        assert_eq!(with(&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")]), Some("/x/nethical".into()));
        assert_eq!(with(&[("XDG_STATE_HOME", "x"), ("HOME", "/h")]), Some("/h/.local/state/nethical".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn only_the_owner_can_look_inside() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, home) = home();
        let directory = home.create().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(home.path()), 0o700);
        assert_eq!(mode(directory.path()), 0o700);
        assert_eq!(mode(&directory.path().join(LOCK)), 0o600);
    }
}
