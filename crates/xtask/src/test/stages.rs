//! The stages, in the order they run.

use anyhow::{Result, bail};

use super::{Stage, hygiene};
use crate::npm;
use crate::peers;
use crate::process::{self, FEATURES};
use crate::stub;
use crate::terminal::Hinted;
use crate::tools;
use crate::venv::Venv;
use crate::workspace::Workspace;

/// Cheap stages first: a formatting slip should not cost a build.
pub(super) const ALL: &[Stage] = &[
    Stage { name: "fmt", about: "every Rust file is formatted", run: fmt },
    Stage {
        name: "hygiene",
        about: "nothing unfinished, skipped, too long or unregistered",
        run: hygiene::run,
    },
    Stage { name: "clippy", about: "no warning in any target", run: clippy },
    Stage { name: "nextest", about: "unit and integration tests", run: nextest },
    Stage { name: "stub", about: "the Python stub is that of the extension module", run: stub::check },
    Stage { name: "doc", about: "examples in the documentation run, and its links resolve", run: doc },
    Stage { name: "deny", about: "dependencies: bans, licenses, sources", run: deny },
    Stage {
        name: "python",
        about: "the package installs, type checkers agree, and its tests pass",
        run: python,
    },
];

/// The words that `--only` accepts.
pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().map(|stage| stage.name).collect()
}

fn fmt(workspace: &Workspace) -> Result<()> {
    component(workspace, "fmt", "rustfmt")?;
    process::run(process::cargo(workspace).args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    component(workspace, "clippy", "clippy")?;
    let mut clippy = process::cargo(workspace);
    clippy.args(["clippy", "--workspace", "--all-targets"]).args(FEATURES).args(["--", "-D", "warnings"]);
    process::run(&mut clippy)
}

fn nextest(workspace: &Workspace) -> Result<()> {
    peers::run(workspace)?;
    let mut nextest = tools::CARGO_NEXTEST.command(workspace)?;
    process::run(nextest.args(["nextest", "run", "--workspace"]).args(FEATURES))
}

fn doc(workspace: &Workspace) -> Result<()> {
    process::run(process::cargo(workspace).args(["test", "--doc", "--workspace"]).args(FEATURES))?;
    // The binary has the name of the library, and rustdoc would write both into one folder.
    let mut doc = process::cargo(workspace);
    doc.args(["doc", "--workspace", "--exclude", "nethical-cli", "--no-deps"])
        .args(FEATURES)
        .env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut doc)
}

fn deny(workspace: &Workspace) -> Result<()> {
    let mut deny = tools::CARGO_DENY.command(workspace)?;
    process::run(deny.args(["--locked", "check", "bans", "licenses", "sources"]))
}

fn python(workspace: &Workspace) -> Result<()> {
    let venv = Venv::prepare(workspace)?;
    venv.install_package()?;
    npm::prepare(workspace)?;
    let mlflow = peers::mlflow(workspace)?;
    let modules = workspace.npm().join("node_modules");
    let mut pytest = venv.python();
    pytest.args(["-m", "pytest", "python/tests"]);
    process::run(pytest.env("NETHICAL_NODE_MODULES", modules).env("NETHICAL_MLFLOW", mlflow))
}

/// A toolchain without one of its components says so before the stage starts.
fn component(workspace: &Workspace, subcommand: &str, component: &str) -> Result<()> {
    if process::probe(process::cargo(workspace).args([subcommand, "--version"]))?.is_some() {
        return Ok(());
    }
    bail!(Hinted::new(
        format!("this toolchain has no `cargo {subcommand}`"),
        format!("`rustup component add {component}`")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_stages_share_a_name() {
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
