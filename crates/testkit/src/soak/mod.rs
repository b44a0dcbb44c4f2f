//! Killing a process again and again, with an oracle that remembers what was promised.

#![allow(clippy::unwrap_used, reason = "a test tool: it stops at the first thing that is not as it must be")]

pub mod child;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::Ledger;
use nethical_core::event::Event;
use nethical_core::spool::{DeadLetterLog, Disk, Filter, Home, Retention};

/// What to do.
#[derive(Debug)]
pub struct Plan {
    mode: String,
    kills: u32,
    program: PathBuf,
}

impl Plan {
    /// Kill this program so many times in this mode: `none`, `interval` or `every`.
    ///
    /// # Panics
    /// If the program does not know its own path.
    pub fn new(mode: &str, kills: u32) -> Self {
        Self { mode: mode.to_owned(), kills, program: std::env::current_exe().unwrap() }
    }

    /// The same with another program as the child.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    mode: String,
    kills: u32,
    accepted: usize,
    promised: usize,
    delivered: usize,
    duplicates: usize,
    dead: usize,
    lost_promised: usize,
    lost_unpromised: usize,
    invented: usize,
    out_of_balance: usize,
}

impl Report {
    /// Whether everything is as it must be.
    pub const fn is_whole(&self) -> bool {
        self.lost_promised == 0 && self.invented == 0 && self.out_of_balance == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<9} {} kills: {} accepted, {} promised, {} delivered, {} twice, {} dead letters; lost: {} promised, \
             {} not promised; invented: {}; accounts out of balance: {}",
            self.mode,
            self.kills,
            self.accepted,
            self.promised,
            self.delivered,
            self.duplicates,
            self.dead,
            self.lost_promised,
            self.lost_unpromised,
            self.invented,
            self.out_of_balance,
        )
    }
}

#[derive(Default)]
struct Oracle {
    accepted: BTreeSet<u64>,
    promised: BTreeSet<u64>,
    /// Where the present child began: what it promises is its own.
    first: u64,
    /// Everything up to here may have been accepted, told or not.
    next: u64,
    out_of_balance: usize,
}

impl Oracle {
    fn hear(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("l", json)) => {
                let ledger: Option<Ledger> = serde_json::from_str(json).ok();
                self.out_of_balance += usize::from(!ledger.is_some_and(|ledger| ledger.balances()));
            }
            Some((what, number)) => {
                let Ok(number) = number.parse() else { return };
                self.accepted.insert(number);
                if what == "p" {
                    // A promise is for everything that this child accepted so far.
                    self.promised.extend(self.accepted.range(self.first..));
                }
                self.next = self.next.max(number + 1);
            }
            None => {}
        }
    }
}

/// Do it.
///
/// # Panics
/// If a child cannot be started.
pub fn run(plan: &Plan) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let (home, delivered) = (folder.path().join("home"), folder.path().join("delivered"));
    let child = |first: &str| {
        let mut command = Command::new(&plan.program);
        command.arg("child").arg(&home).arg(&delivered).args([plan.mode.as_str(), first]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut oracle = Oracle::default();
    for kill in 0..plan.kills {
        // Every round the child lives for another time, from a few milliseconds to a fifth of a second.
        let life = Duration::from_millis(5 + u64::from(kill * 37 % 200));
        hear(&mut child(&oracle.next.to_string()), Some(life), &mut oracle);
        // The last line may have been cut off by the kill: leave a gap.
        oracle.next += 10;
        oracle.first = oracle.next;
    }
    hear(&mut child("drain"), None, &mut oracle);
    report(plan, &oracle, &home, &fs::read_to_string(&delivered).unwrap_or_default())
}

/// Listen to a child until it ends, or is killed after `life`.
fn hear(child: &mut Child, life: Option<Duration>, oracle: &mut Oracle) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    std::thread::scope(|scope| {
        scope.spawn(|| lines.map_while(Result::ok).for_each(|line| oracle.hear(&line)));
        if let Some(life) = life {
            std::thread::sleep(life);
            child.kill().unwrap();
        }
        child.wait().unwrap();
    });
}

fn report(plan: &Plan, oracle: &Oracle, home: &std::path::Path, delivered: &str) -> Report {
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for number in delivered.lines().filter_map(|line| line.parse().ok()) {
        *times.entry(number).or_default() += 1;
    }
    let dead = dead_numbers(home);
    let is_there = |number: &&u64| !times.contains_key(number) && !dead.contains(number);
    let lost_promised = oracle.promised.iter().filter(is_there).count();
    Report {
        mode: plan.mode.clone(),
        kills: plan.kills,
        accepted: oracle.accepted.len(),
        promised: oracle.promised.len(),
        delivered: times.len(),
        duplicates: times.values().map(|times| times - 1).sum(),
        dead: dead.len(),
        lost_promised,
        lost_unpromised: oracle.accepted.iter().filter(is_there).count() - lost_promised,
        // A number may be accepted and its line cut off by the kill.
        invented: times.keys().filter(|number| **number >= oracle.next + 10).count(),
        out_of_balance: oracle.out_of_balance,
    }
}

fn dead_numbers(home: &std::path::Path) -> BTreeSet<u64> {
    let home = Home::new(Arc::new(Disk), home);
    let Ok(log) = DeadLetterLog::open(Arc::new(Disk), &home.dead_letters(), Retention::default()) else {
        return BTreeSet::new();
    };
    let letters = log.list(&Filter::default(), usize::MAX).unwrap_or_default();
    letters.iter().filter_map(|letter| message(&letter.payload)).collect()
}

fn message(payload: &[u8]) -> Option<u64> {
    Event::from_stored(payload)?.log().ok()?.message.parse().ok()
}
