use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::delivery::Error;
use crate::event::RunStart;
use crate::tracking::{RunStatus, StartRun, local_id};

/// What one service adds to a [`Recorder`](crate::tracking::Recorder): what it would refuse, and how it is asked for a new run.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The type of the platform: `mlflow`.
    fn kind(&self) -> &'static str;

    /// The id of a run that begins now, until the service gives it another one.
    fn new_id(&self, _start: &RunStart) -> String {
        local_id()
    }

    /// Whether a run goes on when the process that began it is gone: then the next process goes on with it, instead of
    /// ending it as killed.
    fn outlives_process(&self) -> bool {
        false
    }

    /// By what a later process knows the runs that this one leaves open, where nothing of them waits on disk.
    fn marks_key(&self) -> Option<String> {
        None
    }

    /// Add what the service wants to know of a run that begins now.
    fn complete(&self, _start: &mut RunStart) {}

    /// Ask the service for a new run, within a deadline of its own. `key` is the id that the run has until the service
    /// gives it another one; whatever is created must carry it, so that it is found again. Without an answer: `None`,
    /// and the run is started by the [`Start`](crate::event::RunChange::Start) that is delivered later.
    ///
    /// # Errors
    /// If the service refuses such a run for good.
    fn begin(&self, _key: &str, _start: &RunStart, _time: i64) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Ask the service how a run stands; `None` if it does not say so within `patience`.
    fn ask_status(&self, _run: &str, _patience: Duration) -> Option<RunStatus> {
        None
    }

    /// # Errors
    /// If the service would not take a run that begins so.
    fn check_start(&self, _start: &StartRun<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take this id for a run to go on with.
    fn check_resume(&self, _run: &str) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take this parameter, which has been `before` until now.
    fn check_parameter(&self, _name: &str, _value: &Value, _before: Option<&Value>) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take a point of this metric.
    fn check_metric(&self, _name: &str, _value: f64, _step: Option<i64>) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take this tag.
    fn check_tag(&self, _name: &str, _value: &str) -> Result<(), Error> {
        Ok(())
    }

    /// # Errors
    /// If the service would not take an artifact at this path in the run.
    fn check_artifact(&self, _path: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the service takes this address in the place of a file: `s3://bucket/model.tar.gz`.
    fn takes_address(&self, _address: &str) -> bool {
        false
    }
}
