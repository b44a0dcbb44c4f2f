//! Runs that were tracked, in every kind of place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_core::event::{Metadata, Redaction};
use nethical_core::tracking::{ArtifactOptions, Platform, RunStatus, StartRun};
use nethical_destinations::Validated;
use nethical_destinations::mlflow::{MlflowConfig, uri_of};
use nethical_destinations::wandb::{MetricDefinition, Mode, Row, Wandb, WandbConfig};

const PATIENCE: Duration = Duration::from_secs(10);

/// Settings of somebody who keeps nothing and says nothing.
pub fn quiet() -> Settings {
    Settings { spool: SpoolSettings::off(), observer: Arc::new(|_| {}), ..Settings::default() }
}

/// A run in a file of MLflow's, with everything that one can have.
pub fn in_mlflow_file(folder: &Path) -> PathBuf {
    let file = folder.join("mlflow.db");
    let runs = mlflow(&MlflowConfig::new(uri_of(&file)), quiet());
    let start = StartRun { experiment: "e", name: Some("n"), tags: &[("a", "b")] };
    let run = runs.start_run(&start).expect("a run");
    runs.log_parameters(&run, &Metadata::new().with("lr", 0.1)).expect("parameters");
    for step in 0..40 {
        let metrics = [("loss", 1.0), ("odd", f64::NAN), ("large", f64::INFINITY)];
        runs.log_metrics(&run, &metrics, Some(step)).expect("metrics");
    }
    let note = folder.join("note.txt");
    std::fs::write(&note, "note").expect("room");
    runs.log_artifact(&run, &note, &ArtifactOptions::default()).expect("an artifact");
    assert!(runs.end_run(&run, RunStatus::Completed, Some(PATIENCE)).expect("it is open"));
    runs.close(PATIENCE);
    file
}

/// MLflow, as a program opens it.
pub fn mlflow(config: &MlflowConfig, settings: Settings) -> Arc<dyn Platform> {
    let settings = config.settings(settings);
    let opened = Arc::new(config.clone()).platform("mlflow", settings, &Redaction::default());
    opened.expect("it keeps runs").expect("it opens")
}

/// A run of W&B's that was only written: rows of several values, one of two calls, and everything else. Returns its id
/// and its directory.
pub fn offline_wandb(folder: &Path) -> (String, PathBuf) {
    let mut config = WandbConfig::new("p");
    (config.mode, config.directory) = (Some(Mode::Offline), Some(folder.to_owned()));
    let runs = Wandb::open(&config, "wandb", quiet(), &Redaction::default()).expect("it opens");
    let id =
        runs.start_run(&StartRun { experiment: "e", name: Some("n"), tags: &[("a", "b")] }).expect("a run");
    runs.log_parameters(&id, &Metadata::new().with("lr", 0.1)).expect("parameters");
    let definition =
        MetricDefinition { name: "v/*", step_metric: Some("x"), summary: &["min"], hidden: false };
    runs.define_metric(&id, &definition).expect("a definition");
    for step in [0, 0, 7] {
        let mut row = Row::default();
        row.number("loss", f64::NAN);
        row.integer("x", step);
        row.json("deep", "{\"y\":[1,-Infinity]}");
        runs.log(&id, &row, Some(step)).expect("a row");
    }
    let note = folder.join("note.txt");
    std::fs::write(&note, "note").expect("room");
    runs.log_artifact(&id, &note, &ArtifactOptions::default()).expect("an artifact");
    runs.add_file(&id, &note, "note.txt").expect("a file");
    assert!(runs.end_run(&id, RunStatus::Failed, Some(PATIENCE)).expect("it is open"));
    let directory = runs.directory(&id).expect("it is known").expect("it is kept");
    runs.close(PATIENCE);
    (id, directory)
}
