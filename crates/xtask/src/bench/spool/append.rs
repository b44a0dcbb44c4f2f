//! How many events of 300 bytes a second the spool takes in, beside a loop that only writes, and SQLite.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nethical_core::spool::{Disk, Durability, Full, Options, Spool};

use super::super::{Contest, Contestant, Needs, Unit, ours};
use super::group::{Group, Raw, Sink, callers};
use super::sqlite::Table;
use super::{FRAME, PAYLOAD, fed};
use crate::workspace::Workspace;

const PATIENCE: Duration = Duration::from_secs(60);

/// In the mode `interval` something is durable 20 ms after it came, of which half is left to the disk.
const INTERVAL: Duration = Duration::from_millis(10);

/// Events of one write of the raw loop: what the spool's writer takes at once when it is busy.
const WRITE: u64 = 800;

/// Events of one transaction.
const TRANSACTION: u64 = 1_000;

fn contest(name: &'static str, about: &'static str, size: (u64, u64)) -> Contest {
    let (size, quick) = size;
    let unit = Unit::PerSecond("events");
    Contest { name, about, unit, size, quick, needs: Needs::Nothing, contestants: Vec::new() }
}

/// `none`: with the kernel at once, on the disk when a segment is full.
pub(in super::super) fn none(workspace: &Workspace) -> Contest {
    let with = |work: fn(&Path, u64) -> Result<Duration>| in_folder(workspace, work);
    Contest {
        contestants: vec![
            Contestant::new("raw write", with(|folder, events| raw(folder, events, None))),
            Contestant::new("raw, fed by 1 producer", with(|folder, events| fed(folder, 1, events, None))),
            Contestant::new("raw, fed by 8 producers", with(|folder, events| fed(folder, 8, events, None))),
            Contestant::new("spool, 1 producer", with(|f, events| spool(f, Durability::None, 1, events))),
            Contestant::new("spool, 8 producers", with(|f, events| spool(f, Durability::None, 8, events))),
            Contestant::new("SQLite WAL, off", with(|folder, events| sqlite(folder, "OFF", events))),
        ],
        ..contest("spool-append-none", "events of 300 bytes, mode none", (1_000_000, 10_000))
    }
}

/// `interval`: on the disk within 20 ms.
pub(in super::super) fn interval(workspace: &Workspace) -> Contest {
    let with = |work: fn(&Path, u64) -> Result<Duration>| in_folder(workspace, work);
    Contest {
        contestants: vec![
            Contestant::new(
                "raw write + fdatasync",
                with(|folder, events| raw(folder, events, Some(INTERVAL))),
            ),
            Contestant::new("raw, fed by 1 producer", with(|f, events| fed(f, 1, events, Some(INTERVAL)))),
            Contestant::new("raw, fed by 8 producers", with(|f, events| fed(f, 8, events, Some(INTERVAL)))),
            Contestant::new("spool, 1 producer", with(|f, events| spool(f, Durability::Interval, 1, events))),
            Contestant::new(
                "spool, 8 producers",
                with(|f, events| spool(f, Durability::Interval, 8, events)),
            ),
            Contestant::new("SQLite WAL, full", with(|folder, events| sqlite(folder, "FULL", events))),
        ],
        ..contest("spool-append", "events of 300 bytes, mode interval, all durable", (1_000_000, 10_000))
    }
}

/// `every`, one caller who waits for the disk each time.
pub(in super::super) fn every(workspace: &Workspace) -> Contest {
    waiting(workspace, "spool-append-every", "events of 300 bytes, mode every, 1 caller", 1, (1_000, 20))
}

/// `every`, eight callers.
pub(in super::super) fn every_8(workspace: &Workspace) -> Contest {
    waiting(workspace, "spool-append-every-8", "events of 300 bytes, mode every, 8 callers", 8, (4_000, 80))
}

/// `every`, 64 callers who wait at the same time.
pub(in super::super) fn every_64(workspace: &Workspace) -> Contest {
    waiting(
        workspace,
        "spool-append-every-64",
        "events of 300 bytes, mode every, 64 callers",
        64,
        (32_000, 640),
    )
}

fn waiting(
    workspace: &Workspace,
    name: &'static str,
    about: &'static str,
    threads: u64,
    size: (u64, u64),
) -> Contest {
    let with = |work: fn(&Path, u64, u64) -> Result<Duration>| {
        in_folder(workspace, move |folder, events| work(folder, threads, events))
    };
    Contest {
        contestants: vec![
            Contestant::new(
                "raw write + fdatasync",
                with(|folder, threads, events| {
                    group(Raw::new(File::create(folder.join("raw"))?, FRAME), threads, events)
                }),
            ),
            Contestant::new("spool", with(|f, threads, events| spool(f, Durability::Every, threads, events))),
            Contestant::new(
                "SQLite WAL, full",
                with(|folder, threads, events| group(Table::new(folder, "FULL")?, threads, events)),
            ),
        ],
        ..contest(name, about, size)
    }
}

/// Each round in a new folder.
fn in_folder(
    workspace: &Workspace,
    work: impl Fn(&Path, u64) -> Result<Duration> + 'static,
) -> impl FnMut(u64) -> Result<Duration> + 'static {
    let bench = workspace.bench();
    move |events| work(ours::folder(&bench)?.path(), events)
}

fn spool(folder: &Path, durability: Durability, threads: u64, events: u64) -> Result<Duration> {
    let options = Options {
        durability,
        full: Full::Block(PATIENCE),
        max_bytes: 4 << 30,
        destination_bytes: 4 << 30,
        ..Options::default()
    };
    let (spool, _) = Spool::open(Arc::new(Disk), folder, options)?;
    let id = spool.destination("one")?;
    let start = Instant::now();
    callers(threads, events, || Ok(spool.append(&PAYLOAD, &[id]).map(drop)?))?;
    ensure!(durability == Durability::None || spool.sync(PATIENCE), "the events were not durable in time");
    if durability == Durability::None {
        ensure!(spool.close(), "the events were not written");
    }
    Ok(start.elapsed())
}

fn raw(folder: &Path, events: u64, interval: Option<Duration>) -> Result<Duration> {
    let mut raw = Raw::new(File::create(folder.join("raw"))?, FRAME);
    let start = Instant::now();
    let mut synced = start;
    for begun in (0..events).step_by(WRITE as usize) {
        raw.write(WRITE.min(events - begun))?;
        if interval.is_some_and(|interval| synced.elapsed() >= interval) {
            raw.sync()?;
            synced = Instant::now();
        }
    }
    raw.sync()?;
    Ok(start.elapsed())
}

fn fed(folder: &Path, threads: u64, events: u64, interval: Option<Duration>) -> Result<Duration> {
    let raw = Raw::new(File::create(folder.join("raw"))?, FRAME);
    fed::run(raw, threads, events, interval)
}

fn sqlite(folder: &Path, synchronous: &str, events: u64) -> Result<Duration> {
    let mut table = Table::new(folder, synchronous)?;
    let start = Instant::now();
    for begun in (0..events).step_by(TRANSACTION as usize) {
        table.commit(TRANSACTION.min(events - begun))?;
    }
    Ok(start.elapsed())
}

fn group(sink: impl Sink, threads: u64, events: u64) -> Result<Duration> {
    let group = Group::new(sink);
    let start = Instant::now();
    callers(threads, events, || group.commit())?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_comes_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        for contest in [none, interval, every, every_8, every_64].map(|contest| contest(&workspace)) {
            for mut contestant in contest.contestants {
                (contestant.body)(64).unwrap();
            }
        }
    }
}
