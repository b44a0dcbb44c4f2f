//! The process that is killed.
//!
//! It numbers its events and tells its parent on standard output what it did, each line after the number of
//! its lane: `a N AT`: accepted N at that time, `p N AT`: promised everything up to N, `l JSON`: its accounts,
//! `w PID`: it was forked and has this number.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Connector, Destination, Flushed, Settings, SpoolSettings};
use nethical_core::event::{Level, LogEntry, Rules};
use nethical_core::spool::{Durability, Options};

use super::control;
use super::flaky::Flaky;
use super::oracle::{LANE, ROUND, now};

/// Accepted events between two promises, where not each is one.
const BETWEEN: u64 = 200;

/// `child HOME DELIVERED MODE ROUND WRITERS`: accept until killed, in this process and in so many forked
/// ones; with ROUND `drain`, deliver what is left and end.
pub fn main(arguments: &[String]) -> ExitCode {
    let [home, delivered, mode, round, writers] = arguments else { return ExitCode::from(2) };
    let durability = match mode.as_str() {
        "none" => Durability::None,
        "every" => Durability::Every,
        _ => Durability::Interval,
    };
    // Small segments, so that kills meet every step of a segment's life.
    let options = Options { durability, segment_bytes: 64 * 1024, ..Options::default() };
    let spool =
        SpoolSettings { enabled: Some(true), home: Some(home.into()), options, ..SpoolSettings::default() };
    let settings = Settings { spool, batch_size: 20, observer: Arc::new(|_| {}), ..Settings::default() };
    let delivered = PathBuf::from(delivered);
    let beside = delivered.clone();
    let open = move || Ok(Arc::new(Flaky::new(delivered.clone())) as Arc<dyn Destination>);
    let connector = match Connector::open("soak", settings, open) {
        Ok(connector) => connector,
        Err(error) => {
            anstream::eprintln!("soak: process {} does not start: {error}", process::id());
            return ExitCode::FAILURE;
        }
    };
    nethical_core::delivery::adopt();
    let done = match (round.parse::<u64>(), writers.parse()) {
        (Ok(round), Ok(writers)) => {
            let lane = fork(round * ROUND, writers);
            control::start(&beside, lane);
            accept(&connector, lane, durability)
        }
        _ => drain(&connector),
    };
    if let Err(error) = &done {
        anstream::eprintln!("soak: process {} gives up: {error}", process::id());
    }
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Forks writers, and says which lane the process that returns has.
fn fork(first: u64, writers: u64) -> u64 {
    for lane in first + 1..=first + writers {
        #[expect(unsafe_code, reason = "there is no safe way to fork")]
        // SAFETY: the library is made to be used in a forked child; nothing else of the parent is.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            return lane;
        }
    }
    first
}

fn tell(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

fn tell_ledger(connector: &Connector, lane: u64) -> io::Result<()> {
    let ledger = connector.status().map_err(io::Error::other)?.ledger;
    tell(&format!("{lane} l {}\n", serde_json::to_string(&ledger)?))
}

fn accept(connector: &Connector, lane: u64, durability: Durability) -> io::Result<()> {
    tell_ledger(connector, lane)?;
    // Only now: a writer that opens its spool after the death of another takes in what that has counted, and the
    // oracle would count it for both.
    if !lane.is_multiple_of(ROUND) {
        tell(&format!("{lane} w {}\n", process::id()))?;
    }
    for number in lane * LANE.. {
        let event = LogEntry::new(Level::Info, number.to_string(), "soak").encode(&Rules::default()).event;
        if connector.send(event).is_err() {
            continue;
        }
        let at = now();
        let due = (number + 1).is_multiple_of(BETWEEN);
        let kept = || connector.flush_or_keep(Duration::from_millis(20)) != Flushed::AtRisk;
        let what = if durability == Durability::Every || (due && kept()) { 'p' } else { 'a' };
        tell(&format!("{lane} {what} {number} {at}\n"))?;
        if due {
            tell_ledger(connector, lane)?;
        }
    }
    Ok(())
}

fn drain(connector: &Connector) -> io::Result<()> {
    connector.flush(Duration::from_secs(60));
    tell_ledger(connector, 0)
}
