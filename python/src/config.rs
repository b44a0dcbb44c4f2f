//! A configuration, as the crate reads it.

use std::path::PathBuf;
use std::sync::Arc;

use nethical::config::{Configured, Format, Section};
use nethical::delivery::Settings;
use nethical::event::Rules;
use nethical::{Config as Core, ConfigError, Connector as CoreConnector};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::connector::Connector;
use crate::tracking::Tracker;
use crate::{errors, notices, process};

/// A configuration that was read and checked; nothing of it is open yet.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Config {
    core: Core,
    path: Option<PathBuf>,
    text: Option<String>,
}

#[pymethods]
impl Config {
    /// Read a file, or a text in JSON.
    #[new]
    #[pyo3(signature = (path, text))]
    fn new(py: Python<'_>, path: Option<PathBuf>, text: Option<String>) -> PyResult<Self> {
        let core = match (&path, &text) {
            (Some(path), None) => Core::load(path),
            (None, Some(text)) => Core::parse("configuration", text, Format::Json),
            _ => return Err(PyTypeError::new_err("either a path or a text is needed")),
        };
        Ok(Self { core: core.map_err(|error| exception(py, &error))?, path, text })
    }

    /// Open all that take log entries: name, type, lowest level and connector of each.
    fn open_logs(&self, py: Python<'_>) -> PyResult<Vec<Opened<'_>>> {
        let opened = self.core.open_logs(&observed).map_err(|error| exception(py, &error))?;
        let connectors = self.core.section(Section::Logging).zip(opened.connectors());
        Ok(connectors.map(|(destination, connector)| described(destination, connector)).collect())
    }

    /// The same for those that take messages.
    fn open_webhooks(&self, py: Python<'_>) -> PyResult<Vec<Opened<'_>>> {
        let opened = self.core.open_webhooks(&observed).map_err(|error| exception(py, &error))?.webhooks();
        let each = self.core.section(Section::Alerts).filter_map(|destination| {
            let webhook = opened.get(destination.name())?;
            Some(described(destination, Arc::clone(webhook.connector())))
        });
        Ok(each.collect())
    }

    /// Open one, of the table with this name.
    fn connect(&self, py: Python<'_>, table: &str, name: &str) -> PyResult<Connector> {
        let mut destinations = self.core.destinations().iter();
        let found = destinations
            .find(|destination| destination.section().name() == table && destination.name() == name);
        let destination = found.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        let core = destination.connect(&observed).map_err(|error| errors::exception(py, &error))?;
        Ok(Connector::from_core(Arc::new(core)))
    }

    /// Open every platform for runs: name, type and platform of each.
    fn open_runs(&self, py: Python<'_>) -> PyResult<Vec<(String, &'static str, Tracker)>> {
        process::arm(py);
        let opened = self.core.open_runs(&observed).map_err(|error| exception(py, &error))?;
        let kinds = self.core.section(Section::Runs).map(|destination| destination.kind().name);
        let described = opened.platforms().into_iter().zip(kinds);
        Ok(described.map(|((name, platform), kind)| (name, kind, Tracker::of(platform))).collect())
    }

    /// Open one platform for runs.
    fn platform(&self, py: Python<'_>, name: &str) -> PyResult<Tracker> {
        process::arm(py);
        let found = self.core.section(Section::Runs).find(|destination| destination.name() == name);
        let destination = found.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        let opened = destination.platform(&observed, &self.core.rules().redaction);
        opened.map(Tracker::of).map_err(|error| errors::exception(py, &error))
    }

    /// In another process it is read again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (Option<PathBuf>, Option<String>)) {
        (slf.get_type(), (slf.get().path.clone(), slf.get().text.clone()))
    }
}

impl Config {
    /// What was read.
    pub(crate) const fn core(&self) -> &Core {
        &self.core
    }

    /// What becomes of an entry before it leaves the caller.
    pub(crate) const fn rules(&self) -> &Rules {
        self.core.rules()
    }
}

/// Name, type, lowest level and connector.
type Opened<'c> = (&'c str, &'static str, &'static str, Connector);

fn described(destination: &Configured, connector: Arc<CoreConnector>) -> Opened<'_> {
    let (kind, level) = (destination.kind().name, destination.level().as_str());
    (destination.name(), kind, level, Connector::from_core(connector))
}

fn observed(mut settings: Settings) -> Settings {
    settings.observer = notices::observer();
    settings
}

/// Everything that is wrong with a configuration.
pub(crate) fn exception(py: Python<'_>, error: &ConfigError) -> PyErr {
    let hint = error.problems().iter().find_map(|problem| problem.hint.as_deref());
    errors::build(py, "config", "config.invalid", error.render(false).trim_end(), hint)
}
