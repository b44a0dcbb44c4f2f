//! The `nethical` command, inside an interpreter that was started for nothing else.

use std::ffi::OsString;
use std::process;

use pyo3::prelude::*;

/// Run the command with these arguments, of which the first is its own name, and end the process as it ends.
///
/// The interpreter is not wound down: its exit handlers would wait for what the command has left for later.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>) {
    py.detach(|| process::exit(i32::from(nethical_cli::run(arguments))));
}
