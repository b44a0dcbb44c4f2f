//! How far the upload of a run has come, for those who wait for it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nethical_core::delivery::{DropReason, Error, Ledger, Outcome};

use super::api::Place;

/// How an artifact stands.
#[derive(Debug, Clone)]
pub enum ArtifactState {
    /// It waits, or is under way.
    Waiting,
    /// The server has it, and has said so; this is its id there.
    Committed(String),
    /// The server refuses it, or it changed before it was sent.
    Failed(Error),
}

/// Counts, and what has been learnt of the run.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: Mutex<Known>,
    changed: Condvar,
}

/// What is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Updates that the receiver has.
    pub(crate) confirmed: u64,
    /// Updates that it refused.
    pub(crate) refused: u64,
    /// Updates that damage took.
    pub(crate) damaged: u64,
    /// Rows that the server has, of this log.
    pub(crate) rows: u64,
    /// Everything has arrived, and the server has said so.
    pub(crate) finished: bool,
    /// The upload has ended.
    pub(crate) ended: bool,
    /// What ended it.
    pub(crate) failure: Option<Error>,
    /// Somebody wants the run to stop.
    pub(crate) stopped: bool,
    /// Under which names the server has it.
    pub(crate) place: Option<Place>,
    /// Artifacts by the numbers of their records.
    pub(crate) artifacts: BTreeMap<i64, ArtifactState>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub(crate) fn known(&self) -> Known {
        self.lock().clone()
    }

    /// Changes it, and tells those who wait.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Looks at it without a copy.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.lock())
    }

    /// Waits until it is so; false if the deadline comes first.
    pub(crate) fn wait(&self, deadline: Instant, is_so: impl Fn(&Known) -> bool) -> bool {
        let mut known = self.lock();
        while !is_so(&known) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            known = self.changed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Known {
    /// Updates that came to their end.
    pub(crate) const fn settled(&self) -> u64 {
        self.confirmed + self.refused + self.damaged
    }

    /// The account of so many updates.
    pub(crate) fn ledger(&self, accepted: u64) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.settle(self.confirmed, Outcome::Confirmed);
        ledger.settle(self.refused, Outcome::DeadLettered);
        ledger.settle(self.damaged, Outcome::Dropped(DropReason::Damaged));
        ledger.accepted = accepted.max(self.settled());
        ledger.waiting = ledger.accepted - self.settled();
        ledger
    }
}
