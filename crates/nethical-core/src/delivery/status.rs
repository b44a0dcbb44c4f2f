//! What destinations are doing, for this process and for others to read.
//!
//! Every second a process writes what its destinations do to `status.json` in its directory. Whoever wants
//! to know reads these files; where the process has ended the spool itself is asked, which knows exactly.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delivery::{Error, Ledger, spooled, store};
use crate::event::Timestamp;
use crate::spool::storage::Disk;
use crate::spool::{
    Backlog, DestinationStats, Directory, HandedOver, Home, STATUS, Spool, Waiting, handed_over, inspect,
};

/// What one destination is doing.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its name.
    pub name: Arc<str>,
    /// By what a later process knows it, if its events wait on disk.
    pub key: Option<String>,
    /// The directory in which they wait.
    pub directory: Option<PathBuf>,
    /// Whether it was closed. What waits then, waits for it to be opened again.
    pub closed: bool,
    /// The account of its events.
    pub ledger: Ledger,
    /// What of it is from earlier processes: their accounts as this one found them. What waited then was
    /// accepted by them and is delivered here.
    pub inherited: Ledger,
    /// Bytes of the events that wait.
    pub waiting_bytes: u64,
    /// When the oldest event that waits happened, or was accepted; `None` too if that is not known.
    pub oldest: Option<Timestamp>,
    /// Since how long its deliveries fail.
    pub down_for: Option<Duration>,
    /// Whether the breaker keeps it from being tried.
    pub breaker_open: bool,
    /// Whether the disk did not take all that is to wait on it: the rest is lost if the process ends.
    pub at_risk: bool,
    /// Whether what waits is where it is to be, since nothing is uploaded by itself.
    pub offline: bool,
    /// The last failure, also after it was overcome.
    pub last_error: Option<Error>,
}

/// What a process is doing, or has left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessReport {
    /// Where its spool is.
    #[serde(skip)]
    pub directory: PathBuf,
    /// Whether it runs.
    #[serde(skip)]
    pub running: bool,
    /// Its number.
    pub pid: u32,
    /// When this was written.
    pub written: Timestamp,
    /// Its destinations.
    pub destinations: Vec<DestinationReport>,
}

/// What a destination is doing, as it is written down.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DestinationReport {
    /// By what a later process knows it.
    pub key: String,
    /// Its name, by which its dead letters are found; empty where that is not known any more.
    #[serde(default)]
    pub name: String,
    /// Whether it is open in that process. If not, its events wait there for one in which it is.
    #[serde(default)]
    pub open: bool,
    /// The account of its events.
    pub ledger: Ledger,
    /// Bytes of the events that wait.
    pub waiting_bytes: u64,
    /// When the oldest event that waits happened, or was accepted.
    pub oldest: Option<Timestamp>,
    /// Since when its deliveries fail.
    pub down_since: Option<Timestamp>,
    /// Whether the breaker keeps it from being tried.
    pub breaker_open: bool,
    /// The last failure, also after it was overcome.
    pub last_error: Option<ErrorReport>,
}

/// A failure, as it is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorReport {
    /// A stable name.
    pub code: String,
    /// What failed, and where.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl From<&Error> for ErrorReport {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl From<&Status> for DestinationReport {
    fn from(status: &Status) -> Self {
        let since = |ago: Duration| Timestamp::now().checked_sub(ago).ok();
        Self {
            key: status.key.clone().unwrap_or_else(|| status.name.to_string()),
            name: status.name.to_string(),
            open: true,
            ledger: status.ledger,
            waiting_bytes: status.waiting_bytes,
            oldest: status.oldest,
            down_since: status.down_for.and_then(since),
            breaker_open: status.breaker_open,
            last_error: status.last_error.as_ref().map(ErrorReport::from),
        }
    }
}

impl DestinationReport {
    /// What nobody attends to: the spool knows how much, the last report why.
    pub(crate) fn unattended(key: &str, settled: &[u8], waiting: Waiting, last: Option<&Self>) -> Self {
        let mut ledger = Ledger::from_stored(settled);
        ledger.accepted += waiting.events;
        ledger.waiting = waiting.events;
        Self {
            key: key.to_owned(),
            open: false,
            ledger,
            waiting_bytes: waiting.bytes,
            oldest: waiting.oldest_micros.and_then(spooled::timestamp),
            breaker_open: false,
            ..last.cloned().unwrap_or_default()
        }
    }
}

/// Without those that were closed and opened again: the new one has all that the old one left.
pub(crate) fn without_former(statuses: Vec<Status>) -> Vec<Status> {
    let former = |index: usize, status: &Status| {
        let later = statuses.iter().skip(index + 1);
        status.closed && status.key.is_some() && later.into_iter().any(|other| other.key == status.key)
    };
    let kept: Vec<bool> = statuses.iter().enumerate().map(|(index, status)| !former(index, status)).collect();
    statuses.into_iter().zip(kept).filter_map(|(status, kept)| kept.then_some(status)).collect()
}

/// What waits in a spool of ours for those of its destinations that `wanted` names. None of them is open.
pub(crate) fn waiting_in(
    spool: &Spool,
    directory: &Path,
    wanted: impl Fn(&DestinationStats) -> bool,
) -> Vec<Status> {
    let stats = spool.stats().destinations;
    let left = stats.into_iter().filter(|one| one.waiting.events > 0 && wanted(one));
    let status = |one: DestinationStats| {
        let mut ledger = Ledger::default();
        (ledger.accepted, ledger.waiting) = (one.waiting.events, one.waiting.events);
        Status {
            key: Some(one.key.to_string()),
            name: one.key,
            directory: Some(directory.to_owned()),
            closed: true,
            ledger,
            inherited: Ledger::default(),
            waiting_bytes: one.waiting.bytes,
            // To know it takes reading a file, and this is asked every second.
            oldest: None,
            down_for: None,
            breaker_open: false,
            at_risk: false,
            offline: false,
            last_error: None,
        }
    };
    left.map(status).collect()
}

/// Write down what the destinations of this process do. The file is replaced as a whole.
pub(crate) fn write(directory: &Path, destinations: Vec<DestinationReport>) -> io::Result<()> {
    let report = ProcessReport {
        directory: PathBuf::new(),
        running: true,
        pid: std::process::id(),
        written: Timestamp::now(),
        destinations,
    };
    let fresh = directory.join(format!("{STATUS}.tmp"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(&report)?)?;
    fs::rename(fresh, directory.join(STATUS))
}

/// What was written down last in this directory.
pub(crate) fn read(directory: &Path) -> Option<ProcessReport> {
    let report = serde_json::from_slice(&fs::read(directory.join(STATUS)).ok()?).ok()?;
    Some(ProcessReport { directory: directory.to_owned(), running: true, ..report })
}

/// What every process with this home is doing, and what ended ones have left, oldest first. A running one
/// wrote it down within the last second; for this one it is written now.
///
/// # Errors
/// If the home cannot be listed. A home that does not exist has no processes.
pub fn survey(home: &Path) -> io::Result<Vec<ProcessReport>> {
    store::write_status_in(home);
    let home = Home::new(Arc::new(Disk), home);
    let free = home.adopt()?;
    let mut reports: Vec<_> = free.iter().filter_map(left_behind).collect();
    let is_free = |path: &PathBuf| free.iter().any(|directory| directory.path() == path);
    reports.extend(home.list()?.iter().filter(|path| !is_free(path)).filter_map(|path| read(path)));
    reports.sort_by(|one, other| one.directory.cmp(&other.directory));
    Ok(reports)
}

/// What an ended process has left: the spool knows how much, the last report why.
fn left_behind(directory: &Directory) -> Option<ProcessReport> {
    let path = directory.path();
    let last = read(path);
    let (mut backlogs, _) = inspect(Arc::new(Disk), path).ok()?;
    for handed in handed_over(&Disk, path).unwrap_or_default() {
        take_in(&mut backlogs, handed);
    }
    let destination = |backlog: Backlog| {
        let reported =
            last.iter().flat_map(|last| &last.destinations).find(|report| report.key == backlog.key);
        DestinationReport::unattended(&backlog.key, &backlog.note, backlog.waiting, reported)
    };
    let destinations = backlogs.into_iter().map(destination).collect();
    let (pid, written) = last.as_ref().map_or((0, Timestamp::UNIX_EPOCH), |last| (last.pid, last.written));
    Some(ProcessReport { directory: path.to_owned(), running: false, pid, written, destinations })
}

/// Counts that were handed over to a process that ended before it had added them to its own.
fn take_in(backlogs: &mut Vec<Backlog>, handed: HandedOver) {
    match backlogs.iter_mut().find(|backlog| backlog.key == handed.key) {
        Some(backlog) => {
            let mut sum = Ledger::from_stored(&backlog.note);
            sum.add(&Ledger::from_stored(&handed.note));
            backlog.note = sum.to_stored();
        }
        None => backlogs.push(Backlog { key: handed.key, note: handed.note, ..Backlog::default() }),
    }
}
