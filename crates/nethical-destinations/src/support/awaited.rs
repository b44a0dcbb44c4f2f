//! Runs whose start this process is still to deliver.
//!
//! Artifacts have a queue of their own, so the first of a run may be on its way before its start is. That is no fault
//! of anybody's, so it waits for a while before it says that the run is not there.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a start may take where all is well: it waits for its batch, then for some answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The runs, and who waits for them.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    runs: Mutex<HashSet<String>>,
    changed: Notify,
}

impl Awaited {
    /// The start of this run is still to be delivered.
    pub(crate) fn expect(&self, run: &str) {
        self.runs().insert(run.to_owned());
    }

    /// It came to its end, whichever.
    pub(crate) fn came(&self, run: &str) {
        self.runs().remove(run);
        self.changed.notify_waiters();
    }

    /// Whether it is still to be delivered.
    pub(crate) fn expects(&self, run: &str) -> bool {
        self.runs().contains(run)
    }

    /// Wait until it came to its end, but not for ever: the service may be down.
    pub(crate) async fn wait(&self, run: &str) {
        let came = async {
            loop {
                // Before the look, so that nothing is missed in between.
                let changed = self.changed.notified();
                if !self.expects(run) {
                    return;
                }
                changed.await;
            }
        };
        // Who waited in vain finds out by itself.
        let _ = tokio::time::timeout(PATIENCE, came).await;
    }

    fn runs(&self) -> MutexGuard<'_, HashSet<String>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_start_is_waited_for_until_it_came_or_for_ten_seconds() {
        let (awaited, begun) = (Awaited::default(), Instant::now());
        awaited.wait("unknown").await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        awaited.expect("one");
        awaited.expect("other");
        let starts = async {
            for run in ["other", "one"] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                awaited.came(run);
            }
        };
        tokio::join!(awaited.wait("one"), starts);
        assert_eq!((begun.elapsed().as_secs(), awaited.expects("one")), (2, false));
        awaited.expect("late");
        awaited.wait("late").await;
        assert_eq!((begun.elapsed().as_secs(), awaited.expects("late")), (12, true));
    }
}
