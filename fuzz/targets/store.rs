//! A file of MLflow's with any bytes changed: it is looked at as `nethical runs` does, and written to.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::Error;
use nethical_core::tracking::StartRun;
use nethical_destinations::Validated;
use nethical_destinations::mlflow::{MlflowConfig, Reader, uri_of};
use nethical_fuzz::{alone, in_mlflow_file, is_sound, mlflow, quiet};

fuzz_target!(
    init: alone(Path::new("/nonexistent"), &[]),
    |input: &[u8]| {
        let [writes, changes @ ..] = input else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mlflow.db");
        fs::write(&path, changed(changes)).expect("room");
        if let Err(error) = look(&path) {
            is_sound(&error);
        }
        if writes % 4 == 0 {
            write(&path);
        }
    }
);

/// Each change is a place of three bytes, and the byte that is there then. What is left over is where it ends.
fn changed(changes: &[u8]) -> Vec<u8> {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    let sound = SOUND.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        fs::read(in_mlflow_file(folder.path())).expect("it is there")
    });
    let mut bytes = sound.clone();
    let changes = changes.chunks_exact(4);
    let rest = changes.remainder();
    for change in changes {
        let place = u32::from_be_bytes([0, change[0], change[1], change[2]]) as usize;
        let length = bytes.len();
        bytes[place % length] = change[3];
    }
    if let [high, low, ..] = rest {
        bytes.truncate(usize::from(u16::from_be_bytes([*high, *low])) * 16 % bytes.len());
    }
    bytes
}

fn look(path: &Path) -> Result<(), Error> {
    let reader = Reader::open(path)?;
    for run in reader.runs()? {
        for (metric, _) in &run.metrics {
            reader.history(&run.run_id, metric)?;
        }
        let count = reader.count_points(&run.run_id)?;
        reader.points(&run.run_id, count / 2, 100)?;
    }
    Ok(())
}

fn write(path: &Path) {
    let config = MlflowConfig::new(uri_of(path));
    match config.open() {
        Err(error) => is_sound(&error),
        Ok(_) => {
            let runs = mlflow(&config, quiet());
            match runs.start_run(&StartRun { experiment: "e", ..StartRun::default() }) {
                Err(error) => is_sound(&error),
                Ok(run) => runs.log_metrics(&run, &[("loss", 1.0)], None).expect("it is open"),
            }
            runs.close(Duration::from_millis(50));
            let statuses = runs.statuses();
            assert!(statuses.iter().all(|status| status.ledger.balances()), "{statuses:?}");
        }
    }
}
