//! What is known of alerts, on disk.
//!
//! ```text
//! <home>/alerts/<hash>.json          the alerts of one key, replaced as a whole
//! <home>/alerts/lock                 held by whoever decides what becomes of an alert
//! <home>/alerts/monitors/<hash>.json how far a monitor has come
//! <home>/alerts/<uuid>/lock          held by a process that is sending
//! <home>/alerts/<uuid>/<id>.json     an alert that was decided to be sent and may not be in the spool yet
//! ```
//!
//! An alert is written down before the state of its key, and taken back when the spool has it for sure. Whatever
//! moment a process is killed at, the next one finds it in one place or the other.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::event::{Event, EventId, Family, Level, Timestamp};
use nethical_core::fork::PerProcess;
use nethical_core::spool::{Directory, Disk, Home};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dedup::AlertState;

/// A process that stands still while it holds the lock keeps nobody for longer than this.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// An alert on its way to the spool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outgoing {
    id: EventId,
    at: Timestamp,
    level: Level,
    /// As text: the same bytes come back.
    json: String,
    /// The names of its destinations.
    pub(super) to: Vec<String>,
    /// What is known of its key once it is sent.
    pub(super) state: AlertState,
}

impl Outgoing {
    pub(super) fn new(event: &Event, to: &[String], state: &AlertState) -> Self {
        let json = String::from_utf8_lossy(event.json()).into_owned();
        Self {
            id: event.id(),
            at: event.at(),
            level: event.level(),
            json,
            to: to.to_vec(),
            state: state.clone(),
        }
    }

    pub(super) fn event(&self) -> Event {
        Event::new(self.id, self.at, self.level, Family::Alerts, self.json.as_bytes())
    }
}

/// The files of one home.
pub(super) struct Store {
    folder: PathBuf,
    /// This process's directory for what is on its way.
    own: PerProcess<Option<Directory>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn new(home: &Path) -> Self {
        Self { folder: home.join("alerts"), own: PerProcess::new() }
    }

    /// Nobody else decides while this is held; unless somebody holds it who stands still.
    pub(super) fn lock(&self) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let file = private().append(true).open(self.folder.join("lock"))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        while file.try_lock().is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(file)
    }

    /// What is known of a key.
    pub(super) fn state(&self, key: &str) -> Option<AlertState> {
        read(&self.folder.join(file_name(key))).filter(|state: &AlertState| state.key == key)
    }

    /// Everything that is known.
    pub(super) fn states(&self) -> Vec<AlertState> {
        files(&self.folder, "json").iter().filter_map(|path| read(path)).collect()
    }

    pub(super) fn save(&self, state: &AlertState) -> io::Result<()> {
        replace(&self.folder.join(file_name(&state.key)), state)
    }

    pub(super) fn forget(&self, key: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(file_name(key)))
    }

    /// How far the monitor of this name has come.
    pub(super) fn monitor<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        read(&self.folder.join("monitors").join(file_name(name)))
    }

    pub(super) fn save_monitor(&self, name: &str, state: &impl Serialize) -> io::Result<()> {
        let folder = self.folder.join("monitors");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        replace(&folder.join(file_name(name)), state)
    }

    /// Write down what is about to be sent. Returns where.
    pub(super) fn begin(&self, outgoing: &Outgoing) -> io::Result<PathBuf> {
        let own = self.own.get(|| self.processes().create().ok()).as_ref();
        let own = own.ok_or_else(|| io::Error::other("no directory for what is sent"))?;
        let path = own.path().join(format!("{}.json", outgoing.id));
        replace(&path, outgoing)?;
        Ok(path)
    }

    /// Have `take` look after what ended processes were about to send. What it returns `false` for stays.
    pub(super) fn leftovers(&self, mut take: impl FnMut(Outgoing) -> bool) {
        let Ok(free) = self.processes().adopt() else { return };
        for directory in free {
            for path in files(directory.path(), "json") {
                // What cannot be read was being written: nothing had been decided yet.
                if read::<Outgoing>(&path).is_none_or(&mut take) {
                    let _ = fs::remove_file(path);
                }
            }
            files(directory.path(), "tmp").iter().for_each(|path| drop(fs::remove_file(path)));
            if files(directory.path(), "json").is_empty() {
                let _ = directory.remove();
            }
        }
    }

    fn processes(&self) -> Home {
        Home::new(Arc::new(Disk), &self.folder)
    }
}

/// A name of letters and digits for any text.
fn file_name(text: &str) -> String {
    let digest = Sha256::digest(text);
    let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    short + ".json"
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Replace a file as a whole.
fn replace(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    private().write(true).truncate(true).open(&fresh)?.write_all(&serde_json::to_vec(content)?)?;
    fs::rename(fresh, path)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|own| own == extension);
    listed.map(|entry| entry.path()).filter(is_ours).collect()
}
