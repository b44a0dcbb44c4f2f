//! Contestants that are Python.
//!
//! A script under `crates/xtask/python/` is started once per round as `python SCRIPT CONTESTANT N` in the
//! virtual environment, does `N` operations and prints `{"seconds": ...}` as its last line. It times itself, so
//! that starting an interpreter is not part of the result.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Contestant;
use crate::process;
use crate::venv::Venv;
use crate::workspace::Workspace;

#[derive(Deserialize)]
struct Answer {
    seconds: f64,
}

/// A contestant of this name in that script.
pub(super) fn contestant(workspace: &Workspace, script: &str, name: &'static str) -> Contestant {
    let venv = Venv::at(workspace);
    let script = workspace.root().join("crates/xtask/python").join(script);
    Contestant::new(name, move |n| {
        read(&process::capture(venv.python().arg(&script).arg(name).arg(n.to_string()))?)
    })
}

/// The time that the last line of a script's output tells.
pub(super) fn read(output: &str) -> Result<Duration> {
    let last = output.lines().last().context("the script printed nothing")?;
    let answer: Answer =
        serde_json::from_str(last).with_context(|| format!("the script's last line is no result: {last}"))?;
    Duration::try_from_secs_f64(answer.seconds).with_context(|| format!("{} is no time", answer.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_result() {
        assert_eq!(read("warning: hot\n{\"seconds\": 1.5}\n").unwrap(), Duration::from_millis(1500));
    }

    #[test]
    fn anything_else_is_an_error() {
        for output in ["", "done", "{\"seconds\": -1}", "{\"time\": 1}"] {
            assert!(read(output).is_err(), "{output:?}");
        }
    }
}
