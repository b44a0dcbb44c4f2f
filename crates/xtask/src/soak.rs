//! `cargo xtask soak`: processes that accept and deliver are killed at random, and what they promised is
//! compared with what arrived.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process;
use crate::terminal;
use crate::workspace::Workspace;

/// Writers that a parent forks in the variant in which it is killed first.
const WRITERS: u32 = 8;

/// Options of `cargo xtask soak`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Processes to kill in each mode.
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Only this mode; may be given several times.
    #[arg(long, value_parser = ["none", "interval", "every"])]
    mode: Vec<String>,
}

/// What the `soak` program prints.
#[derive(Deserialize)]
struct Report {
    mode: String,
    writers: u32,
    kills: u32,
    accepted: u64,
    promised: u64,
    delivered: u64,
    twice: u64,
    dead: u64,
    lost_promised: u64,
    lost_unpromised: u64,
    losers: u64,
    loss_age_median: u64,
    loss_age_worst: u64,
    beyond_20_ms: u64,
    beyond_and_awake: u64,
    invented: u64,
    out_of_balance: u64,
    gone_down: u64,
}

/// One row of the table: what it says, and the figure for one report.
type Row = (&'static str, fn(&Report) -> String);

const ROWS: [Row; 16] = [
    ("processes killed", |r| r.kills.to_string()),
    ("events accepted", |r| r.accepted.to_string()),
    ("of these promised", |r| r.promised.to_string()),
    ("delivered", |r| r.delivered.to_string()),
    ("delivered once more", |r| r.twice.to_string()),
    ("dead letters", |r| r.dead.to_string()),
    ("LOST, promised", |r| r.lost_promised.to_string()),
    ("lost, not promised", |r| r.lost_unpromised.to_string()),
    ("processes that lost some", |r| r.losers.to_string()),
    ("oldest loss, median ms before", |r| milliseconds(r.loss_age_median)),
    ("oldest loss, worst ms before", |r| milliseconds(r.loss_age_worst)),
    ("processes beyond 20 ms", |r| r.beyond_20_ms.to_string()),
    ("BEYOND, AND GOT TO RUN", |r| r.beyond_and_awake.to_string()),
    ("INVENTED", |r| r.invented.to_string()),
    ("ACCOUNTS OUT OF BALANCE", |r| r.out_of_balance.to_string()),
    ("CONFIRMED WENT DOWN", |r| r.gone_down.to_string()),
];

impl Report {
    const fn is_whole(&self) -> bool {
        self.lost_promised + self.beyond_and_awake + self.invented + self.out_of_balance + self.gone_down == 0
    }

    fn title(&self) -> String {
        if self.writers == 0 { self.mode.clone() } else { format!("{}, {} forked", self.mode, self.writers) }
    }
}

/// Builds the program, runs it in every mode with one process and with forked writers, and prints a table.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    process::run(process::cargo(workspace).args([
        "build",
        "--release",
        "--package",
        "testkit",
        "--bin",
        "soak",
    ]))?;
    let wanted = |mode: &&str| args.mode.is_empty() || args.mode.iter().any(|wanted| wanted == mode);
    let mut reports = Vec::new();
    for mode in ["none", "interval", "every"].iter().filter(|mode| wanted(mode)) {
        for writers in [0, WRITERS] {
            terminal::heading(
                "soak",
                &format!("mode {mode}, {} kills, {writers} forked writers", args.kills),
            );
            reports.push(soak(workspace, mode, args.kills, writers)?);
        }
    }
    let titles: Vec<String> = reports.iter().map(Report::title).collect();
    let header: Vec<&str> = [""].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let row = |(name, figure): &Row| {
        [(*name).to_owned()].into_iter().chain(reports.iter().map(figure)).collect::<Vec<_>>()
    };
    terminal::table(&header, ROWS.iter().map(row).collect(), 1);
    if reports.iter().all(Report::is_whole) {
        return Ok(());
    }
    bail!("a promise was not kept: see the rows in capitals")
}

fn soak(workspace: &Workspace, mode: &str, kills: u32, writers: u32) -> Result<Report> {
    let mut command = Command::new(workspace.release().join("soak"));
    command.args([mode, &kills.to_string(), &writers.to_string()]).stderr(Stdio::inherit());
    let output = command.output().context("could not start `soak`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().context("`soak` ended without a report")?;
    serde_json::from_str(line).with_context(|| format!("`soak` printed no report: {line}"))
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{}", micros / 1_000, micros % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_shown_as_milliseconds() {
        assert_eq!([0, 950, 13_873].map(milliseconds), ["0.0", "0.9", "13.8"]);
    }
}
