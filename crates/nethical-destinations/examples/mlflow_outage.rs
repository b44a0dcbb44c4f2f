//! A training run through an hour of trouble, in a minute: 10,000 calls to an MLflow server whose connections are cut
//! 20 times and which is killed and started again three times, beside an equal run on a server that is well. Prints
//! what arrived, and how long the caller took.
//!
//! ```console
//! $ cargo run --release -p nethical-destinations --example mlflow_outage
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for developers"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_core::event::Redaction;
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::Validated;
use nethical_destinations::mlflow::MlflowConfig;
use testkit::mlflow::{Mlflow, Own};
use testkit::proxy::Proxy;

const CALLS: i64 = 10_000;
const LENGTH: Duration = Duration::from_secs(60);
const CUTS: u32 = 20;
const KILLS: u32 = 3;

fn open(url: &str, home: &Path) -> Arc<dyn Platform> {
    let spool = SpoolSettings { home: Some(home.to_owned()), ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    let config = Arc::new(MlflowConfig::new(url));
    let settings = config.settings(settings);
    config.platform("mlflow", settings, &Redaction::default()).unwrap().unwrap()
}

fn start(platform: &dyn Platform, experiment: &str) -> String {
    platform.start_run(&StartRun { experiment, ..StartRun::default() }).unwrap()
}

/// One call, timed.
fn log(platform: &dyn Platform, run: &str, step: i64, times: &mut Vec<Duration>) {
    let started = Instant::now();
    platform.log_metrics(run, &[("loss", step as f64)], Some(step)).unwrap();
    times.push(started.elapsed());
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}

/// Steps that are missing, steps that are there more than once.
fn judge(server: &Mlflow, run: &str) -> (usize, usize) {
    let mut seen: HashMap<i64, usize> = HashMap::new();
    for point in server.history(run, "loss") {
        *seen.entry(point["step"].as_i64().unwrap_or(0)).or_default() += 1;
    }
    let missing = (0..CALLS).filter(|step| !seen.contains_key(step)).count();
    (missing, seen.values().filter(|count| **count > 1).count())
}

fn main() {
    let (mut troubled, well) = (Own::start(), Own::start());
    let proxy = Proxy::to(troubled.server().address());
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, control] = [open(&proxy.url(), homes[0].path()), open(&well.server().url(), homes[1].path())];
    let (run, other) = (start(&*ours, "outage"), start(&*control, "control"));
    let (mut times, mut control_times) = (Vec::new(), Vec::new());
    let (begun, mut cuts, mut kills) = (Instant::now(), 0, 0);
    let server = troubled.server().clone();
    for step in 0..CALLS {
        // Interleaved, so that both meet the same machine; in turn, for the first one wakes it up.
        if step % 2 == 0 {
            log(&*ours, &run, step, &mut times);
            log(&*control, &other, step, &mut control_times);
        } else {
            log(&*control, &other, step, &mut control_times);
            log(&*ours, &run, step, &mut times);
        }
        let due = LENGTH.mul_f64(step as f64 / CALLS as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        if due > LENGTH / (CUTS + 1) * (cuts + 1) {
            proxy.cut();
            cuts += 1;
        }
        if due > LENGTH / (KILLS + 1) * (kills + 1) {
            troubled.kill();
            troubled.restart();
            kills += 1;
        }
    }
    ours.end_run(&run, RunStatus::Completed, None).unwrap();
    control.end_run(&other, RunStatus::Completed, Some(Duration::from_secs(60))).unwrap();
    let flushed = Instant::now();
    assert!(ours.flush(Duration::from_secs(120)), "{:?}", ours.statuses());
    let ledger = ours.statuses()[0].ledger;
    assert!(ledger.balances());
    let (missing, duplicates) = judge(&server, &run);
    let runs = server.runs("outage");
    println!("calls {CALLS} in {:.0} s, cuts {cuts}, kills {kills}", begun.elapsed().as_secs_f64());
    println!(
        "missing {missing}, duplicates {duplicates}, dead letters {}, runs {}",
        ledger.dead_lettered,
        runs.len()
    );
    println!(
        "status {}, last points {:.1} s after the end",
        runs[0]["info"]["status"],
        flushed.elapsed().as_secs_f64()
    );
    for part in [0.5, 0.99, 1.0] {
        let (troubled, well) = (percentile(&mut times, part), percentile(&mut control_times, part));
        println!("p{:<4} caller {troubled:?}, control {well:?}", part * 100.0);
    }
    assert_eq!((missing, duplicates, ledger.dead_lettered, runs.len()), (0, 0, 0, 1));
}
