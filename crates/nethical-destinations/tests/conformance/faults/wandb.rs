//! Runs of W&B: each is a log of its own on disk, and what is tried is the upload of its rows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Error, Settings, SpoolSettings};
use nethical_core::event::Redaction;
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{Mode, Wandb, WandbConfig};
use nethical_receivers::http::Front;
use nethical_receivers::wandb as receiver;
use testkit::until;

use super::cell::{MEANWHILE, outcome, p99, timed};
use super::disk::Disk;
use super::web::{self, Before};
use super::{Cell, Fault, Row, at_own_address, clock};
use crate::cases::PATIENCE;

struct World {
    server: receiver::Wandb,
    platform: Arc<Wandb>,
    run: String,
    _folder: tempfile::TempDir,
}

impl World {
    fn open(server: receiver::Wandb, origin: String, seconds: f64, disk: Option<&Disk>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = disk.map_or_else(|| folder.path().to_owned(), |disk| disk.path().to_owned());
        let platform =
            Wandb::open(&config(origin, seconds, &path), "wandb", settings(&path), &Redaction::default());
        let platform = platform.unwrap();
        let run = platform.start_run(&StartRun { experiment: "faults", ..StartRun::default() }).unwrap();
        Self { server, platform, run, _folder: folder }
    }

    /// Add points to the run. How many were taken, and how long 99 of 100 calls took at most.
    fn log(&self, count: usize) -> (u64, Duration) {
        let mut taken = 0;
        let mut call = || {
            let answer = self.platform.log_metrics(&self.run, &[("loss", 1.0)], None);
            taken += u64::from(answer.is_ok());
        };
        let mut times: Vec<_> = (0..count).map(|_| timed(&mut call)).collect();
        (taken, p99(&mut times))
    }

    fn error(&self) -> Option<Error> {
        self.platform.statuses().iter().find_map(|status| status.last_error.clone())
    }

    fn row(&self, taken: u64, attempts: Option<usize>, first: Option<&Error>, p99: Duration) -> Row {
        let history = self.server.run(&self.run).map(|run| run.history).unwrap_or_default();
        let ledgers: Vec<_> = self.platform.statuses().iter().map(|status| status.ledger).collect();
        assert!(ledgers.iter().all(nethical_core::delivery::Ledger::balances), "{ledgers:?}");
        assert_eq!(self.server.violations(), Vec::<String>::new());
        let kept: u64 = ledgers.iter().map(|ledger| ledger.waiting + ledger.dead_lettered).sum();
        let arrived = history.len() as u64;
        let end = if arrived == 0 { "held" } else { "delivered" };
        Row {
            outcome: outcome(end, first),
            attempts,
            p99: p99.as_nanos() as u64,
            lost: taken.saturating_sub(arrived + kept),
            duplicated: history.len().saturating_sub(taken as usize),
        }
    }
}

fn settings(path: &std::path::Path) -> Settings {
    let spool = SpoolSettings { home: Some(path.join("home")), ..SpoolSettings::default() };
    Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() }
}

fn config(origin: String, seconds: f64, path: &std::path::Path) -> WandbConfig {
    let mut config = WandbConfig::new("faults");
    config.entity = Some("my-team".to_owned());
    config.api_key = Some("0".repeat(40));
    config.base_url = Some(origin);
    config.directory = Some(PathBuf::from(path));
    config.mode = Some(Mode::Online);
    config.upload_interval = 0.02;
    config.request_timeout = Some(Duration::from_secs_f64(seconds));
    config
}

pub(super) fn cell(fault: Fault, disk: Option<&Disk>) -> Cell {
    let server = receiver::Wandb::start().unwrap();
    let row = match fault {
        Fault::NoSuchName | Fault::ExpiredCertificate => from_the_start(server, fault),
        fault => in_between(server, fault, disk),
    };
    Ok(row)
}

/// A fault that is there before anything was ever sent.
fn from_the_start(server: receiver::Wandb, fault: Fault) -> Row {
    let before = Before::stand("wandb", server.address(), fault);
    let world = World::open(server, before.origin, 30.0, None);
    let (taken, p99) = world.log(MEANWHILE);
    until("the fault was met", || world.error().is_some());
    let first = world.error();
    (before.heal)();
    if fault != Fault::NoSuchName {
        assert!(world.platform.end_run(&world.run, RunStatus::Completed, Some(PATIENCE)).unwrap());
    }
    world.row(taken, None, first.as_ref(), p99)
}

/// A fault of the connection that a run uses already.
fn in_between(server: receiver::Wandb, fault: Fault, disk: Option<&Disk>) -> Row {
    let front = at_own_address(|address| Front::at(address, server.address()));
    let seconds = if matches!(fault, Fault::Silence | Fault::SlowDrip) { 2.0 } else { 30.0 };
    let world = World::open(server, format!("http://{}", front.address()), seconds, disk);
    assert!(world.platform.flush(PATIENCE));
    let notes = world.platform.directory(&world.run).unwrap().unwrap().join("nethical.json");
    // The last that is written before a row can be sent.
    until("the run has its place at the server", || {
        let notes: serde_json::Value = serde_json::from_slice(&std::fs::read(&notes).unwrap()).unwrap();
        notes["first_line"].is_u64()
    });
    disk.iter().for_each(|disk| disk.fill());
    let (front, again) =
        if fault == Fault::Refused { (None, Some(front.stop())) } else { (Some(front), None) };
    if let Some(answer) = web::answer("wandb", fault) {
        front.iter().for_each(|front| [(); 2].iter().for_each(|()| front.answer(answer.clone())));
    }
    let (mut taken, _) = world.log(1);
    if fault == Fault::ClockJump {
        clock::set_ahead(25 * 3_600);
        taken += world.log(MEANWHILE / 2).0;
        clock::set_ahead(-3_600);
    }
    let (more, p99) = world.log(MEANWHILE);
    taken += more;
    if fault != Fault::ClockJump && fault != Fault::DiskFull {
        until("the fault was met", || world.error().is_some());
    }
    let first = world.error();
    let _front = front.or_else(|| again.map(|again| again().unwrap())).unwrap();
    disk.iter().for_each(|disk| disk.room()());
    let done = world.platform.end_run(&world.run, RunStatus::Completed, Some(PATIENCE));
    clock::set_ahead(0);
    let faults = if web::answer("wandb", fault).is_some() { 2 } else { 0 };
    let attempts = match (done, fault) {
        (_, Fault::Refused) => None,
        (Ok(true), _) => Some(faults + 1),
        _ => None,
    };
    world.row(taken, attempts, first.as_ref(), p99)
}
