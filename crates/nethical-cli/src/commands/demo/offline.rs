//! The demo's training as a run of Weights & Biases, which is only written to disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::wandb::{Mode, Wandb, WandbConfig};
use nethical::event::Redaction;
use nethical::tracking::{Platform, RunStatus, StartRun};
use nethical::{Error, Metadata};

use super::PATIENCE;

/// A run that is open.
pub(super) struct OfflineRun {
    platform: Arc<Wandb>,
    id: String,
}

/// What was written.
pub(super) struct Written {
    pub(super) updates: u64,
    pub(super) directory: PathBuf,
    /// Whether all of it is on the disk, and accounted for.
    pub(super) whole: bool,
}

impl OfflineRun {
    /// Begin it below `dir`, in the place of an earlier demo's. Nothing remembers it: it is not to be uploaded.
    pub(super) fn start(dir: &Path, parameters: &Metadata) -> Result<Self, Error> {
        let _ = fs::remove_dir_all(dir.join("wandb"));
        let mut config = WandbConfig::new("nethical-demo");
        config.mode = Some(Mode::Offline);
        config.directory = Some(dir.to_owned());
        let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
        let platform = Wandb::open(&config, "wandb", settings, &Redaction::default())?;
        let id = platform.start_run(&StartRun { experiment: "spirals", ..StartRun::default() })?;
        platform.log_parameters(&id, parameters)?;
        Ok(Self { platform, id })
    }

    /// One epoch is over.
    pub(super) fn epoch(&self, epoch: u32, loss: f32, accuracy: f32) {
        let metrics = [("loss", f64::from(loss)), ("accuracy", f64::from(accuracy))];
        // A run that cannot be written does not stop the training; the account at the end tells.
        let _ = self.platform.log_metrics(&self.id, &metrics, Some(epoch.into()));
    }

    /// The training is over.
    pub(super) fn end(self) -> Result<Written, Error> {
        let on_disk = self.platform.end_run(&self.id, RunStatus::Completed, Some(PATIENCE))?;
        let statuses = self.platform.statuses();
        let balanced = statuses.iter().all(|status| status.ledger.balances() && status.ledger.dropped() == 0);
        let updates = statuses.iter().map(|status| status.ledger.accepted).sum();
        let directory = self.platform.directory(&self.id)?.unwrap_or_default();
        self.platform.close(PATIENCE);
        Ok(Written { updates, directory, whole: on_disk && balanced })
    }
}
