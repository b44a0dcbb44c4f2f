//! `LogEntry` objects as events.

use nethical::Level;
use nethical::event::{self, Encoded, EventId, Head, JsonWriter, Rules, Timestamp};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

use crate::values::{self, Walk};
use crate::{convert, levels};

static ENTRY: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Make the package's own classes known.
#[pyfunction]
pub(crate) fn register(log_level: &Bound<'_, PyType>, log_entry: &Bound<'_, PyType>) -> PyResult<()> {
    let _ = ENTRY.set(log_entry.py(), log_entry.clone().unbind());
    levels::remember(log_level)
}

/// A new id, as text.
#[pyfunction]
pub(crate) fn new_id() -> String {
    EventId::new().to_string()
}

/// Check an id, and write it the usual way.
#[pyfunction]
pub(crate) fn parse_id(text: &str) -> PyResult<String> {
    let id =
        EventId::parse(text).ok_or_else(|| PyValueError::new_err(format!("the id {text:?} is no UUID")))?;
    Ok(id.to_string())
}

/// The line of this entry, with the usual rules.
#[pyfunction]
pub(crate) fn entry_to_json(entry: &Bound<'_, PyAny>) -> PyResult<String> {
    let encoded = encode(entry, &Rules::default())?;
    Ok(String::from_utf8_lossy(encoded.event.json()).into_owned())
}

/// A `LogEntry` as it is delivered.
pub(crate) fn encode(entry: &Bound<'_, PyAny>, rules: &Rules) -> PyResult<Encoded> {
    let py = entry.py();
    if !ENTRY.get(py).is_some_and(|class| entry.is_instance(class.bind(py)).unwrap_or(false)) {
        return Err(convert::wrong_type("a LogEntry is needed", entry));
    }
    let level = levels::level_of(&entry.getattr(intern!(py, "level"))?)?;
    let timestamp = convert::timestamp(&entry.getattr(intern!(py, "timestamp"))?).map_err(|_| {
        PyValueError::new_err("the entry's timestamp is no datetime within the years 1 to 9999")
    })?;
    let message = entry.getattr(intern!(py, "message"))?;
    let source = entry.getattr(intern!(py, "source"))?;
    let metadata = entry.getattr(intern!(py, "metadata"))?;
    let id = entry.getattr(intern!(py, "id"))?;
    let id = id.cast::<PyString>().ok().and_then(|id| EventId::parse(&id.to_string_lossy()));
    let id = id.ok_or_else(|| PyValueError::new_err("the entry's id is no UUID"))?;
    let parts = Parts { timestamp, level, message: &message, source: &source, id };
    parts.encode(rules, |json, walk| match metadata.cast::<PyDict>() {
        Ok(dict) => values::shared_object(json, dict, walk),
        Err(_) => wrapped(json, &metadata, walk),
    })
}

/// Metadata that is no dict: nothing is lost, it stands under a name of its own.
fn wrapped(json: &mut JsonWriter<'_>, metadata: &Bound<'_, PyAny>, walk: &mut Walk) {
    let dict = PyDict::new(metadata.py());
    if !metadata.is_none() {
        json.repaired();
        let _ = dict.set_item("metadata", metadata);
    }
    values::own_object(json, &dict, walk);
}

/// What every entry has.
pub(crate) struct Parts<'a, 'py> {
    pub(crate) timestamp: Timestamp,
    pub(crate) level: Level,
    pub(crate) message: &'a Bound<'py, PyAny>,
    pub(crate) source: &'a Bound<'py, PyAny>,
    pub(crate) id: EventId,
}

impl Parts<'_, '_> {
    /// Encode the entry whose metadata is written by `metadata`.
    pub(crate) fn encode(
        &self,
        rules: &Rules,
        metadata: impl FnOnce(&mut JsonWriter<'_>, &mut Walk),
    ) -> PyResult<Encoded> {
        let mut walk = Walk::default();
        let encoded = match (self.message.cast_exact::<PyString>(), self.source.cast_exact::<PyString>()) {
            (Ok(message), Ok(source)) => self.encode_texts(message, source, rules, &mut walk, metadata),
            _ => {
                let message = as_text(self.message, &mut walk);
                let source = as_text(self.source, &mut walk);
                self.encode_texts(&message, &source, rules, &mut walk, metadata)
            }
        };
        walk.finish()?;
        Ok(encoded)
    }

    fn encode_texts(
        &self,
        message: &Bound<'_, PyString>,
        source: &Bound<'_, PyString>,
        rules: &Rules,
        walk: &mut Walk,
        metadata: impl FnOnce(&mut JsonWriter<'_>, &mut Walk),
    ) -> Encoded {
        let (message, source) = (values::text(message), values::text(source));
        let head = Head {
            timestamp: self.timestamp,
            level: self.level,
            message: &message,
            source: &source,
            id: self.id,
        };
        event::encode(&head, rules, |json| {
            for text in [&message, &source] {
                if matches!(text, std::borrow::Cow::Owned(_)) {
                    json.repaired();
                }
            }
            metadata(json, walk);
        })
    }
}

/// A message or a source that is no plain string.
#[cold]
fn as_text<'py>(value: &Bound<'py, PyAny>, walk: &mut Walk) -> Bound<'py, PyString> {
    convert::printed(value, walk).unwrap_or_else(|| PyString::new(value.py(), &convert::mark(value)))
}
