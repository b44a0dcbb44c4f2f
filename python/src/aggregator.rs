//! The hot path: from a call's arguments to the queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nethical::LogAggregator;
use nethical::event::{Encoded, EventId, Timestamp};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::connector::Connector;
use crate::entry::{self, Parts};
use crate::{levels, notices, process, values, wait};

/// The base of `LogAggregator`: takes entries and hands them to connectors.
#[pyclass(subclass, frozen, module = "nethical._core")]
pub(crate) struct Aggregator {
    logs: LogAggregator,
    /// Closed, and nobody was told yet that entries come too late.
    to_be_told: AtomicBool,
}

#[pymethods]
impl Aggregator {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { logs: LogAggregator::new(), to_be_told: AtomicBool::new(false) }
    }

    /// Log an entry of now with this metadata. True if every connector took it. Never waits for a
    /// destination and never fails because of a value; a level that there is not is a ValueError.
    ///
    /// `level`, `message` and `source` go by position or by name; a name whose value is given by
    /// position is free for metadata.
    #[pyo3(signature = (*args, **metadata), text_signature = "($self, level, message, source, **metadata)")]
    fn log(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        metadata: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        process::arm(py);
        let [level, message, source] = arguments(args, metadata)?;
        let level = levels::level_of(&level)?;
        if !self.logs.wants(level) {
            return Ok(true);
        }
        let timestamp = Timestamp::now();
        let parts =
            Parts { timestamp, level, message: &message, source: &source, id: EventId::at(timestamp) };
        let encoded = parts.encode(self.logs.rules(), |json, walk| match metadata {
            Some(dict) => values::own_object(json, dict, walk),
            None => values::own_object(json, &PyDict::new(py), walk),
        })?;
        Ok(self.publish(py, &encoded))
    }

    /// Log an entry that was made before. True if every connector took it.
    fn log_entry(&self, py: Python<'_>, entry: &Bound<'_, PyAny>) -> PyResult<bool> {
        process::arm(py);
        Ok(self.publish(py, &entry::encode(entry, self.logs.rules())?))
    }

    /// Entries in which some value was cut, replaced or left out so far.
    #[getter]
    fn repaired(&self) -> u64 {
        self.logs.repaired()
    }

    /// `close_all` was called: the first entry after it is worth a warning.
    fn _closed(&self) {
        self.to_be_told.store(true, Ordering::Relaxed);
    }

    fn _add(&self, py: Python<'_>, connector: &Connector, level: &Bound<'_, PyAny>) -> PyResult<()> {
        self.logs.add_from(Arc::clone(connector.handle(py)?.core()), levels::level_of(level)?);
        Ok(())
    }

    fn _remove(&self, py: Python<'_>, connector: &Connector) -> PyResult<bool> {
        Ok(self.logs.remove(connector.handle(py)?.core()))
    }
}

impl Aggregator {
    fn publish(&self, py: Python<'_>, encoded: &Encoded) -> bool {
        self.logs.count_repairs(encoded);
        let routes = self.logs.routes();
        let level = encoded.event.level();
        let taken = if routes.would_block(level) {
            py.detach(|| routes.publish(&encoded.event))
        } else {
            routes.publish(&encoded.event)
        };
        if !taken && self.to_be_told.swap(false, Ordering::Relaxed) {
            notices::late_entry();
        }
        taken
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        wait::drop_elsewhere(std::mem::take(&mut self.logs));
    }
}

/// Level, message and source: by position, else by name, which takes them out of the metadata.
fn arguments<'py>(
    args: &Bound<'py, PyTuple>,
    metadata: Option<&Bound<'py, PyDict>>,
) -> PyResult<[Bound<'py, PyAny>; 3]> {
    let py = args.py();
    let given = args.len();
    if given > 3 {
        return Err(PyTypeError::new_err(format!(
            "log() takes level, message and source, and metadata by name ({given} arguments were given by position)"
        )));
    }
    let take = |index: usize, name: &Bound<'py, PyString>| {
        if index < given {
            return args.get_item(index);
        }
        let named = metadata.map(|dict| dict.get_item(name)).transpose()?.flatten();
        let value = named.ok_or_else(|| {
            PyTypeError::new_err(format!("log() misses the argument '{name}' (level, message, source)"))
        })?;
        if let Some(dict) = metadata {
            dict.del_item(name)?;
        }
        Ok(value)
    };
    Ok([
        take(0, pyo3::intern!(py, "level"))?,
        take(1, pyo3::intern!(py, "message"))?,
        take(2, pyo3::intern!(py, "source"))?,
    ])
}
