//! `cargo xtask wheel`: the Python wheel as people get it, built for release, installed where nothing of the
//! repository is, and looked over.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::venv::Venv;
use crate::workspace::Workspace;

/// Look over the wheel that they are given, in the environment that they are run in: what it holds, and whether the
/// Dockerfile of the book makes something of it.
const CHECKS: [&str; 2] = ["python/tests/wheel.py", "python/tests/container.py"];

/// Builds the wheel, installs it in an empty environment and checks it there.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let folder = workspace.wheels();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not empty `{}`", folder.display()))?;
    }
    let mut maturin = Venv::prepare(workspace)?.python();
    maturin.args(["-m", "maturin", "build", "--release", "--locked", "--out"]).arg(&folder);
    process::run(&mut maturin).context("could not build the wheel")?;
    let wheel = only(&folder)?;

    let clean = Venv::make_empty(workspace)?;
    // Without an index it would fail if it needed anything.
    let pip = ["-m", "pip", "install", "--quiet", "--no-index"];
    process::run(clean.python().args(pip).arg(&wheel)).context("could not install the wheel")?;
    CHECKS.iter().try_for_each(|check| {
        let check = workspace.root().join(check);
        process::run(clean.python().current_dir(env::temp_dir()).arg("-I").arg(check).arg(&wheel))
    })
}

/// The one wheel that was built.
fn only(folder: &Path) -> Result<PathBuf> {
    let listing = fs::read_dir(folder).with_context(|| format!("could not list `{}`", folder.display()))?;
    let wheels: Vec<PathBuf> = listing.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    match wheels.as_slice() {
        [wheel] => Ok(wheel.clone()),
        _ => bail!("{} wheels in `{}`, and one was built", wheels.len(), folder.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_wheels_are_one_too_many() {
        let folder = tempfile::tempdir().unwrap();
        assert!(only(folder.path()).unwrap_err().to_string().starts_with("0 wheels"));
        fs::write(folder.path().join("a.whl"), "").unwrap();
        assert_eq!(only(folder.path()).unwrap(), folder.path().join("a.whl"));
        fs::write(folder.path().join("b.whl"), "").unwrap();
        assert!(only(folder.path()).is_err());
    }
}
