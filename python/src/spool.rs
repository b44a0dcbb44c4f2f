//! What waits on disk, as Python says it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nethical::delivery::{self, ProcessReport, SpoolSettings, Status};
use nethical::destinations::Validated;
use nethical_core::spool::{Disk, Durability, Home, Options};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::shapes::{Dict, shape};
use crate::{errors, report, wait};

shape! {
    /// Whether and where events wait on disk, as Python says it.
    pub(crate) struct SpoolOptions as "Spool" {
        enabled: Option<bool>,
        home: Option<PathBuf>,
        durability: Option<String>,
        identity: Option<OsString>,
    }
}

impl SpoolOptions {
    /// The same. Of a destination without a name the options know best what identifies it.
    pub(crate) fn of(mut self, config: &dyn Validated) -> Self {
        self.identity = self.identity.and_then(|usual| config.identity().map(OsString::from).or(Some(usual)));
        self
    }

    /// The same for the engine.
    pub(crate) fn settings(self) -> PyResult<SpoolSettings> {
        let durability = self.durability.as_deref().map(durability).transpose()?.unwrap_or_default();
        Ok(SpoolSettings {
            enabled: self.enabled,
            home: self.home,
            identity: self.identity.map(|identity| identity.to_string_lossy().into_owned()),
            options: Options { durability, ..Options::default() },
            ..SpoolSettings::default()
        })
    }
}

fn durability(text: &str) -> PyResult<Durability> {
    match text {
        "none" => Ok(Durability::None),
        "interval" => Ok(Durability::Interval),
        "every" => Ok(Durability::Every),
        other => {
            let text = format!("durability is {other:?}: use 'none', 'interval' or 'every'");
            Err(PyValueError::new_err(text))
        }
    }
}

/// The home at a path, or the usual one; None if the environment names none.
pub(crate) fn home(path: Option<PathBuf>) -> Option<Home> {
    let path = path.or_else(|| SpoolSettings::default().directory())?;
    Some(Home::new(Arc::new(Disk), path))
}

/// What the other processes with this home are doing, what ended ones have left, and of that also what
/// this process has in its hands without a use for it.
#[pyfunction]
pub(crate) fn survey(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Vec<Dict<'_>>> {
    let Some(home) = home(path) else { return Ok(Vec::new()) };
    let (orphans, reports) = py.detach(|| (orphans(&home), others(&home)));
    let mut all = orphans.iter().map(|status| report::status(py, status)).collect::<PyResult<Vec<_>>>()?;
    let reports = reports.map_err(|error| unreadable(py, home.path(), &error))?;
    all.extend(report_all(py, &reports)?);
    Ok(all)
}

/// Deliver what waits for the destinations of this process, also what ended processes left for them. Returns
/// whether all of it came to its end, what is left of it, and what waits for destinations that are not open.
#[pyfunction]
pub(crate) fn sync(py: Python<'_>, timeout: f64) -> PyResult<(bool, Vec<Dict<'_>>, Vec<Dict<'_>>)> {
    let deadline = Instant::now() + wait::patience(timeout)?;
    let (left, closed, reports) = wait::interruptibly(py, move || {
        let left = deliver_all(deadline);
        let (closed, reports) = elsewhere();
        (left, closed, reports)
    })?;
    let mut waiting = closed.iter().map(|status| report::status(py, status)).collect::<PyResult<Vec<_>>>()?;
    waiting.extend(report_all(py, &reports)?);
    let left_here = left.iter().map(|status| report::status(py, status)).collect::<PyResult<Vec<_>>>()?;
    Ok((left.is_empty(), left_here, waiting))
}

/// Until there is nothing left to adopt. Returns the destinations that had something left at the deadline.
fn deliver_all(deadline: Instant) -> Vec<Status> {
    loop {
        let adopted = delivery::adopt();
        let left = delivery::flush_all(wait::left(deadline));
        if adopted == 0 || !left.is_empty() {
            return left;
        }
    }
}

/// What waits for destinations that are not open: here, and where ended processes left it.
fn elsewhere() -> (Vec<Status>, Vec<ProcessReport>) {
    let homes = delivery::homes().into_iter().filter_map(|path| home(Some(path)));
    // A home that cannot be read now has nothing that could be delivered now.
    let mut reports: Vec<_> = homes.flat_map(|home| others(&home).unwrap_or_default()).collect();
    reports.retain(|report| !report.running);
    for report in &mut reports {
        report.destinations.retain(|destination| destination.ledger.waiting > 0);
    }
    (delivery::orphans(), reports)
}

/// What waits in directories of this process under a home, and is not in the accounts of a closed connector.
fn orphans(home: &Home) -> Vec<Status> {
    let told: Vec<_> = delivery::statuses().into_iter().map(|status| status.key).collect();
    let mut orphans = delivery::orphans();
    orphans.retain(|status| !told.contains(&status.key));
    orphans.retain(|status| status.directory.as_ref().is_some_and(|path| path.starts_with(home.path())));
    orphans
}

fn others(home: &Home) -> std::io::Result<Vec<ProcessReport>> {
    let mut reports = delivery::survey(home.path())?;
    reports.retain(|report| !home.owns(&report.directory));
    Ok(reports)
}

fn report_all<'py>(py: Python<'py>, reports: &[ProcessReport]) -> PyResult<Vec<Dict<'py>>> {
    let each = reports.iter().flat_map(|process| {
        process.destinations.iter().map(move |destination| report::reported(py, process, destination))
    });
    each.collect()
}

/// The exception for a home that cannot be read.
pub(crate) fn unreadable(py: Python<'_>, home: &Path, error: &dyn std::fmt::Display) -> PyErr {
    let message = format!("cannot read {}: {error}", home.display());
    errors::build(py, "unavailable", "spool.home", &message, Some("name the home of the program in question"))
}
