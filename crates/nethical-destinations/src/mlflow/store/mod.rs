//! Runs in an SQLite file that MLflow opens: no server is needed to track, and `mlflow ui` shows what was tracked.
//!
//! ```text
//! runs.rs: what MLflow adds to the calls -> the queue, in memory                       in the caller, no I/O
//! ------------------------------------------------------------------------------------ the background thread
//! write.rs: a batch as rows, one transaction -> artifacts into `mlartifacts/` beside the file
//! ```
//!
//! `schema.rs` says which tables, and why they are old ones. A point that comes again is the same row, so a batch that
//! was not confirmed is written again.

mod database;
mod names;
mod read;
mod replay;
mod schema;
mod sent;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Destination, Error, Profile, Receipt, Refusal, Schedule, Settings, Unfinished, runtime,
};
use nethical_core::event::{Event, RunArtifact, RunChange, RunStart, RunUpdate};
use nethical_core::tracking::{RunStatus, artifact};

use self::database::{Database, Journal};
pub use self::read::Reader;
pub use self::replay::{Replay, ReplayOutcome, ReplayReport};
use self::write::Written;
use super::target::{Target, uri_of};
use super::{MlflowConfig, artifacts};
use crate::support::aws::Environment;

/// Updates that close a batch before its age does.
const BATCH: usize = 1_000;
/// How long the first update of a batch waits for others: as much is lost if the process is killed.
const BATCH_AGE: Duration = Duration::from_millis(50);

/// How updates are collected for the file.
pub(super) fn settings(usual: Settings) -> Settings {
    let mut settings = Settings { batch_size: BATCH, batch_age: usual.batch_age.min(BATCH_AGE), ..usual };
    // A file may be free again at any moment, and asking costs nothing.
    settings.breaker.max_pause = Duration::from_secs(1);
    settings
}

/// The file, as one process has it open.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// The folder for artifacts, as a URI.
    artifacts: String,
    /// None while nobody uses it.
    database: Mutex<Option<Database>>,
}

impl Store {
    /// The one that is meant.
    pub(super) fn of(config: &MlflowConfig) -> Result<Self, Error> {
        match config.target(&Environment::default()) {
            Ok(Target::Store(path)) => Self::open(&path),
            Ok(Target::Server(_)) => Err(Error::config("mlflow.option", "`tracking_uri` names no file")),
            Err(wrong) => Err(Error::config("mlflow.option", wrong.message).with_hint(wrong.hint)),
        }
    }

    /// Open it; a file that is missing is made.
    fn open(path: &Path) -> Result<Self, Error> {
        let store = Self {
            path: path.to_owned(),
            artifacts: database::artifacts_of(path),
            database: Mutex::new(None),
        };
        store.with(|_| Ok(()))?;
        Ok(store)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Do something with the open file. One that was removed is made again, instead of writing where nobody reads.
    fn with<T>(&self, work: impl FnOnce(&mut Database) -> Result<T, Error>) -> Result<T, Error> {
        let mut open = self.lock();
        if open.as_ref().is_some_and(|database| !database.is_still_at(&self.path)) {
            *open = None;
        }
        match &mut *open {
            Some(database) => work(database),
            none => work(none.insert(Database::open(&self.path, &self.artifacts)?)),
        }
    }

    /// Let go of the file: what stands in its journal becomes part of it.
    fn close(&self) {
        *self.lock() = None;
    }

    /// Write some updates, without the files of artifacts.
    fn write(&self, events: &[Event]) -> Result<Written, Error> {
        self.with(|database| {
            let written = write::write(&mut database.connection, events, &self.artifacts);
            written.map_err(|error| database::fault(&self.path, &error))
        })
    }

    /// Write the start of a run, so that it is there before its id is used. `false` if that takes longer than
    /// `patience`, or the file is not well: then it is written with what follows.
    pub(super) fn begin(
        self: &Arc<Self>,
        key: &str,
        start: &RunStart,
        time: i64,
        patience: Duration,
    ) -> Result<bool, Error> {
        if patience.is_zero() {
            return Ok(false);
        }
        let update = RunUpdate { run: key.to_owned(), time, change: RunChange::Start(start.clone()) };
        let event = update.to_event().map_err(|error| Error::refused("runs.not_json", error.to_string()))?;
        let (store, (done, result)) = (Arc::clone(self), std::sync::mpsc::sync_channel(1));
        runtime::handle()?.spawn_blocking(move || {
            // Nobody may be waiting any more.
            let _ = done.send(store.write(&[event]));
        });
        match result.recv_timeout(patience) {
            Ok(Ok(written)) => match written.refused.into_iter().next() {
                Some(refusal) => Err(refusal.error),
                None => Ok(true),
            },
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    /// How a run stands, if it is there.
    pub(super) fn status(&self, run: &str) -> Option<RunStatus> {
        let status = self.with(|database| {
            let query = "SELECT status FROM runs WHERE run_uuid = ?1";
            let found = database.connection.query_row(query, [run], |row| row.get::<_, String>(0));
            found.map_err(|error| database::fault(&self.path, &error))
        });
        status.ok()?.parse().ok()
    }

    /// What is known of the file, for people.
    fn describe(&self) -> Result<String, Error> {
        self.with(|database| {
            let (path, uri) = (self.path.display(), uri_of(&self.path));
            let mut text = format!(
                "runs in {path} (tables of MLflow at {})\nopen it: mlflow ui --backend-store-uri {uri}",
                database.revision
            );
            let folder = self.path.parent().unwrap_or(&self.path);
            if database.journal == Journal::Delete && Journal::of(folder) == Journal::Delete {
                text.push_str(
                    "\nwarning: others may see this file system, so the file is written with a journal that works there, \
                     slowly; a file on this machine, or a server, is better",
                );
            }
            Ok(text)
        })
    }
}

/// The file as a destination.
pub(super) struct Embedded(pub(super) Arc<Store>);

#[async_trait]
impl Destination for Embedded {
    fn profile(&self) -> Profile {
        Profile {
            max_events: 10_000,
            max_bytes: 8 << 20,
            repeat_safe: true,
            local: true,
            retry: Schedule { first: Duration::from_millis(100), cap: Duration::from_secs(1) },
            ..Profile::default()
        }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let (store, events) = (Arc::clone(&self.0), batch.clone());
        let Written { mut refused, artifacts } = runtime::blocking(move || store.write(&events)).await??;
        let mut unfinished: Option<Unfinished> = None;
        for (index, folder, artifact) in artifacts {
            match keep(&folder, &artifact).await {
                Ok(()) => {}
                Err(error) if error.is_endpoint_fault() => {
                    let indices = unfinished.map_or_else(Vec::new, |unfinished| unfinished.indices);
                    unfinished =
                        Some(Unfinished { indices: indices.into_iter().chain([index]).collect(), error });
                }
                Err(error) => refused.push(Refusal { index, error }),
            }
        }
        Ok(Receipt { refused, unfinished, ..Receipt::default() })
    }

    /// Reads the tables, and says how to look at what is in them.
    async fn probe(&self) -> Result<String, Error> {
        let store = Arc::clone(&self.0);
        runtime::blocking(move || {
            drop(store.write(&[])?);
            store.describe()
        })
        .await?
    }

    async fn close(&self) {
        let store = Arc::clone(&self.0);
        // Nothing is lost if the file is only closed by the end of the process.
        let _ = runtime::blocking(move || store.close()).await;
    }
}

/// Put the files of an artifact where the run has them.
async fn keep(folder: &str, wanted: &RunArtifact) -> Result<(), Error> {
    let path = url::Url::parse(folder).ok().and_then(|url| url.to_file_path().ok());
    let Some(path) = path else {
        let text = format!("the artifacts of the run go to `{folder}`, which is no folder of this machine");
        return Err(Error::refused("mlflow.artifact_store", text)
            .with_hint("log to a run that was started here, or name the server in `tracking_uri`"));
    };
    artifacts::keep(&path, wanted).await?;
    let done = wanted.clone();
    runtime::blocking(move || artifact::discard(&done)).await
}
