//! Waiting: without the GIL, with an end, and so that Ctrl-C works.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::connector::{Connector, Handle};

/// What is left until then.
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Longer waits than this count as this.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A number of seconds from Python.
pub(crate) fn patience(seconds: f64) -> PyResult<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!("a timeout of {seconds} seconds: use 0 or more")));
    }
    Ok(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |time| time.min(LONGEST)))
}

/// Do something that waits, on a thread of its own, while signals are looked after.
pub(crate) fn interruptibly<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    const LOOK: Duration = Duration::from_millis(100);
    let (done, mut result) = sync_channel(1);
    let waiter = std::thread::Builder::new().name("nethical-wait".to_owned());
    waiter.spawn(move || {
        let _ = done.send(work());
    })?;
    loop {
        let outcome;
        (result, outcome) = py.detach(move || {
            let outcome = result.recv_timeout(LOOK);
            (result, outcome)
        });
        match outcome {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("a background task of nethical failed"));
            }
        }
    }
}

/// What these hold.
pub(crate) fn handles(py: Python<'_>, connectors: Vec<Py<Connector>>) -> PyResult<Vec<Arc<Handle>>> {
    connectors.into_iter().map(|connector| connector.get().handle(py).cloned()).collect()
}

/// Deliver what waits in all of these at once. True if all of it came to its end in time.
#[pyfunction]
pub(crate) fn flush(py: Python<'_>, connectors: Vec<Py<Connector>>, timeout: f64) -> PyResult<bool> {
    let deadline = Instant::now() + patience(timeout)?;
    let handles = handles(py, connectors)?;
    handles.iter().for_each(|handle| handle.core().request_flush());
    interruptibly(py, move || handles.iter().filter(|handle| !handle.flush(deadline)).count() == 0)
}

/// Close all of these at once. True if nothing was left undone.
#[pyfunction]
pub(crate) fn close(py: Python<'_>, connectors: Vec<Py<Connector>>, timeout: f64) -> PyResult<bool> {
    let deadline = Instant::now() + patience(timeout)?;
    let handles = handles(py, connectors)?;
    handles.iter().for_each(|handle| handle.core().request_close());
    interruptibly(py, move || handles.iter().filter(|handle| !handle.close(deadline)).count() == 0)
}

/// Drop something whose last owner waits for what is still to be delivered, on a thread that may wait.
pub(crate) fn drop_elsewhere<T: Send + 'static>(value: T) {
    // A system that gives no thread has it dropped here.
    let _ = std::thread::Builder::new().name("nethical-drop".to_owned()).spawn(move || drop(value));
}
