//! Platforms whose updates go through connectors.

use std::sync::Arc;

use nethical_core::delivery::{Connector, Destination, Error, Settings, SpoolSettings};
use nethical_core::event::Redaction;
use nethical_core::tracking::{ARTIFACTS, Backend, Connectors, Platform, Recorder, RecorderOptions};

use crate::Validated;

/// Open a destination as a platform, with what its service adds to the calls.
pub(crate) fn open(
    config: Arc<dyn Validated>,
    backend: Arc<dyn Backend>,
    name: &str,
    settings: Settings,
    redaction: &Redaction,
) -> Result<Arc<dyn Platform>, Error> {
    let updates = Connector::open(name, settings.clone(), move || config.open())?;
    record(updates.into(), backend, settings, redaction)
}

/// The same with a queue of its own for artifacts, which `open` delivers: one that is large or in trouble holds nothing
/// else.
pub(crate) fn open_apart(
    config: Arc<dyn Validated>,
    open: impl Fn() -> Result<Arc<dyn Destination>, Error> + Send + Sync + 'static,
    backend: Arc<dyn Backend>,
    name: &str,
    settings: Settings,
    redaction: &Redaction,
) -> Result<Arc<dyn Platform>, Error> {
    let updates = Connector::open(name, settings.clone(), move || config.open())?;
    let artifacts = Connector::open(format!("{name}{ARTIFACTS}"), of_artifacts(&settings), open)?;
    record(Connectors { updates, artifacts: Some(artifacts) }, backend, settings, redaction)
}

fn record(
    connectors: Connectors,
    backend: Arc<dyn Backend>,
    settings: Settings,
    redaction: &Redaction,
) -> Result<Arc<dyn Platform>, Error> {
    let options = RecorderOptions { settings, redaction: redaction.clone() };
    Ok(Recorder::open(connectors, backend, &options)?)
}

/// As the updates, known on disk by a key of its own. Each is settled as soon as it has arrived.
fn of_artifacts(settings: &Settings) -> Settings {
    let key = settings.spool.key.as_ref().map(|key| format!("{key}{ARTIFACTS}"));
    let spool = SpoolSettings { key, ..settings.spool.clone() };
    Settings { spool, batch_size: 1, ..settings.clone() }
}
