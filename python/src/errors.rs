//! Failures as exceptions. The classes live in `nethical/errors.py`.

use nethical::Error;
use nethical::delivery::Kind;
use pyo3::prelude::*;

/// The exception that shows this failure.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    build(py, kind_name(error.kind()), error.code(), error.message(), error.hint())
}

/// The exception for a connector that was used after its close.
pub(crate) fn closed(py: Python<'_>, name: &str) -> PyErr {
    build(
        py,
        "closed",
        "connector.closed",
        &format!("the connector {name} is closed"),
        Some("make a new connector; close one only when nothing is sent any more"),
    )
}

/// The exception of this kind.
pub(crate) fn build(py: Python<'_>, kind: &str, code: &str, message: &str, hint: Option<&str>) -> PyErr {
    let made = py
        .import("nethical.errors")
        .and_then(|module| module.call_method1("build", (kind, code, message, hint)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The name of a kind, for programs.
pub(crate) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Config => "config",
        Kind::Gone => "gone",
        Kind::RateLimited(_) => "rate_limited",
        Kind::Refused => "refused",
        Kind::Unauthorized => "unauthorized",
        Kind::Unavailable => "unavailable",
        _ => "other",
    }
}
