//! A bench measures release code: when this binary is not that, the command runs itself again.

use std::env;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Whether this binary is a debug build, or one without the contests that need the product.
pub(super) fn needed() -> bool {
    cfg!(debug_assertions) || !cfg!(feature = "bench")
}

/// Runs the same command line in a release build with every contest.
pub(super) fn again(workspace: &Workspace) -> Result<()> {
    let mut command = process::cargo(workspace);
    command.args(["run", "--release", "--package", "xtask", "--features", "bench", "--"]);
    process::run(command.args(env::args_os().skip(1)))
}
