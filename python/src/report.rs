//! Accounts and dead letters as dicts.

use nethical::Error;
use nethical::delivery::{
    DeadLetter, Delivery, DestinationReport, DropReason, Ledger, ProcessReport, Status,
};
use nethical::event::Timestamp;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors;
use crate::shapes::Dict;

/// The accounts of one connector.
pub(crate) fn status<'py>(py: Python<'py>, status: &Status) -> PyResult<Dict<'py>> {
    let report = DestinationReport::from(status);
    let dict = Dict::new(py);
    dict.set_item("name", &*status.name)?;
    counts(&dict, &status.ledger)?;
    dict.set_item("down_for", status.down_for.map(|time| time.as_secs_f64()))?;
    dict.set_item("last_error", status.last_error.as_ref().map(|last| error(py, last)).transpose()?)?;
    dict.set_item("at_risk", status.at_risk)?;
    dict.set_item("offline", status.offline)?;
    dict.set_item("key", status.key.as_deref())?;
    backlog(&dict, &report)?;
    dict.set_item("directory", status.directory.as_deref().map(|path| path.as_os_str()))?;
    dict.set_item("pid", std::process::id())?;
    dict.set_item("running", true)?;
    Ok(dict)
}

/// The same of a connector of another process, as far as it is written down.
pub(crate) fn reported<'py>(
    py: Python<'py>,
    process: &ProcessReport,
    report: &DestinationReport,
) -> PyResult<Dict<'py>> {
    let down_for = report.down_since.map(|since| process.written.duration_since(since).as_secs_f64());
    let last_error = report
        .last_error
        .as_ref()
        .map(|last| described(py, None, &last.code, &last.message, last.hint.as_deref()));
    let dict = Dict::new(py);
    dict.set_item("name", &report.key)?;
    counts(&dict, &report.ledger)?;
    dict.set_item("down_for", down_for)?;
    dict.set_item("last_error", last_error.transpose()?)?;
    dict.set_item("key", &report.key)?;
    backlog(&dict, report)?;
    dict.set_item("directory", process.directory.as_os_str())?;
    dict.set_item("pid", (process.pid > 0).then_some(process.pid))?;
    dict.set_item("running", process.running)?;
    Ok(dict)
}

fn counts(dict: &Bound<'_, PyDict>, ledger: &Ledger) -> PyResult<()> {
    let dropped = PyDict::new(dict.py());
    for reason in DropReason::ALL {
        dropped.set_item(reason.as_str(), ledger.dropped_because(reason))?;
    }
    dict.set_item("accepted", ledger.accepted)?;
    dict.set_item("confirmed", ledger.confirmed)?;
    dict.set_item("sent", ledger.sent)?;
    dict.set_item("dead_lettered", ledger.dead_lettered)?;
    dict.set_item("dropped", dropped)?;
    dict.set_item("waiting", ledger.waiting)
}

fn backlog(dict: &Bound<'_, PyDict>, report: &DestinationReport) -> PyResult<()> {
    let time = |at: Timestamp| at_micros(dict.py(), at.as_microsecond());
    dict.set_item("waiting_bytes", report.waiting_bytes)?;
    dict.set_item("oldest", report.oldest.map(time).transpose()?)?;
    dict.set_item("down_since", report.down_since.map(time).transpose()?)?;
    dict.set_item("breaker_open", report.breaker_open)
}

/// A point in time, in microseconds since 1970, as an aware `datetime`.
pub(crate) fn at_micros(py: Python<'_>, micros: i64) -> PyResult<Bound<'_, PyAny>> {
    py.import("nethical._times")?.call_method1("at", (micros,))
}

/// A line of JSON as a dict.
pub(crate) fn dict_of<'py>(py: Python<'py>, line: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (PyBytes::new(py, line),))
}

/// One delivery, by the names of `WebhookDelivery`.
pub(crate) fn delivery<'py>(py: Python<'py>, delivery: &Delivery) -> PyResult<Dict<'py>> {
    let dict = Dict::new(py);
    let last = delivery.last_attempt.map(|at| at_micros(py, at.as_microsecond())).transpose()?;
    let headers = Dict::new(py);
    for (name, value) in &delivery.response_headers {
        headers.set_item(name, value)?;
    }
    dict.set_item("delivery_id", &delivery.delivery_id)?;
    dict.set_item("url", delivery.url.as_deref().unwrap_or_default())?;
    dict.set_item("status", delivery.status.as_str())?;
    dict.set_item("attempt_count", delivery.attempt_count)?;
    dict.set_item("last_attempt", last)?;
    dict.set_item("response_code", delivery.response_code)?;
    dict.set_item("duration_ms", delivery.duration_ms)?;
    dict.set_item("error_message", delivery.error_message.as_deref())?;
    dict.set_item("response_headers", headers)?;
    dict.set_item("response_body_excerpt", delivery.response_body_excerpt.as_deref())?;
    dict.set_item("error_code", delivery.error_code.as_deref())?;
    dict.set_item("hint", delivery.hint.as_deref())?;
    dict.set_item("destination", &delivery.destination)?;
    dict.set_item("queued", delivery.queued)?;
    Ok(dict)
}

/// One dead letter.
pub(crate) fn dead_letter<'py>(py: Python<'py>, letter: &DeadLetter) -> PyResult<Dict<'py>> {
    let dict = Dict::new(py);
    dict.set_item("line", PyBytes::new(py, letter.event.json()))?;
    dict.set_item("error", error(py, &letter.error)?)?;
    dict.set_item("attempts", letter.attempts)?;
    dict.set_item("at", letter.at.to_string())?;
    Ok(dict)
}

fn error<'py>(py: Python<'py>, error: &Error) -> PyResult<Dict<'py>> {
    described(py, Some(errors::kind_name(error.kind())), error.code(), error.message(), error.hint())
}

fn described<'py>(
    py: Python<'py>,
    kind: Option<&str>,
    code: &str,
    message: &str,
    hint: Option<&str>,
) -> PyResult<Dict<'py>> {
    let dict = Dict::new(py);
    dict.set_item("kind", kind)?;
    dict.set_item("code", code)?;
    dict.set_item("message", message)?;
    dict.set_item("hint", hint)?;
    Ok(dict)
}
