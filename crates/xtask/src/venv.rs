//! The Python side of the checks: a virtual environment under `target/` with pinned packages and our own wheel.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::terminal::Hinted;
use crate::workspace::Workspace;

/// The oldest Python that the package supports.
const OLDEST: (u32, u32) = (3, 10);

/// Everything the tests import, and the build backend, at exact versions.
const REQUIREMENTS: &str = "python/requirements-test.txt";

/// A virtual environment of the repository.
pub(crate) struct Venv {
    root: PathBuf,
    home: PathBuf,
    requirements: &'static str,
}

impl Venv {
    /// The environment of this workspace, whether or not it has been made yet.
    pub(crate) fn at(workspace: &Workspace) -> Self {
        Self { root: workspace.root().to_path_buf(), home: workspace.venv(), requirements: REQUIREMENTS }
    }

    /// Makes the environment of a client that tests put beside ours, or brings it up to date.
    pub(crate) fn prepare_peer(
        workspace: &Workspace,
        name: &str,
        requirements: &'static str,
    ) -> Result<Self> {
        let venv = Self { home: workspace.peers().join(name), requirements, ..Self::at(workspace) };
        venv.make()?;
        Ok(venv)
    }

    /// Makes the environment, or brings it up to date when the requirements changed.
    pub(crate) fn prepare(workspace: &Workspace) -> Result<Self> {
        let venv = Self::at(workspace);
        venv.make()?;
        Ok(venv)
    }

    /// Makes an environment with nothing in it, in the place of one that is there.
    pub(crate) fn make_empty(workspace: &Workspace) -> Result<Self> {
        let venv = Self { home: workspace.wheel_venv(), ..Self::at(workspace) };
        venv.create()?;
        Ok(venv)
    }

    fn make(&self) -> Result<()> {
        if process::probe(self.python().arg("--version"))?.is_none() {
            self.create()?;
        }
        self.install_requirements()
    }

    /// Builds and installs the package as a user would with `pip install .`.
    ///
    /// The build backend comes from the pinned requirements, not from an environment that pip would make anew.
    pub(crate) fn install_package(&self) -> Result<()> {
        let pip =
            ["-m", "pip", "install", "--quiet", "--no-build-isolation", "--check-build-dependencies", "."];
        process::run(self.python().args(pip)).context("could not install the Python package")
    }

    /// The environment's interpreter, in the repository, with nothing of an outer environment.
    pub(crate) fn python(&self) -> Command {
        let bin = self.home.join("bin");
        let mut path = bin.clone().into_os_string();
        if let Some(outer) = env::var_os("PATH") {
            path.push(":");
            path.push(outer);
        }
        let mut command = Command::new(bin.join("python"));
        command.current_dir(&self.root).env("PATH", path).env("VIRTUAL_ENV", &self.home);
        command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env_remove("PYTHONPATH").env_remove("PYTHONHOME");
        command
    }

    fn create(&self) -> Result<()> {
        let version =
            process::probe(Command::new("python3").args(["-c", "import sys; print(*sys.version_info[:2])"]))?;
        let hint = "on Debian, `apt-get install python3 python3-venv`";
        let version = version.ok_or_else(|| Hinted::new("no `python3` on `PATH`", hint))?;
        if parse(&version).is_none_or(|found| found < OLDEST) {
            let (major, minor) = OLDEST;
            let found = version.trim().replace(' ', ".");
            return Err(
                Hinted::new(format!("`python3` is {found}, and {major}.{minor} is needed"), hint).into()
            );
        }
        process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&self.home)).map_err(
            |error| Hinted::new(format!("could not make `{}`", self.home.display()), hint).caused_by(error),
        )
    }

    /// Installs the requirements unless the ones installed last are the same.
    fn install_requirements(&self) -> Result<()> {
        let requirements = self.requirements;
        let wanted = fs::read_to_string(self.root.join(requirements))
            .with_context(|| format!("could not read `{requirements}`"))?;
        let stamp = self.home.join("requirements-installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        process::run(self.python().args(["-m", "pip", "install", "--quiet", "--requirement", requirements]))?;
        fs::write(&stamp, wanted).with_context(|| format!("could not write `{}`", stamp.display()))
    }
}

/// Reads `3 11`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut words = version.split_whitespace().map(str::parse);
    match (words.next()?, words.next()?) {
        (Ok(major), Ok(minor)) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse("3 9\n").unwrap() < OLDEST);
        assert!(parse("3 11\n").unwrap() > OLDEST);
        assert_eq!(parse("three"), None);
    }

    #[test]
    fn missing_requirements_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let venv = Venv::at(&Workspace::at(folder.path()));
        assert_eq!(
            venv.install_requirements().unwrap_err().to_string(),
            "could not read `python/requirements-test.txt`"
        );
    }
}
