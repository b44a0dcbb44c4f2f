//! The writing side of one run: calls become records of its log. Nothing here waits for a network.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use nethical_core::delivery::Error;
use nethical_core::fork;
use nethical_core::spool::Durability;
use prost::Message;

use super::artifact::{self, ArtifactSpec};
use super::assembly::PRODUCER;
use super::directory::RunDirectory;
use super::history::{self, Moment, Place, Row, Steps};
use super::json;
use super::limits;
use super::log::record::{
    Artifact, Exit, FileItem, Files, Header, Item, Kind, Metric, MetricOptions, MetricSummary, Record, Run,
    Time, Update, VersionInfo,
};
use super::log::writer::{NotTaken, RunLog, cannot_create};
use super::summary::{Metrics, Summary};

/// Seconds between two summaries so far, which are for those who read logs of runs that did not come to their end.
const SUMMARY_PAUSE: f64 = 15.0;

/// One run that is being written.
pub(crate) struct Recording {
    pub(crate) directory: RunDirectory,
    log: RunLog,
    started: Instant,
    started_at: f64,
    generation: u32,
    state: Mutex<State>,
}

struct State {
    steps: Steps,
    /// The number of the record that began the row that is open; 0 if none is.
    open_row: u64,
    /// Bytes of that row so far.
    open_bytes: usize,
    run: Run,
    metrics: Metrics,
    summary: Summary,
    /// When it was written last, in seconds since the run began.
    summary_at: f64,
    /// The newest row since then.
    summary_owed: Option<Moment>,
    /// Bytes of each parameter in the configuration, which is sent whole.
    config: HashMap<String, usize>,
    artifacts: u64,
    ended: bool,
    /// Updates that were taken.
    accepted: u64,
    /// Updates that the disk, or memory for it, did not take.
    dropped: u64,
}

/// What a reader has to know to see which rows are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The record that began the row that may still get more; 0 if there is none.
    pub(crate) open_row: u64,
    /// Records that were appended.
    pub(crate) appended: u64,
}

impl Recording {
    /// Begins a run.
    ///
    /// # Errors
    /// If its log cannot be made.
    pub(crate) fn start(directory: RunDirectory, run: Run, durability: Durability) -> Result<Self, Error> {
        let made = RunLog::create(directory.log(), durability);
        let log = made.map_err(|error| cannot_create(directory.log(), &error))?;
        let now = Timestamp::now();
        let started_at = now.as_microsecond() as f64 / 1e6;
        let seconds = now.as_second();
        let run = Run { start_time: Some(Time { seconds, nanos: now.subsec_nanosecond() }), ..run };
        let started = Instant::now();
        let recording = Self {
            directory,
            log,
            started,
            started_at,
            generation: fork::generation(),
            state: Mutex::new(State {
                steps: Steps::default(),
                open_row: 0,
                open_bytes: 0,
                run: run.clone(),
                metrics: Metrics::default(),
                summary: Summary::default(),
                summary_at: 0.0,
                summary_owed: None,
                config: HashMap::new(),
                artifacts: 0,
                ended: false,
                accepted: 0,
                dropped: 0,
            }),
        };
        let producer = format!("{PRODUCER} {}", env!("CARGO_PKG_VERSION"));
        let version_info = VersionInfo { producer, min_consumer: String::new() };
        let mut state = recording.lock();
        recording.write(&mut state, Kind::Header(Header { version_info: Some(version_info) }))?;
        recording.take(&mut state, Kind::Run(run))?;
        drop(state);
        Ok(recording)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may write: the run is this process's, and has not ended.
    fn open(&self) -> Result<MutexGuard<'_, State>, Error> {
        if self.generation != fork::generation() {
            let text = "wandb: this run belongs to the process from which this one was forked";
            return Err(Error::refused("wandb.forked", text)
                .with_hint("log in the parent, or start a run of its own in this process"));
        }
        let state = self.lock();
        if state.ended {
            let text = format!("wandb: the run `{}` has ended", state.run.run_id);
            return Err(Error::refused("runs.ended", text).with_hint("resume it first, or start a new one"));
        }
        Ok(state)
    }

    fn write(&self, state: &mut State, kind: Kind) -> Result<u64, Error> {
        let record = Record { num: 0, kind: Some(kind) };
        let appended = self.log.append(|num, out| {
            // Memory takes whatever is written.
            let _ = Record { num, ..record }.encode(out);
        });
        appended.map_err(|reason| {
            state.dropped += 1;
            not_taken(reason)
        })
    }

    /// Writes something that counts.
    fn take(&self, state: &mut State, kind: Kind) -> Result<u64, Error> {
        let num = self.write(state, kind)?;
        state.accepted += 1;
        Ok(num)
    }

    /// In mode `every`: waits for the disk.
    fn settle(&self, num: u64) -> Result<(), Error> {
        self.log.settle(num).map_err(not_taken)
    }

    fn runtime(&self) -> f64 {
        // Nanoseconds of a run's time tell nobody anything, and take room.
        (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e6
    }

    /// Logs a row, or more of the row that is open.
    ///
    /// # Errors
    /// If a name or the size is nothing for W&B, the step goes back, or the run has ended.
    pub(crate) fn log(&self, row: &Row, step: Option<i64>) -> Result<(), Error> {
        row.items().try_for_each(|(name, _)| limits::metric(name))?;
        let mut state = self.open()?;
        let mut steps = state.steps;
        let (step, place) = steps.place(step)?;
        let begun = if place == Place::Same { state.open_bytes } else { 0 };
        limits::row(begun + row.bytes())?;
        let runtime = self.runtime();
        let moment = Moment { step, runtime, timestamp: self.started_at + runtime };
        let appended = self.log.append(|num, out| history::encode(row, moment, place, num, out));
        let num = appended.map_err(|reason| {
            state.dropped += 1;
            not_taken(reason)
        })?;
        (state.steps, state.open_bytes) = (steps, begun + row.bytes());
        state.accepted += 1;
        if place == Place::New {
            state.open_row = if state.steps.is_open() { num } else { 0 };
        }
        self.note(&mut state, row, moment);
        drop(state);
        self.settle(num)
    }

    fn note(&self, state: &mut State, row: &Row, moment: Moment) {
        let State { summary, metrics, .. } = state;
        row.items().for_each(|(name, value)| summary.note(metrics, name, value));
        state.summary_owed = Some(moment);
        if moment.runtime - state.summary_at > SUMMARY_PAUSE {
            // A later one takes its place where the disk does not take this one.
            let _ = self.write_summary(state);
        }
    }

    fn write_summary(&self, state: &mut State) -> Result<(), Error> {
        if let Some(moment) = state.summary_owed.take() {
            state.summary_at = moment.runtime;
            own_values(moment).iter().for_each(|(name, value)| state.summary.put(name, value));
        }
        let entries = state.summary.entries();
        let update = entries.into_iter().map(|(name, value)| Item::new(name, value)).collect();
        self.write(state, Kind::Summary(Update { update, remove: Vec::new() })).map(drop)
    }

    /// Sets parameters: names, and values as strict JSON.
    ///
    /// # Errors
    /// If a name or the size is nothing for W&B, or the run has ended.
    pub(crate) fn configure(&self, parameters: &[(String, String)]) -> Result<(), Error> {
        parameters.iter().try_for_each(|(name, _)| limits::parameter(name))?;
        let mut state = self.open()?;
        let size = |(name, value): &(String, String)| name.len() + value.len() + 15;
        let given: HashMap<String, usize> =
            parameters.iter().map(|parameter| (parameter.0.clone(), size(parameter))).collect();
        let others = state.config.iter().filter(|(name, _)| !given.contains_key(*name)).map(|(_, size)| size);
        limits::config(given.values().chain(others).sum())?;
        let update = parameters.iter().map(|(name, value)| Item::new(name, value)).collect();
        let num = self.take(&mut state, Kind::Config(Update { update, remove: Vec::new() }))?;
        state.config.extend(given);
        drop(state);
        self.settle(num)
    }

    /// Changes what describes the run: tags, notes, name.
    ///
    /// # Errors
    /// If the run has ended, or `change` fails.
    pub(crate) fn describe(&self, change: impl FnOnce(&mut Run) -> Result<(), Error>) -> Result<(), Error> {
        let mut state = self.open()?;
        let mut run = state.run.clone();
        change(&mut run)?;
        let num = self.take(&mut state, Kind::Run(run.clone()))?;
        state.run = run;
        drop(state);
        self.settle(num)
    }

    /// Defines how a metric is drawn and summed up.
    ///
    /// # Errors
    /// If the run has ended.
    pub(crate) fn define(&self, metric: Metric) -> Result<(), Error> {
        let mut state = self.open()?;
        state.metrics.define(metric.clone());
        let num = self.take(&mut state, Kind::Metric(metric))?;
        drop(state);
        self.settle(num)
    }

    /// Defines a metric that is the x-axis of others, unless it is defined.
    ///
    /// # Errors
    /// If the run has ended.
    pub(crate) fn define_axis(&self, name: &str) -> Result<(), Error> {
        if self.open()?.metrics.knows(name) {
            return Ok(());
        }
        let options = Some(MetricOptions { defined: true, ..MetricOptions::default() });
        let summary = Some(MetricSummary::default());
        self.define(Metric { name: name.to_owned(), options, summary, ..Metric::default() })
    }

    /// The newest number of each metric.
    pub(crate) fn metrics(&self) -> Vec<(String, f64)> {
        let number = |(name, value): (String, String)| {
            let value = super::summary::parse(&value)?;
            (!name.starts_with('_')).then_some((name, value))
        };
        self.lock().summary.entries().into_iter().filter_map(number).collect()
    }

    /// Takes an artifact, while the caller waits. Returns the number by which its upload is known.
    ///
    /// # Errors
    /// If it cannot be read or copied, its name is nothing for W&B, or the run has ended.
    pub(crate) fn artifact(&self, path: &Path, spec: &ArtifactSpec<'_>) -> Result<(i64, Artifact), Error> {
        let (run, number) = {
            let mut state = self.open()?;
            state.artifacts += 1;
            (state.run.clone(), state.artifacts)
        };
        let base = path.file_name().and_then(|name| name.to_str()).unwrap_or("artifact");
        let usual = limits::artifact_name_of(&format!("run-{}-{base}", run.run_id));
        let name = spec.name.unwrap_or(&usual).to_owned();
        limits::artifact(&name)?;
        let keep = self.directory.artifacts().join(number.to_string());
        let contents = artifact::take(path, spec, &keep).inspect_err(|_| {
            // What is half copied only takes room.
            let _ = std::fs::remove_dir_all(&keep);
        })?;
        let mut aliases: Vec<String> = spec.aliases.iter().map(|alias| (*alias).to_owned()).collect();
        if !aliases.iter().any(|alias| alias == "latest") {
            aliases.push("latest".to_owned());
        }
        let artifact = Artifact {
            run_id: run.run_id,
            project: run.project,
            entity: run.entity,
            artifact_type: spec.kind.unwrap_or("unspecified").to_owned(),
            name,
            description: spec.description.unwrap_or_default().to_owned(),
            aliases,
            ..Artifact::default()
        };
        let artifact = artifact::record(contents, artifact);
        let mut state = self.open()?;
        let num = self.take(&mut state, Kind::Artifact(artifact.clone()))?;
        drop(state);
        self.settle(num)?;
        Ok((i64::try_from(num).unwrap_or(i64::MAX), artifact))
    }

    /// Takes a copy of a file as a file of the run, under this path.
    ///
    /// # Errors
    /// If it cannot be read or copied, the path leads out of the run, or the run has ended.
    pub(crate) fn file(&self, source: &Path, path: &str) -> Result<(), Error> {
        drop(self.open()?);
        if !is_inside(path) {
            let text = format!("wandb: `{path}` leads out of the run's files");
            return Err(Error::refused("wandb.file_path", text).with_hint("use a relative path without `..`"));
        }
        let target = self.directory.files().join(path);
        let failed = |error: std::io::Error| {
            let text = format!("wandb: cannot copy {} to {}: {error}", source.display(), target.display());
            Error::refused("wandb.file", text).with_hint("name a file that is there and may be read")
        };
        target.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        std::fs::copy(source, &target).map_err(failed)?;
        let mut state = self.open()?;
        let item = FileItem { path: path.to_owned(), policy: 0, file_type: 0 };
        let num = self.take(&mut state, Kind::Files(Files { files: vec![item] }))?;
        drop(state);
        self.settle(num)
    }

    /// Ends the run.
    ///
    /// # Errors
    /// If it has ended before, or the disk does not take it.
    pub(crate) fn end(&self, exit_code: i32) -> Result<(), Error> {
        let mut state = self.open()?;
        state.steps.close();
        state.open_row = 0;
        let (runtime, seconds) = (self.runtime(), self.started.elapsed().as_secs());
        match &mut state.summary_owed {
            Some(moment) => moment.runtime = runtime,
            None => state.summary.put("_runtime", json::shown(runtime, &mut zmij::Buffer::new())),
        }
        state.summary.put("_wandb", &format!("{{\"runtime\":{seconds}}}"));
        self.write_summary(&mut state)?;
        let runtime = i32::try_from(seconds).unwrap_or(i32::MAX);
        let num = self.take(&mut state, Kind::Exit(Exit { exit_code, runtime, not_complete: false }))?;
        state.ended = true;
        self.log.close();
        drop(state);
        self.settle(num)
    }

    /// The row that is open gets no more: somebody wants to see it delivered.
    pub(crate) fn close_row(&self) {
        let mut state = self.lock();
        state.steps.close();
        state.open_row = 0;
        drop(state);
        self.log.wake();
    }

    /// Waits until the disk has everything; false if the deadline comes first.
    pub(crate) fn sync(&self, deadline: Instant) -> bool {
        self.log.sync(deadline)
    }

    /// What a reader has to know.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot { open_row: state.open_row, appended: self.log.counts().0 }
    }

    /// Updates that were taken, and those that were not.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.accepted, state.dropped)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether it has ended, and all of it is in the file.
    pub(crate) fn is_written(&self) -> bool {
        let (appended, written) = self.log.counts();
        self.has_ended() && appended == written
    }

    /// The log, for its reader.
    pub(crate) const fn run_log(&self) -> &RunLog {
        &self.log
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn own_values(moment: Moment) -> [(&'static str, String); 3] {
    let number = |value| {
        let mut out = Vec::new();
        json::number(value, &mut out);
        String::from_utf8(out).unwrap_or_default()
    };
    [
        ("_step", moment.step.to_string()),
        ("_runtime", number(moment.runtime)),
        ("_timestamp", number(moment.timestamp)),
    ]
}

/// Whether a path stays below where it is put.
pub(super) fn is_inside(path: &str) -> bool {
    use std::path::Component;
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn not_taken(reason: NotTaken) -> Error {
    match reason {
        NotTaken::Closed => Error::refused("runs.ended", "wandb: the run has ended"),
        NotTaken::Full => {
            Error::unavailable("wandb.disk_slow", "wandb: the disk is slower than what is logged")
                .with_hint("log less often, or put `directory` on a faster disk")
        }
        NotTaken::Storage(kind) => {
            Error::unavailable("wandb.disk", format!("wandb: the disk does not take the run log: {kind}"))
                .with_hint("make room on the disk of `directory`")
        }
    }
}
