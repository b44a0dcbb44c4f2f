//! Any text in place of what is noted of a delivery that is under way: which run on a server is meant, how much of a file
//! of runs was sent, which parts of an upload are there.
#![no_main]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::{Batch, Settings, SpoolSettings, runtime};
use nethical_core::event::{ArtifactFile, RunArtifact, RunChange, RunUpdate};
use nethical_core::tracking::LOCAL_PREFIX;
use nethical_destinations::Validated;
use nethical_destinations::mlflow::{MlflowConfig, Replay};
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_fuzz::{Service, alone, answer, in_mlflow_file, is_sound, mlflow, put, quiet};
use nethical_receivers::sagemaker::SageMaker;

const PATIENCE: Duration = Duration::from_millis(300);

fuzz_target!(
    init: alone(Path::new("/nonexistent"), &[]),
    |input: &[u8]| {
        let [which, notes @ ..] = input else { return };
        let home = tempfile::tempdir().expect("a folder");
        match which {
            0..100 => known_run(home.path(), notes),
            100..200 => sent(home.path(), notes),
            // A file that goes in parts is large, which takes a second here.
            200.. => parts(home.path(), notes),
        }
    }
);

/// A server of MLflow's with whom all is well.
fn server() -> MlflowConfig {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    let service = SERVICE.get_or_init(|| {
        Service::start(Box::new(|request| {
            let text = String::from_utf8_lossy(request);
            let status = text.split_once("\"status\":\"").and_then(|(_, rest)| rest.split('"').next());
            let info = format!(
                r#"{{"run_id":"r","artifact_uri":"mlflow-artifacts:/1/r","status":"{}"}}"#,
                status.unwrap_or("RUNNING")
            );
            let all = format!(
                r#"{{"experiment":{{"experiment_id":"1"}},"experiment_id":"1","experiments":[{{"experiment_id":"1"}}],"run":{{"info":{info}}},"runs":[{{"info":{info}}}],"run_info":{info}}}"#
            );
            answer(0, format!("\n\n{all}").as_bytes())
        }))
    });
    MlflowConfig::new(service.origin())
}

fn known_run(home: &Path, notes: &[u8]) {
    let run = format!("{LOCAL_PREFIX}1");
    put(&home.join("runs/ids").join(&run).with_extension("json"), notes);
    let spool = SpoolSettings { home: Some(home.to_owned()), ..SpoolSettings::default() };
    let runs = mlflow(&server(), Settings { spool, ..quiet() });
    runs.resume_run(&run).expect("there can be such a run");
    runs.log_metrics(&run, &[("loss", 1.0)], Some(1)).expect("it is open");
    runs.close(PATIENCE);
    for status in runs.statuses() {
        assert!(status.ledger.balances(), "{status:?}");
        status.last_error.iter().for_each(is_sound);
    }
}

fn sent(home: &Path, notes: &[u8]) {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| in_mlflow_file(&tempfile::tempdir().expect("a folder").keep()));
    let open = || Replay::open(file, &server(), home, Arc::new(|_| {})).expect("it is a file with runs");
    drop(open());
    let listed = fs::read_dir(home.join("runs/sent")).expect("it was made").flatten();
    for path in
        listed.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "lock"))
    {
        put(&path.with_extension("json"), notes);
    }
    let reports = open().run(Instant::now() + PATIENCE, &|_, _| {}).expect("it can be read");
    assert_eq!(reports.len(), 1);
}

fn parts(home: &Path, notes: &[u8]) {
    static RECEIVER: OnceLock<SageMaker> = OnceLock::new();
    let receiver = RECEIVER.get_or_init(|| {
        let receiver = SageMaker::start().expect("a port");
        receiver.create_run("experiment", "run");
        receiver.create_bucket("bucket");
        receiver
    });
    let (size, source) = ((8 << 20) + 1, home.join("copy"));
    fs::create_dir(&source).expect("a folder");
    File::create(source.join("a.bin")).expect("room").set_len(size).expect("room");
    put(&home.join("copy.upload"), notes);
    let file = ArtifactFile { path: "a.bin".to_owned(), size, modified: 0, digest: String::new() };
    let source = source.to_str().expect("a name").to_owned();
    let change =
        RunChange::Artifact(RunArtifact { folder: String::new(), source, copied: true, files: vec![file] });
    let update = RunUpdate { run: "run".to_owned(), time: 1_700_000_000_000, change };
    let batch: Batch = [update.to_event().expect("it can be written")].into_iter().collect();
    let mut config = SageMakerConfig::default().with_keys("AKIDTEST", "secret", None);
    (config.endpoint_url, config.bucket) = (Some(receiver.url()), Some("bucket".to_owned()));
    let destination = config.open().expect("it opens");
    let receipt = runtime::wait(async move { destination.deliver(&batch).await }).expect("a runtime");
    let receipt = receipt.expect("nothing noted keeps an upload from its end");
    receipt.refused.iter().for_each(|refusal| is_sound(&refusal.error));
}
