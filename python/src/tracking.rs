//! Platforms for runs, as Python sees them.

use std::path::PathBuf;
use std::sync::Arc;

use nethical::delivery::Settings;
use nethical::destinations::Validated;
use nethical::destinations::memory::{Memory, MemoryConfig};
use nethical::destinations::mlflow::MlflowConfig;
use nethical::event::{Metadata, Redaction, RunChange};
use nethical::tracking::{self, ArtifactOptions, Platform, RunStatus, StartRun, UnknownStatus};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::connector::QueueOptions;
use crate::shapes::Dict;
use crate::spool::SpoolOptions;
use crate::values;
use crate::{errors, kinds, notices, process, report, wait};

/// A platform: what `MLflowIntegration` and the others stand on.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Tracker {
    /// None only while it is dropped.
    platform: Option<Arc<dyn Platform>>,
    memory: Option<Memory>,
}

#[pymethods]
impl Tracker {
    /// Runs on an MLflow server. `source` is what the program calls itself.
    #[staticmethod]
    fn mlflow(
        py: Python<'_>,
        name: &str,
        options: Dict<'_>,
        source: Option<String>,
        queue: QueueOptions,
        spool: SpoolOptions,
    ) -> PyResult<Self> {
        let mut config: MlflowConfig = kinds::read(&options)?;
        config.source_name = source;
        let settings = Settings { spool: spool.of(&config).settings()?, ..queue.settings()? };
        let settings = config.settings(settings);
        Self::open(py, Arc::new(config), name, settings, None)
    }

    /// Runs in SageMaker.
    #[staticmethod]
    fn sagemaker(
        py: Python<'_>,
        name: &str,
        options: Dict<'_>,
        queue: QueueOptions,
        spool: SpoolOptions,
    ) -> PyResult<Self> {
        let config = kinds::checked(py, "sagemaker", &options)?;
        let settings = Settings { spool: spool.of(&*config).settings()?, ..queue.settings()? };
        let settings = config.settings(settings);
        Self::open(py, config, name, settings, None)
    }

    /// Runs in memory.
    #[staticmethod]
    fn memory(py: Python<'_>, name: &str, max_events: usize) -> PyResult<Self> {
        let mut config = MemoryConfig::default();
        config.max_events = max_events;
        let memory = config.memory();
        let settings = Settings { observer: notices::observer(), ..Settings::default() };
        Self::open(py, Arc::new(config), name, settings, Some(memory))
    }

    /// Begin a run. Returns its id.
    fn start_run(
        &self,
        py: Python<'_>,
        experiment: &str,
        name: Option<&str>,
        tags: Vec<(String, String)>,
    ) -> PyResult<String> {
        process::arm(py);
        let tags: Vec<(&str, &str)> = borrowed(&tags);
        self.call(py, |platform| platform.start_run(&StartRun { experiment, name, tags: &tags }))
    }

    /// Go on with a run.
    fn resume_run(&self, py: Python<'_>, run: &str) -> PyResult<()> {
        process::arm(py);
        self.call(py, |platform| platform.resume_run(run))
    }

    /// Set parameters.
    fn log_parameters(&self, py: Python<'_>, run: &str, parameters: Dict<'_>) -> PyResult<()> {
        process::arm(py);
        let parameters = metadata(&parameters)?;
        self.call(py, |platform| platform.log_parameters(run, &parameters))
    }

    /// Add a point to each of some metrics.
    #[pyo3(signature = (run, metrics, step=None))]
    fn log_metrics(&self, py: Python<'_>, run: &str, metrics: Dict<'_>, step: Option<i64>) -> PyResult<()> {
        process::arm(py);
        let names: Vec<_> =
            metrics.keys().into_iter().map(|name| metric_name(&name)).collect::<PyResult<_>>()?;
        let values = metrics.values().into_iter().map(|value| number(&value));
        let points = names.iter().zip(values).map(|(name, value)| Ok((name.as_str(), value?)));
        let points: Vec<(&str, f64)> = points.collect::<PyResult<_>>()?;
        // Short, unless the queue waits for room.
        self.call(py, |platform| platform.log_metrics(run, &points, step))
    }

    /// Set tags.
    fn set_tags(&self, py: Python<'_>, run: &str, tags: Vec<(String, String)>) -> PyResult<()> {
        process::arm(py);
        let tags = borrowed(&tags);
        self.call(py, |platform| platform.set_tags(run, &tags))
    }

    /// Add a file or folder.
    fn log_artifact(
        &self,
        py: Python<'_>,
        run: String,
        path: PathBuf,
        folder: Option<String>,
        copy: bool,
    ) -> PyResult<()> {
        process::arm(py);
        let platform = Arc::clone(self.platform(py)?);
        let work = move || {
            let options = ArtifactOptions { folder: folder.as_deref(), copy };
            platform.log_artifact(&run, &path, &options)
        };
        wait::interruptibly(py, work)?.map_err(|error| errors::exception(py, &error))
    }

    /// End a run. With a timeout: whether everything has been delivered by then.
    fn end_run(&self, py: Python<'_>, run: String, status: &str, timeout: Option<f64>) -> PyResult<bool> {
        let status = parse_status(status)?;
        let patience = timeout.map(wait::patience).transpose()?;
        let platform = Arc::clone(self.platform(py)?);
        let ended = match patience {
            None => py.detach(|| platform.end_run(&run, status, None)),
            Some(_) => wait::interruptibly(py, move || platform.end_run(&run, status, patience))?,
        };
        ended.map_err(|error| errors::exception(py, &error))
    }

    /// A run of this process as JSON, if it is known.
    fn get_run(&self, py: Python<'_>, run: &str) -> PyResult<Option<String>> {
        Ok(self.platform(py)?.get_run(run).map(|run| run.to_json()))
    }

    /// The ids of open runs, oldest first.
    fn active_runs(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.platform(py)?.active_runs())
    }

    /// Every point of a metric that memory got: step, value and time in milliseconds.
    fn history(&self, run: &str, metric: &str) -> Vec<(Option<i64>, f64, i64)> {
        let updates = self.memory.iter().flat_map(|memory| memory.updates(run));
        let point = |update: nethical::event::RunUpdate| match update.change {
            RunChange::Metrics(metrics) => {
                let (_, value) = metrics.values.0.into_iter().find(|(name, _)| name == metric)?;
                let value = value.get().trim_matches('"').parse().ok()?;
                Some((metrics.step, value, update.time))
            }
            _ => None,
        };
        updates.filter_map(point).collect()
    }

    /// Deliver what waits. True if everything came to its end in time.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let (platform, patience) = (Arc::clone(self.platform(py)?), wait::patience(timeout)?);
        wait::interruptibly(py, move || platform.flush(patience))
    }

    /// End the open runs, deliver what waits and let go.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let (platform, patience) = (Arc::clone(self.platform(py)?), wait::patience(timeout)?);
        wait::interruptibly(py, move || platform.close(patience))
    }

    /// Its accounts; those of its artifacts, where they have a queue of their own, under `artifacts`.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Dict<'py>> {
        let platform = self.platform(py)?;
        let statuses = py.detach(|| platform.statuses());
        let status = statuses.first().ok_or_else(|| errors::closed(py, platform.name()))?;
        let found = report::status(py, status)?;
        if let Some(artifacts) = statuses.get(1) {
            found.set_item("artifacts", report::status(py, artifacts)?)?;
        }
        Ok(found)
    }

    /// See whether runs would arrive.
    fn probe(&self, py: Python<'_>) -> PyResult<String> {
        let platform = Arc::clone(self.platform(py)?);
        let found = wait::interruptibly(py, move || platform.probe())?;
        found.map_err(|error| errors::exception(py, &error))
    }
}

impl Tracker {
    /// One that is open.
    pub(crate) const fn of(platform: Arc<dyn Platform>) -> Self {
        Self { platform: Some(platform), memory: None }
    }

    fn open(
        py: Python<'_>,
        config: Arc<dyn Validated>,
        name: &str,
        settings: Settings,
        memory: Option<Memory>,
    ) -> PyResult<Self> {
        process::arm(py);
        kinds::check_name(py, name)?;
        // With the GIL held: it is short, and a fork cannot come in between.
        let platform = config.platform(name, settings, &Redaction::default());
        let platform = platform.ok_or_else(|| PyValueError::new_err(format!("{name} keeps no runs")))?;
        let platform = platform.map_err(|error| errors::exception(py, &error))?;
        Ok(Self { platform: Some(platform), memory })
    }

    fn platform(&self, py: Python<'_>) -> PyResult<&Arc<dyn Platform>> {
        self.platform.as_ref().ok_or_else(|| errors::closed(py, "platform"))
    }

    /// Something that may wait for the disk, or for room.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Platform) -> Result<T, nethical::Error> + Send,
    ) -> PyResult<T> {
        let platform = self.platform(py)?;
        py.detach(|| work(&**platform)).map_err(|error| errors::exception(py, &error))
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if let Some(platform) = self.platform.take() {
            wait::drop_elsewhere(platform);
        }
    }
}

/// End every run that this process has begun and not ended. Says how many.
#[pyfunction]
pub(crate) fn end_open_runs(py: Python<'_>, status: &str) -> PyResult<usize> {
    let status = parse_status(status)?;
    Ok(py.detach(|| tracking::end_open_runs(status)))
}

fn parse_status(text: &str) -> PyResult<RunStatus> {
    text.parse().map_err(|error: UnknownStatus| PyValueError::new_err(error.to_string()))
}

fn borrowed(tags: &[(String, String)]) -> Vec<(&str, &str)> {
    tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn metric_name(name: &Bound<'_, PyAny>) -> PyResult<String> {
    match name.cast::<PyString>() {
        Ok(name) => Ok(values::text(name).into_owned()),
        Err(_) => {
            Err(PyTypeError::new_err(format!("the names of metrics are text, not {}", name.get_type())))
        }
    }
}

/// A number, also one of numpy's or of a tensor with one element.
fn number(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    value.extract::<f64>().or_else(|error| {
        // A number, but one that is too large.
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            return Ok(values::beyond_floats(value));
        }
        let kind = value.get_type();
        let text = format!("metrics are numbers, not {kind}");
        let failure = PyTypeError::new_err(text);
        failure.set_cause(value.py(), Some(error));
        Err(failure)
    })
}

/// Any values by their names. Secrets are hidden when the parameters are flat: their whole names count.
fn metadata(values: &Bound<'_, PyDict>) -> PyResult<Metadata> {
    values::map(values).map(Metadata::from)
}
