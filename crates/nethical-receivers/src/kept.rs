//! What a receiver keeps, for those who wait for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A list that only grows.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    list: Mutex<Vec<T>>,
    more: Condvar,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { list: Mutex::default(), more: Condvar::new() }
    }
}

impl<T: Clone> Kept<T> {
    fn list(&self) -> MutexGuard<'_, Vec<T>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, item: T) {
        self.list().push(item);
        self.more.notify_all();
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.list().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.list().len()
    }

    /// Wait until it has so many, at most ten seconds; returns all that it has.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut list = self.list();
        while list.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            list = self.more.wait_timeout(list, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        list.clone()
    }
}
