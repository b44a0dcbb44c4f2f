//! Run directories, laid out as the official client does.
//!
//! ```text
//! wandb/offline-run-20261124_191500-k3v9x1qa/     `run-...` where the run is uploaded
//!   run-k3v9x1qa.wandb                            the run log
//!   run-k3v9x1qa.wandb.synced                     everything in it has arrived
//!   files/                                        files of the run
//!   artifacts/                                    copies of artifacts that wait
//!   nethical.json                                 where the run's first row stands at the server
//!   nethical.lock                                 held by the process that writes or uploads it
//! wandb/latest-run -> offline-run-...
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use crate::support::private;

const STATE: &str = "nethical.json";
const LOCK: &str = "nethical.lock";

/// A run directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunDirectory {
    path: PathBuf,
    log: PathBuf,
}

/// What has to be known of a run that was uploaded in part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// The line of history at the server at which this directory's first row stands.
    pub(crate) first_line: Option<u64>,
    /// Added to every step: the run went on from there.
    pub(crate) step_shift: i64,
    /// The server that has the run, and under which names.
    pub(crate) base_url: String,
    pub(crate) entity: String,
    pub(crate) project: String,
    /// Records that came to their end, by how: confirmed, refused.
    pub(crate) confirmed: u64,
    pub(crate) refused: u64,
    /// Artifacts that have arrived, by their numbers in the log.
    pub(crate) artifacts: Vec<i64>,
    /// Lines of history whose rows W&B refused, and which it has without their values.
    pub(crate) hollow: Vec<u64>,
}

impl RunDirectory {
    /// Makes the directory of a new run.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn create(parent: &Path, id: &str, offline: bool, now: &ZonedDateTime) -> io::Result<Self> {
        private::folder(parent)?;
        let prefix = if offline { "offline-run" } else { "run" };
        let mut at = now.clone();
        loop {
            let name = format!("{prefix}-{}-{id}", at.strftime("%Y%m%d_%H%M%S"));
            let path = parent.join(&name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    private::folder(&path.join("files"))?;
                    point_to(parent, &name);
                    return Ok(Self { log: path.join(format!("run-{id}.wandb")), path });
                }
                // The same run was begun twice within a second.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let next = at.checked_add(jiff::Span::new().seconds(1));
                    at = next.map_err(|_| error)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The directory in which this run log is.
    pub(crate) fn of_log(log: &Path) -> Self {
        let path = log.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        Self { path, log: log.to_owned() }
    }

    /// Every run log at a path: a log, a run directory, or a folder of run directories. Of the last, those of
    /// offline runs, and those that have our own mark.
    ///
    /// # Errors
    /// If the path cannot be read.
    pub(crate) fn find(path: &Path) -> io::Result<Vec<Self>> {
        if path.extension().is_some_and(|extension| extension == "wandb") {
            fs::metadata(path)?;
            return Ok(vec![Self::of_log(path)]);
        }
        let own = logs_in(path)?;
        if !own.is_empty() {
            return Ok(own);
        }
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
        folders.sort_unstable_by_key(|folder| begun(folder));
        for folder in folders {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let wanted =
                name.starts_with("offline-run-") || name.starts_with("run-") && folder.join(LOCK).is_file();
            if wanted && folder.is_dir() {
                found.extend(logs_in(&folder)?);
            }
        }
        let inner = path.join("wandb");
        if found.is_empty() && inner.is_dir() {
            return Self::find(&inner);
        }
        Ok(found)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its run log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Where files of the run are.
    pub(crate) fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// Where copies of artifacts are.
    pub(crate) fn artifacts(&self) -> PathBuf {
        self.path.join("artifacts")
    }

    fn marker(&self) -> PathBuf {
        let mut name = self.log.clone().into_os_string();
        name.push(".synced");
        name.into()
    }

    /// Whether everything in it has arrived, as far as a marker says.
    pub(crate) fn is_synced(&self) -> bool {
        self.marker().exists()
    }

    /// Says that everything in it has arrived, so that nobody sends it again.
    ///
    /// # Errors
    /// If the marker cannot be written.
    pub(crate) fn mark_synced(&self) -> io::Result<()> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.marker()).map(drop)
    }

    /// Takes the directory for this process; `None` if another one has it.
    ///
    /// # Errors
    /// If the lock cannot be made.
    pub(crate) fn lock(&self) -> io::Result<Option<Lock>> {
        Lock::take(&self.path.join(LOCK))
    }

    /// What was written down.
    pub(crate) fn state(&self) -> State {
        let bytes = fs::read(self.path.join(STATE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Writes it down, as a whole, so that it outlives the machine.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(crate) fn set_state(&self, state: &State) -> io::Result<()> {
        self.write_state(state, true)
    }

    /// Writes it down, as a whole. For what can be found out again: does not wait for the disk.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(crate) fn note_state(&self, state: &State) -> io::Result<()> {
        self.write_state(state, false)
    }

    fn write_state(&self, state: &State, durably: bool) -> io::Result<()> {
        let fresh = self.path.join(format!("{STATE}.tmp"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        if durably {
            file.sync_data()?;
        }
        fs::rename(fresh, self.path.join(STATE))
    }
}

/// What run directories are sorted by, so that the parts of a run come in their order: when they began. Within one second
/// what was only written goes first.
pub(super) fn begun(path: &Path) -> (String, bool) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let offline = name.strip_prefix("offline-");
    (offline.unwrap_or(&name).to_owned(), offline.is_none())
}

fn logs_in(folder: &Path) -> io::Result<Vec<RunDirectory>> {
    let mut logs: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wandb") && path.is_file())
        .collect();
    logs.sort_unstable();
    Ok(logs.iter().map(|log| RunDirectory::of_log(log)).collect())
}

/// Has `latest-run` lead to this directory. A convenience: where it fails nothing is lost.
fn point_to(parent: &Path, name: &str) {
    let fresh = parent.join(format!(".latest-run-{name}"));
    if symlink(name, &fresh).is_ok() && fs::rename(&fresh, parent.join("latest-run")).is_err() {
        let _ = fs::remove_file(fresh);
    }
}

/// Where run directories are put: below `WANDB_DIR`, or the working directory.
pub(crate) fn parent(directory: Option<&Path>) -> PathBuf {
    let base = directory.map_or_else(|| PathBuf::from("."), Path::to_owned);
    std::path::absolute(&base).unwrap_or(base).join("wandb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_found_marked_and_locked() {
        let folder = tempfile::tempdir().unwrap();
        let parent = parent(Some(folder.path()));
        let now = ZonedDateTime::now();
        let one = RunDirectory::create(&parent, "a1", true, &now).unwrap();
        let two = RunDirectory::create(&parent, "a1", true, &now).unwrap();
        assert_ne!(one, two, "the same run within one second");
        for directory in [&one, &two] {
            fs::write(directory.log(), b"").unwrap();
        }
        let latest = fs::read_link(parent.join("latest-run")).unwrap();
        assert_eq!(Some(latest.as_os_str()), two.path().file_name());
        for path in [folder.path(), &parent] {
            assert_eq!(RunDirectory::find(path).unwrap(), [one.clone(), two.clone()], "{}", path.display());
        }
        for path in [one.path(), one.log()] {
            assert_eq!(RunDirectory::find(path).unwrap(), std::slice::from_ref(&one));
        }
        assert!(RunDirectory::find(&folder.path().join("none")).is_err());

        assert!(!one.is_synced());
        one.mark_synced().unwrap();
        assert!(one.is_synced() && !two.is_synced());

        let held = one.lock().unwrap().unwrap();
        assert!(one.lock().unwrap().is_none());
        drop(held);
        assert!(one.lock().unwrap().is_some());

        assert_eq!(one.state(), State::default());
        let state = State { first_line: Some(3), step_shift: 4, artifacts: vec![2], ..State::default() };
        one.set_state(&state).unwrap();
        assert_eq!(one.state(), state);
    }
}
