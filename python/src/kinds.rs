//! Connectors to any kind of destination, from the options that its configuration would have.

use std::sync::Arc;

use nethical::Error;
use nethical::config::is_name;
use nethical::delivery::Settings;
use nethical::destinations::support::options::{Node, Options, OptionsError, Value};
use nethical::destinations::{Validated, find};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::de::DeserializeOwned;

use crate::connector::{Connector, QueueOptions};
use crate::shapes::{Dict, shape};
use crate::spool::SpoolOptions;
use crate::{errors, notices};

shape! {
    /// What only webhooks have.
    pub(crate) struct WebhookOptions as "Webhook" {
        on_delivery: Option<Py<PyAny>>,
        rate_limit_per_sec: Option<f64>,
    }
}

/// Open a destination of this kind.
#[pyfunction]
#[pyo3(signature = (kind, name, options, queue, spool, webhook=None))]
pub(crate) fn connect(
    py: Python<'_>,
    kind: &str,
    name: String,
    options: Dict<'_>,
    queue: QueueOptions,
    spool: SpoolOptions,
    webhook: Option<WebhookOptions>,
) -> PyResult<Connector> {
    let config = checked(py, kind, &options)?;
    let mut settings = Settings { spool: spool.of(&*config).settings()?, ..queue.settings()? };
    if let Some(webhook) = webhook {
        settings.on_delivery = webhook.on_delivery.map(notices::delivery_observer);
        settings.rate_limit_per_sec = webhook.rate_limit_per_sec.or(settings.rate_limit_per_sec);
    }
    Connector::open(py, name, config, settings)
}

/// The options of a destination of this kind, checked.
pub(crate) fn checked(
    py: Python<'_>,
    kind: &str,
    options: &Bound<'_, PyDict>,
) -> PyResult<Arc<dyn Validated>> {
    let kind = find(kind)
        .ok_or_else(|| PyValueError::new_err(format!("there is no destination of type `{kind}`")))?;
    (kind.parse)(&table(options)?).map_err(|error| wrong(py, &error))
}

/// These options as those of one kind.
pub(crate) fn read<T: DeserializeOwned>(options: &Bound<'_, PyDict>) -> PyResult<T> {
    let py = options.py();
    table(options)?.read::<T>().map_err(|error| {
        let wrong = Error::config("options.wrong", error.to_string());
        errors::exception(py, &error.hint().iter().fold(wrong, |wrong, hint| wrong.with_hint(hint.as_str())))
    })
}

/// See whether a destination can have this name, which stands in messages, in accounts and on disk.
pub(crate) fn check_name(py: Python<'_>, name: &str) -> PyResult<()> {
    if is_name(name) {
        return Ok(());
    }
    let wrong = Error::config("options.name", format!("{name:?} cannot be the name of a destination"))
        .with_hint("use letters, digits or other visible characters for `name`, or leave it out");
    Err(errors::exception(py, &wrong))
}

/// The exception for options that cannot work.
pub(crate) fn wrong(py: Python<'_>, error: &OptionsError) -> PyErr {
    let wrong = Error::config("options.wrong", error.to_string());
    errors::exception(py, &error.hint().iter().fold(wrong, |wrong, hint| wrong.with_hint(hint.as_str())))
}

/// The options that are not `None`.
pub(crate) fn table(options: &Bound<'_, PyDict>) -> PyResult<Options> {
    let mut table = Options::new();
    for (key, value) in options.iter().filter(|(_, value)| !value.is_none()) {
        let key: String = key.extract()?;
        let value = self::value(&value)
            .map_err(|error| PyTypeError::new_err(format!("{key}: {}", error.value(options.py()))))?;
        table.set(key, value);
    }
    Ok(table)
}

fn value(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(flag) = value.cast::<PyBool>() {
        Ok(Value::Bool(flag.is_true()))
    } else if let Ok(number) = value.cast::<PyInt>() {
        Ok(Value::Int(number.extract::<i64>()?.into()))
    } else if let Ok(number) = value.cast::<PyFloat>() {
        Ok(Value::Float(number.extract()?))
    } else if let Ok(text) = value.cast::<PyString>() {
        Ok(Value::String(text.extract()?))
    } else if let Ok(options) = value.cast::<PyDict>() {
        Ok(Value::Table(table(options)?))
    } else if let Ok(items) = value.cast::<PyList>() {
        items.iter().map(|item| self::value(&item).map(Node::new)).collect::<PyResult<_>>().map(Value::Array)
    } else if let Ok(items) = value.cast::<PyTuple>() {
        items.iter().map(|item| self::value(&item).map(Node::new)).collect::<PyResult<_>>().map(Value::Array)
    } else {
        let kind = value.get_type();
        Err(PyTypeError::new_err(format!(
            "expected text, a number, a truth value, a list or a dict, not {kind}"
        )))
    }
}
