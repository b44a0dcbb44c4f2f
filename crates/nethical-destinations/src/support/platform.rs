//! Platforms whose updates go through a connector.

use std::sync::Arc;

use nethical_core::delivery::{Connector, Error, Settings};
use nethical_core::event::Redaction;
use nethical_core::tracking::{Backend, Platform, Recorder, RecorderOptions};

use crate::Validated;

/// Open a destination as a platform, with what its service adds to the calls.
pub(crate) fn open(
    config: Arc<dyn Validated>,
    backend: Arc<dyn Backend>,
    name: &str,
    settings: Settings,
    redaction: &Redaction,
) -> Result<Arc<dyn Platform>, Error> {
    let connector = Connector::open(name, settings.clone(), move || config.open())?;
    let options = RecorderOptions { settings, redaction: redaction.clone() };
    Ok(Recorder::open(connector, backend, &options)?)
}
