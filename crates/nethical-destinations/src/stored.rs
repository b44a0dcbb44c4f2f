//! Runs as they stand on the disk of this machine, for whoever looks at them: in a file of MLflow's, or in run
//! directories of W&B, also while they are written.

use std::path::{Path, PathBuf};

use nethical_core::delivery::Error;
use nethical_core::tracking::ExperimentRun;

pub use crate::support::point::Point;
use crate::wandb;

/// A place that holds runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stored {
    /// A file of MLflow's.
    #[cfg(feature = "mlflow-embedded")]
    Mlflow(crate::mlflow::Reader),
    /// A run log, a run directory, or a folder of run directories, of W&B's.
    Wandb(PathBuf),
}

impl Stored {
    /// Open what is there; nothing is changed.
    ///
    /// # Errors
    /// If it is not there, or holds no runs.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let is_log = path.extension().is_some_and(|extension| extension == "wandb");
        if path.is_dir() || is_log {
            return Ok(Self::Wandb(path.to_owned()));
        }
        #[cfg(feature = "mlflow-embedded")]
        return crate::mlflow::Reader::open(path).map(Self::Mlflow);
        #[cfg(not(feature = "mlflow-embedded"))]
        return Err(Error::config("runs.place", format!("{} is no run directory", path.display()))
            .with_hint(
                "this build cannot read files of MLflow's: build it with the feature `mlflow-embedded`",
            ));
    }

    /// All runs, the newest first, with the newest value of each metric.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn runs(&self) -> Result<Vec<ExperimentRun>, Error> {
        let mut runs = match self {
            #[cfg(feature = "mlflow-embedded")]
            Self::Mlflow(reader) => reader.runs()?,
            Self::Wandb(path) => wandb::stored_runs(path)?,
        };
        runs.sort_by_key(|run| std::cmp::Reverse(run.start_time));
        Ok(runs)
    }

    /// Every value of a metric of a run, by step and time.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn history(&self, run: &str, metric: &str) -> Result<Vec<Point>, Error> {
        match self {
            #[cfg(feature = "mlflow-embedded")]
            Self::Mlflow(reader) => reader.history(run, metric),
            Self::Wandb(path) => wandb::stored_history(path, run, metric),
        }
    }
}
