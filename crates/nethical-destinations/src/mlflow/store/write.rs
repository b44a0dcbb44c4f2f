//! Updates as rows: everything of a batch in one transaction.

use std::collections::HashMap;

use nethical_core::delivery::{Error, Refusal};
use nethical_core::event::{Event, RunArtifact, RunChange, RunMetrics, RunStart, RunUpdate};
use nethical_core::tracking::RunStatus;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::value::RawValue;

use super::names;
use crate::mlflow::context::{RUN_NAME, USER};
use crate::mlflow::limits::{self, param_text, within};
use crate::mlflow::wire;

/// Why an update was not written.
pub(super) enum Fault {
    /// It is at fault itself.
    Refused(Error),
    /// The file is, and nothing of the transaction was written.
    File(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// What is left to do once the rows are safe.
#[derive(Default)]
pub(super) struct Written {
    pub(super) refused: Vec<Refusal>,
    /// Files to be put below the folder at this address, by the place of their event in the batch.
    pub(super) artifacts: Vec<(usize, String, RunArtifact)>,
}

/// Write a batch. A repeat changes nothing.
pub(super) fn write(
    connection: &mut Connection,
    events: &[Event],
    artifacts: &str,
) -> rusqlite::Result<Written> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut writer = Writer { change: &change, artifacts, runs: HashMap::new(), newest: HashMap::new() };
    let mut written = Written::default();
    for (index, event) in events.iter().enumerate() {
        let taken = match event.run() {
            Ok(update) => writer.take(index, &update, &mut written),
            Err(error) => {
                let text = format!("this is no update of a run: {error}");
                Err(Error::refused("mlflow.unreadable", text).into())
            }
        };
        match taken {
            Ok(()) => {}
            Err(Fault::Refused(error)) => written.refused.push(Refusal { index, error }),
            Err(Fault::File(error)) => return Err(error),
        }
    }
    writer.write_newest()?;
    change.commit()?;
    Ok(written)
}

/// The newest point of a metric: the largest step, then time, then value.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Point {
    step: i64,
    time: i64,
    value: f64,
    is_nan: bool,
}

/// A batch on its way into the file.
struct Writer<'c> {
    change: &'c Transaction<'c>,
    artifacts: &'c str,
    /// Where the artifacts of runs go, of those that were asked for.
    runs: HashMap<String, String>,
    newest: HashMap<String, HashMap<String, Point>>,
}

impl Writer<'_> {
    fn take(&mut self, index: usize, update: &RunUpdate, written: &mut Written) -> Result<(), Fault> {
        let RunUpdate { run, time, change } = update;
        if let RunChange::Start(start) = change {
            return self.start(run, start, (*time).max(0));
        }
        let place = self.place(run)?;
        match change {
            RunChange::Resume {} => self.set_status(run, RunStatus::Running, None),
            RunChange::End { status } => self.set_status(run, *status, Some((*time).max(0))),
            RunChange::Params(params) => {
                let mut refused = Ok(());
                for (key, value) in &params.0 {
                    match self.set_param(run, key, &param_text(value)) {
                        // One that is refused keeps no other from being written.
                        Err(Fault::Refused(error)) => refused = Err(Fault::Refused(error)),
                        set => set?,
                    }
                }
                refused
            }
            RunChange::Tags(tags) => tags.0.iter().try_for_each(|(key, value)| self.set_tag(run, key, value)),
            RunChange::Metrics(metrics) => self.add_points(run, (*time).max(0), metrics),
            RunChange::Artifact(artifact) => {
                written.artifacts.push((index, place, artifact.clone()));
                Ok(())
            }
            // One that a later version has written, and this one does not know.
            _ => Ok(()),
        }
    }

    /// Where the artifacts of a run go, if it may be written to.
    fn place(&mut self, run: &str) -> Result<String, Fault> {
        if let Some(place) = self.runs.get(run) {
            return Ok(place.clone());
        }
        let mut query = self
            .change
            .prepare_cached("SELECT artifact_uri, lifecycle_stage FROM runs WHERE run_uuid = ?1")?;
        let found = query
            .query_row([run], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?)))
            .optional()?;
        let Some((place, stage)) = found else { return Err(unknown(run).into()) };
        if stage.as_deref() == Some("deleted") {
            return Err(deleted(run).into());
        }
        let place = place.unwrap_or_default();
        self.runs.insert(run.to_owned(), place.clone());
        Ok(place)
    }

    fn start(&mut self, run: &str, start: &RunStart, time: i64) -> Result<(), Fault> {
        let (experiment, location) = self.experiment(&start.experiment, time)?;
        let tag = |name: &str| {
            start.tags.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        let name = start.name.as_deref().or_else(|| tag(RUN_NAME)).filter(|name| !name.is_empty());
        let name = name.map_or_else(|| names::of(run), |name| within(name, limits::RUN_NAME).into_owned());
        let user = within(tag(USER).unwrap_or_default(), limits::USER);
        let mut insert = self.change.prepare_cached(
            "INSERT OR IGNORE INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, \
             start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) \
             VALUES (?1, ?2, 'UNKNOWN', '', '', ?3, 'RUNNING', ?4, NULL, '', 'active', ?5, ?6)",
        )?;
        let place = format!("{location}/{run}/artifacts");
        if insert.execute(params![run, name, user, time, place, experiment])? == 0 {
            return Ok(());
        }
        self.runs.insert(run.to_owned(), place);
        let others = start.tags.0.iter().filter(|(known, _)| known != RUN_NAME);
        others.clone().try_for_each(|(key, value)| self.put_tag(run, key, value))?;
        self.put_tag(run, RUN_NAME, &name)
    }

    /// The id of an experiment, which is made if it is missing, and where its artifacts go.
    fn experiment(&self, name: &str, time: i64) -> Result<(i64, String), Fault> {
        let mut query = self.change.prepare_cached(
            "SELECT experiment_id, lifecycle_stage, artifact_location FROM experiments WHERE name = ?1",
        )?;
        let found = query
            .query_row([name], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, Option<String>>(1)?,
                    row.get::<_, Option<String>>(2)?,
                ))
            })
            .optional()?;
        let Some((id, stage, location)) = found else { return self.make_experiment(name, time) };
        if stage.as_deref() == Some("deleted") {
            let text = format!("the experiment `{name}` is deleted");
            let hint = "restore it (`mlflow experiments restore`), or use another name";
            return Err(Error::refused("mlflow.experiment_deleted", text).with_hint(hint).into());
        }
        // A server that made it may mean itself by its location; only a folder of this machine can be written to.
        let location = location.filter(|location| location.starts_with("file:///"));
        Ok((id, location.unwrap_or_else(|| format!("{}/{id}", self.artifacts))))
    }

    fn make_experiment(&self, name: &str, time: i64) -> Result<(i64, String), Fault> {
        let mut insert = self.change.prepare_cached(
            "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) \
             VALUES (?1, 'active', ?2, ?2)",
        )?;
        let id = insert.insert(params![name, time])?;
        let location = format!("{}/{id}", self.artifacts);
        let mut place = self
            .change
            .prepare_cached("UPDATE experiments SET artifact_location = ?1 WHERE experiment_id = ?2")?;
        place.execute(params![location, id])?;
        Ok((id, location))
    }

    fn set_status(&self, run: &str, status: RunStatus, end: Option<i64>) -> Result<(), Fault> {
        let mut set = self.change.prepare_cached(
            "UPDATE runs SET status = ?1, end_time = coalesce(?2, end_time) WHERE run_uuid = ?3",
        )?;
        set.execute(params![wire::status(status), end, run])?;
        Ok(())
    }

    fn set_param(&self, run: &str, key: &str, value: &str) -> Result<(), Fault> {
        let value = within(value, limits::PARAM);
        let mut query =
            self.change.prepare_cached("SELECT value FROM params WHERE key = ?1 AND run_uuid = ?2")?;
        let before: Option<String> = query.query_row([key, run], |row| row.get(0)).optional()?;
        match before {
            Some(before) if before == value => Ok(()),
            Some(before) => {
                let text =
                    format!("the parameter `{key}` is `{before}` already, and MLflow changes no parameter");
                Err(Error::refused("mlflow.param_changed", text)
                    .with_hint("log it under another name, or in a run of its own")
                    .into())
            }
            None => {
                let mut insert = self
                    .change
                    .prepare_cached("INSERT INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3)")?;
                insert.execute(params![key, value, run])?;
                Ok(())
            }
        }
    }

    fn set_tag(&self, run: &str, key: &str, value: &str) -> Result<(), Fault> {
        if key == RUN_NAME {
            let mut name = self.change.prepare_cached("UPDATE runs SET name = ?1 WHERE run_uuid = ?2")?;
            name.execute(params![within(value, limits::RUN_NAME), run])?;
        }
        self.put_tag(run, key, value)
    }

    fn put_tag(&self, run: &str, key: &str, value: &str) -> Result<(), Fault> {
        let mut put = self.change.prepare_cached(
            "INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3) \
             ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
        )?;
        put.execute(params![key, within(value, limits::TAG), run])?;
        Ok(())
    }

    fn add_points(&mut self, run: &str, time: i64, metrics: &RunMetrics) -> Result<(), Fault> {
        let step = metrics.step.unwrap_or(0);
        let mut insert = self.change.prepare_cached(
            "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        if !self.newest.contains_key(run) {
            self.newest.insert(run.to_owned(), HashMap::new());
        }
        for (key, raw) in &metrics.values.0 {
            let (value, is_nan) = number(raw);
            insert.execute(params![key, value, time, run, step, is_nan])?;
            let point = Point { step, time, value, is_nan };
            let Some(newest) = self.newest.get_mut(run) else { continue };
            match newest.get_mut(key) {
                Some(known) if *known < point => *known = point,
                Some(_) => {}
                None => drop(newest.insert(key.clone(), point)),
            }
        }
        Ok(())
    }

    fn write_newest(&self) -> rusqlite::Result<()> {
        let mut put = self.change.prepare_cached(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key, run_uuid) DO UPDATE SET \
             value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan \
             WHERE (excluded.step, excluded.timestamp, excluded.value) > \
             (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)",
        )?;
        for (run, metrics) in &self.newest {
            for (key, point) in metrics {
                put.execute(params![key, point.value, point.time, point.step, point.is_nan, run])?;
            }
        }
        Ok(())
    }
}

/// A number as MLflow keeps it, and whether it is none: infinities are the largest numbers.
fn number(raw: &RawValue) -> (f64, bool) {
    let value = raw.get().trim_matches('"').parse::<f64>().unwrap_or(f64::NAN);
    if value.is_nan() { (0.0, true) } else { (value.clamp(f64::MIN, f64::MAX), false) }
}

fn unknown(run: &str) -> Error {
    Error::refused("mlflow.unknown_run", format!("there is no run `{run}` in the file"))
        .with_hint("see whether its start is among the dead letters, and replay both")
}

fn deleted(run: &str) -> Error {
    Error::refused("mlflow.deleted", format!("the run `{run}` is deleted"))
        .with_hint("restore it (`mlflow runs restore`), then replay the dead letters")
}
