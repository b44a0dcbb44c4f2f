//! The runs of a file, sent to a server.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nethical::delivery::{Error, Observer, SpoolSettings};
use nethical::destinations::mlflow::{MlflowConfig, Replay, ReplayOutcome, ReplayReport};
use serde_json::{Value, json};

use super::delivery::progress;
use crate::commands::place::nowhere;
use crate::exit::Exit;
use crate::failure::{Failure, exit_of};
use crate::render::{self, count};

/// Send the runs of these files to a server; without a file those of `mlflow.db`.
pub(super) fn send(to: &str, files: &[PathBuf], deadline: Instant, json: bool) -> Result<Exit, Failure> {
    let home = SpoolSettings::default().directory().ok_or_else(nowhere)?;
    let usual = [PathBuf::from("mlflow.db")];
    let files = if files.is_empty() { &usual } else { files };
    let (config, bar) = (MlflowConfig::new(to), progress());
    let mut reports = Vec::new();
    for file in files {
        let tell = bar.clone();
        let observer: Observer = Arc::new(move |notice| tell.suspend(|| render::notice(notice)));
        let mut replay = Replay::open(file, &config, &home, observer)?;
        reports.extend(replay.run(deadline, &|done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })?);
    }
    bar.finish_and_clear();
    let exit = reports.iter().map(exit_code).max().unwrap_or(Exit::Success);
    let mut out = anstream::stdout();
    if json {
        let runs: Vec<_> = reports.iter().map(as_json).collect();
        writeln!(out, "{:#}", json!({ "outcome": exit.as_str(), "to": config.shown(), "runs": runs }))?;
        return Ok(exit);
    }
    for report in &reports {
        writeln!(out, "{}", line(report))?;
        if let Some(error) = error_of(report) {
            render::error(&error.to_string(), error.hint());
        }
    }
    if reports.is_empty() {
        writeln!(out, "there are no runs to send")?;
    }
    let elsewhere: Vec<_> =
        reports.iter().filter_map(|report| report.artifacts_elsewhere.as_deref()).collect();
    if let Some(first) = elsewhere.first() {
        let runs = count(elsewhere.len() as u64, "run");
        let hint = "what a server serves is read if its folder `mlartifacts` is beside the file";
        render::warning(
            &format!("the artifacts of {runs} are not here and were not sent: {first}"),
            Some(hint),
        );
    }
    Ok(exit)
}

fn exit_code(report: &ReplayReport) -> Exit {
    match &report.outcome {
        ReplayOutcome::Sent | ReplayOutcome::Already => Exit::Success,
        ReplayOutcome::Refused(error) => exit_of(error),
        _ => Exit::Later,
    }
}

fn error_of(report: &ReplayReport) -> Option<&Error> {
    match &report.outcome {
        ReplayOutcome::Refused(error) | ReplayOutcome::Pending(Some(error)) => Some(error),
        _ => None,
    }
}

const fn word(report: &ReplayReport) -> &'static str {
    match report.outcome {
        ReplayOutcome::Sent => "sent",
        ReplayOutcome::Already => "there already",
        ReplayOutcome::Refused(_) => "refused",
        _ => "not all sent in time; the next `nethical sync` goes on",
    }
}

fn line(report: &ReplayReport) -> String {
    let name = report.name.as_deref().unwrap_or(&report.run);
    format!("{name}: {}, {}", count(report.points, "point"), word(report))
}

fn as_json(report: &ReplayReport) -> Value {
    let error = error_of(report);
    json!({
        "run_id": report.run,
        "name": report.name,
        "points": report.points,
        "artifacts_elsewhere": report.artifacts_elsewhere,
        "outcome": word(report),
        "error": error.map(ToString::to_string),
        "code": error.map(Error::code),
        "hint": error.and_then(Error::hint),
    })
}
