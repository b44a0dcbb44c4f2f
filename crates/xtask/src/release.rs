//! A bench measures release code with the product in it: a binary that is not that runs the command again.

use std::env;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Whether this binary is a debug build.
#[cfg(feature = "bench")]
pub(crate) const fn needed() -> bool {
    cfg!(debug_assertions)
}

/// `cargo xtask bench` of a binary that was built without the contests: only passes its options on.
#[cfg(not(feature = "bench"))]
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _options: Vec<String>,
}

/// Runs the same command line in a release build with every contest.
pub(crate) fn again(workspace: &Workspace) -> Result<()> {
    let mut command = process::cargo(workspace);
    command.args(["run", "--release", "--package", "xtask", "--features", "bench", "--"]);
    process::run(command.args(env::args_os().skip(1)))
}
