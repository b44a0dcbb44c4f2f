//! Runs as they stand in a file of MLflow's, whoever wrote them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nethical_core::delivery::Error;
use nethical_core::event::Timestamp;
use nethical_core::tracking::{ExperimentRun, RunStatus};
use rusqlite::{Connection, OpenFlags, Row, params};
use serde_json::{Map, Value};

use super::database;
use super::schema::{self, Found};
use crate::support::point::Point;

/// How long a read waits for one who writes.
const BUSY: Duration = Duration::from_secs(20);

/// Reads a file of MLflow's. Changes nothing in it.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

impl Reader {
    /// Open a file that is there.
    ///
    /// # Errors
    /// If it is not there, or is not MLflow's.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.is_file() {
            let text = format!("there is no file {}", path.display());
            return Err(Error::config("mlflow.no_store", text)
                .with_hint("name the file that runs were logged to, or the folder in which they were"));
        }
        let failed = |error: rusqlite::Error| database::fault(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        match schema::look(&connection).map_err(failed)? {
            Found::Mlflow(_) => Ok(Self { path: path.to_owned(), connection }),
            Found::Nothing => Err(database::foreign(path, "it has no tables")),
            Found::Foreign(why) => Err(database::foreign(path, &why)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn all<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let run = || {
            let mut statement = self.connection.prepare_cached(query)?;
            let rows = statement.query_map(parameters, read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        run().map_err(|error| database::fault(&self.path, &error))
    }

    /// All runs that are not deleted, the oldest first, with the newest value of each metric.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn runs(&self) -> Result<Vec<ExperimentRun>, Error> {
        let query = "SELECT r.run_uuid, e.name, r.name, r.status, r.start_time, r.end_time FROM runs r \
                     JOIN experiments e ON e.experiment_id = r.experiment_id \
                     WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active' \
                     ORDER BY r.start_time, r.run_uuid";
        let mut runs = self.all(query, [], run_of)?;
        for run in &mut runs {
            self.fill(run)?;
        }
        Ok(runs)
    }

    fn fill(&self, run: &mut ExperimentRun) -> Result<(), Error> {
        let id = run.run_id.clone();
        let pair = |row: &Row<'_>| {
            Ok((row.get(0)?, Value::from(row.get::<_, Option<String>>(1)?.unwrap_or_default())))
        };
        let pairs = |table: &str| -> Result<Map<String, Value>, Error> {
            let query = format!("SELECT key, value FROM {table} WHERE run_uuid = ?1 ORDER BY rowid");
            Ok(self.all(&query, [&id], pair)?.into_iter().collect())
        };
        (run.parameters, run.tags) = (pairs("params")?, pairs("tags")?);
        let query = "SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?1 ORDER BY key";
        run.metrics = self.all(query, [&id], |row| Ok((row.get(0)?, number(row.get(1)?, row.get(2)?))))?;
        run.artifacts = self.artifacts(&id)?;
        Ok(())
    }

    /// The paths of the files of a run's artifacts, where they are on this machine.
    fn artifacts(&self, run: &str) -> Result<Vec<String>, Error> {
        let Some(folder) = self.artifact_folder(run)? else { return Ok(Vec::new()) };
        let (mut found, mut left) = (Vec::new(), vec![String::new()]);
        while let Some(inner) = left.pop() {
            for entry in std::fs::read_dir(folder.join(&inner)).into_iter().flatten().flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = if inner.is_empty() { name } else { format!("{inner}/{name}") };
                if entry.path().is_dir() { left.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The folder of a run's artifacts, if it is one of this machine.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn artifact_folder(&self, run: &str) -> Result<Option<PathBuf>, Error> {
        let uri = self.artifact_uri(run)?;
        if uri.starts_with('/') {
            return Ok(Some(uri.into()));
        }
        let Ok(url) = url::Url::parse(&uri) else { return Ok(None) };
        match url.scheme() {
            "file" => Ok(url.to_file_path().ok()),
            "mlflow-artifacts" => {
                Ok(self.served_from().map(|root| root.join(url.path().trim_start_matches('/'))))
            }
            _ => Ok(None),
        }
    }

    /// Where MLflow has the artifacts of a run.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn artifact_uri(&self, run: &str) -> Result<String, Error> {
        let query = "SELECT artifact_uri FROM runs WHERE run_uuid = ?1";
        let found = self.all(query, [run], |row| row.get::<_, Option<String>>(0))?;
        Ok(found.into_iter().flatten().next().unwrap_or_default())
    }

    /// Where a server that was started beside this file keeps what it serves, if it was and is told nothing else.
    fn served_from(&self) -> Option<PathBuf> {
        let beside = self.path.canonicalize().ok()?.with_file_name("mlartifacts");
        beside.is_dir().then_some(beside)
    }

    /// Every value of a metric of a run, by step and time.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn history(&self, run: &str, metric: &str) -> Result<Vec<Point>, Error> {
        let query = "SELECT step, timestamp, value, is_nan FROM metrics WHERE run_uuid = ?1 AND key = ?2 \
                     ORDER BY step, timestamp";
        self.all(query, [run, metric], point_of)
    }

    /// How many points a run has.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn count_points(&self, run: &str) -> Result<u64, Error> {
        let query = "SELECT count(*) FROM metrics WHERE run_uuid = ?1";
        Ok(self
            .all(query, [run], |row| row.get::<_, i64>(0))?
            .first()
            .map_or(0, |count| count.unsigned_abs()))
    }

    /// Some points of a run with their metrics, in an order that stays while the run gets no more.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn points(&self, run: &str, after: u64, most: usize) -> Result<Vec<(String, Point)>, Error> {
        let query = "SELECT step, timestamp, value, is_nan, key FROM metrics WHERE run_uuid = ?1 \
                     ORDER BY timestamp, step, key, value LIMIT ?2 OFFSET ?3";
        let (most, after) =
            (i64::try_from(most).unwrap_or(i64::MAX), i64::try_from(after).unwrap_or(i64::MAX));
        self.all(query, params![run, most, after], |row| Ok((row.get(4)?, point_of(row)?)))
    }
}

fn run_of(row: &Row<'_>) -> rusqlite::Result<ExperimentRun> {
    let time = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.filter(|time| *time > 0));
    let start =
        time(4)?.and_then(|time| Timestamp::from_millisecond(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let name: Option<String> = row.get(2)?;
    let mut run = ExperimentRun::new(
        "mlflow",
        row.get::<_, String>(0)?,
        row.get::<_, String>(1)?,
        name.filter(|name| !name.is_empty()),
        start,
    );
    let status: Option<String> = row.get(3)?;
    run.status = status.and_then(|status| status.parse().ok()).unwrap_or(RunStatus::Running);
    if run.status.is_end() {
        run.end_time = time(5)?.and_then(|time| Timestamp::from_millisecond(time).ok());
    }
    Ok(run)
}

fn point_of(row: &Row<'_>) -> rusqlite::Result<Point> {
    let time = Timestamp::from_millisecond(row.get(1)?).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Point { step: row.get(0)?, time, value: number(row.get(2)?, row.get(3)?) })
}

fn number(value: f64, is_nan: bool) -> f64 {
    if is_nan { f64::NAN } else { value }
}
