//! Weights & Biases as a platform for runs.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ZonedDateTime};
use nethical_core::delivery::{Attendance, Attended, Error, Flushed, Settings, Status, attend, runtime};
use nethical_core::event::{Metadata, REDACTED, Redaction};
use nethical_core::fork::PerProcess;
use nethical_core::spool::Durability;
use nethical_core::tracking::{
    ArtifactOptions, ExperimentRun, Handler, Handlers, Platform, RunBook, RunEvent, RunStatus, StartRun,
    flatten, register,
};
use serde_json::Value;

use super::api::Api;
use super::artifact::{ArtifactSpec, random_name};
use super::config::{Resolved, WandbConfig};
use super::directory::{RunDirectory, State};
use super::environment::{self, Mode};
use super::history::Row;
use super::limits;
use super::lock::Lock;
use super::log::record::Run;
use super::log::writer::cannot_create;
use super::options::{MetricDefinition, Resume, WandbStart};
use super::progress::ArtifactState;
use super::recording::Recording;
use super::refusals::Refusals;
use super::registry::Registry;
use super::upload::Parts;
use super::uploads::{Means, Upload, Uploads};

const KIND: &str = "wandb";

/// Runs that are over and can still be asked about.
const REMEMBERED: usize = 1_000;

/// Weights & Biases. Every call is written to the run's log and returns; one uploader per run sends what stands there.
pub struct Wandb {
    name: String,
    options: Resolved,
    settings: Settings,
    durability: Durability,
    redaction: Redaction,
    api: Option<Api>,
    handlers: Handlers,
    process: PerProcess<Result<Process, Error>>,
    born: u32,
}

/// What each process has of its own.
struct Process {
    uploads: Arc<Uploads>,
    _attendance: Attendance,
    book: RunBook,
    runs: Mutex<HashMap<String, OpenRun>>,
}

#[derive(Clone)]
struct OpenRun {
    /// None: nothing is kept.
    upload: Option<Upload>,
    writer: Option<Arc<Lock>>,
}

impl fmt::Debug for Wandb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wandb").field("name", &self.name).field("api", &self.api).finish_non_exhaustive()
    }
}

/// That there is no key is said once in a process.
static SAID: AtomicBool = AtomicBool::new(false);

impl Wandb {
    /// Opens the platform. Runs that ended processes left for the same server are uploaded beside its own.
    ///
    /// # Errors
    /// If an option cannot work, also one from the environment.
    pub fn open(
        config: &WandbConfig,
        name: &str,
        settings: Settings,
        redaction: &Redaction,
    ) -> Result<Arc<Self>, Error> {
        let options = config.resolve(&environment::variable)?;
        let api = match (&options.key, options.mode) {
            (Some(key), Mode::Online) => {
                Some(Api::new(&options.base_url, key).within(options.request_timeout))
            }
            _ => None,
        };
        if options.mode == Mode::Online && api.is_none() && !SAID.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "nethical",
                hint = "set `WANDB_API_KEY` or run `wandb login`; `nethical sync` uploads later what is written now",
                "wandb: there is no key, so runs are only written to {}", options.parent.display()
            );
        }
        let durability = config.durability.map_or(settings.spool.options.durability, Durability::from);
        let born = nethical_core::fork::generation();
        let opened = Arc::new(Self {
            name: name.to_owned(),
            durability,
            options,
            settings,
            redaction: redaction.clone(),
            api,
            handlers: Handlers::default(),
            process: PerProcess::new(),
            born,
        });
        opened.process()?.uploads.adopt();
        register(&(Arc::clone(&opened) as Arc<dyn Platform>));
        Ok(opened)
    }

    fn process(&self) -> Result<&Process, Error> {
        let start = || {
            let means = Means {
                name: self.name.as_str().into(),
                api: self.api.clone(),
                rhythm: self.options.rhythm(),
                parts: Parts::default(),
                refusals: Arc::new(Refusals::new(&self.name, &self.settings.spool)),
                observer: Arc::clone(&self.settings.observer),
                breaker: self.settings.breaker,
                registry: self.registry(),
                target: (self.options.entity.clone(), self.options.project.clone()),
            };
            let uploads = Uploads::new(means);
            let attendance = attend(Arc::<Uploads>::clone(&uploads), &self.settings.spool)?;
            let book = RunBook::new(nethical_core::fork::generation() != self.born);
            Ok(Process { uploads, _attendance: attendance, book, runs: Mutex::default() })
        };
        self.process.get(start).as_ref().map_err(Clone::clone)
    }

    fn registry(&self) -> Option<Registry> {
        let on = self.settings.spool.enabled != Some(false)
            && nethical_core::delivery::SpoolSettings::is_allowed();
        on.then(|| self.settings.spool.directory()).flatten().as_deref().map(Registry::new)
    }

    /// Begins a run with options of W&B's own. Returns its id. Never waits for the network.
    ///
    /// # Errors
    /// If W&B would refuse a name, another process writes to the run, or its log cannot be made.
    pub fn start(&self, start: &StartRun<'_>, own: &WandbStart<'_>) -> Result<String, Error> {
        limits::names(start.experiment, start.name)?;
        own.job_type.map_or(Ok(()), limits::job_type)?;
        let tags: Vec<String> = own.tags.iter().map(|tag| (*tag).to_owned()).collect();
        let tags: Vec<String> = tags.into_iter().chain(start.tags.iter().map(|(k, v)| tag(k, v))).collect();
        tags.iter().try_for_each(|tag| limits::tag(tag))?;
        let id = own.id.map_or_else(|| random_name(8), str::to_owned);
        limits::run_id(&id)?;
        let text = |given: Option<&str>| given.unwrap_or_default().to_owned();
        let run = Run {
            run_id: id.clone(),
            entity: self.options.entity.clone().unwrap_or_default(),
            project: self.options.project.clone().unwrap_or_default(),
            run_group: start.experiment.to_owned(),
            job_type: own
                .job_type
                .map(str::to_owned)
                .or_else(|| self.options.job_type.clone())
                .unwrap_or_default(),
            display_name: text(start.name),
            notes: text(own.notes),
            tags,
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            resume: own.resume.map_or("", Resume::as_str).to_owned(),
            ..Run::default()
        };
        self.begin(run)?;
        let process = self.process()?;
        let name = start.name.map(str::to_owned);
        let mut page = ExperimentRun::new(KIND, &*id, start.experiment, name, Timestamp::now());
        page.tags =
            start.tags.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        process.book.open(page);
        self.handlers.tell(&id, &RunEvent::Started { experiment: start.experiment, name: start.name });
        Ok(id)
    }

    fn begin(&self, run: Run) -> Result<(), Error> {
        let (process, id) = (self.process()?, run.run_id.clone());
        let earlier = process.runs().get(&id).cloned();
        if earlier.as_ref().is_some_and(OpenRun::is_open) {
            let text = format!("wandb: the run `{id}` is open");
            return Err(Error::refused("wandb.run_open", text).with_hint("end it first, or use another id"));
        }
        if self.options.mode == Mode::Disabled {
            process.runs().insert(id, OpenRun { upload: None, writer: None });
            return Ok(());
        }
        let writer = match earlier.as_ref().and_then(|earlier| earlier.writer.clone()) {
            Some(writer) => Some(writer),
            None => self.writer(&run)?,
        };
        let parent = &self.options.parent;
        let offline = !process.uploads.is_online();
        let made = RunDirectory::create(parent, &id, offline, &ZonedDateTime::now());
        let directory = made.map_err(|error| cannot_create(parent, &error))?;
        let held = directory.lock().map_err(|error| cannot_create(directory.path(), &error))?;
        let state = State {
            base_url: self.options.base_url.clone(),
            entity: run.entity.clone(),
            project: run.project.clone(),
            ..State::default()
        };
        directory.note_state(&state).map_err(|error| cannot_create(directory.path(), &error))?;
        let recording = Arc::new(Recording::start(directory.clone(), run, self.durability)?);
        if let Some(registry) = &process.uploads.means().registry {
            // Without it `nethical sync` only has to be told where the run is.
            let _ = registry.add(&directory);
        }
        let upload = process.uploads.add(&recording, held.into_iter().collect())?;
        let mut runs = process.runs();
        if runs.len() >= REMEMBERED {
            // What is over can only be asked about, and a program of many runs would have them all in memory.
            runs.retain(|_, open| !open.is_over());
        }
        runs.insert(id, OpenRun { upload: Some(upload), writer });
        Ok(())
    }

    /// The right to write to a run of this id; nothing where there is no home to keep it in.
    fn writer(&self, run: &Run) -> Result<Option<Arc<Lock>>, Error> {
        let Some(registry) = self.registry() else { return Ok(None) };
        match registry.writer(&self.options.base_url, &run.entity, &run.project, &run.run_id) {
            Ok(Some(lock)) => Ok(Some(Arc::new(lock))),
            Ok(None) => {
                let text = format!("wandb: another process writes to the run `{}`", run.run_id);
                Err(Error::refused("wandb.run_open", text)
                    .with_hint("a run has one writer: wait until it has ended, or use another id"))
            }
            // A home that cannot be written is no reason to keep nothing.
            Err(_) => Ok(None),
        }
    }

    fn recording(&self, run: &str) -> Result<Option<Arc<Recording>>, Error> {
        let process = self.process()?;
        let runs = process.runs();
        let Some(open) = runs.get(run) else { return Err(unknown(run)) };
        Ok(open.upload.as_ref().and_then(|upload| upload.recording.clone()))
    }

    fn upload(&self, run: &str) -> Result<Option<Upload>, Error> {
        let process = self.process()?;
        let runs = process.runs();
        runs.get(run).map(|open| open.upload.clone()).ok_or_else(|| unknown(run))
    }

    /// Logs a row of any values.
    ///
    /// # Errors
    /// If the run is not open, W&B would refuse the row, or its step goes back.
    pub fn log(&self, run: &str, row: &Row, step: Option<i64>) -> Result<(), Error> {
        self.recording(run)?.map_or(Ok(()), |recording| recording.log(row, step))
    }

    /// Defines how a metric is drawn and summed up. With an x-axis of its own a metric may be logged in any order.
    ///
    /// # Errors
    /// If the run is not open, or the definition cannot be meant so.
    pub fn define_metric(&self, run: &str, definition: &MetricDefinition<'_>) -> Result<(), Error> {
        let recording = self.recording(run)?;
        let metric = definition.metric()?;
        recording.map_or(Ok(()), |recording| {
            if let Some(step) = definition.step_metric {
                recording.define_axis(step)?;
            }
            recording.define(metric)
        })
    }

    /// Sets the notes of a run.
    ///
    /// # Errors
    /// If the run is not open.
    pub fn set_notes(&self, run: &str, notes: &str) -> Result<(), Error> {
        let recording = self.recording(run)?;
        recording.map_or(Ok(()), |recording| {
            recording.describe(|run| {
                run.notes = notes.to_owned();
                Ok(())
            })
        })
    }

    /// Adds an artifact with options of W&B's own. Returns the number that [`artifact`](Self::artifact) takes.
    ///
    /// # Errors
    /// If the run is not open, or the file cannot be read.
    pub fn add_artifact(&self, run: &str, path: &Path, spec: &ArtifactSpec<'_>) -> Result<i64, Error> {
        let Some(recording) = self.recording(run)? else { return Ok(0) };
        let (number, artifact) = recording.artifact(path, spec)?;
        let names = artifact.manifest.iter().flat_map(|manifest| &manifest.contents);
        let names: Vec<_> = names.map(|entry| entry.path.clone()).collect();
        self.process()?.book.change(KIND, run, |page| {
            page.artifacts.extend(names);
            Ok(())
        })?;
        self.handlers.tell(run, &RunEvent::Artifact(path));
        Ok(number)
    }

    /// How an artifact stands; waits for its end for so long.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn artifact(&self, run: &str, number: i64, patience: Duration) -> Result<ArtifactState, Error> {
        let Some(upload) = self.upload(run)? else { return Ok(ArtifactState::Waiting) };
        let state = |known: &super::progress::Known| known.artifacts.get(&number).cloned();
        let is_over = |known: &super::progress::Known| {
            known.ended || !matches!(state(known), None | Some(ArtifactState::Waiting))
        };
        upload.progress.wait(Instant::now() + patience, is_over);
        Ok(upload.progress.look(state).unwrap_or(ArtifactState::Waiting))
    }

    /// Adds a copy of a file to the files of a run, under this path.
    ///
    /// # Errors
    /// If the run is not open, or the file cannot be copied.
    pub fn add_file(&self, run: &str, source: &Path, path: &str) -> Result<(), Error> {
        self.recording(run)?.map_or(Ok(()), |recording| recording.file(source, path))
    }

    /// Whether somebody wants the run to stop, as far as the server has said it.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn is_stopped(&self, run: &str) -> Result<bool, Error> {
        Ok(self.upload(run)?.is_some_and(|upload| upload.progress.look(|known| known.stopped)))
    }

    /// The directory of a run.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn directory(&self, run: &str) -> Result<Option<std::path::PathBuf>, Error> {
        Ok(self.upload(run)?.map(|upload| upload.directory.path().to_owned()))
    }

    /// What ended the upload of a run, if something did; its rows are kept.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn failure(&self, run: &str) -> Result<Option<Error>, Error> {
        Ok(self.upload(run)?.and_then(|upload| upload.progress.look(|known| known.failure.clone())))
    }
}

impl Process {
    fn runs(&self) -> MutexGuard<'_, HashMap<String, OpenRun>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenRun {
    fn is_over(&self) -> bool {
        self.upload.as_ref().is_none_or(Upload::is_over)
    }

    fn is_open(&self) -> bool {
        let recording = self.upload.as_ref().and_then(|upload| upload.recording.as_ref());
        recording.is_some_and(|recording| !recording.has_ended())
    }
}

fn unknown(run: &str) -> Error {
    Error::refused("runs.unknown", format!("wandb: there is no run `{run}` in this process"))
        .with_hint("use the id that `start_run` returned, or resume the run first")
}

/// A tag with a name and a value, as the one text that W&B knows.
fn tag(name: &str, value: &str) -> String {
    if value.is_empty() { name.to_owned() } else { format!("{name}:{value}") }
}

/// A value without the secrets in it; as W&B has it, numbers that JSON does not know are null.
fn masked(name: &str, value: &Value, redaction: &Redaction) -> Value {
    match value {
        _ if redaction.hides(name) => REDACTED.into(),
        Value::Array(items) => items.iter().map(|item| masked("", item, redaction)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, inner)| (key.clone(), masked(key, inner, redaction))).collect()
        }
        _ => value.clone(),
    }
}

impl Platform for Wandb {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start_run(&self, start: &StartRun<'_>) -> Result<String, Error> {
        self.start(start, &WandbStart::default())
    }

    fn resume_run(&self, run: &str) -> Result<(), Error> {
        limits::run_id(run)?;
        let record = Run {
            run_id: run.to_owned(),
            entity: self.options.entity.clone().unwrap_or_default(),
            project: self.options.project.clone().unwrap_or_default(),
            resume: Resume::Allow.as_str().to_owned(),
            ..Run::default()
        };
        self.begin(record)?;
        self.process()?.book.reopen(KIND, run);
        Ok(())
    }

    fn log_parameters(&self, run: &str, parameters: &Metadata) -> Result<(), Error> {
        let recording = self.recording(run)?;
        let flat = flatten(parameters, &self.redaction);
        if let Some(recording) = recording {
            let text = |(name, value): (&str, &Value)| {
                (name.to_owned(), masked(name, value, &self.redaction).to_string())
            };
            recording.configure(&parameters.iter().map(text).collect::<Vec<_>>())?;
        }
        self.process()?.book.change(KIND, run, |page| {
            page.parameters.extend(flat.iter().cloned());
            Ok(())
        })?;
        self.handlers.tell(run, &RunEvent::Params(&flat));
        Ok(())
    }

    fn log_metrics(&self, run: &str, metrics: &[(&str, f64)], step: Option<i64>) -> Result<(), Error> {
        let mut row = Row::default();
        metrics.iter().for_each(|(name, value)| row.number(name, *value));
        self.log(run, &row, step)?;
        self.handlers.tell(run, &RunEvent::Metrics { values: metrics, step });
        Ok(())
    }

    fn set_tags(&self, run: &str, tags: &[(&str, &str)]) -> Result<(), Error> {
        let recording = self.recording(run)?;
        let made: Vec<(&str, String)> = tags.iter().map(|(name, value)| (*name, tag(name, value))).collect();
        made.iter().try_for_each(|(_, tag)| limits::tag(tag))?;
        if let Some(recording) = recording {
            recording.describe(|run| {
                for (name, tag) in made {
                    let same = |old: &String| {
                        *old == name || old.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
                    };
                    run.tags.retain(|old| !same(old));
                    run.tags.push(tag);
                }
                Ok(())
            })?;
        }
        let owned: Vec<(String, String)> =
            tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.process()?.book.change(KIND, run, |page| {
            page.tags.extend(owned.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
            Ok(())
        })?;
        self.handlers.tell(run, &RunEvent::Tags(&owned));
        Ok(())
    }

    fn log_artifact(&self, run: &str, path: &Path, options: &ArtifactOptions<'_>) -> Result<(), Error> {
        let spec =
            ArtifactSpec { folder: options.folder, in_place: !options.copy, ..ArtifactSpec::default() };
        self.add_artifact(run, path, &spec).map(drop)
    }

    fn end_run(&self, run: &str, status: RunStatus, wait: Option<Duration>) -> Result<bool, Error> {
        let code = match status {
            RunStatus::Completed => 0,
            RunStatus::Failed => 1,
            RunStatus::Killed => 255,
            RunStatus::Running => {
                let text = "wandb: `running` is no end of a run";
                return Err(Error::refused("runs.no_end", text).with_hint("use completed, failed or killed"));
            }
        };
        let upload = self.upload(run)?;
        if let Some(recording) = upload.as_ref().and_then(|upload| upload.recording.as_ref()) {
            recording.end(code)?;
        }
        let process = self.process()?;
        process.book.change(KIND, run, |page| {
            page.metrics = upload
                .as_ref()
                .and_then(|upload| upload.recording.as_ref())
                .map_or_else(Vec::new, |run| run.metrics());
            (page.status, page.end_time) = (status, Some(Timestamp::now()));
            Ok(())
        })?;
        self.handlers.tell(run, &RunEvent::Ended(status));
        let (Some(upload), Some(patience)) = (upload, wait) else { return Ok(true) };
        Ok(upload.flush(Instant::now() + patience))
    }

    fn get_run(&self, run: &str) -> Option<ExperimentRun> {
        let mut page = self.process().ok()?.book.get(run)?;
        let upload = self.upload(run).ok().flatten();
        if let Some(recording) = upload.and_then(|upload| upload.recording) {
            page.metrics = recording.metrics();
        }
        Some(page)
    }

    fn active_runs(&self) -> Vec<String> {
        let process = self.process.existing().and_then(|process| process.as_ref().ok());
        process.map(|process| process.book.active()).unwrap_or_default()
    }

    fn on_event(&self, handler: Handler) {
        self.handlers.add(handler);
    }

    fn flush(&self, patience: Duration) -> bool {
        let flushed =
            |process: &Process| process.uploads.flush(Instant::now() + patience) == Flushed::Settled;
        self.process().is_ok_and(flushed)
    }

    fn close(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.end_all(RunStatus::Completed);
        self.process().is_ok_and(|process| process.uploads.close(deadline))
    }

    fn statuses(&self) -> Vec<Status> {
        self.process().map(|process| vec![process.uploads.status()]).unwrap_or_default()
    }

    fn probe(&self) -> Result<String, Error> {
        match &self.api {
            Some(api) => {
                let (api, options) = (api.clone(), self.options.clone());
                runtime::wait(async move { super::probe::probe(&api, &options).await })?
            }
            None => super::probe::offline(&self.options),
        }
    }
}

impl Wandb {
    fn end_all(&self, status: RunStatus) {
        for run in self.active_runs() {
            // One that was ended meanwhile is as it should be.
            let _ = self.end_run(&run, status, None);
        }
    }
}

impl Drop for Wandb {
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        self.end_all(if std::thread::panicking() { RunStatus::Failed } else { RunStatus::Completed });
        if let Some(Ok(process)) = self.process.existing()
            && !process.uploads.is_closed()
        {
            process.uploads.close(Instant::now() + PATIENCE);
        }
    }
}
