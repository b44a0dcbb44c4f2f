//! Runs of W&B beside its official client.
//!
//! One run of each client gives several figures, so this is a table of its own. A Python script measures, each run in
//! a process of its own and in turns; both clients send to the receiver in this process, and to its disk.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nethical_receivers::wandb::Wandb;
use serde::Deserialize;
use serde_json::Value;

use crate::process;
use crate::terminal::{self, Hinted};
use crate::venv::Venv;
use crate::workspace::Workspace;

pub(super) const NAME: &str = "wandb-runs";
pub(super) const ABOUT: &str = "a run of W&B in Python, offline and online, beside the official client";

const SCRIPT: &str = "python/benches/wandb_runs.py";

/// A figure of the script, as people read it.
const FIGURES: [(&str, &str, f64); 6] = [
    ("calls_per_s", "log calls / s", 1.0),
    ("rows_per_s_through_finish", "rows / s through the end", 1.0),
    ("start_and_end_s", "start and end, ms", 1e3),
    ("peak_mib", "memory with helpers, MiB", 1.0),
    ("added_mib", "of it beyond the interpreter, MiB", 1.0),
    ("bytes_per_row", "bytes on disk / row", 1.0),
];

#[derive(Deserialize)]
struct Results {
    offline: Side,
    online: Side,
}

#[derive(Deserialize)]
struct Side {
    nethical: Value,
    wandb: Value,
}

/// Measures, prints a table for each way, and writes `target/bench/wandb-runs.json`.
pub(super) fn run(workspace: &Workspace, quick: bool) -> Result<()> {
    let venv = Venv::prepare(workspace)?;
    venv.install_package()?;
    let server = Wandb::start().context("no receiver")?;
    let (rows, rounds) = if quick { ("500", "1") } else { ("20000", "5") };
    let mut script = venv.python();
    script.args([SCRIPT, &server.url(), "--rows", rows, "--rounds", rounds]);
    script.env("PYTHONPATH", official(workspace)?);
    let output = process::capture(&mut script)?;
    let results: Results = serde_json::from_str(&output).context("the script's output is no result")?;
    for (way, side) in [("offline", &results.offline), ("online", &results.online)] {
        terminal::table(&[way, "nethical", "official client", "ratio"], table(side), 1);
    }
    terminal::result(&format!("medians of {rounds} rounds of {rows} rows of 5 metrics, in turns"));
    let name = if quick { "wandb-runs.quick.json" } else { "wandb-runs.json" };
    let path = workspace.bench().join(name);
    fs::write(&path, output).with_context(|| format!("could not write `{}`", path.display()))
}

/// Where the packages of the official client are.
fn official(workspace: &Workspace) -> Result<PathBuf> {
    let lib = workspace.peers().join("wandb/lib");
    let hint = "`cargo xtask peers` installs it";
    let missing = || Hinted::new(format!("the official client is not in `{}`", lib.display()), hint);
    let found = fs::read_dir(&lib).map_err(|error| missing().caused_by(error.into()))?;
    let packages = found.flatten().map(|entry| entry.path().join("site-packages"));
    Ok(packages.into_iter().find(|path| path.join("wandb").is_dir()).ok_or_else(missing)?)
}

fn table(side: &Side) -> Vec<Vec<String>> {
    let row = |(name, shown, scale): (&str, &str, f64)| {
        let figure = |client: &Value| client.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN) * scale;
        let (ours, theirs) = (figure(&side.nethical), figure(&side.wandb));
        let figures = [ours, theirs].map(|figure| format!("{figure:.1}"));
        [vec![shown.to_owned()], figures.into(), vec![format!("{:.3}", ours / theirs)]].concat()
    };
    FIGURES.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_side_by_side() {
        let side = Side {
            nethical: serde_json::json!({ "start_and_end_s": 0.002, "bytes_per_row": 150.0 }),
            wandb: serde_json::json!({ "start_and_end_s": 0.4, "bytes_per_row": 300.0 }),
        };
        let table = table(&side);
        assert_eq!(table[2], ["start and end, ms", "2.0", "400.0", "0.005"]);
        assert_eq!(table[5], ["bytes on disk / row", "150.0", "300.0", "0.500"]);
    }

    #[test]
    fn a_missing_client_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = official(&Workspace::at(folder.path())).unwrap_err();
        assert!(error.to_string().starts_with("the official client is not in"), "{error}");
    }
}
