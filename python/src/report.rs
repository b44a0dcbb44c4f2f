//! Accounts and dead letters as dicts.

use nethical::Error;
use nethical::delivery::{DeadLetter, DropReason, Status};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors;

/// The accounts of one connector.
pub(crate) fn status<'py>(py: Python<'py>, status: &Status) -> PyResult<Bound<'py, PyDict>> {
    let ledger = &status.ledger;
    let dropped = PyDict::new(py);
    for reason in DropReason::ALL {
        dropped.set_item(reason.as_str(), ledger.dropped_because(reason))?;
    }
    let dict = PyDict::new(py);
    dict.set_item("name", &*status.name)?;
    dict.set_item("accepted", ledger.accepted)?;
    dict.set_item("confirmed", ledger.confirmed)?;
    dict.set_item("sent", ledger.sent)?;
    dict.set_item("dead_lettered", ledger.dead_lettered)?;
    dict.set_item("dropped", dropped)?;
    dict.set_item("waiting", ledger.waiting)?;
    dict.set_item("down_for", status.down_for.map(|time| time.as_secs_f64()))?;
    dict.set_item("last_error", status.last_error.as_ref().map(|last| error(py, last)).transpose()?)?;
    Ok(dict)
}

/// One dead letter.
pub(crate) fn dead_letter<'py>(py: Python<'py>, letter: &DeadLetter) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("line", PyBytes::new(py, letter.event.json()))?;
    dict.set_item("error", error(py, &letter.error)?)?;
    dict.set_item("attempts", letter.attempts)?;
    dict.set_item("at", letter.at.to_string())?;
    Ok(dict)
}

fn error<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("kind", errors::kind_name(error.kind()))?;
    dict.set_item("code", error.code())?;
    dict.set_item("message", error.message())?;
    dict.set_item("hint", error.hint())?;
    Ok(dict)
}
