//! Notes of what was sent from a file to a server, and the right to send it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nethical_core::delivery::Error;
use nethical_core::tracking::artifact::Digester;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// How much of a run was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// What the run was then.
    pub(super) stamp: String,
    /// Points that the server has, in their order.
    pub(super) points: u64,
    /// Whether that is all of it.
    pub(super) done: bool,
}

/// The notes of one file and one server. Only one process has them.
#[derive(Debug)]
pub(super) struct Notes {
    path: PathBuf,
    runs: BTreeMap<String, Progress>,
    _lock: File,
}

impl Notes {
    /// Take them.
    pub(super) fn open(home: &Path, file: &Path, server: &str) -> Result<Self, Error> {
        let whole = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let mut sum = Digester::default();
        sum.add(format!("{}\n{server}", whole.display()).as_bytes());
        let folder = home.join("runs/sent");
        let path = folder.join(sum.finish()).with_extension("json");
        let failed = |error: io::Error| {
            Error::unavailable(
                "mlflow.replay_notes",
                format!("cannot write in {}: {error}", folder.display()),
            )
            .with_hint("make room there, or name another place in $NETHICAL_HOME")
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.with_extension("lock")).map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let text = format!("another process sends the runs of {} to {server}", file.display());
                return Err(
                    Error::unavailable("mlflow.replay_busy", text).with_hint("wait until it has ended")
                );
            }
            locked => locked.map_err(|error| failed(error.into()))?,
        }
        let bytes = fs::read(&path).unwrap_or_default();
        Ok(Self { runs: serde_json::from_slice(&bytes).unwrap_or_default(), path, _lock: lock })
    }

    /// How much of this run was sent.
    pub(super) fn of(&self, run: &str) -> Option<&Progress> {
        self.runs.get(run)
    }

    /// Note how much was sent.
    pub(super) fn set(&mut self, run: &str, progress: Progress) {
        self.runs.insert(run.to_owned(), progress);
        // Without it more is sent again, and is there already.
        let _ = self.write();
    }

    fn write(&self) -> io::Result<()> {
        let fresh = self.path.with_extension("tmp");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(&self.runs)?)?;
        fs::rename(fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_for_the_next_and_had_by_one() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.db");
        let mut notes = Notes::open(home.path(), &file, "http://a").unwrap();
        let progress = Progress { stamp: "s".to_owned(), points: 3, done: false };
        notes.set("r", progress.clone());
        assert_eq!(Notes::open(home.path(), &file, "http://a").unwrap_err().code(), "mlflow.replay_busy");
        assert!(Notes::open(home.path(), &file, "http://b").unwrap().of("r").is_none());
        drop(notes);
        assert_eq!(Notes::open(home.path(), &file, "http://a").unwrap().of("r"), Some(&progress));
    }
}
