//! `LogLevel` members as levels.

use nethical::Level;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

/// The members of `LogLevel`, in the order of [`Level::ALL`].
static MEMBERS: PyOnceLock<[Py<PyAny>; 5]> = PyOnceLock::new();

/// Remember the members, so that they are known by their address.
pub(crate) fn remember(class: &Bound<'_, PyAny>) -> PyResult<()> {
    let member = |level: Level| Ok::<_, PyErr>(class.getattr(level.as_str())?.unbind());
    let [debug, info, warning, error, critical] = Level::ALL;
    let members = [member(debug)?, member(info)?, member(warning)?, member(error)?, member(critical)?];
    // A second import, as by `importlib.reload`, goes by the values.
    let _ = MEMBERS.set(class.py(), members);
    Ok(())
}

/// The level that a caller gave: a member, or a name.
pub(crate) fn level_of(value: &Bound<'_, PyAny>) -> PyResult<Level> {
    if let Some(members) = MEMBERS.get(value.py()) {
        for (member, level) in members.iter().zip(Level::ALL) {
            if value.is(member) {
                return Ok(level);
            }
        }
    }
    by_name(value)
}

#[cold]
fn by_name(value: &Bound<'_, PyAny>) -> PyResult<Level> {
    let inner = value.getattr("value").ok();
    let name = inner.as_ref().unwrap_or(value).cast::<PyString>().map_err(|_| wrong_type(value))?;
    name.to_string_lossy()
        .parse()
        .map_err(|error: nethical::event::UnknownLevel| PyValueError::new_err(error.to_string()))
}

fn wrong_type(value: &Bound<'_, PyAny>) -> PyErr {
    let found = value.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "level must be a LogLevel or its name, not {found} \
         (numbers mean different levels in syslog, OpenTelemetry and Python, so none is taken)"
    ))
}

/// The name of the level that is given as a member or a name.
#[pyfunction]
pub(crate) fn level_name(level: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    level_of(level).map(Level::as_str)
}
