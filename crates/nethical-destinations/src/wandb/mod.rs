//! Weights & Biases.
//!
//! ```text
//! call -> recording.rs: records of the run's log -> log/writer.rs: a `.wandb` file      in the caller, no network
//! ---------------------------------------------------------------------------- the background thread
//! log/reader.rs -> assembly.rs: lines, configuration, summary -> upload/: UpsertBucket, file_stream, artifacts
//! ```
//!
//! The run log is the spool: it holds a run from its start, so what has arrived is a number, and `wandb sync` of
//! the official client can read it as well.

mod api;
mod artifact;
mod assembly;
mod config;
mod contents;
mod directory;
mod environment;
mod errors;
mod file;
mod graphql;
mod history;
mod json;
mod limits;
mod lock;
mod log;
mod options;
mod platform;
mod probe;
mod progress;
mod recording;
mod refusals;
mod registry;
mod stored;
mod summary;
mod sync;
mod tree;
mod upload;
mod uploads;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Destination, Error, Observer, Profile, Receipt, Settings, SpoolSettings,
};
use nethical_core::event::{Family, Redaction};
use nethical_core::tracking::Platform;

pub use self::artifact::ArtifactSpec;
pub use self::config::{RunDurability, WandbConfig};
pub use self::contents::RunLogContents;
pub use self::environment::Mode;
pub use self::history::Row;
pub use self::options::{MetricDefinition, Resume, WandbStart};
pub use self::platform::Wandb;
pub use self::progress::ArtifactState;
pub use self::stored::{stored_history, stored_runs};
pub use self::sync::{LeftRun, RunServer, SyncOutcome, SyncReport, Syncer, left};

use crate::{Descriptor, Validated};

/// Weights & Biases.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "wandb",
    families: &[Family::Runs],
    summary: "Track runs in Weights & Biases, also without a network",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(WandbConfig),
    parse: |options| {
        let config = options.read::<WandbConfig>()?;
        match config.fault() {
            None => Ok(Arc::new(config)),
            Some(wrong) => Err(options.error_at(wrong.key, wrong.message).with_hint(wrong.hint)),
        }
    },
};

impl Validated for WandbConfig {
    /// For a look at whether runs would arrive. Runs themselves go through [`platform`](Self::platform).
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        let options = self.resolve(&environment::variable)?;
        Ok(Arc::new(Probe(options)))
    }

    fn stored(&self) -> Option<PathBuf> {
        Some(self.resolve(&environment::variable).ok()?.parent)
    }

    fn syncer(&self, name: &str, spool: &SpoolSettings, observer: Observer) -> Option<Result<Syncer, Error>> {
        Some(Syncer::new(name, self, spool, Some(observer)))
    }

    fn run_server(&self) -> Option<RunServer> {
        RunServer::of(self)
    }

    fn check_replay(&self) -> Result<(), Error> {
        Err(Error::refused("wandb.replay", "wandb: W&B takes no row in the place of an earlier one").with_hint(
            "`nethical dead show` has what was refused, of files their names: log it in a run once more, then \
             `nethical dead drop` the letter",
        ))
    }

    fn platform(
        self: Arc<Self>,
        name: &str,
        settings: Settings,
        redaction: &Redaction,
    ) -> Option<Result<Arc<dyn Platform>, Error>> {
        Some(Wandb::open(&self, name, settings, redaction).map(|platform| platform as Arc<dyn Platform>))
    }
}

/// Answers whether runs would arrive.
struct Probe(config::Resolved);

#[async_trait]
impl Destination for Probe {
    fn profile(&self) -> Profile {
        Profile { local: true, ..Profile::default() }
    }

    async fn deliver(&self, _batch: &Batch) -> Result<Receipt, Error> {
        Err(Error::refused("wandb.no_event", "wandb: runs are told to the platform, not delivered as events"))
    }

    async fn probe(&self) -> Result<String, Error> {
        match (&self.0.key, self.0.mode) {
            (Some(key), Mode::Online) => {
                probe::probe(&api::Api::new(&self.0.base_url, key).within(self.0.request_timeout), &self.0)
                    .await
            }
            _ => probe::offline(&self.0),
        }
    }
}
