//! All sheets: what each measures, and how it is started.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use nethical_receivers::wandb::Wandb;
use serde_json::{Map, json};

use super::ours;
use super::sheet::Sheet;
use crate::process::{self, FEATURES};
use crate::terminal::Hinted;
use crate::venv::Venv;
use crate::workspace::Workspace;

/// All of them, in the order of the output.
pub(super) const SHEETS: [Sheet; 8] = [
    Sheet {
        name: "wandb-offline",
        about: "a run of W&B in Python that is written to disk, beside the official client",
        figures: &WANDB,
        measure: |workspace, venv, quick| wandb(workspace, venv, "offline", quick),
    },
    Sheet {
        name: "wandb-online",
        about: "a run of W&B in Python, to a server in this process, beside the official client",
        figures: &WANDB,
        measure: |workspace, venv, quick| wandb(workspace, venv, "online", quick),
    },
    Sheet {
        name: "mlflow-server",
        about: "metrics of a run to a real MLflow server, beside its own client",
        figures: &MLFLOW,
        measure: |_, venv, quick| script(venv.python().arg("python/benches/mlflow_points.py"), quick),
    },
    Sheet {
        name: "mlflow-file",
        about: "metrics of a run into a file, without a server, beside MLflow's own client",
        figures: &MLFLOW,
        measure: |_, venv, quick| {
            script(venv.python().args(["python/benches/mlflow_points.py", "--file"]), quick)
        },
    },
    Sheet {
        name: "cloudwatch",
        about: "log entries to a strict receiver of CloudWatch Logs, beside watchtower",
        figures: &[
            ("entries_per_second", "entries / s", 1.0),
            ("requests_per_10000", "requests / 10,000 entries", 1.0),
            ("microseconds_per_call", "a call, µs", 1.0),
            ("cpu_seconds", "processor time, s", 1.0),
        ],
        measure: |workspace, venv, quick| {
            let receiver = example(workspace, "nethical-receivers", "cloudwatch", quick)?;
            let mut command = venv.python();
            command.arg("python/benches/cloudwatch.py").arg("--receiver").arg(receiver);
            script(&mut command, quick)
        },
    },
    Sheet {
        name: "import",
        about: "what an import in Python takes, beside the clients that people would import instead",
        figures: &[
            ("median_ms", "a process, ms", 1.0),
            ("added_ms", "beyond the interpreter, ms", 1.0),
            ("times_log_connectors", "times that of the log connectors", 1.0),
        ],
        measure: |workspace, venv, quick| {
            official(workspace)?;
            let mut command = venv.python();
            command.arg("python/benches/import_time.py").arg("--peers").arg(workspace.peers());
            script(&mut command, quick)
        },
    },
    Sheet {
        name: "syslog",
        about: "lines of 300 bytes over TCP and TLS to real receivers that write text or JSON: processor time of both sides",
        figures: &SYSLOG,
        measure: |workspace, _, quick| {
            let lines = if quick { "5000" } else { "1000000" };
            let program = example(workspace, "nethical-destinations", "syslog_speed", quick)?;
            process::capture(Command::new(program).args(["json", lines]))
        },
    },
    Sheet {
        name: "spool-backlog",
        about: "opening a spool in which events of 300 bytes wait, and reading all of them",
        figures: &[
            ("waiting_mib", "waiting, MiB", 1.0),
            ("opened_ms", "opened after, ms", 1.0),
            ("read_per_s", "events read and settled / s", 1.0),
            ("grown_mib", "memory beyond idle, MiB", 1.0),
        ],
        measure: |workspace, _, quick| backlog(workspace, quick),
    },
];

const SYSLOG: [(&str, &str, f64); 8] = [
    ("rsyslog_tcp_text", "rsyslog, TCP, text, s", 1.0),
    ("rsyslog_tls_text", "rsyslog, TLS, text, s", 1.0),
    ("rsyslog_tcp_json", "rsyslog, TCP, JSON, s", 1.0),
    ("rsyslog_tls_json", "rsyslog, TLS, JSON, s", 1.0),
    ("syslog_ng_tcp_text", "syslog-ng, TCP, text, s", 1.0),
    ("syslog_ng_tls_text", "syslog-ng, TLS, text, s", 1.0),
    ("syslog_ng_tcp_json", "syslog-ng, TCP, JSON, s", 1.0),
    ("syslog_ng_tls_json", "syslog-ng, TLS, JSON, s", 1.0),
];

const WANDB: [(&str, &str, f64); 6] = [
    ("calls_per_s", "log calls / s", 1.0),
    ("rows_per_s_through_finish", "rows / s through the end", 1.0),
    ("start_and_end_s", "start and end, ms", 1e3),
    ("peak_mib", "memory with helpers, MiB", 1.0),
    ("added_mib", "of it beyond the interpreter, MiB", 1.0),
    ("bytes_per_row", "bytes on disk / row", 1.0),
];

const MLFLOW: [(&str, &str, f64); 6] = [
    ("microseconds_per_call", "a call, median, µs", 1.0),
    ("mean_microseconds_per_call", "a call, mean, µs", 1.0),
    ("points_per_second", "points / s", 1.0),
    ("peak_mib", "memory, MiB", 1.0),
    ("grown_mib", "of it while logging, MiB", 1.0),
    ("cpu_seconds", "processor time, s", 1.0),
];

fn script(command: &mut Command, quick: bool) -> Result<String> {
    process::capture(command.args(quick.then_some("--quick")))
}

/// Both clients send to a receiver in this process, and to its disk.
fn wandb(workspace: &Workspace, venv: &Venv, mode: &str, quick: bool) -> Result<String> {
    let server = Wandb::start().context("no receiver")?;
    let (rows, rounds) = if quick { ("500", "1") } else { ("20000", "5") };
    let mut command = venv.python();
    command.arg("python/benches/wandb_runs.py").arg(server.url());
    command.args(["--mode", mode, "--rows", rows, "--rounds", rounds]);
    process::capture(command.env("PYTHONPATH", official(workspace)?))
}

/// Builds an example, and gives its path. A quick run is content with the one that the tests have built.
fn example(workspace: &Workspace, package: &str, name: &str, quick: bool) -> Result<PathBuf> {
    let how: &[_] =
        if quick { &["--workspace", FEATURES[0], FEATURES[1]] } else { &["--release", "--package", package] };
    process::run(process::cargo(workspace).arg("build").args(how).args(["--example", name]))?;
    let folder = if quick { workspace.debug() } else { workspace.release() };
    Ok(folder.join("examples").join(name))
}

/// A spool with a gibibyte in it, beside an empty one; each is opened by a process of its own.
fn backlog(workspace: &Workspace, quick: bool) -> Result<String> {
    let program = example(workspace, "nethical-core", "spool_backlog", quick)?;
    let events = if quick { "36000" } else { "3600000" };
    let mut results = Map::new();
    for (name, events) in [("much waits", events), ("nothing waits", "0")] {
        let folder = ours::folder(&workspace.bench())?;
        let run = |words: &[&str]| process::capture(Command::new(&program).arg(folder.path()).args(words));
        run(&["fill", events])?;
        results.insert(name.to_owned(), serde_json::from_str(&run(&["open"])?)?);
    }
    Ok(json!({ "results": results }).to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_client_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = official(&Workspace::at(folder.path())).unwrap_err();
        assert!(error.to_string().starts_with("the official client is not in"), "{error}");
    }
}
