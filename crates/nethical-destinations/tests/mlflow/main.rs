//! Runs on a real MLflow server.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod artifacts;
#[cfg(feature = "mlflow-embedded")]
mod embedded;
mod outages;
mod runs;
mod scripted;
mod servers;
#[cfg(feature = "cloud-artifacts")]
mod stores;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Ledger, Settings, SpoolSettings};
use nethical_core::event::{EventId, Redaction};
use nethical_core::tracking::{Platform, StartRun};
use nethical_destinations::Validated;
use nethical_destinations::mlflow::{MlflowConfig, StartTimeout};

const PATIENCE: Duration = Duration::from_secs(60);

/// A home that nobody else has.
fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A name that no other test uses.
fn name(what: &str) -> String {
    format!("{what}-{}", EventId::new())
}

fn config(url: &str) -> MlflowConfig {
    // Also on a machine that is busy with other tests; what is about the limit sets its own.
    with_timeout(url, 30.0)
}

fn with_timeout(url: &str, seconds: f64) -> MlflowConfig {
    let mut config = MlflowConfig::new(url);
    config.start_timeout = StartTimeout(seconds);
    config
}

fn open(config: MlflowConfig, home: &Path) -> Arc<dyn Platform> {
    let spool = SpoolSettings { home: Some(home.to_owned()), ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    let config = Arc::new(config);
    let settings = config.settings(settings);
    config.platform("mlflow", settings, &Redaction::default()).unwrap().unwrap()
}

fn start(platform: &dyn Platform, experiment: &str) -> String {
    platform.start_run(&StartRun { experiment, ..StartRun::default() }).unwrap()
}

/// The accounts of updates and artifacts together.
fn ledger(platform: &dyn Platform) -> Ledger {
    let mut ledger = Ledger::default();
    platform.statuses().iter().for_each(|status| ledger.add(&status.ledger));
    assert!(ledger.balances(), "{ledger:?}");
    ledger
}

/// The last failure with an artifact.
fn artifact_error(platform: &dyn Platform) -> &'static str {
    platform.statuses()[1].last_error.as_ref().unwrap().code()
}

fn write(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}
