//! Programs the checks need beside the toolchain.
//!
//! One on `PATH` or in cargo's own folder is used when it is new enough; otherwise the pinned version is built
//! once into `target/tools`. The development profile is deliberate: these tools run for a second or two, and
//! their release profile (fat link-time optimisation) takes several times as long to build.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::terminal::{self, Hinted};
use crate::workspace::Workspace;

/// A program that `cargo install` can provide.
pub(crate) struct Tool {
    /// Name of the crate and of its program.
    pub(crate) name: &'static str,
    /// What is installed when nothing good is found.
    pub(crate) install: &'static str,
    /// Further options of `cargo install`.
    pub(crate) options: &'static [&'static str],
    /// The oldest version whose options and configuration are the ones used here.
    pub(crate) oldest: (u32, u32, u32),
}

/// Checks bans, licenses and sources. Its configuration format is that of 0.20.
pub(crate) const CARGO_DENY: Tool =
    Tool { name: "cargo-deny", install: "0.20.2", options: &[], oldest: (0, 20, 0) };

/// Runs the tests, each in a process of its own. Left out: updating itself, and probes for tracers.
pub(crate) const CARGO_NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    install: "0.9.143",
    options: &["--no-default-features"],
    oldest: (0, 9, 100),
};

impl Tool {
    /// A command that runs this tool in the workspace, after installing it if need be.
    pub(crate) fn command(&self, workspace: &Workspace) -> Result<Command> {
        let own = workspace.tools().join("bin").join(self.name);
        let program = match self.find(&own)? {
            Some(program) => program,
            None => {
                self.install(workspace)?;
                own
            }
        };
        let mut command = Command::new(program);
        command.current_dir(workspace.root()).env("CARGO", process::cargo_path());
        Ok(command)
    }

    fn find(&self, own: &Path) -> Result<Option<PathBuf>> {
        for candidate in [PathBuf::from(self.name), own.to_path_buf()] {
            let answer = process::probe(Command::new(&candidate).arg("--version"))?;
            if answer.as_deref().and_then(version).is_some_and(|found| found >= self.oldest) {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        let (name, version, tools) = (self.name, self.install, workspace.tools());
        terminal::note(&format!(
            "no `{name}` that is new enough: building {version} once into `target/tools`"
        ));
        let build = tools.join("build");
        let mut install = process::cargo(workspace);
        install.args(["install", name, "--locked", "--version", version, "--debug", "--root"]).arg(&tools);
        install.arg("--target-dir").arg(&build).args(self.options);
        install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
        process::run(&mut install).map_err(|error| {
            let hint = format!(
                "`cargo install {name} --locked --version {version}` puts it where it is found as well"
            );
            Hinted::new(format!("could not install `{name}`"), hint).caused_by(error)
        })?;
        std::fs::remove_dir_all(&build).with_context(|| format!("could not remove `{}`", build.display()))
    }
}

/// Reads `name 1.2.3 (...)`, the first line that every cargo tool prints for `--version`.
fn version(answer: &str) -> Option<(u32, u32, u32)> {
    let mut parts = answer.split_whitespace().nth(1)?.split(['.', '-', '+']).map(str::parse);
    match (parts.next()?, parts.next()?, parts.next()?) {
        (Ok(major), Ok(minor), Ok(patch)) => Some((major, minor, patch)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        assert_eq!(version("cargo-deny 0.20.2\n"), Some((0, 20, 2)));
        assert_eq!(
            version("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)\nrelease: 0.9.143"),
            Some((0, 9, 143))
        );
        assert_eq!(version("cargo-deny 0.21.0-rc.1"), Some((0, 21, 0)));
        assert!(version("cargo-deny 0.9.100").unwrap() < CARGO_DENY.oldest);
    }

    #[test]
    fn an_answer_without_a_version_is_none() {
        for answer in ["", "cargo-deny", "cargo-deny x.y.z", "cargo-deny 1.2"] {
            assert_eq!(version(answer), None, "{answer:?}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        let tool = Tool { name: "no-such-program-here", install: "1.0.0", options: &[], oldest: (1, 0, 0) };
        assert!(tool.find(Path::new("/nonexistent/no-such-program-here")).unwrap().is_none());
    }
}
