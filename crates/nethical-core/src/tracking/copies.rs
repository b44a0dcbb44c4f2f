//! Where copies of artifacts wait, and the end of those that nobody needs any more.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::delivery::survey;
use crate::event::{Event, EventId, Family, RunChange, Timestamp};
use crate::fork;
use crate::spool::storage::Disk;
use crate::spool::{DeadLetterLog, Filter, Home, Retention};
use crate::tracking::OpenRuns;

/// A copy is older than its update by no more than the time that the copying took.
const MARGIN: Duration = Duration::from_secs(86_400);

/// The folder that copies of artifacts are put into.
#[derive(Debug)]
pub(super) struct Copies {
    folder: PathBuf,
    /// Nobody needs it after this process, which is of this generation.
    temporary: Option<u32>,
}

impl Copies {
    /// Those of a home, where they outlive the process; without one they go with it.
    pub(super) fn at(home: Option<&Path>) -> Self {
        if let Some(home) = home {
            return Self { folder: OpenRuns::artifacts(home), temporary: None };
        }
        let folder = std::env::temp_dir().join(format!("nethical-{}", EventId::new()));
        Self { folder, temporary: Some(fork::generation()) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        if self.temporary == Some(fork::generation()) {
            // Most never held anything.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Remove the copies in a home that neither wait nor belong to a dead letter that is kept. They are left by letters
/// that went, and by processes that were killed while they copied.
///
/// # Errors
/// If the home cannot be read; then nothing is removed.
pub(super) fn sweep(home: &Path) -> io::Result<()> {
    let old: Vec<_> = copies(home)?.into_iter().filter(|(_, age)| *age > Retention::default().age).collect();
    if old.is_empty() {
        return Ok(());
    }
    let Some(waiting) = oldest_waiting(home)? else { return Ok(()) };
    let kept = of_letters(home)?;
    let needed = |path: &Path, age: Duration| age < waiting.saturating_add(MARGIN) || kept.contains(path);
    for (path, age) in old {
        if !needed(&path.with_extension(""), age) {
            // The next sweep tries again.
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
    Ok(())
}

/// The copies in a home, with what stands beside them, and how long ago each was changed.
fn copies(home: &Path) -> io::Result<Vec<(PathBuf, Duration)>> {
    let listed = match fs::read_dir(OpenRuns::artifacts(home)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let now = SystemTime::now();
    let age = |entry: fs::DirEntry| {
        let changed = entry.metadata().and_then(|about| about.modified()).ok()?;
        Some((entry.path(), now.duration_since(changed).ok()?))
    };
    Ok(listed.filter_map(Result::ok).filter_map(age).collect())
}

/// How long the oldest event waits that any process has, or left; `None` if that is not known.
fn oldest_waiting(home: &Path) -> io::Result<Option<Duration>> {
    let (now, mut oldest) = (Timestamp::now(), Duration::ZERO);
    for one in survey(home)?.iter().flat_map(|report| &report.destinations) {
        match one.oldest.map(|at| Duration::try_from(now.duration_since(at)).unwrap_or_default()) {
            Some(age) => oldest = oldest.max(age),
            None if one.ledger.waiting > 0 => return Ok(None),
            None => {}
        }
    }
    Ok(Some(oldest))
}

/// The copies that dead letters have.
fn of_letters(home: &Path) -> io::Result<HashSet<PathBuf>> {
    let mut found = HashSet::new();
    let letters = Home::new(Arc::new(Disk), home.to_owned()).dead_letters();
    let log =
        DeadLetterLog::open(Arc::new(Disk), &letters, Retention::default()).map_err(io::Error::other)?;
    log.visit(&Filter::default(), |letter| {
        let event = Event::from_stored(&letter.payload).filter(|event| event.family() == Family::Runs);
        let change = event.and_then(|event| Some(event.run().ok()?.change));
        if let Some(RunChange::Artifact(artifact)) = change {
            found.insert(artifact.source.into());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RunArtifact, RunUpdate};
    use crate::spool::DeadLetter;

    fn artifact(source: &Path) -> RunArtifact {
        let source = source.to_str().unwrap().to_owned();
        RunArtifact { folder: String::new(), source, copied: true, files: Vec::new() }
    }

    #[test]
    fn copies_go_with_their_letters_and_never_before() {
        let home = tempfile::tempdir().unwrap();
        let folder = OpenRuns::artifacts(home.path());
        let age = |path: &Path, days: u64| {
            let then = SystemTime::now() - Duration::from_secs(days * 86_400);
            fs::File::open(path).unwrap().set_modified(then).unwrap();
        };
        for (name, days) in [("dead", 13), ("kept", 20), ("forgotten", 20), ("new", 1)] {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("file"), name).unwrap();
            age(&folder.join(name), days);
        }
        fs::write(folder.join("forgotten.upload"), "{}").unwrap();
        age(&folder.join("forgotten.upload"), 20);
        let letters = Home::new(Arc::new(Disk), home.path().to_owned()).dead_letters();
        let log = DeadLetterLog::open(Arc::new(Disk), &letters, Retention::default()).unwrap();
        let event =
            RunUpdate::now("r", RunChange::Artifact(artifact(&folder.join("kept")))).to_event().unwrap();
        let letter =
            DeadLetter { destination: "mlflow".into(), payload: event.to_stored(), ..DeadLetter::default() };
        log.append(&letter).unwrap();
        sweep(home.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["dead", "kept", "new"]);
    }

    #[test]
    fn what_is_only_for_this_process_goes_with_it() {
        let copies = Copies::at(None);
        let folder = copies.folder().to_owned();
        fs::create_dir_all(folder.join("copy")).unwrap();
        drop(copies);
        assert!(!folder.exists());
    }
}
