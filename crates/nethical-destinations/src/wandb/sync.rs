//! Uploading what is in run directories, whoever wrote them: `nethical sync`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nethical_core::delivery::{Error, Kind, Observer, SpoolSettings, warn_by_tracing};
use nethical_core::event::Timestamp;

use super::api::Api;
use super::assembly::Assembly;
use super::config::WandbConfig;
use super::directory::{RunDirectory, State};
use super::environment;
use super::log::reader::{Next, Reader};
use super::log::record::Kind as RecordKind;
use super::refusals::Refusals;
use super::registry::Registry;
use super::upload::Parts;
use super::uploads::{Means, Upload, Uploads};

/// A log of somebody else's that has no end, and was written to so lately, is still being written.
const STILL_WRITTEN: Duration = Duration::from_secs(30);

/// Updates in a log.
pub(crate) fn count(directory: &RunDirectory) -> io::Result<u64> {
    let mut reader = Reader::open(directory.log())?;
    let mut count = 0;
    loop {
        match reader.next()? {
            Next::End => return Ok(count),
            Next::Record(record) => {
                let uncounted = matches!(
                    record.kind,
                    Some(
                        RecordKind::Header(_)
                            | RecordKind::Summary(_)
                            | RecordKind::Stats(_)
                            | RecordKind::Output(_)
                    )
                );
                count += u64::from(!uncounted);
            }
            Next::Unknown(_) => {}
        }
    }
}

/// What a run directory holds, and what became of it.
#[derive(Debug, Clone)]
pub struct SyncReport {
    /// The run directory.
    pub path: PathBuf,
    /// The id of the run.
    pub run: String,
    /// Its project.
    pub project: String,
    /// Rows that the server has, of this log.
    pub rows: u64,
    /// Updates that wait.
    pub waiting: u64,
    /// Updates that the server refused.
    pub refused: u64,
    /// How it ended.
    pub outcome: SyncOutcome,
}

/// How it ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SyncOutcome {
    /// Everything is at the server, which has said so.
    Synced,
    /// It was there before.
    Already,
    /// Another process writes or uploads it.
    Busy,
    /// It is under way, or time was up.
    Pending(Option<Error>),
    /// It cannot be uploaded.
    Failed(Error),
    /// It was made for another server, and is not sent to this one unasked.
    Elsewhere(Error),
}

/// Uploads run directories. Made once for each server.
pub struct Syncer {
    uploads: Arc<Uploads>,
    /// Whether the configuration says which server, and so the environment does not.
    chosen: bool,
    registry: Option<Registry>,
    under_way: Vec<(RunDirectory, Option<Upload>, SyncOutcome)>,
}

impl std::fmt::Debug for Syncer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Syncer").field("runs", &self.under_way.len()).finish_non_exhaustive()
    }
}

impl Syncer {
    /// With this server and key; what the options do not say is taken from the environment. `name` is what notices
    /// and dead letters call it.
    ///
    /// # Errors
    /// If an option cannot work, or there is no key.
    pub fn new(
        name: &str,
        config: &WandbConfig,
        spool: &SpoolSettings,
        observer: Option<Observer>,
    ) -> Result<Self, Error> {
        let resolved = config.resolve(&environment::variable)?;
        let Some(key) = &resolved.key else { return Err(without_key()) };
        let home = SpoolSettings::is_allowed().then(|| spool.directory()).flatten();
        let registry = home.as_deref().map(Registry::new);
        let uploads = Uploads::new(Means {
            name: name.into(),
            api: Some(Api::new(&resolved.base_url, key).within(resolved.request_timeout)),
            rhythm: resolved.rhythm(),
            parts: Parts::default(),
            refusals: Arc::new(Refusals::new(name, spool)),
            observer: observer.unwrap_or_else(|| Arc::new(warn_by_tracing)),
            breaker: Default::default(),
            registry: registry.clone(),
            target: (resolved.entity, resolved.project),
        });
        Ok(Self { uploads, chosen: config.base_url.is_some(), registry, under_way: Vec::new() })
    }

    /// Begins with every run at `path`: a run log, a run directory, or a folder of them.
    ///
    /// # Errors
    /// If there is none.
    pub fn add(&mut self, path: &Path) -> Result<usize, Error> {
        let found = RunDirectory::find(path).map_err(|error| {
            let text = format!("cannot read {}: {error}", path.display());
            Error::config("wandb.sync_path", text)
                .with_hint("name a run directory, or the folder that holds them")
        })?;
        if found.is_empty() {
            let text = format!("there is no run of W&B's in {}", path.display());
            let hint = "name a folder with `offline-run-...` directories; others by their own names";
            return Err(Error::config("wandb.sync_path", text).with_hint(hint));
        }
        let count = found.len();
        found.into_iter().for_each(|directory| self.begin(directory));
        Ok(count)
    }

    /// Begins with every run that is remembered in the home of this configuration. Says how many. Those of other
    /// servers are only reported.
    pub fn add_remembered(&mut self) -> usize {
        let found = self.remembered();
        let (ours, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|directory| Some(&*directory.state().base_url) == self.base_url());
        let count = ours.len();
        ours.into_iter().for_each(|directory| self.begin(directory));
        others.into_iter().for_each(|directory| self.leave(directory));
        count
    }

    /// Begins with every offline run that is remembered and was made where no server was chosen: such a run goes
    /// wherever it is sent. Says how many. Not meant where there are several servers.
    pub fn add_unbound(&mut self) -> usize {
        let mut found = self.remembered();
        found.retain(is_unbound);
        let count = found.len();
        found.into_iter().for_each(|directory| self.begin(directory));
        count
    }

    fn remembered(&self) -> Vec<RunDirectory> {
        self.registry.as_ref().map(Registry::all).unwrap_or_default()
    }

    fn base_url(&self) -> Option<&str> {
        self.uploads.means().api.as_ref().map(Api::base_url)
    }

    /// Says of a run for another server where it belongs.
    fn leave(&mut self, directory: RunDirectory) {
        let known = self.under_way.iter().any(|(other, ..)| *other == directory);
        let is_free = matches!(directory.lock(), Ok(Some(_)));
        let (State { base_url: theirs, first_line, .. }, Some(ours)) = (directory.state(), self.base_url())
        else {
            return;
        };
        if known || !is_free || directory.is_synced() {
            return;
        }
        let there = if self.chosen {
            format!("set `base_url` to {theirs} to send it there")
        } else {
            format!("`WANDB_BASE_URL={theirs} nethical sync` sends it there")
        };
        let here = match first_line {
            None => format!(", `nethical sync {}` to {ours}", directory.path().display()),
            Some(_) => String::new(),
        };
        let text = format!("wandb: this run was made for {theirs}, and {ours} is another server");
        let error = Error::config("wandb.other_server", text).with_hint(format!("{there}{here}"));
        self.under_way.push((directory, None, SyncOutcome::Elsewhere(error)));
    }

    fn begin(&mut self, directory: RunDirectory) {
        if self.under_way.iter().any(|(other, ..)| *other == directory) {
            return;
        }
        let (upload, outcome) = self.take(&directory);
        self.under_way.push((directory, upload, outcome));
    }

    fn take(&self, directory: &RunDirectory) -> (Option<Upload>, SyncOutcome) {
        if directory.is_synced() {
            self.registry.iter().for_each(|registry| registry.remove(directory));
            return (None, SyncOutcome::Already);
        }
        if let Some(error) = self.elsewhere(directory) {
            return (None, SyncOutcome::Failed(error));
        }
        let held = match directory.lock() {
            Ok(Some(held)) => held,
            Ok(None) => return (None, SyncOutcome::Busy),
            Err(error) => return (None, SyncOutcome::Failed(unwritable(directory, &error))),
        };
        if is_still_written(directory) {
            return (None, SyncOutcome::Busy);
        }
        let left = match count(directory) {
            Ok(left) => left,
            Err(error) => return (None, SyncOutcome::Failed(unreadable(directory, &error))),
        };
        match self.uploads.take_over(directory.clone(), held, left) {
            Ok(upload) => (Some(upload), SyncOutcome::Pending(None)),
            Err(error) => (None, SyncOutcome::Failed(error)),
        }
    }

    /// A run of which another server has a part is not sent to this one.
    fn elsewhere(&self, directory: &RunDirectory) -> Option<Error> {
        let state = directory.state();
        let ours = self.base_url()?;
        (state.first_line.is_some() && state.base_url != ours).then(|| {
            let text =
                format!("wandb: {} has a part of this run, and {ours} is another server", state.base_url);
            let variable = if self.chosen { "base_url" } else { "WANDB_BASE_URL" };
            Error::config("wandb.other_server", text)
                .with_hint(format!("set `{variable}` to the server that has it"))
        })
    }

    /// Updates that are settled, and all of them.
    pub fn progress(&self) -> (u64, u64) {
        let mut sum = (0, 0);
        for (_, upload, _) in &self.under_way {
            let Some(upload) = upload else { continue };
            let ledger = upload.ledger();
            sum = (sum.0 + ledger.settled(), sum.1 + ledger.accepted);
        }
        sum
    }

    /// Whether nothing is under way any more.
    pub fn is_done(&self) -> bool {
        let ended = |upload: &Upload| upload.progress.look(|known| known.ended);
        self.under_way.iter().filter_map(|(_, upload, _)| upload.as_ref()).all(ended)
    }

    /// Ends what is still under way, and says what became of each run.
    pub fn finish(self, patience: Duration) -> Vec<SyncReport> {
        use nethical_core::delivery::Attended;
        if !self.is_done() {
            self.uploads.close(Instant::now() + patience);
        }
        self.under_way
            .iter()
            .map(|(directory, upload, outcome)| report(directory, upload.as_ref(), outcome))
            .collect()
    }
}

fn report(directory: &RunDirectory, upload: Option<&Upload>, outcome: &SyncOutcome) -> SyncReport {
    let run = Assembly::open(directory.log()).ok().and_then(|assembly| assembly.run).unwrap_or_default();
    let known = upload.map(|upload| upload.progress.known()).unwrap_or_default();
    let ledger = upload.map(Upload::ledger).unwrap_or_default();
    let waiting = match outcome {
        SyncOutcome::Elsewhere(_) => count(directory).ok(),
        _ => None,
    };
    let outcome = match upload {
        None => outcome.clone(),
        Some(_) if known.finished => SyncOutcome::Synced,
        Some(upload) => match known.failure {
            Some(error) => SyncOutcome::Failed(error),
            None => SyncOutcome::Pending(upload.last_error()),
        },
    };
    SyncReport {
        path: directory.path().to_owned(),
        run: run.run_id,
        project: known.place.map_or(run.project, |place| place.project),
        rows: known.rows,
        waiting: waiting.unwrap_or(ledger.waiting),
        refused: ledger.dead_lettered,
        outcome,
    }
}

/// Whether a run was only written, where no server was chosen, and no server has any of it.
fn is_unbound(directory: &RunDirectory) -> bool {
    let name = directory.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let state = directory.state();
    name.starts_with("offline-run-") && state.base_url == environment::PUBLIC && state.first_line.is_none()
}

/// Whether a client that does not tell by a lock seems to write to it.
fn is_still_written(directory: &RunDirectory) -> bool {
    let modified = std::fs::metadata(directory.log()).and_then(|about| about.modified());
    let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    let young = age.is_some_and(|age| age < STILL_WRITTEN);
    young && !has_end(directory)
}

fn has_end(directory: &RunDirectory) -> bool {
    let Ok(mut assembly) = Assembly::open(directory.log()) else { return true };
    if assembly.is_own() {
        return true;
    }
    while let Ok(()) = assembly.read(1 << 20) {
        if assembly.lines.is_empty() {
            break;
        }
        assembly.lines.clear();
        assembly.line_bytes = 0;
    }
    assembly.exit.is_some()
}

fn without_key() -> Error {
    Error::new(Kind::Unauthorized, "wandb.no_key", "wandb: there is no key")
        .with_hint("set `WANDB_API_KEY`, or run `wandb login`; see https://wandb.ai/authorize")
}

fn unwritable(directory: &RunDirectory, error: &io::Error) -> Error {
    Error::unavailable("wandb.directory", format!("cannot write to {}: {error}", directory.path().display()))
}

fn unreadable(directory: &RunDirectory, error: &io::Error) -> Error {
    Error::config("wandb.log", format!("cannot read {}: {error}", directory.log().display()))
        .with_hint("see whether the file is a run log of W&B's")
}

/// Runs that are not all at their server, as the home remembers them. Those that a running process has are left out.
pub fn left(home: &Path) -> Vec<LeftRun> {
    let free = |directory: &RunDirectory| !directory.is_synced() && matches!(directory.lock(), Ok(Some(_)));
    let all = Registry::new(home).all().into_iter();
    all.filter(free).map(|directory| LeftRun::of(&directory)).collect()
}

/// A run that is not all at its server, and that no process has.
#[derive(Debug, Clone)]
pub struct LeftRun {
    /// Its directory.
    pub path: PathBuf,
    /// The server that it was made for; empty if that is not known any more.
    pub server: String,
    /// Whether it goes to whichever server there is, if there is only one.
    pub unbound: bool,
    /// Updates in its log. How many of them are there, the server knows.
    pub updates: u64,
    /// Bytes of its log.
    pub bytes: u64,
    /// When it began.
    pub begun: Option<Timestamp>,
}

impl LeftRun {
    fn of(directory: &RunDirectory) -> Self {
        let begun = Assembly::open(directory.log()).ok().map(|assembly| assembly.started());
        let begun = begun.filter(|seconds| *seconds > 0.0);
        Self {
            path: directory.path().to_owned(),
            server: directory.state().base_url,
            unbound: is_unbound(directory),
            updates: count(directory).unwrap_or(0),
            bytes: std::fs::metadata(directory.log()).map_or(0, |about| about.len()),
            begun: begun.and_then(|seconds| Timestamp::from_microsecond((seconds * 1e6) as i64).ok()),
        }
    }
}

/// The server to which a configuration leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunServer {
    /// Its address.
    pub url: String,
    /// Whether the configuration says so, and the environment does not change it.
    pub chosen: bool,
}

impl RunServer {
    /// That of these options; `None` if they cannot work.
    pub fn of(config: &WandbConfig) -> Option<Self> {
        let url = config.resolve(&environment::variable).ok()?.base_url;
        Some(Self { url, chosen: config.base_url.is_some() })
    }
}
