//! `cargo xtask faults`: every destination under every fault, written to `docs/faults.md`.

use anyhow::Result;

use crate::peers;
use crate::process::{self, FEATURES};
use crate::terminal;
use crate::workspace::Workspace;

/// Runs the table of the conformance suite, cell by cell, and has it write the page instead of reading it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    peers::run(workspace)?;
    let mut test = process::cargo(workspace);
    test.args(["test", "--workspace"]).args(FEATURES).args(["--test", "conformance", "--"]);
    test.args(["faults_end_as_the_table_says", "--test-threads=1"]).env("FAULTS_WRITE", "1");
    process::run(&mut test)?;
    terminal::note("docs/faults.md is written: see what has changed with `git diff docs/faults.md`");
    Ok(())
}
