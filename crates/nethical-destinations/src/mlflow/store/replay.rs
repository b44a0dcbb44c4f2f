//! The runs of a file, sent to a server: what was tracked without one is there later as if it had been.
//!
//! A run carries its id in the file to the server, in the tag by which runs are found again, and a point that comes again
//! is the same point. So a replay may end anywhere and be begun again. How far it came is noted, to save the way:
//!
//! ```text
//! <home>/runs/sent/<hash of file and server>.json     by run: what it was then, and how many points are there
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use nethical_core::delivery::{
    Connector, Error, Full, Observer, QueueLimits, Rejected, Settings, SpoolSettings,
};
use nethical_core::event::{Event, Pairs, RunChange, RunStart, RunUpdate};
use nethical_core::tracking::artifact::{self, Digester};
use nethical_core::tracking::{ArtifactOptions, ExperimentRun, LOCAL_PREFIX};

use super::read::Reader;
use super::sent::{Notes, Progress};
use crate::mlflow::MlflowConfig;
use crate::mlflow::wire::{PARENT, RUN_KEY};
use crate::support::point::Point;
use crate::{Validated, connect};

/// Points that are sent between two notes of how far it came.
const STRETCH: usize = 10_000;

/// Sends the runs of a file to a server.
#[derive(Debug)]
pub struct Replay {
    reader: Reader,
    connector: Connector,
    notes: Notes,
    runs: Vec<ExperimentRun>,
}

/// What became of a run.
#[derive(Debug, Clone)]
pub struct ReplayReport {
    /// Its id in the file.
    pub run: String,
    /// Its name.
    pub name: Option<String>,
    /// Points that the server has of it.
    pub points: u64,
    /// Where its artifacts are, if that is not on this machine: these were not sent.
    pub artifacts_elsewhere: Option<String>,
    /// How it ended.
    pub outcome: ReplayOutcome,
}

/// How it ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ReplayOutcome {
    /// Everything of it is at the server, which has said so.
    Sent,
    /// It was there before.
    Already,
    /// Time was up, for this reason if there was one.
    Pending(Option<Error>),
    /// Something of it is refused.
    Refused(Error),
}

impl Replay {
    /// Get ready to send what is in `file` to the server that `to` names, with notes below `home`.
    ///
    /// # Errors
    /// If the file holds no runs of MLflow's, `to` names no server, or another process sends the same.
    pub fn open(file: &Path, to: &MlflowConfig, home: &Path, observer: Observer) -> Result<Self, Error> {
        if let Some(path) = to.file() {
            let text = format!("{} is a file, and runs are sent to a server", path.display());
            return Err(
                Error::config("mlflow.replay", text).with_hint("name a server: `http://localhost:5000`")
            );
        }
        let reader = Reader::open(file)?;
        let notes = Notes::open(home, file, &to.shown())?;
        let queue = QueueLimits { full: Full::Block(Duration::from_secs(3_600)), ..QueueLimits::default() };
        let settings = Settings { queue, spool: SpoolSettings::off(), observer, ..Settings::default() };
        let connector =
            connect(std::sync::Arc::new(to.clone()) as std::sync::Arc<dyn Validated>, "mlflow", settings)?;
        Ok(Self { runs: reader.runs()?, reader, connector, notes })
    }

    /// Send all runs, the oldest first, until the deadline. `progress` is told of points that are done, and of all.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn run(
        &mut self,
        deadline: Instant,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Vec<ReplayReport>, Error> {
        let mut counts = Vec::new();
        for run in &self.runs {
            counts.push(self.reader.count_points(&run.run_id)?);
        }
        let (all, mut done, mut reports) = (counts.iter().sum(), 0, Vec::new());
        for (run, points) in self.runs.clone().iter().zip(counts) {
            let tell = |sent: u64| progress(done + sent, all);
            let (outcome, sent) = self.send_run(run, points, deadline, &tell)?;
            done += points;
            progress(done, all);
            let (name, artifacts_elsewhere) = (run.run_name.clone(), self.elsewhere(run)?);
            reports.push(ReplayReport {
                run: run.run_id.clone(),
                name,
                points: sent,
                artifacts_elsewhere,
                outcome,
            });
        }
        let patience = deadline.saturating_duration_since(Instant::now());
        self.connector.close(patience.min(Duration::from_secs(1)));
        Ok(reports)
    }

    /// Where the artifacts of a run are that cannot be read here.
    fn elsewhere(&self, run: &ExperimentRun) -> Result<Option<String>, Error> {
        let uri = self.reader.artifact_uri(&run.run_id)?;
        Ok((self.reader.artifact_folder(&run.run_id)?.is_none() && !uri.is_empty()).then_some(uri))
    }

    fn send_run(
        &mut self,
        run: &ExperimentRun,
        points: u64,
        deadline: Instant,
        tell: &dyn Fn(u64),
    ) -> Result<(ReplayOutcome, u64), Error> {
        let stamp = stamp(run, points);
        let known = self.notes.of(&run.run_id).filter(|known| known.stamp == stamp);
        if known.is_some_and(|known| known.done) {
            return Ok((ReplayOutcome::Already, points));
        }
        let mut sent = known.map_or(0, |known| known.points);
        let id = format!("{LOCAL_PREFIX}{}", run.run_id);
        // Runs of this file have other ids on the server.
        let parent = |parent: &str| self.runs.iter().any(|other| other.run_id == parent);
        if let Some(outcome) = self.send(head(&id, run, parent), deadline)? {
            return Ok((outcome, 0));
        }
        while sent < points {
            let some = self.reader.points(&run.run_id, sent, STRETCH)?;
            let count = some.len() as u64;
            if let Some(outcome) = self.send(rows(&id, &some), deadline)? {
                return Ok((outcome, sent));
            }
            sent += count;
            self.notes.set(&run.run_id, Progress { stamp: stamp.clone(), points: sent, done: false });
            tell(sent);
            if count == 0 {
                break;
            }
        }
        let (tail, unreadable) = self.tail(&id, run)?;
        if let Some(outcome) = self.send(tail, deadline)?.or(unreadable.map(ReplayOutcome::Refused)) {
            return Ok((outcome, sent));
        }
        self.notes.set(&run.run_id, Progress { stamp, points: sent, done: true });
        Ok((ReplayOutcome::Sent, sent))
    }

    /// Send some updates and wait for what becomes of them; `None` if the server has them all.
    fn send(&self, updates: Vec<Event>, deadline: Instant) -> Result<Option<ReplayOutcome>, Error> {
        let before = self.connector.status()?.ledger;
        for event in updates {
            if let Err(Rejected::Closed | Rejected::Full) = self.connector.send(event) {
                return Ok(Some(ReplayOutcome::Pending(self.connector.status()?.last_error)));
            }
        }
        let settled = self.connector.flush(deadline.saturating_duration_since(Instant::now()));
        let status = self.connector.status()?;
        if status.ledger.dead_lettered > before.dead_lettered {
            let unknown = || Error::refused("mlflow.refused", "the server refused something of it");
            let letters = self.connector.dead_letters();
            let error = letters.last().map(|letter| letter.error.clone()).or(status.last_error);
            return Ok(Some(ReplayOutcome::Refused(error.unwrap_or_else(unknown))));
        }
        Ok((!settled).then_some(ReplayOutcome::Pending(status.last_error)))
    }

    /// Its artifacts, where they are on this machine, and its end. Beside them what kept one of them from being read.
    fn tail(&self, id: &str, run: &ExperimentRun) -> Result<(Vec<Event>, Option<Error>), Error> {
        let (mut events, mut unreadable) = (Vec::new(), None);
        let now = run.end_time.unwrap_or(run.start_time).as_millisecond();
        if let Some(root) = self.reader.artifact_folder(&run.run_id)? {
            for path in &run.artifacts {
                let folder = path.rsplit_once('/').map(|(folder, _)| folder);
                match artifact::take(&root.join(path), &ArtifactOptions { folder, copy: false }, &root) {
                    Ok(taken) => events.extend(event(id, now, RunChange::Artifact(taken))),
                    Err(error) => unreadable = Some(error),
                }
            }
        }
        if run.status.is_end() {
            events.extend(event(id, now, RunChange::End { status: run.status }));
        }
        Ok((events, unreadable))
    }
}

fn event(run: &str, time: i64, change: RunChange) -> Option<Event> {
    RunUpdate { run: run.to_owned(), time, change }.to_event().ok()
}

/// Its start, its parameters and its tags. `is_here`: whether a run is sent from the same file.
fn head(id: &str, run: &ExperimentRun, is_here: impl Fn(&str) -> bool) -> Vec<Event> {
    let time = run.start_time.as_millisecond();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let tags = run.tags.iter().filter(|(name, _)| *name != RUN_KEY);
    let sent = |(name, value): (&String, _)| match text(value) {
        parent if name == PARENT && is_here(&parent) => (name.clone(), format!("{LOCAL_PREFIX}{parent}")),
        other => (name.clone(), other),
    };
    let tags: Pairs<String> = tags.map(sent).collect();
    let start =
        RunStart { experiment: run.experiment_name.clone(), name: run.run_name.clone(), tags: tags.clone() };
    let params: Pairs<_> = run.parameters.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let changes = [RunChange::Start(start), RunChange::Params(params), RunChange::Tags(tags)];
    changes.into_iter().filter_map(|change| event(id, time, change)).collect()
}

/// Points as updates: those of one moment and step together.
fn rows(id: &str, points: &[(String, Point)]) -> Vec<Event> {
    let together = points.chunk_by(|(_, one), (_, other)| (one.time, one.step) == (other.time, other.step));
    let row = |some: &[(String, Point)]| {
        let values: Vec<_> = some.iter().map(|(name, point)| (name.as_str(), point.value)).collect();
        let (_, first) = some.first()?;
        Some(RunUpdate::metrics_event(id, first.time, &values, Some(first.step)))
    };
    together.filter_map(row).collect()
}

/// What tells a run from what it was before.
fn stamp(run: &ExperimentRun, points: u64) -> String {
    let mut sum = Digester::default();
    let end = run.end_time.map(|time| time.to_string());
    sum.add(format!("{} {end:?} {points} {:?}", run.status, run.artifacts).as_bytes());
    for map in [&run.parameters, &run.tags] {
        sum.add(serde_json::to_string(map).unwrap_or_default().as_bytes());
    }
    sum.finish()
}
