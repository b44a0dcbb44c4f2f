//! The JavaScript side of the checks: pinned packages under `target/npm`, which the Python tests hold our
//! signatures against, and the emulator of Azure's blobs among the peers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::terminal::Hinted;
use crate::workspace::Workspace;

/// What is installed, at exact versions.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Install what the Python tests import.
pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
    install(&workspace.root().join("python/tests/npm"), &workspace.npm())
}

/// Install the emulator of Azure's blobs.
pub(crate) fn prepare_azurite(workspace: &Workspace) -> Result<()> {
    install(&workspace.root().join("crates/testkit/azurite"), &workspace.peers().join("azurite"))
}

/// Install the packages that `from` names into `to`, unless the ones installed last are the same.
fn install(from: &Path, to: &Path) -> Result<()> {
    let read = |folder: &Path, file: &str| fs::read_to_string(folder.join(file));
    let is_same = |file: &&str| read(from, file).ok() == read(to, file).ok();
    if to.join("node_modules").is_dir() && FILES.iter().all(is_same) {
        return Ok(());
    }
    for program in ["node", "npm"] {
        if process::probe(Command::new(program).arg("--version"))?.is_none() {
            let hint = "on Debian, `apt-get install nodejs npm`";
            return Err(Hinted::new(format!("no `{program}` on `PATH`"), hint).into());
        }
    }
    fs::create_dir_all(to).with_context(|| format!("could not make `{}`", to.display()))?;
    for file in FILES {
        fs::copy(from.join(file), to.join(file))
            .with_context(|| format!("could not copy `{file}` to `{}`", to.display()))?;
    }
    let ci = ["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"];
    process::run(Command::new("npm").current_dir(to).args(ci)).inspect_err(|_| {
        // Half an installation must not look like one.
        let _ = fs::remove_dir_all(to.join("node_modules"));
    })
}
