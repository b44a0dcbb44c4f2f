//! Everything in this process that delivers: connectors, and what keeps its own accounts on disk.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::delivery::pipeline::Pipeline;
use crate::delivery::status::Status;
use crate::delivery::store::{Reports, Store};
use crate::delivery::{Error, Flushed, SpoolSettings};
use crate::fork::PerProcess;

/// Something that delivers, as the end of the program and those who ask for accounts see it.
pub trait Attended: Send + Sync {
    /// What it is doing.
    fn status(&self) -> Status;

    /// Whether it was closed and has come to its end.
    fn is_closed(&self) -> bool;

    /// Deliver what waits now, at once, without waiting for it.
    fn request_flush(&self);

    /// Deliver what waits now, until the deadline at the latest.
    fn flush(&self, deadline: Instant) -> Flushed;

    /// Take no more and deliver what waits, without waiting for it.
    fn request_close(&self);

    /// Take no more, flush until the deadline, then let go. `true` if everything was settled.
    fn close(&self, deadline: Instant) -> bool;
}

/// All of this process, for the end of the program.
static OPEN: PerProcess<Mutex<Vec<Weak<dyn Attended>>>> = PerProcess::new();

/// Have one looked after.
pub(crate) fn add(one: Weak<dyn Attended>) {
    let mut open = OPEN.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|other| other.strong_count() > 0);
    open.push(one);
}

/// All that are open.
pub(crate) fn all() -> Vec<Arc<dyn Attended>> {
    let Some(open) = OPEN.existing() else { return Vec::new() };
    let open = open.lock().unwrap_or_else(PoisonError::into_inner);
    open.iter().filter_map(Weak::upgrade).collect()
}

/// All that are open, which are looked after no more.
pub(crate) fn take_all() -> Vec<Arc<dyn Attended>> {
    let Some(open) = OPEN.existing() else { return Vec::new() };
    let taken = std::mem::take(&mut *open.lock().unwrap_or_else(PoisonError::into_inner));
    taken.iter().filter_map(Weak::upgrade).collect()
}

/// Have something that delivers and is no [`Connector`](crate::delivery::Connector) be waited for at the end
/// of the program, be among [`statuses`](crate::delivery::statuses), and be written down for other processes
/// in the home that `spool` names, if there is to be one. As long as the value that is returned lives.
///
/// # Errors
/// If the home was asked for and cannot be had.
pub fn attend(one: Arc<dyn Attended>, spool: &SpoolSettings) -> Result<Attendance, Error> {
    add(Arc::downgrade(&one));
    let attendance = Arc::new(Watched(one));
    if let Some(home) = spool.home() {
        match Store::at(&home, &spool.options) {
            Ok(store) => store.watch(&(Arc::<Watched>::clone(&attendance) as Arc<dyn Reports>)),
            Err(error) if spool.enabled == Some(true) => return Err(error),
            // It is only not seen by other processes.
            Err(_) => {}
        }
    }
    Ok(Attendance { _watched: attendance })
}

/// That something is looked after.
pub struct Attendance {
    _watched: Arc<Watched>,
}

impl std::fmt::Debug for Attendance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attendance").finish_non_exhaustive()
    }
}

impl Attended for Pipeline {
    fn status(&self) -> Status {
        self.status()
    }

    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    fn request_flush(&self) {
        self.request_flush();
    }

    fn flush(&self, deadline: Instant) -> Flushed {
        self.flush(deadline)
    }

    fn request_close(&self) {
        self.request_close();
    }

    fn close(&self, deadline: Instant) -> bool {
        self.close(deadline)
    }
}

struct Watched(Arc<dyn Attended>);

impl Reports for Watched {
    fn report(&self) -> Status {
        self.0.status()
    }

    fn is_finished(&self) -> bool {
        self.0.is_closed()
    }
}
