//! Runs of Weights & Biases.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use nethical::delivery::Settings;
use nethical::destinations::wandb::{
    ArtifactSpec, ArtifactState, MetricDefinition, Resume, Row, Wandb as Core, WandbConfig, WandbStart,
};
use nethical::event::{Metadata, Redaction};
use nethical::tracking::{Platform, RunStatus, StartRun};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use crate::shapes::{Dict, shape};
use crate::spool::SpoolOptions;
use crate::{errors, kinds, notices, process, report, values, wait};

/// The platform: what `WandBIntegration` stands on.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Wandb {
    /// None only while it is dropped.
    core: Option<Arc<Core>>,
}

thread_local! {
    /// Room for the next row of this thread.
    static ROW: Cell<Row> = Cell::default();
}

shape! {
    /// How a run is to begin.
    pub(crate) struct Begin as "Begin" {
        experiment: String,
        name: Option<String>,
        id: Option<String>,
        resume: Option<String>,
        job_type: Option<String>,
        notes: Option<String>,
        tags: Vec<String>,
    }
}

shape! {
    /// What is to be kept of an artifact.
    pub(crate) struct Keep as "Keep" {
        name: Option<String>,
        kind: Option<String>,
        folder: Option<String>,
        description: Option<String>,
        aliases: Vec<String>,
        copy: bool,
    }
}

#[pymethods]
impl Wandb {
    #[new]
    fn new(py: Python<'_>, name: &str, options: Dict<'_>, spool: SpoolOptions) -> PyResult<Self> {
        process::arm(py);
        kinds::check_name(py, name)?;
        let config: WandbConfig = kinds::read(&options)?;
        let settings =
            Settings { spool: spool.settings()?, observer: notices::observer(), ..Settings::default() };
        // With the GIL held: it is short, and a fork cannot come in between.
        let core = Core::open(&config, name, settings, &Redaction::default());
        Ok(Self { core: Some(core.map_err(|error| errors::exception(py, &error))?) })
    }

    /// Begin a run. Returns its id.
    fn start(&self, py: Python<'_>, begin: Begin) -> PyResult<String> {
        process::arm(py);
        let resume = begin.resume.as_deref().map(resume).transpose()?;
        let tags: Vec<&str> = begin.tags.iter().map(String::as_str).collect();
        let start = StartRun { experiment: &begin.experiment, name: begin.name.as_deref(), tags: &[] };
        let own = WandbStart {
            id: begin.id.as_deref(),
            resume,
            job_type: begin.job_type.as_deref(),
            notes: begin.notes.as_deref(),
            tags: &tags,
        };
        self.call(py, |core| core.start(&start, &own))
    }

    /// Go on with a run.
    fn resume(&self, py: Python<'_>, run: &str) -> PyResult<()> {
        process::arm(py);
        self.call(py, |core| core.resume_run(run))
    }

    /// Log a row.
    #[pyo3(signature = (run, metrics, step=None))]
    fn log(&self, py: Python<'_>, run: &str, metrics: Dict<'_>, step: Option<i64>) -> PyResult<()> {
        process::arm(py);
        // Taken and not borrowed: writing a value may run code that logs a row itself.
        let mut row = ROW.take();
        row.clear();
        for (name, value) in metrics.iter() {
            add(&mut row, &name, &value)?;
        }
        let logged = self.core(py)?.log(run, &row, step);
        ROW.set(row);
        logged.map_err(|error| errors::exception(py, &error))
    }

    /// Set parameters, given as the text of a JSON object.
    fn configure(&self, py: Python<'_>, run: &str, parameters: &str) -> PyResult<()> {
        let map: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(parameters).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let parameters = Metadata::from(map);
        self.call(py, |core| core.log_parameters(run, &parameters))
    }

    fn set_tags(&self, py: Python<'_>, run: &str, tags: Vec<(String, String)>) -> PyResult<()> {
        let tags: Vec<(&str, &str)> =
            tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.call(py, |core| core.set_tags(run, &tags))
    }

    fn set_notes(&self, py: Python<'_>, run: &str, notes: &str) -> PyResult<()> {
        self.call(py, |core| core.set_notes(run, notes))
    }

    /// Define how a metric is drawn and summed up.
    fn define_metric(
        &self,
        py: Python<'_>,
        run: &str,
        name: &str,
        step_metric: Option<&str>,
        summary: Vec<String>,
        hidden: bool,
    ) -> PyResult<()> {
        let summary: Vec<&str> = summary.iter().map(String::as_str).collect();
        let definition = MetricDefinition { name, step_metric, summary: &summary, hidden };
        self.call(py, |core| core.define_metric(run, &definition))
    }

    /// Add an artifact. Returns the number by which its upload is known.
    fn artifact(&self, py: Python<'_>, run: &str, path: PathBuf, keep: Keep) -> PyResult<i64> {
        let aliases: Vec<&str> = keep.aliases.iter().map(String::as_str).collect();
        let spec = ArtifactSpec {
            name: keep.name.as_deref(),
            kind: keep.kind.as_deref(),
            folder: keep.folder.as_deref(),
            description: keep.description.as_deref(),
            aliases: &aliases,
            in_place: !keep.copy,
        };
        self.call(py, |core| core.add_artifact(run, &path, &spec))
    }

    /// How an artifact stands, after at most so many seconds: its id at the server, or why there is none.
    fn artifact_state(
        &self,
        py: Python<'_>,
        run: String,
        number: i64,
        timeout: f64,
    ) -> PyResult<(&'static str, Option<String>)> {
        let (core, patience) = (Arc::clone(self.core(py)?), wait::patience(timeout)?);
        let state = wait::interruptibly(py, move || core.artifact(&run, number, patience))?;
        Ok(match state.map_err(|error| errors::exception(py, &error))? {
            ArtifactState::Waiting => ("waiting", None),
            ArtifactState::Committed(id) => ("committed", Some(id)),
            ArtifactState::Failed(error) => ("failed", Some(error.to_string())),
        })
    }

    /// Add a file to the files of a run.
    fn file(&self, py: Python<'_>, run: &str, source: PathBuf, path: &str) -> PyResult<()> {
        self.call(py, |core| core.add_file(run, &source, path))
    }

    /// End a run. With a timeout: whether everything has been delivered by then.
    fn end(&self, py: Python<'_>, run: String, status: &str, timeout: Option<f64>) -> PyResult<bool> {
        let status: RunStatus = status
            .parse()
            .map_err(|error: nethical::tracking::UnknownStatus| PyValueError::new_err(error.to_string()))?;
        let patience = timeout.map(wait::patience).transpose()?;
        let core = Arc::clone(self.core(py)?);
        let ended = match patience {
            None => core.end_run(&run, status, None),
            Some(_) => wait::interruptibly(py, move || core.end_run(&run, status, patience))?,
        };
        ended.map_err(|error| errors::exception(py, &error))
    }

    /// A run of this process as JSON, if it is known.
    fn get_run(&self, py: Python<'_>, run: &str) -> PyResult<Option<String>> {
        Ok(self.core(py)?.get_run(run).map(|page| page.to_json()))
    }

    /// The ids of open runs.
    fn active_runs(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.core(py)?.active_runs())
    }

    /// Whether somebody wants the run to stop.
    fn is_stopped(&self, py: Python<'_>, run: &str) -> PyResult<bool> {
        self.call(py, |core| core.is_stopped(run))
    }

    /// Where the run is on disk.
    fn directory(&self, py: Python<'_>, run: &str) -> PyResult<Option<PathBuf>> {
        self.call(py, |core| core.directory(run))
    }

    /// Raises what ended the upload of a run, if something did.
    fn check_upload(&self, py: Python<'_>, run: &str) -> PyResult<()> {
        let failure = self.call(py, |core| core.failure(run))?;
        failure.map_or(Ok(()), |error| Err(errors::exception(py, &error)))
    }

    /// Deliver what waits. True if everything came to its end in time.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let (core, patience) = (Arc::clone(self.core(py)?), wait::patience(timeout)?);
        wait::interruptibly(py, move || core.flush(patience))
    }

    /// End the open runs, deliver what waits and let go.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let (core, patience) = (Arc::clone(self.core(py)?), wait::patience(timeout)?);
        wait::interruptibly(py, move || core.close(patience))
    }

    /// Its accounts.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Dict<'py>> {
        let core = self.core(py)?;
        let statuses = py.detach(|| core.statuses());
        let status = statuses.first().ok_or_else(|| errors::closed(py, "wandb"))?;
        report::status(py, status)
    }

    /// See whether runs would arrive.
    fn probe(&self, py: Python<'_>) -> PyResult<String> {
        let core = Arc::clone(self.core(py)?);
        let found = wait::interruptibly(py, move || core.probe())?;
        found.map_err(|error| errors::exception(py, &error))
    }
}

impl Wandb {
    fn core(&self, py: Python<'_>) -> PyResult<&Arc<Core>> {
        self.core.as_ref().ok_or_else(|| errors::closed(py, "wandb"))
    }

    /// Something that may wait for the disk.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Core) -> Result<T, nethical::Error> + Send,
    ) -> PyResult<T> {
        let core = self.core(py)?;
        py.detach(|| work(core)).map_err(|error| errors::exception(py, &error))
    }
}

impl Drop for Wandb {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            wait::drop_elsewhere(core);
        }
    }
}

fn resume(text: &str) -> PyResult<Resume> {
    match text {
        "must" => Ok(Resume::Must),
        "allow" => Ok(Resume::Allow),
        "never" => Ok(Resume::Never),
        other => Err(PyValueError::new_err(format!("resume is {other:?}: use 'must', 'allow' or 'never'"))),
    }
}

/// Add a value to a row: numbers as they are, everything else as `json` and its helper write it.
fn add(row: &mut Row, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(name) = name.cast::<PyString>() else {
        let kind = name.get_type();
        return Err(PyTypeError::new_err(format!("the names of metrics are text, not {kind}")));
    };
    let name = values::text(name);
    // Also what is a float by inheritance, as those of numpy; of whole numbers only those of Python itself.
    if let Ok(number) = value.cast::<PyFloat>() {
        row.number(&name, number.value());
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        integer(row, &name, number);
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        row.json(&name, if flag.is_true() { "true" } else { "false" });
    } else {
        static HELPER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let helper = HELPER.import(value.py(), "nethical.integrations._wandb", "_json")?;
        row.json(&name, helper.call1((value,))?.cast_into::<PyString>()?.to_str()?);
    }
    Ok(())
}

/// An integer of at most 63 bits, or the nearest float.
fn integer(row: &mut Row, name: &str, number: &Bound<'_, PyInt>) {
    match number.extract::<i64>() {
        Ok(whole) => row.integer(name, whole),
        Err(_) => {
            row.number(name, number.extract::<f64>().unwrap_or_else(|_| values::beyond_floats(number)));
        }
    }
}
