//! Runs as their logs have them, for whoever looks at them.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use nethical_core::delivery::Error;
use nethical_core::event::Timestamp;
use nethical_core::tracking::{ExperimentRun, RunStatus};
use serde_json::{Map, Value};

use super::assembly::Assembly;
use super::directory::RunDirectory;
use crate::support::point::Point;

/// Every run at a path: a log, a run directory, or a folder of run directories. A run that was resumed, which has a
/// directory each time, is one.
///
/// # Errors
/// If nothing is there, or a log cannot be read.
pub fn stored_runs(path: &Path) -> Result<Vec<ExperimentRun>, Error> {
    let parts: Result<Vec<_>, Error> =
        directories(path)?.iter().map(|directory| Ok(Log::read(directory)?.run())).collect();
    let mut parts = parts?;
    parts.sort_by_key(|part| part.start_time);
    let mut runs: Vec<ExperimentRun> = Vec::with_capacity(parts.len());
    for part in parts {
        match runs.iter_mut().find(|run| run.run_id == part.run_id) {
            Some(run) => go_on(run, part),
            None => runs.push(part),
        }
    }
    Ok(runs)
}

/// Takes in what became of a run after it was resumed.
fn go_on(run: &mut ExperimentRun, part: ExperimentRun) {
    (run.status, run.end_time) = (part.status, part.end_time);
    run.run_name = part.run_name.or(run.run_name.take());
    run.parameters.extend(part.parameters);
    run.tags.extend(part.tags);
    part.metrics.iter().for_each(|(name, value)| note(&mut run.metrics, name, *value));
    run.artifacts.extend(part.artifacts);
}

/// Every value of a metric of a run there, also if the run stands in several logs.
///
/// # Errors
/// Those of [`stored_runs`].
pub fn stored_history(path: &Path, run: &str, metric: &str) -> Result<Vec<Point>, Error> {
    let mut points = Vec::new();
    for directory in directories(path)? {
        let log = Log::read(&directory)?;
        if log.assembly.run.as_ref().is_some_and(|known| known.run_id == run) {
            points.extend(log.rows().filter_map(|row| point(&row, metric)));
        }
    }
    points.sort_by_key(|point| (point.step, point.time));
    Ok(points)
}

fn directories(path: &Path) -> Result<Vec<RunDirectory>, Error> {
    RunDirectory::find(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::config("wandb.stored", format!("cannot read {}: {error}", path.display()))
        .with_hint("name a run directory of W&B's, or the folder that holds them")
}

/// A log that was read to its end.
struct Log {
    assembly: Assembly,
}

impl Log {
    fn read(directory: &RunDirectory) -> Result<Self, Error> {
        let failed = |error: io::Error| unreadable(directory.log(), &error);
        let mut assembly = Assembly::open(directory.log()).map_err(failed)?;
        assembly.read(usize::MAX).map_err(failed)?;
        assembly.close_row();
        Ok(Self { assembly })
    }

    fn rows(&self) -> impl Iterator<Item = Map<String, Value>> {
        self.assembly.lines.iter().filter_map(|line| serde_json::from_str(&quoted(&line.text)).ok())
    }

    fn run(&self) -> ExperimentRun {
        let about = self.assembly.run.clone().unwrap_or_default();
        let started = time(self.assembly.started()).unwrap_or(Timestamp::UNIX_EPOCH);
        let experiment = if about.run_group.is_empty() { about.project } else { about.run_group };
        let name = Some(about.display_name).filter(|name| !name.is_empty());
        let mut run = ExperimentRun::new("wandb", about.run_id, experiment, name, started);
        if let Some(exit) = self.assembly.exit {
            run.status = if exit.exit_code == 0 { RunStatus::Completed } else { RunStatus::Failed };
            run.end_time = time(self.assembly.started() + f64::from(exit.runtime));
        }
        let config = self.assembly.config.entries().filter(|(name, _)| *name != "_wandb");
        run.parameters = config.map(|(name, json)| (name.to_owned(), value(&json))).collect();
        run.tags = about.tags.into_iter().map(|tag| (tag, Value::from(""))).collect();
        run.artifacts = self.assembly.artifacts.iter().map(|(_, artifact)| artifact.name.clone()).collect();
        for row in self.rows() {
            for (name, found) in row.iter().filter(|(name, _)| !name.starts_with('_')) {
                if let Some(number) = number(found) {
                    note(&mut run.metrics, name, number);
                }
            }
        }
        run
    }
}

fn note(metrics: &mut Vec<(String, f64)>, name: &str, number: f64) {
    match metrics.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => *known = number,
        None => metrics.push((name.to_owned(), number)),
    }
}

fn point(row: &Map<String, Value>, metric: &str) -> Option<Point> {
    let step = row.get("_step").and_then(Value::as_i64).unwrap_or_default();
    let time = row.get("_timestamp").and_then(Value::as_f64).and_then(time);
    Some(Point { step, time: time.unwrap_or(Timestamp::UNIX_EPOCH), value: number(row.get(metric)?)? })
}

/// A row in which what JSON does not have stands in quotes: W&B writes NaN and infinities as Python does.
fn quoted(row: &str) -> Cow<'_, str> {
    if !row.contains("NaN") && !row.contains("Infinity") {
        return row.into();
    }
    let (mut out, mut rest) = (String::with_capacity(row.len() + 16), row);
    while let Some(letter) = rest.chars().next() {
        let word = match letter {
            '"' => string_of(rest),
            _ => {
                ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word)).unwrap_or("")
            }
        };
        let (taken, after) = rest.split_at(word.len().max(letter.len_utf8()).min(rest.len()));
        match letter {
            '"' => out.push_str(taken),
            _ if word.is_empty() => out.push_str(taken),
            _ => out.extend(["\"", word, "\""]),
        }
        rest = after;
    }
    out.into()
}

/// The string that begins here, with its quotes.
fn string_of(text: &str) -> &str {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    end.and_then(|(at, _)| text.get(..=at)).unwrap_or(text)
}

/// A number, also one that JSON does not have.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()) => text.parse().ok(),
        _ => None,
    }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::from(json))
}

/// From seconds since 1970.
fn time(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1_000.0).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_are_read() {
        let row = r#"{"a":NaN,"b":[-Infinity,Infinity],"NaN \" Infinity":"NaN \\","c":1}"#;
        let wanted = r#"{"a":"NaN","b":["-Infinity","Infinity"],"NaN \" Infinity":"NaN \\","c":1}"#;
        assert_eq!(quoted(row), wanted);
        assert_eq!(quoted(r#"{"a":1}"#), r#"{"a":1}"#);
    }
}
