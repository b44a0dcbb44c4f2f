//! Which runs are not all at their server yet, so that later processes find them wherever they are.
//!
//! ```text
//! <home>/wandb-runs/<name of the run directory>     a link to the run directory
//! <home>/wandb-runs/writers/<hash>             held by the process that writes to the run with this id
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::directory::{RunDirectory, begun};
use super::lock::Lock;
use crate::support::private;

/// The runs of one home.
#[derive(Debug, Clone)]
pub(crate) struct Registry(PathBuf);

impl Registry {
    /// That of the home of everything that is kept on disk.
    pub(crate) fn new(home: &Path) -> Self {
        Self(home.join("wandb-runs"))
    }

    /// Remembers a run that is to be uploaded.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(crate) fn add(&self, directory: &RunDirectory) -> io::Result<()> {
        private::folder(&self.0)?;
        match symlink(directory.path(), self.link(directory)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            done => done,
        }
    }

    /// Forgets a run that has arrived.
    pub(crate) fn remove(&self, directory: &RunDirectory) {
        // What is not there needs no removal.
        let _ = fs::remove_file(self.link(directory));
    }

    /// All that is remembered, oldest first. What was deleted meanwhile is forgotten.
    pub(crate) fn all(&self) -> Vec<RunDirectory> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let mut links: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        links.retain(|path| path.is_symlink());
        links.sort_unstable_by_key(|link| begun(link));
        let mut found = Vec::new();
        for link in links {
            let logs = fs::read_link(&link).ok().and_then(|path| RunDirectory::find(&path).ok());
            match logs {
                Some(logs) if !logs.is_empty() => found.extend(logs),
                _ if !link.exists() => drop(fs::remove_file(&link)),
                _ => {}
            }
        }
        found
    }

    /// Takes the right to write to a run; `None` if another process, or this one, has it.
    ///
    /// # Errors
    /// If the disk does not take the lock.
    pub(crate) fn writer(
        &self,
        base_url: &str,
        entity: &str,
        project: &str,
        id: &str,
    ) -> io::Result<Option<Lock>> {
        let writers = self.0.join("writers");
        private::folder(&writers)?;
        let digest = Md5::new().chain_update([base_url, entity, project, id].join("\n")).finalize();
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Lock::take(&writers.join(name))
    }

    fn link(&self, directory: &RunDirectory) -> PathBuf {
        self.0.join(directory.path().file_name().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wandb::directory::parent;

    #[test]
    fn runs_are_remembered_until_they_have_arrived_or_are_deleted() {
        let home = tempfile::tempdir().unwrap();
        let registry = Registry::new(home.path());
        assert!(registry.all().is_empty());
        let place = parent(Some(home.path()));
        let now = jiff::ZonedDateTime::now();
        let made = |id, offline, now| RunDirectory::create(&place, id, offline, now).unwrap();
        let later = now.checked_add(jiff::Span::new().seconds(1)).unwrap();
        let (one, two) = (made("b", false, &now), made("a", true, &later));
        for directory in [&one, &two] {
            fs::write(directory.log(), b"").unwrap();
            registry.add(directory).unwrap();
            registry.add(directory).unwrap();
        }
        let links: Vec<_> = registry.all().iter().map(|found| found.log().to_owned()).collect();
        assert_eq!(links, [one.log(), two.log()]);
        registry.remove(&one);
        fs::remove_dir_all(two.path()).unwrap();
        assert!(registry.all().is_empty());
        assert_eq!(
            fs::read_dir(home.path().join("wandb-runs"))
                .unwrap()
                .flatten()
                .filter(|e| e.path().is_symlink())
                .count(),
            0
        );
    }

    #[test]
    fn a_run_has_one_writer() {
        let home = tempfile::tempdir().unwrap();
        let registry = Registry::new(home.path());
        let writer = |id| registry.writer("https://api.wandb.ai", "team", "p", id).unwrap();
        let held = writer("a");
        assert!(held.is_some() && writer("a").is_none() && writer("b").is_some());
        drop(held);
        assert!(writer("a").is_some());
    }
}
