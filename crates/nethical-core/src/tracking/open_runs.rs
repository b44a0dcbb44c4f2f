//! Marks on disk for the runs that are open, so that somebody ends those of a process that was killed.
//!
//! ```text
//! <home>/runs/<uuid>/lock            held by the process whose runs these are
//! <home>/runs/<uuid>/<hash>.run      an open run: its platform's key, a line end, its id
//! <home>/runs/<uuid>/ended-<hash>.run    one of a killed process, whose end is not safe yet
//! <home>/runs/artifacts/             copies of artifacts that wait
//! ```
//!
//! A mark is touched now and then while its run gets something, so its time says about when the process died.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::event::Timestamp;
use crate::fork::PerProcess;
use crate::spool::{Directory, Disk, Home};

const RUNS: &str = "runs";
const SUFFIX: &str = ".run";

/// The marks of this process, by home.
static OWN: PerProcess<Mutex<HashMap<PathBuf, Arc<Directory>>>> = PerProcess::new();

/// The marks of one platform's open runs.
#[derive(Debug, Clone)]
pub struct OpenRuns {
    home: PathBuf,
    key: String,
}

/// A run whose process ended without ending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Its id.
    pub run: String,
    /// When something was last heard of it.
    pub last_heard: Timestamp,
}

impl OpenRuns {
    /// Those of the platform with this key, under the home of everything that is kept on disk.
    pub fn new(home: impl Into<PathBuf>, key: impl Into<String>) -> Self {
        Self { home: home.into(), key: key.into() }
    }

    /// Where artifacts wait that were copied.
    pub fn artifacts(home: &Path) -> PathBuf {
        home.join(RUNS).join("artifacts")
    }

    /// Mark a run as open.
    ///
    /// # Errors
    /// If the disk does not take it; then the run stays open if the process is killed.
    pub fn mark(&self, run: &str) -> io::Result<()> {
        let path = self.own()?.path().join(self.file_name(run));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        write!(file, "{}\n{run}", self.key)
    }

    /// Say that the run is alive.
    pub fn touch(&self, run: &str) {
        let path = self.own().map(|own| own.path().join(self.file_name(run)));
        // Only the time of a run's violent end is less exact without it.
        let _ = path.and_then(|path| File::open(path)?.set_modified(SystemTime::now()));
    }

    /// The run has ended.
    pub fn unmark(&self, run: &str) {
        // What is not there any more needs no removal.
        let _ = self.own().and_then(|own| fs::remove_file(own.path().join(self.file_name(run))));
    }

    /// Have `end` end each run of this platform whose process is gone. Their marks are this process's until they are
    /// removed: not before the ends are safe.
    pub fn take_stale(&self, mut end: impl FnMut(&Stale)) -> Taken {
        let mut taken = Taken(Vec::new());
        let Ok(free) = self.runs().adopt() else { return taken };
        for directory in free {
            let mut left = 0;
            for path in marks(directory.path()) {
                match self.read(&path) {
                    Some(stale) => {
                        taken.0.extend(self.take(&path, &stale.run));
                        end(&stale);
                    }
                    None => left += 1,
                }
            }
            if left == 0 {
                let _ = directory.remove();
            }
        }
        taken
    }

    /// Make a mark this process's, under a name that no open run has, and with its time.
    fn take(&self, path: &Path, run: &str) -> Option<PathBuf> {
        let moved = self.own().and_then(|own| {
            let to = own.path().join(format!("ended-{}", self.file_name(run)));
            fs::rename(path, &to).map(|()| to)
        });
        // Without it the end is lost if this process is killed at once.
        moved.inspect_err(|_| drop(fs::remove_file(path))).ok()
    }

    fn runs(&self) -> Home {
        Home::new(Arc::new(Disk), self.home.join(RUNS))
    }

    fn own(&self) -> io::Result<Arc<Directory>> {
        let mut own = OWN.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = own.get(&self.home) {
            return Ok(Arc::clone(directory));
        }
        let directory = Arc::new(self.runs().create()?);
        own.insert(self.home.clone(), Arc::clone(&directory));
        Ok(directory)
    }

    fn file_name(&self, run: &str) -> String {
        let digest = Sha256::new_with_prefix(&self.key).chain_update([0]).chain_update(run).finalize();
        let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        short + SUFFIX
    }

    /// The run that this file marks, if it is one of ours.
    fn read(&self, path: &Path) -> Option<Stale> {
        let text = fs::read_to_string(path).ok()?;
        let (key, run) = text.split_once('\n')?;
        let modified = fs::metadata(path).and_then(|about| about.modified()).ok()?;
        let last_heard = Timestamp::try_from(modified).ok()?;
        (key == self.key).then(|| Stale { run: run.to_owned(), last_heard })
    }
}

/// Marks of runs that are being ended.
#[derive(Debug)]
pub struct Taken(Vec<PathBuf>);

impl Taken {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ends are safe.
    pub fn remove(self) {
        for path in self.0 {
            // What is not there any more needs no removal.
            let _ = fs::remove_file(path);
        }
    }
}

fn marks(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let is_mark =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX));
    listed.map(|entry| entry.path()).filter(is_mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the process that left the marks had been killed.
    fn forget_own(home: &Path) {
        OWN.get(Mutex::default).lock().unwrap().remove(home);
    }

    fn stale(runs: &OpenRuns) -> Vec<String> {
        let mut found = Vec::new();
        runs.take_stale(|stale| found.push(stale.run.clone())).remove();
        found
    }

    #[test]
    fn runs_of_a_process_that_is_gone_are_found_once_by_their_own_platform() {
        let home = tempfile::tempdir().unwrap();
        let (mlflow, other) = (OpenRuns::new(home.path(), "mlflow"), OpenRuns::new(home.path(), "other"));
        for run in ["a", "b/../c", "ended"] {
            mlflow.mark(run).unwrap();
        }
        other.mark("theirs").unwrap();
        mlflow.unmark("ended");
        assert_eq!(stale(&mlflow), Vec::<String>::new(), "the process lives");
        forget_own(home.path());
        let mut found = stale(&mlflow);
        found.sort();
        assert_eq!(found, ["a", "b/../c"]);
        assert_eq!(stale(&mlflow), Vec::<String>::new());
        assert_eq!(stale(&other), ["theirs"]);
        forget_own(home.path());
        assert_eq!(stale(&mlflow), Vec::<String>::new());
        assert_eq!(Home::new(Arc::new(Disk), home.path().join(RUNS)).list().unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn one_that_is_killed_before_the_ends_are_safe_leaves_them_to_the_next() {
        let home = tempfile::tempdir().unwrap();
        let runs = OpenRuns::new(home.path(), "mlflow");
        runs.mark("a").unwrap();
        let mut heard = Vec::new();
        for _ in 0..2 {
            forget_own(home.path());
            let taken = runs.take_stale(|stale| heard.push(stale.clone()));
            assert!(!taken.is_empty());
            // Opened again meanwhile, it is another run's mark that goes.
            runs.mark("a").unwrap();
            runs.unmark("a");
        }
        assert_eq!((heard.len(), &heard[0]), (2, &heard[1]), "with the time of the first death");
        assert_eq!(heard[0].run, "a");
    }
}
