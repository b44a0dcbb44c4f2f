//! Killing processes again and again, with an oracle that remembers what was promised.

#![allow(clippy::unwrap_used, reason = "a test tool: it stops at the first thing that is not as it must be")]

pub mod child;
mod control;
mod flaky;
mod oracle;
mod report;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub use self::report::Report;

use self::oracle::{Oracle, ROUND};

/// What to do.
#[derive(Debug)]
pub struct Plan {
    mode: String,
    kills: u32,
    writers: u64,
    program: PathBuf,
}

impl Plan {
    /// Kill this program so many times in this mode: `none`, `interval` or `every`.
    ///
    /// # Panics
    /// If the program does not know its own path.
    pub fn new(mode: &str, kills: u32) -> Self {
        Self { mode: mode.to_owned(), kills, writers: 0, program: std::env::current_exe().unwrap() }
    }

    /// The same with another program as the child.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// The same with a child that forks so many writers. It is killed first, and they follow one by one.
    #[must_use]
    pub const fn writers(mut self, writers: u64) -> Self {
        self.writers = writers;
        self
    }

    fn child(&self, home: &Path, delivered: &Path, round: Option<u64>) -> (Child, BufReader<ChildStdout>) {
        let mut command = Command::new(&self.program);
        let round = round.map_or_else(|| "drain".to_owned(), |round| round.to_string());
        command.arg("child").arg(home).arg(delivered).args([&self.mode, &round, &self.writers.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (child, out)
    }
}

/// Do it, and tell how many processes have been killed from time to time.
///
/// # Panics
/// If a child cannot be started.
pub fn run(plan: &Plan, mut progress: impl FnMut(u32)) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let (home, delivered) = (folder.path().join("home"), folder.path().join("delivered"));
    let oracle = Mutex::new(Oracle::default());
    let mut kills = 0;
    for round in 0.. {
        if kills >= plan.kills {
            break;
        }
        kills += one_round(plan, &home, &delivered, round, &oracle);
        oracle.lock().unwrap().end_of_round(round);
        progress(kills);
    }
    let (mut child, out) = plan.child(&home, &delivered, None);
    let last: Vec<String> = out.lines().map_while(Result::ok).collect();
    child.wait().unwrap();
    let mut oracle = oracle.into_inner().unwrap();
    oracle.hear_last(&last);
    report::compare(plan, kills, &oracle, &home, &fs::read_to_string(&delivered).unwrap_or_default())
}

/// Starts a process, listens, and kills it and those it has forked. Says how many that were.
fn one_round(plan: &Plan, home: &Path, delivered: &Path, round: u64, oracle: &Mutex<Oracle>) -> u32 {
    let (mut child, out) = plan.child(home, delivered, Some(round));
    let first = round * ROUND;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            out.lines().map_while(Result::ok).for_each(|line| oracle.lock().unwrap().hear(&line));
        });
        wait_for_writers(plan, oracle);
        // Every round it lives for another time, from a few milliseconds to a fifth of a second.
        sleep(Duration::from_millis(5 + round * 37 % 200));
        child.kill().unwrap();
        oracle.lock().unwrap().killed(first);
        child.wait().unwrap();
        oracle.lock().unwrap().woke(first, control::read(delivered, first));
        let writers = oracle.lock().unwrap().writers.clone();
        for (lane, pid) in &writers {
            // They outlive their parent by a time of their own.
            sleep(Duration::from_millis(1 + (round + lane) * 13 % 30));
            kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).unwrap();
            let mut oracle = oracle.lock().unwrap();
            oracle.killed(*lane);
            wait_for_end(*pid);
            oracle.woke(*lane, control::read(delivered, *lane));
        }
        1 + writers.len() as u32
    })
}

/// A process that is killed while the disk works for it has its directory until that is done. It is nobody's child
/// that could be waited for.
fn wait_for_end(pid: i32) {
    let is_alive = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    for _ in 0..60_000 {
        if !is_alive() {
            return;
        }
        sleep(Duration::from_millis(1));
    }
    panic!("process {pid} does not end");
}

/// All writers have told their numbers: killing none of them by accident is as important as killing all.
fn wait_for_writers(plan: &Plan, oracle: &Mutex<Oracle>) {
    for _ in 0..10_000 {
        if oracle.lock().unwrap().writers.len() as u64 >= plan.writers {
            return;
        }
        sleep(Duration::from_millis(1));
    }
    assert_eq!(oracle.lock().unwrap().writers.len() as u64, plan.writers, "not all writers came up");
}
