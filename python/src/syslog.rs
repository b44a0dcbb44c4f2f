//! `SyslogConnector`'s side of Rust.

use nethical::delivery::Settings;
use nethical::destinations::Validated;
use nethical::destinations::support::options::{Options, OptionsError};
use nethical::destinations::syslog::DESCRIPTOR;
use pyo3::prelude::*;

use crate::connector::{Connector, QueueOptions};
use crate::errors;
use crate::spool::SpoolOptions;

/// To a syslog receiver. `options` is a JSON object with the options of a configuration. Without a name
/// what waits on disk is known by the receiver, so that a later program that sends there goes on with it.
#[pyfunction]
pub(crate) fn syslog(
    py: Python<'_>,
    name: Option<String>,
    options: &str,
    queue: QueueOptions,
    spool: SpoolOptions,
) -> PyResult<Connector> {
    let config = read(options).map_err(|error| exception(py, &error))?;
    let mut settings = Settings { spool: spool.settings()?, ..queue.settings()? };
    if name.is_none() {
        settings.spool.identity = config.identity();
    }
    Connector::open(py, name.unwrap_or_else(|| DESCRIPTOR.name.to_owned()), config, settings)
}

fn read(text: &str) -> Result<std::sync::Arc<dyn Validated>, OptionsError> {
    let options = Options::from_json(text).map_err(|mut errors| errors.swap_remove(0))?;
    options.check_ranges(&(DESCRIPTOR.schema)())?;
    (DESCRIPTOR.parse)(&options)
}

fn exception(py: Python<'_>, error: &OptionsError) -> PyErr {
    let message = match error.path() {
        "" => error.to_string(),
        path => format!("{path}: {error}"),
    };
    errors::build(py, "config", "syslog.options", &message, error.hint().as_deref())
}
