//! Which run on the server is meant by an id of ours, for later processes too.
//!
//! ```text
//! <home>/runs/ids/<local id>.json     {"experiment": "...", "run_id": null until the server has created it}
//! ```
//!
//! The server knows the same by a tag of the run, so a file that is lost costs a search and nothing else.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nethical_core::tracking::LOCAL_PREFIX;
use serde::{Deserialize, Serialize};

/// Files that nobody has written for so long are forgotten.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What is known of a run that began without the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The experiment in which it is to be.
    pub(super) experiment: String,
    /// Its id on the server, once it has one.
    pub(super) run_id: Option<String>,
    /// Where its artifacts go.
    #[serde(default)]
    pub(super) artifact_uri: Option<String>,
}

/// The files of one home.
#[derive(Debug)]
pub(super) struct Ids {
    folder: PathBuf,
}

impl Ids {
    /// Those in this home. Old ones go.
    pub(super) fn at(home: &Path) -> Self {
        let ids = Self { folder: home.join("runs/ids") };
        ids.forget_old();
        ids
    }

    /// What is known of a run.
    pub(super) fn read(&self, local: &str) -> Option<Note> {
        serde_json::from_slice(&fs::read(self.path(local)?).ok()?).ok()
    }

    /// Write down what is known of a run. The file is replaced as a whole.
    pub(super) fn write(&self, local: &str, note: &Note) {
        // Without it the run is searched for.
        let _ = self.try_write(local, note);
    }

    /// Nothing will ever come of the run.
    pub(super) fn forget(&self, local: &str) {
        // What is not there is forgotten.
        let _ = self.path(local).map(fs::remove_file);
    }

    fn try_write(&self, local: &str, note: &Note) -> io::Result<()> {
        let path = self.path(local).ok_or(io::ErrorKind::InvalidInput)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let fresh = path.with_extension("tmp");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(note)?)?;
        fs::rename(fresh, path)
    }

    /// `None` of what is no id of ours: it may be anything.
    fn path(&self, local: &str) -> Option<PathBuf> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let ours = local.starts_with(LOCAL_PREFIX) && local.bytes().all(plain);
        ours.then(|| self.folder.join(local).with_extension("json"))
    }

    fn forget_old(&self) {
        let old = |path: &Path| {
            let age = fs::metadata(path).and_then(|about| about.modified()).ok()?.elapsed().ok()?;
            (age > KEPT).then_some(())
        };
        for entry in fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok) {
            if old(&entry.path()).is_some() {
                // The next start tries again.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_by_the_next_process() {
        let home = tempfile::tempdir().unwrap();
        let note = Note { experiment: "e".into(), run_id: Some("r".into()), artifact_uri: None };
        Ids::at(home.path()).write("local-1", &note);
        let ids = Ids::at(home.path());
        assert_eq!(ids.read("local-1"), Some(note));
        ids.forget("local-1");
        assert_eq!(ids.read("local-1"), None);
    }

    #[test]
    fn no_id_leads_out_of_the_folder() {
        let home = tempfile::tempdir().unwrap();
        let ids = Ids::at(home.path());
        ids.write("local-../../x", &Note::default());
        ids.write("abc", &Note::default());
        assert!(fs::read_dir(home.path()).unwrap().next().is_none());
    }

    #[test]
    fn old_files_go() {
        let home = tempfile::tempdir().unwrap();
        Ids::at(home.path()).write("local-1", &Note::default());
        let path = home.path().join("runs/ids/local-1.json");
        let long_ago = std::time::SystemTime::now() - KEPT - Duration::from_secs(60);
        fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
        Ids::at(home.path());
        assert!(!path.exists());
    }
}
