//! The demo's training as a run of MLflow, in a file that needs no server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::Validated;
use nethical::destinations::mlflow::{MlflowConfig, uri_of};
use nethical::event::Redaction;
use nethical::tracking::{Platform, RunStatus, StartRun};
use nethical::{Error, Metadata};

use super::PATIENCE;

/// A run that is open.
pub(super) struct TrackedRun {
    platform: Arc<dyn Platform>,
    id: String,
    file: PathBuf,
}

/// What was written.
pub(super) struct Tracked {
    pub(super) updates: u64,
    pub(super) file: PathBuf,
    pub(super) id: String,
    /// Whether all of it is in the file.
    pub(super) whole: bool,
}

impl TrackedRun {
    /// Begin it below `dir`, in the place of an earlier demo's.
    pub(super) fn start(dir: &Path, parameters: &Metadata) -> Result<Self, Error> {
        for name in ["mlflow.db", "mlflow.db-wal", "mlflow.db-shm"] {
            let _ = fs::remove_file(dir.join(name));
        }
        let config = MlflowConfig::new(uri_of(&dir.join("mlflow.db"))).absolute();
        let file = config.file().unwrap_or_default();
        let settings = config.settings(Settings { spool: SpoolSettings::off(), ..Settings::default() });
        let none = || Error::config("demo.no_platform", "MLflow keeps no runs in this build");
        let opened = Arc::new(config).platform("mlflow", settings, &Redaction::default());
        let platform = opened.ok_or_else(none)??;
        let id = platform.start_run(&StartRun { experiment: "spirals", ..StartRun::default() })?;
        platform.log_parameters(&id, parameters)?;
        Ok(Self { platform, id, file })
    }

    /// One epoch is over.
    pub(super) fn epoch(&self, epoch: u32, loss: f32, accuracy: f32) {
        let metrics = [("loss", f64::from(loss)), ("accuracy", f64::from(accuracy))];
        // A run that cannot be written does not stop the training; the account at the end tells.
        let _ = self.platform.log_metrics(&self.id, &metrics, Some(epoch.into()));
    }

    /// The training is over.
    pub(super) fn end(self) -> Result<Tracked, Error> {
        let written = self.platform.end_run(&self.id, RunStatus::Completed, Some(PATIENCE))?;
        let statuses = self.platform.statuses();
        let confirmed = statuses.iter().all(|status| status.ledger.confirmed == status.ledger.accepted);
        let updates = statuses.iter().map(|status| status.ledger.accepted).sum();
        self.platform.close(PATIENCE);
        Ok(Tracked { updates, file: self.file, id: self.id, whole: written && confirmed })
    }
}
