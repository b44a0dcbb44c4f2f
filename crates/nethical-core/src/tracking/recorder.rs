//! A platform whose updates are delivered like all other events.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::delivery::{Connector, Error, Rejected, Settings, Status};
use crate::event::{
    Event, Metadata, Pairs, Redaction, RunArtifact, RunChange, RunStart, RunUpdate, Timestamp,
};
use crate::fork::{self, PerProcess};
use crate::tracking::{
    ArtifactOptions, ExperimentRun, Handler, Handlers, OpenRuns, Platform, RunBook, RunEvent, RunStatus,
    StartRun, artifact, flatten, local_id, register,
};

/// What one service adds to a [`Recorder`]: what it would refuse, and how it is asked for a new run.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The type of the platform: `mlflow`.
    fn kind(&self) -> &'static str;

    /// The id of a run that begins now, until the service gives it another one.
    fn new_id(&self, _start: &RunStart) -> String {
        local_id()
    }

    /// Whether a run goes on when the process that began it is gone: then the next process goes on with it, instead of
    /// ending it as killed.
    fn outlives_process(&self) -> bool {
        false
    }

    /// By what a later process knows the runs that this one leaves open, where nothing of them waits on disk.
    fn marks_key(&self) -> Option<String> {
        None
    }

    /// Add what the service wants to know of a run that begins now.
    fn complete(&self, _start: &mut RunStart) {}

    /// Ask the service for a new run, within a deadline of its own. `key` is the id that the run has until the service
    /// gives it another one; whatever is created must carry it, so that it is found again. Without an answer: `None`,
    /// and the run is started by the [`Start`](RunChange::Start) that is delivered later.
    ///
    /// # Errors
    /// If the service refuses such a run for good.
    fn begin(&self, _key: &str, _start: &RunStart, _time: i64) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// # Errors
    /// If the service would not take a run that begins so.
    fn check_start(&self, _start: &StartRun<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take this id for a run to go on with.
    fn check_resume(&self, _run: &str) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take this parameter, which has been `before` until now.
    fn check_parameter(&self, _name: &str, _value: &Value, _before: Option<&Value>) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take a point of this metric.
    fn check_metric(&self, _name: &str, _value: f64, _step: Option<i64>) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take this tag.
    fn check_tag(&self, _name: &str, _value: &str) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take an artifact at this path in the run.
    fn check_artifact(&self, _path: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the service takes this address in the place of a file: `s3://bucket/model.tar.gz`.
    fn takes_address(&self, _address: &str) -> bool {
        false
    }
}

/// How a recorder is opened.
pub struct RecorderOptions {
    /// How its updates are delivered: as the connector is fed.
    pub settings: Settings,
    /// Which parameters are hidden.
    pub redaction: Redaction,
}

/// Turns the calls of a program into updates and has a connector deliver them.
#[derive(Debug)]
pub struct Recorder {
    connector: Connector,
    backend: Arc<dyn Backend>,
    book: PerProcess<RunBook>,
    born: u32,
    handlers: Handlers,
    redaction: Redaction,
    marks: Option<OpenRuns>,
    /// When a mark was touched last, in seconds.
    touched: AtomicI64,
    keep: PathBuf,
}

/// Seconds between touches of a mark.
const TOUCH: i64 = 5;

impl Recorder {
    /// A recorder whose updates `connector` delivers. Runs that a killed process left open are ended.
    pub fn open(
        connector: Connector,
        backend: Arc<dyn Backend>,
        options: &RecorderOptions,
    ) -> Result<Arc<Self>, Error> {
        let status = connector.status()?;
        let key = status.key.or_else(|| backend.marks_key());
        let home = options.settings.spool.home().filter(|_| key.is_some());
        let marks = home.as_ref().zip(key).map(|(home, key)| OpenRuns::new(home, key));
        let temporary = || std::env::temp_dir().join(format!("nethical-{}", std::process::id()));
        let recorder = Arc::new(Self {
            connector,
            backend,
            book: PerProcess::new(),
            born: fork::generation(),
            handlers: Handlers::default(),
            redaction: options.redaction.clone(),
            marks,
            touched: AtomicI64::new(0),
            keep: home.map_or_else(temporary, |home| OpenRuns::artifacts(&home)),
        });
        recorder.end_stale();
        register(&(Arc::clone(&recorder) as Arc<dyn Platform>));
        Ok(recorder)
    }

    /// The connector that delivers its updates.
    pub const fn connector(&self) -> &Connector {
        &self.connector
    }

    fn end_stale(&self) {
        let Some(marks) = &self.marks else { return };
        marks.end_stale(|stale| {
            if self.backend.outlives_process() {
                let _ = self.send(&RunUpdate::now(&stale.run, RunChange::Resume {}));
                return;
            }
            let change = RunChange::End { status: RunStatus::Killed };
            let time = stale.last_heard.as_millisecond();
            // A queue that is full now keeps the run open on the server, and says so itself.
            let _ = self.send(&RunUpdate { run: stale.run.clone(), time, change });
        });
    }

    fn book(&self) -> &RunBook {
        self.book.get(|| RunBook::new(fork::generation() != self.born))
    }

    fn change<T>(
        &self,
        run: &str,
        change: impl FnOnce(&mut ExperimentRun) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.book().change(self.backend.kind(), run, change)
    }

    fn send(&self, update: &RunUpdate) -> Result<(), Error> {
        let failed = |error: serde_json::Error| Error::refused("runs.not_json", error.to_string());
        self.send_event(update.to_event().map_err(failed)?)
    }

    fn send_event(&self, event: Event) -> Result<(), Error> {
        self.connector.send(event).map_err(|rejected| {
            let name = self.connector.name();
            match rejected {
                Rejected::Closed => Error::refused("runs.closed", format!("{name} is closed"))
                    .with_hint("open it again; close it only when nothing is logged any more"),
                Rejected::Full => Error::unavailable("runs.full", format!("the queue of {name} is full"))
                    .with_hint("see why it does not deliver, or give its queue more room"),
            }
        })
    }

    /// Send, and keep the mark of the run fresh.
    fn tell(&self, update: &RunUpdate, event: &RunEvent<'_>) -> Result<(), Error> {
        self.send(update)?;
        self.touch(&update.run, update.time / 1_000);
        self.handlers.tell(&update.run, event);
        Ok(())
    }

    fn touch(&self, run: &str, now: i64) {
        let last = self.touched.load(Ordering::Relaxed);
        if let Some(marks) = self.marks.as_ref().filter(|_| now - last >= TOUCH) {
            self.touched.store(now, Ordering::Relaxed);
            marks.touch(run);
        }
    }

    fn mark(&self, run: &str) {
        if let Some(Err(error)) = self.marks.as_ref().map(|marks| marks.mark(run)) {
            let text = "if this process is killed, the run stays open";
            tracing::warn!(target: "nethical", "{}: {text}: {error}", self.connector.name());
        }
    }

    fn begin(&self, mut start: RunStart, time: i64) -> Result<String, Error> {
        let key = self.backend.new_id(&start);
        self.backend.complete(&mut start);
        if let Some(id) = self.backend.begin(&key, &start, time)? {
            return Ok(id);
        }
        self.send(&RunUpdate { run: key.clone(), time, change: RunChange::Start(start) })?;
        Ok(key)
    }

    fn take(&self, path: &Path, options: &ArtifactOptions<'_>) -> Result<RunArtifact, Error> {
        let address = path.to_str().filter(|text| text.contains("://"));
        let Some(address) = address else { return artifact::take(path, options, &self.keep) };
        if !self.backend.takes_address(address) {
            let text = format!("{} takes files and folders, not `{address}`", self.backend.kind());
            return Err(Error::refused("artifact.address", text).with_hint("log a file of this machine"));
        }
        let folder = options.folder.unwrap_or_default().trim_matches('/').to_owned();
        Ok(RunArtifact { folder, source: address.to_owned(), copied: false, files: Vec::new() })
    }
}

impl Platform for Recorder {
    fn name(&self) -> &str {
        self.connector.name()
    }

    fn kind(&self) -> &'static str {
        self.backend.kind()
    }

    fn start_run(&self, start: &StartRun<'_>) -> Result<String, Error> {
        self.backend.check_start(start)?;
        start.tags.iter().try_for_each(|(name, value)| self.backend.check_tag(name, value))?;
        let (StartRun { experiment, name, tags }, at) = (*start, Timestamp::now());
        let tags: Pairs<String> = owned(tags).collect();
        let begun = RunStart { experiment: experiment.to_owned(), name: name.map(str::to_owned), tags };
        let id = self.begin(begun.clone(), at.as_millisecond())?;
        let mut run = ExperimentRun::new(self.backend.kind(), &id, experiment, begun.name, at);
        run.tags = begun.tags.0.into_iter().map(|(name, value)| (name, value.into())).collect();
        self.book().open(run);
        self.mark(&id);
        self.handlers.tell(&id, &RunEvent::Started { experiment, name });
        Ok(id)
    }

    fn resume_run(&self, run: &str) -> Result<(), Error> {
        self.backend.check_resume(run)?;
        self.send(&RunUpdate::now(run, RunChange::Resume {}))?;
        self.book().reopen(self.backend.kind(), run);
        self.mark(run);
        Ok(())
    }

    fn join_run(&self, run: &str) -> Result<(), Error> {
        self.backend.check_resume(run)?;
        self.book().join(self.backend.kind(), run);
        Ok(())
    }

    fn leave_run(&self, run: &str) -> Result<(), Error> {
        self.change(run, |_| Ok(()))?;
        self.book().leave(run);
        if let Some(marks) = &self.marks {
            marks.unmark(run);
        }
        Ok(())
    }

    fn log_parameters(&self, run: &str, parameters: &Metadata) -> Result<(), Error> {
        let flat = flatten(parameters, &self.redaction);
        self.change(run, |known| {
            for (name, value) in &flat {
                self.backend.check_parameter(name, value, known.parameters.get(name))?;
            }
            known.parameters.extend(flat.iter().cloned());
            Ok(())
        })?;
        if flat.is_empty() {
            return Ok(());
        }
        let update = RunUpdate::now(run, RunChange::Params(Pairs(flat.clone())));
        self.tell(&update, &RunEvent::Params(&flat))
    }

    fn log_metrics(&self, run: &str, metrics: &[(&str, f64)], step: Option<i64>) -> Result<(), Error> {
        let at = Timestamp::now();
        self.change(run, |known| {
            metrics.iter().try_for_each(|(name, value)| self.backend.check_metric(name, *value, step))?;
            metrics.iter().for_each(|(name, value)| known.note_metric(name, *value));
            Ok(())
        })?;
        if metrics.is_empty() {
            return Ok(());
        }
        self.send_event(RunUpdate::metrics_event(run, at, metrics, step))?;
        self.touch(run, at.as_second());
        self.handlers.tell(run, &RunEvent::Metrics { values: metrics, step });
        Ok(())
    }

    fn set_tags(&self, run: &str, tags: &[(&str, &str)]) -> Result<(), Error> {
        let owned: Vec<_> = owned(tags).collect();
        self.change(run, |known| {
            tags.iter().try_for_each(|(name, value)| self.backend.check_tag(name, value))?;
            let values = owned.iter().cloned().map(|(name, value)| (name, value.into()));
            known.tags.extend(values);
            Ok(())
        })?;
        if tags.is_empty() {
            return Ok(());
        }
        let update = RunUpdate::now(run, RunChange::Tags(Pairs(owned.clone())));
        self.tell(&update, &RunEvent::Tags(&owned))
    }

    fn log_artifact(&self, run: &str, path: &Path, options: &ArtifactOptions<'_>) -> Result<(), Error> {
        self.change(run, |_| Ok(()))?;
        let artifact = self.take(path, options)?;
        let top = top_of(&artifact);
        let checked = artifact.paths().try_for_each(|path| self.backend.check_artifact(&path));
        let noted = checked.and_then(|()| {
            self.change(run, |known| {
                known.artifacts.push(top);
                Ok(())
            })
        });
        let update = RunUpdate::now(run, RunChange::Artifact(artifact.clone()));
        let told = noted.and_then(|()| self.tell(&update, &RunEvent::Artifact(path)));
        told.inspect_err(|_| artifact::discard(&artifact))
    }

    fn end_run(&self, run: &str, status: RunStatus, wait: Option<Duration>) -> Result<bool, Error> {
        if !status.is_end() {
            let text = format!("a run cannot end as `{status}`");
            return Err(
                Error::refused("runs.status", text).with_hint("use `completed`, `failed` or `killed`")
            );
        }
        let at = Timestamp::now();
        self.change(run, |known| {
            (known.status, known.end_time) = (status, Some(at));
            Ok(())
        })?;
        let update =
            RunUpdate { run: run.to_owned(), time: at.as_millisecond(), change: RunChange::End { status } };
        let told = self.tell(&update, &RunEvent::Ended(status));
        if let Some(marks) = &self.marks {
            marks.unmark(run);
        }
        told?;
        Ok(wait.is_none_or(|patience| self.connector.flush(patience)))
    }

    fn get_run(&self, run: &str) -> Option<ExperimentRun> {
        self.book().get(run)
    }

    fn active_runs(&self) -> Vec<String> {
        self.book.existing().map(RunBook::active).unwrap_or_default()
    }

    fn on_event(&self, handler: Handler) {
        self.handlers.add(handler);
    }

    fn flush(&self, patience: Duration) -> bool {
        self.connector.flush(patience)
    }

    fn close(&self, patience: Duration) -> bool {
        self.end_all(RunStatus::Completed);
        self.connector.close(patience)
    }

    fn statuses(&self) -> Vec<Status> {
        self.connector.status().into_iter().collect()
    }

    fn probe(&self) -> Result<String, Error> {
        self.connector.probe()
    }
}

impl Recorder {
    fn end_all(&self, status: RunStatus) {
        for run in self.active_runs() {
            // One that was ended meanwhile needs no other end.
            let _ = self.end_run(&run, status, None);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end_all(if std::thread::panicking() { RunStatus::Failed } else { RunStatus::Completed });
    }
}

fn owned<'t>(tags: &'t [(&'t str, &'t str)]) -> impl Iterator<Item = (String, String)> + 't {
    tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// What an artifact is called in its run.
fn top_of(artifact: &RunArtifact) -> String {
    match &*artifact.files {
        [] if artifact.source.contains("://") => artifact.source.clone(),
        [_] => artifact.paths().next().unwrap_or_default(),
        _ => artifact.folder.clone(),
    }
}
