//! What every platform for runs can do.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::delivery::{Error, Status};
use crate::event::Metadata;
use crate::tracking::{ExperimentRun, Handler, RunStatus};

/// How a run is to begin.
#[derive(Debug, Clone, Copy, Default)]
pub struct StartRun<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// The name of the run; without it the platform finds one.
    pub name: Option<&'a str>,
    /// Tags that it has from the start.
    pub tags: &'a [(&'a str, &'a str)],
}

/// How an artifact is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct ArtifactOptions<'a> {
    /// The folder in the run; without it the top.
    pub folder: Option<&'a str>,
    /// `true`: copy it now, so that it may change afterwards. `false`: read it where it is when it is sent; if it has
    /// changed by then it ends as a dead letter.
    pub copy: bool,
}

impl Default for ArtifactOptions<'_> {
    /// A copy at the top.
    fn default() -> Self {
        Self { folder: None, copy: true }
    }
}

/// Keeps runs: MLflow, Weights & Biases, SageMaker, or memory.
///
/// No call waits for a network, except where it says so. A call that cannot be right (an unknown run, a name that the
/// service would refuse) fails at once; trouble on the way is not the caller's, and shown by [`statuses`](Self::statuses).
pub trait Platform: fmt::Debug + Send + Sync + 'static {
    /// Its name, unless told otherwise its type.
    fn name(&self) -> &str;

    /// Its type: `mlflow`.
    fn kind(&self) -> &'static str;

    /// Begin a run. Returns its id, which every other call takes. May ask a server for it within a deadline of its
    /// own, and then goes on without.
    ///
    /// # Errors
    /// If the service would not take such a run.
    fn start_run(&self, start: &StartRun<'_>) -> Result<String, Error>;

    /// Go on with a run that was started by another process, or has ended.
    ///
    /// # Errors
    /// If there can be no such run.
    fn resume_run(&self, run: &str) -> Result<(), Error>;

    /// Tell of a run that somebody else has begun and will end, as it stands: nothing of it changes by that, and it is
    /// not ended with this process.
    ///
    /// # Errors
    /// If there can be no such run, or a run has one process here.
    fn join_run(&self, run: &str) -> Result<(), Error> {
        Err(one_process(self.kind(), run))
    }

    /// Let go of a run that goes on: somebody else [joins](Self::join_run) and ends it.
    ///
    /// # Errors
    /// If the run is not open, or a run has one process here.
    fn leave_run(&self, run: &str) -> Result<(), Error> {
        Err(one_process(self.kind(), run))
    }

    /// Set parameters. Nested ones get dotted names, and what looks like a secret is hidden.
    ///
    /// # Errors
    /// If the run is not open, or the service would not take one of them; then none is set.
    fn log_parameters(&self, run: &str, parameters: &Metadata) -> Result<(), Error>;

    /// Add a point to each of some metrics.
    ///
    /// # Errors
    /// If the run is not open, or the service would not take one of them; then none is added.
    fn log_metrics(&self, run: &str, metrics: &[(&str, f64)], step: Option<i64>) -> Result<(), Error>;

    /// Set tags.
    ///
    /// # Errors
    /// If the run is not open, or the service would not take one of them; then none is set.
    fn set_tags(&self, run: &str, tags: &[(&str, &str)]) -> Result<(), Error>;

    /// Add a file, or a folder with all that is in it. Waits while it is copied.
    ///
    /// # Errors
    /// If the run is not open, or the file cannot be read or shrinks meanwhile.
    fn log_artifact(&self, run: &str, path: &Path, options: &ArtifactOptions<'_>) -> Result<(), Error>;

    /// End a run. With `wait` also wait until everything of it has been delivered: `false` if it has not, in time.
    ///
    /// # Errors
    /// If the run is not open, or `status` is no end.
    fn end_run(&self, run: &str, status: RunStatus, wait: Option<Duration>) -> Result<bool, Error>;

    /// How a run stands with the service, whoever has told of it: `None` if the service does not say so within
    /// `patience`, or is none that can be asked. What still waits here has not come to it.
    fn ask_status(&self, _run: &str, _patience: Duration) -> Option<RunStatus> {
        None
    }

    /// A run of this process.
    fn get_run(&self, run: &str) -> Option<ExperimentRun>;

    /// The ids of the runs that this process has begun and not ended, oldest first.
    fn active_runs(&self) -> Vec<String>;

    /// Also tell this one what happens.
    fn on_event(&self, handler: Handler);

    /// Deliver what waits now, and wait for it. `true` if everything came to its end within `patience`.
    fn flush(&self, patience: Duration) -> bool;

    /// End the runs that are open as completed, deliver what waits and let go. A second call is harmless.
    fn close(&self, patience: Duration) -> bool;

    /// What its deliveries are doing; none where nothing is delivered.
    fn statuses(&self) -> Vec<Status>;

    /// See whether a delivery would work, without delivering anything.
    ///
    /// # Errors
    /// What a delivery would meet.
    fn probe(&self) -> Result<String, Error>;
}

fn one_process(kind: &str, run: &str) -> Error {
    Error::refused(
        "runs.one_process",
        format!("{kind}: the run `{run}` belongs to the process that started it"),
    )
    .with_hint("tell of it in that process, or keep runs of several processes in MLflow")
}
