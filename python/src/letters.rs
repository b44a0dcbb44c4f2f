//! Dead letters on disk: those of every process with the same home.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nethical::delivery::Rejected;
use nethical::event::{Event, Timestamp};
use nethical_core::spool::{DeadLetter, DeadLetterLog, Disk, Fate, Filter, Home, Retention};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::connector::{Connector, Handle, offer};
use crate::report::{at_micros, dict_of};
use crate::shapes::{Dict, shape};
use crate::{errors, process, spool, wait};

shape! {
    /// Which letters, as Python says it.
    pub(crate) struct Wanted as "Wanted" {
        destination: Option<String>,
        id: Option<String>,
        reason: Option<String>,
        since: Option<i64>,
        until: Option<i64>,
    }
}

impl From<Wanted> for Filter {
    fn from(wanted: Wanted) -> Self {
        // What lies before 1970 is before every letter.
        let micros = |time: i64| u64::try_from(time).unwrap_or(0);
        Self {
            destination: wanted.destination,
            id: wanted.id,
            reason: wanted.reason,
            since_micros: wanted.since.map(micros),
            until_micros: wanted.until.map(micros),
        }
    }
}

fn open(home: &Home) -> Result<DeadLetterLog, String> {
    DeadLetterLog::open(Arc::new(Disk), &home.dead_letters(), Retention::default())
        .map_err(|error| error.to_string())
}

/// The letters that match, and the home that they are in.
#[pyfunction]
pub(crate) fn dead_letters(
    py: Python<'_>,
    home: Option<PathBuf>,
    wanted: Wanted,
    limit: Option<usize>,
) -> PyResult<(PathBuf, Vec<Dict<'_>>)> {
    let Some(home) = spool::home(home) else { return Ok((PathBuf::new(), Vec::new())) };
    let (filter, most) = (Filter::from(wanted), limit.unwrap_or(usize::MAX));
    let found = py.detach(|| {
        // Asking for letters is no reason to make a home for them.
        if !home.dead_letters().exists() {
            return Ok(Vec::new());
        }
        open(&home)?.list(&filter, most).map_err(|error| error.to_string())
    });
    let found = found.map_err(|error| spool::unreadable(py, home.path(), &error))?;
    let letters = found.iter().map(|letter| shown(py, letter)).collect::<PyResult<Vec<_>>>()?;
    Ok((home.path().to_owned(), letters))
}

fn shown<'py>(py: Python<'py>, letter: &DeadLetter) -> PyResult<Dict<'py>> {
    let event = Event::from_stored(&letter.payload);
    let micros = |time: u64| at_micros(py, i64::try_from(time).unwrap_or_default());
    let dict = Dict::new(py);
    dict.set_item("destination", &letter.destination)?;
    dict.set_item("id", &letter.id)?;
    dict.set_item("reason", &letter.reason)?;
    dict.set_item("answer", &letter.answer)?;
    dict.set_item("attempts", letter.attempts)?;
    dict.set_item("first", micros(letter.first_micros)?)?;
    dict.set_item("last", micros(letter.last_micros)?)?;
    dict.set_item("entry", event.map(|event| dict_of(py, event.json())).transpose()?)?;
    dict.set_item("stored", PyBytes::new(py, &letter.payload))?;
    Ok(dict)
}

/// Note that a letter was dropped.
#[pyfunction]
pub(crate) fn drop_letter(py: Python<'_>, home: PathBuf, destination: String, id: String) -> PyResult<()> {
    py.detach(move || mark(&home, &destination, &id, Fate::Dropped)).map_err(|error| unmarked(py, &error))
}

fn mark(home: &std::path::Path, destination: &str, id: &str, fate: Fate) -> Result<(), String> {
    open(&Home::new(Arc::new(Disk), home))?.mark(destination, id, fate).map_err(|error| error.to_string())
}

fn unmarked(py: Python<'_>, error: &str) -> PyErr {
    let message = format!("cannot note what has become of a dead letter: {error}");
    errors::build(py, "unavailable", "dead_letters.write", &message, None)
}

/// Deliver a letter again, as it is. True once it was delivered, and from then on it is no dead letter.
#[pyfunction]
pub(crate) fn replay_letter(
    py: Python<'_>,
    home: PathBuf,
    destination: String,
    stored: &[u8],
    connector: &Connector,
    timeout: f64,
) -> PyResult<bool> {
    let deadline = Instant::now() + wait::patience(timeout)?;
    let event = Event::from_stored(stored).ok_or_else(|| {
        let hint = Some("a later version of nethical has written it: use that one");
        errors::build(py, "other", "dead_letters.unreadable", "the dead letter cannot be read", hint)
    })?;
    process::arm(py);
    let handle = Arc::clone(connector.handle(py)?);
    let (begun, before) = (Timestamp::now(), dropped(&handle));
    match offer(py, handle.core(), event.clone()) {
        Ok(()) => {}
        Err(Rejected::Full) => return Ok(false),
        Err(Rejected::Closed) => return Err(errors::closed(py, handle.core().name())),
    }
    let done = wait::interruptibly(py, move || {
        let delivered = handle.flush(deadline) && !is_refused(&handle, &event, begun);
        // Only what is known to have arrived is struck off: until then a crash must not lose it.
        if !delivered || dropped(&handle) > before {
            return Ok(false);
        }
        mark(&home, &destination, &event.id().to_string(), Fate::Replayed).map(|()| true)
    })?;
    done.map_err(|error| unmarked(py, &error))
}

fn dropped(handle: &Handle) -> u64 {
    handle.core().status().map_or(0, |status| status.ledger.dropped())
}

/// Whether the destination has refused it since then. The letter that tells is younger than the old one.
fn is_refused(handle: &Handle, event: &Event, since: Timestamp) -> bool {
    let letters = handle.core().dead_letters();
    letters.iter().any(|letter| letter.event.id() == event.id() && letter.at >= since)
}
