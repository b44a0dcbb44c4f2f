//! The platforms of this process, for the end of the program.

use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::thread;
use std::time::Duration;

use crate::tracking::{Platform, RunStatus};

/// A forked child has those of its parent too: each of them knows the runs of its process.
static OPEN: Mutex<Vec<Weak<dyn Platform>>> = Mutex::new(Vec::new());

/// Nobody holds the lock for long, but in a forked child it may be held by a thread that is not there.
const TRIES: u32 = 100;

fn with_open<T>(what: impl FnOnce(&mut Vec<Weak<dyn Platform>>) -> T) -> Option<T> {
    for _ in 0..TRIES {
        match OPEN.try_lock() {
            Ok(mut open) => return Some(what(&mut open)),
            Err(TryLockError::Poisoned(open)) => return Some(what(&mut open.into_inner())),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
    None
}

/// Have [`end_open_runs`] also end the runs of this platform.
pub fn register(platform: &Arc<dyn Platform>) {
    with_open(|open| {
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(platform));
    });
}

/// End every run that this process has begun and not ended, without waiting for anything. Says how many.
pub fn end_open_runs(status: RunStatus) -> usize {
    let open =
        with_open(|open| open.iter().filter_map(Weak::upgrade).collect::<Vec<_>>()).unwrap_or_default();
    let end = |platform: &Arc<dyn Platform>| {
        let runs = platform.active_runs();
        runs.iter().filter(|run| platform.end_run(run, status, None).is_ok()).count()
    };
    open.iter().map(end).sum()
}
