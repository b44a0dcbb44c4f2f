//! SageMaker against a receiver that keeps every limit of its APIs.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod artifacts;
mod check;
mod jobs;
mod metrics;
mod runs;

use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Notice, Settings, SpoolSettings, Status};
use nethical_core::event::Redaction;
use nethical_core::tracking::{Platform, StartRun};
use nethical_destinations::Validated;
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_receivers::sagemaker::SageMaker;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn config(fake: &SageMaker) -> SageMakerConfig {
    let mut config = SageMakerConfig::default().with_keys("AKIDTEST", "secret", None);
    (config.endpoint_url, config.region) = (Some(fake.url()), Some("us-east-1".to_owned()));
    config
}

pub(crate) fn with_bucket(fake: &SageMaker) -> SageMakerConfig {
    fake.create_bucket("models");
    let mut config = config(fake);
    config.bucket = Some("models".to_owned());
    config
}

pub(crate) fn open(config: SageMakerConfig) -> Arc<dyn Platform> {
    open_with(config, SpoolSettings::off())
}

pub(crate) fn open_with(config: SageMakerConfig, spool: SpoolSettings) -> Arc<dyn Platform> {
    open_watched(config, spool, |_| {})
}

pub(crate) fn open_watched(
    config: SageMakerConfig,
    spool: SpoolSettings,
    observer: impl Fn(&Notice) + Send + Sync + 'static,
) -> Arc<dyn Platform> {
    let usual = Settings { observer: Arc::new(observer), spool, ..Settings::default() };
    let settings = config.settings(usual);
    Arc::new(config).platform("sagemaker", settings, &Redaction::default()).unwrap().unwrap()
}

pub(crate) fn start(platform: &dyn Platform, experiment: &str, name: Option<&str>) -> String {
    platform.start_run(&StartRun { experiment, name, tags: &[] }).unwrap()
}

/// The accounts, which must balance.
#[track_caller]
pub(crate) fn status(platform: &dyn Platform) -> Status {
    status_of(platform, 0)
}

/// The same of artifacts.
#[track_caller]
pub(crate) fn artifacts(platform: &dyn Platform) -> Status {
    status_of(platform, 1)
}

#[track_caller]
fn status_of(platform: &dyn Platform, index: usize) -> Status {
    let status = platform.statuses().remove(index);
    assert!(status.ledger.balances(), "{:?}", status.ledger);
    status
}

/// What was kept from being delivered, by code.
#[track_caller]
pub(crate) fn all_delivered(platform: &dyn Platform) {
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    for Status { ledger, last_error, .. } in [status(platform), artifacts(platform)] {
        assert_eq!((ledger.dead_lettered, ledger.waiting), (0, 0), "{last_error:?}");
        assert_eq!(ledger.confirmed, ledger.accepted);
    }
}
