//! The platforms of this process, for the end of the program.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::fork::PerProcess;
use crate::tracking::{Platform, RunStatus};

static OPEN: PerProcess<Mutex<Vec<Weak<dyn Platform>>>> = PerProcess::new();

/// Have [`end_open_runs`] also end the runs of this platform.
pub fn register(platform: &Arc<dyn Platform>) {
    let mut open = OPEN.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|other| other.strong_count() > 0);
    open.push(Arc::downgrade(platform));
}

/// End every run that this process has begun and not ended, without waiting for anything. Says how many.
pub fn end_open_runs(status: RunStatus) -> usize {
    let Some(open) = OPEN.existing() else { return 0 };
    let open: Vec<_> = {
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(Weak::upgrade).collect()
    };
    let end = |platform: &Arc<dyn Platform>| {
        let runs = platform.active_runs();
        runs.iter().filter(|run| platform.end_run(run, status, None).is_ok()).count()
    };
    open.iter().map(end).sum()
}
