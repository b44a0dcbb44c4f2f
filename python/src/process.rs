//! Forks, and the end of the process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use nethical::{delivery, fork};
use pyo3::prelude::*;

use crate::shapes::Dict;
use crate::{report, wait};

/// The generation of processes in which the end is prepared for.
static ARMED: AtomicU32 = AtomicU32::new(u32::MAX);

/// See to it that what waits is delivered at the end of this process, also of a `multiprocessing` child.
/// It can only be done on first use: such a child forgets at its start what was prepared before.
pub(crate) fn arm(py: Python<'_>) {
    let now = fork::generation();
    if ARMED.load(Ordering::Relaxed) != now {
        arm_now(py, now);
    }
}

#[cold]
fn arm_now(py: Python<'_>, now: u32) {
    ARMED.store(now, Ordering::Relaxed);
    if let Err(error) = py.import("nethical._process").and_then(|module| module.call_method0("first_use")) {
        error.write_unraisable(py, None);
    }
}

/// How many forks lie between this process and the first one.
#[pyfunction]
pub(crate) fn generation() -> u32 {
    fork::generation()
}

/// The accounts of every connector of this process.
#[pyfunction]
pub(crate) fn status(py: Python<'_>) -> PyResult<Vec<Dict<'_>>> {
    py.detach(delivery::statuses).iter().map(|status| report::status(py, status)).collect()
}

/// Close every connector of this process. Returns the accounts of those that had something left.
#[pyfunction]
pub(crate) fn close_all(py: Python<'_>, timeout: f64) -> PyResult<Vec<Dict<'_>>> {
    let deadline = Instant::now() + wait::patience(timeout)?;
    let left = wait::interruptibly(py, move || delivery::close_all(wait::left(deadline)))?;
    left.iter().map(|status| report::status(py, status)).collect()
}
