//! Who wants to know what happens to runs.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use crate::tracking::RunStatus;

/// Something that happened to a run, told right after the call that did it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// `run_started`.
    Started {
        /// The experiment.
        experiment: &'a str,
        /// The name of the run, if it was given one.
        name: Option<&'a str>,
    },
    /// `params_logged`: flattened, without secrets.
    Params(&'a [(String, Value)]),
    /// `metrics_logged`.
    Metrics {
        /// The numbers.
        values: &'a [(&'a str, f64)],
        /// The step, if one was given.
        step: Option<i64>,
    },
    /// `tags_set`.
    Tags(&'a [(String, String)]),
    /// `artifact_logged`.
    Artifact(&'a Path),
    /// `run_ended`.
    Ended(RunStatus),
}

impl RunEvent<'_> {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "run_started",
            Self::Params(_) => "params_logged",
            Self::Metrics { .. } => "metrics_logged",
            Self::Tags(_) => "tags_set",
            Self::Artifact(_) => "artifact_logged",
            Self::Ended(_) => "run_ended",
        }
    }
}

/// Is told the id of the run and what happened, in the thread of the call. One that panics is left out of that event.
pub type Handler = Arc<dyn Fn(&str, &RunEvent<'_>) + Send + Sync>;

/// The handlers of a platform.
#[derive(Default)]
pub struct Handlers(RwLock<Vec<Handler>>);

impl Handlers {
    /// Add one.
    pub fn add(&self, handler: Handler) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(handler);
    }

    /// Tell all of them.
    pub fn tell(&self, run: &str, event: &RunEvent<'_>) {
        let handlers = {
            let handlers = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if handlers.is_empty() {
                return;
            }
            handlers.clone()
        };
        for handler in handlers {
            if std::panic::catch_unwind(AssertUnwindSafe(|| handler(run, event))).is_err() {
                tracing::warn!(target: "nethical", "a handler of {} panicked", event.name());
            }
        }
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").finish_non_exhaustive()
    }
}
