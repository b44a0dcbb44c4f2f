//! A platform whose updates are delivered like all other events.
//!
//! The updates of a run arrive in the order of the calls. Where artifacts have a connector of their own they do so in
//! theirs, beside the updates: one that is large or in trouble holds no metric, and may come after the end of its run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::delivery::{Connector, Error, Flushed, Rejected, Settings, Status, runtime};
use crate::event::{
    Event, Metadata, Pairs, Redaction, RunArtifact, RunChange, RunStart, RunUpdate, Timestamp,
};
use crate::fork::{self, PerProcess};
use crate::tracking::copies::{Copies, sweep};
use crate::tracking::{
    ArtifactOptions, Backend, Connectors, ExperimentRun, Handler, Handlers, OpenRuns, Platform, RunBook,
    RunEvent, RunStatus, StartRun, artifact, flatten, register,
};

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
    connectors: Connectors,
    backend: Arc<dyn Backend>,
    book: PerProcess<RunBook>,
    born: u32,
    handlers: Handlers,
    redaction: Redaction,
    marks: Option<OpenRuns>,
    /// When a mark was touched last, in seconds.
    touched: AtomicI64,
    /// Goes after the connectors, which may still read what is in it.
    copies: Copies,
}

/// How long is waited for the ends of runs that a killed process left, before their marks are left to the next process.
const ENDING: Duration = Duration::from_secs(60);

/// Seconds between touches of a mark.
const TOUCH: i64 = 5;

impl Recorder {
    /// A recorder whose updates `connectors` deliver. Runs that a killed process left open are ended.
    ///
    /// # Errors
    /// If a connector says that its destination cannot be opened.
    pub fn open(
        connectors: impl Into<Connectors>,
        backend: Arc<dyn Backend>,
        options: &RecorderOptions,
    ) -> Result<Arc<Self>, Error> {
        let connectors = connectors.into();
        let status = connectors.updates.status()?;
        let key = status.key.or_else(|| backend.marks_key());
        let home = options.settings.spool.home().filter(|_| key.is_some());
        let marks = home.as_ref().zip(key).map(|(home, key)| OpenRuns::new(home, key));
        let recorder = Arc::new(Self {
            connectors,
            backend,
            book: PerProcess::new(),
            born: fork::generation(),
            handlers: Handlers::default(),
            redaction: options.redaction.clone(),
            marks,
            touched: AtomicI64::new(0),
            copies: Copies::at(home.as_deref()),
        });
        recorder.end_stale();
        if let Some(home) = home {
            // Copies that nobody needs only take room: the next process tries again.
            runtime::handle()?.spawn_blocking(move || sweep(&home));
        }
        register(&(Arc::clone(&recorder) as Arc<dyn Platform>));
        Ok(recorder)
    }

    fn end_stale(&self) {
        let Some(marks) = &self.marks else { return };
        let taken = marks.take_stale(|stale| {
            if self.backend.outlives_process() {
                let _ = self.send(&RunUpdate::now(&stale.run, RunChange::Resume {}));
                return;
            }
            let change = RunChange::End { status: RunStatus::Killed };
            let time = stale.last_heard.as_millisecond();
            // A queue that is full now keeps the run open on the server, and says so itself.
            let _ = self.send(&RunUpdate { run: stale.run.clone(), time, change });
        });
        if !taken.is_empty() {
            // A process that is killed before that leaves it to the next one.
            self.connectors.updates.flush_then(ENDING, move |flushed| {
                if flushed != Flushed::AtRisk {
                    taken.remove();
                }
            });
        }
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
        let event = update.to_event().map_err(failed)?;
        match (&update.change, &self.connectors.artifacts) {
            (RunChange::Artifact(_), Some(artifacts)) => self.send_by(artifacts, event),
            _ => self.send_by(&self.connectors.updates, event),
        }
    }

    fn send_by(&self, connector: &Connector, event: Event) -> Result<(), Error> {
        connector.send(event).map_err(|rejected| {
            let name = connector.name();
            match rejected {
                Rejected::Closed => closed(name),
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
            tracing::warn!(target: "nethical", "{}: {text}: {error}", self.name());
        }
    }

    fn begin(&self, mut start: RunStart, time: i64) -> Result<String, Error> {
        if self.connectors.updates.is_closed() {
            // A server that is asked for a run now would never hear of its end.
            return Err(closed(self.name()));
        }
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
        let Some(address) = address else { return artifact::take(path, options, self.copies.folder()) };
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
        self.connectors.updates.name()
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
        self.send_by(&self.connectors.updates, RunUpdate::metrics_event(run, at, metrics, step))?;
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
        Ok(wait.is_none_or(|patience| self.connectors.flush(patience)))
    }

    fn ask_status(&self, run: &str, patience: Duration) -> Option<RunStatus> {
        self.backend.ask_status(run, patience)
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
        self.connectors.flush(patience)
    }

    fn close(&self, patience: Duration) -> bool {
        self.end_all(RunStatus::Completed);
        self.connectors.close(patience)
    }

    fn statuses(&self) -> Vec<Status> {
        self.connectors.all().filter_map(|connector| connector.status().ok()).collect()
    }

    fn probe(&self) -> Result<String, Error> {
        self.connectors.updates.probe()
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

fn closed(name: &str) -> Error {
    Error::refused("runs.closed", format!("{name} is closed"))
        .with_hint("open it again; close it only when nothing is logged any more")
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
