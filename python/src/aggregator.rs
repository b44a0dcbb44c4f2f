//! The hot path: from a call's arguments to the queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nethical::event::{Encoded, EventId, Timestamp};
use nethical::{LogAggregator, Routes};
#[cfg(feature = "stub")]
use pyo3::exceptions::PyNotImplementedError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyTuple};

use crate::config::Config;
use crate::connector::Connector;
use crate::entry::{self, Parts};
use crate::fastcall::{Arguments, Required};
use crate::shapes::Dict;
use crate::{levels, notices, process, values, wait};

/// The base of `LogAggregator`: takes entries and hands them to connectors.
#[pyclass(subclass, frozen, module = "nethical._core")]
pub(crate) struct Aggregator {
    logs: Arc<LogAggregator>,
    /// Closed, and nobody was told yet that entries come too late.
    to_be_told: AtomicBool,
}

#[pymethods]
impl Aggregator {
    /// With the rules of a configuration, if one is the first argument; the others are a subclass's.
    #[new]
    #[pyo3(signature = (*args: "Any", **_kwargs: "Any"))]
    fn new(args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        let first = args.get_item(0).ok();
        let config = first.as_ref().and_then(|first| first.cast::<Config>().ok());
        let rules = config.map(|config| config.get().rules().clone()).unwrap_or_default();
        Self { logs: Arc::new(LogAggregator::with_rules(rules)), to_be_told: AtomicBool::new(false) }
    }

    /// Log an entry of now with this metadata. True if every connector took it.
    // For the stub alone: `fastcall` puts the method on the class.
    #[cfg(feature = "stub")]
    #[pyo3(name = "log", signature = (level, message, source, **metadata: "Any"))]
    #[expect(clippy::unused_self, reason = "a method in the stub")]
    fn described_log(
        &self,
        level: &Bound<'_, PyAny>,
        message: &Bound<'_, PyAny>,
        source: &Bound<'_, PyAny>,
        metadata: Option<Dict<'_>>,
    ) -> PyResult<bool> {
        let _ = (level, message, source, metadata);
        Err(PyNotImplementedError::new_err("described for the stub alone"))
    }

    /// Log an entry that was made before. True if every connector took it.
    fn log_entry(&self, py: Python<'_>, entry: &Bound<'_, PyAny>) -> PyResult<bool> {
        process::arm(py);
        let encoded = entry::encode(entry, self.logs.rules())?;
        Ok(self.publish(py, &self.logs.routes(), &encoded))
    }

    /// Log a record of `logging`: what of its `fields` is none of its `own` is metadata, as is `more`.
    #[pyo3(signature = (fields, own: "frozenset[str]", level, message, more))]
    fn _log_record(
        &self,
        py: Python<'_>,
        fields: Dict<'_>,
        own: &Bound<'_, PyFrozenSet>,
        level: &Bound<'_, PyAny>,
        message: &Bound<'_, PyAny>,
        more: Option<Dict<'_>>,
    ) -> PyResult<bool> {
        process::arm(py);
        let level = levels::level_of(level)?;
        let routes = self.logs.routes();
        if !routes.wants(level) {
            return Ok(true);
        }
        // A copy: other handlers have the same record.
        let fields = fields.copy()?;
        let source = fields.as_any().get_item(intern!(py, "name"))?;
        let timestamp = created(&fields.as_any().get_item(intern!(py, "created"))?);
        let parts = Parts { timestamp, level, message, source: &source, id: EventId::at(timestamp) };
        let encoded = parts.encode(self.logs.rules(), |json, walk| {
            if !json.begin_object() {
                return;
            }
            let extra = fields.iter().filter(|(name, _)| !own.contains(name).unwrap_or(false));
            for (name, value) in extra.chain(more.iter().flat_map(|more| more.iter())) {
                values::field(json, &name, &value, walk);
            }
            json.end_object();
        })?;
        Ok(self.publish(py, &routes, &encoded))
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
    /// What it hands entries to.
    pub(crate) const fn logs(&self) -> &Arc<LogAggregator> {
        &self.logs
    }

    /// Log an entry of now: what `log` does in Python.
    pub(crate) fn log(&self, call: &Arguments<'_, '_>) -> PyResult<bool> {
        let py = call.py();
        process::arm(py);
        let Required { level, message, source } = call.required()?;
        let level = levels::level_of(&level)?;
        let routes = self.logs.routes();
        if !routes.wants(level) {
            return Ok(true);
        }
        let timestamp = Timestamp::now();
        let parts =
            Parts { timestamp, level, message: &message, source: &source, id: EventId::at(timestamp) };
        let encoded = parts.encode(self.logs.rules(), |json, walk| {
            if json.begin_object() {
                call.metadata().for_each(|(name, value)| values::named_field(json, &name, &value, walk));
                json.end_object();
            }
        })?;
        Ok(self.publish(py, &routes, &encoded))
    }

    fn publish(&self, py: Python<'_>, routes: &Routes, encoded: &Encoded) -> bool {
        self.logs.count_repairs(encoded);
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

/// When a record was made: seconds since 1970, of which a float tells microseconds apart.
fn created(seconds: &Bound<'_, PyAny>) -> Timestamp {
    let seconds = seconds.extract::<f64>().ok();
    let micros = seconds.map(|seconds| (seconds * 1e6).round() as i64);
    micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or_else(Timestamp::now)
}
