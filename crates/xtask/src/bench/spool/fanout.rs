//! What each further destination of an event costs: to take it in, and to deliver it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nethical_core::spool::{Disk, Full, Options, Spool};

use super::super::{Contest, Contestant, Needs, Unit, ours};
use super::{PAYLOAD, receiver};
use crate::workspace::Workspace;

const PATIENCE: Duration = Duration::from_secs(60);

/// An event is stored once, so more destinations are to cost next to nothing.
pub(in super::super) fn append(workspace: &Workspace) -> Contest {
    let contestant = |name, destinations: usize| {
        let folder = workspace.bench();
        Contestant::new(name, move |events| store(&folder, destinations, events))
    };
    Contest {
        name: "spool-fanout",
        about: "one event of 300 bytes stored for several destinations, until it is durable",
        unit: Unit::NanosecondsPer("event"),
        size: 500_000,
        quick: 5_000,
        needs: Needs::Nothing,
        contestants: vec![
            contestant("1 destination", 1),
            contestant("4 destinations", 4),
            contestant("10 destinations", 10),
        ],
    }
}

/// From the log call to the last receipt.
pub(in super::super) fn delivery(workspace: &Workspace) -> Contest {
    let contestant = |name, receivers: usize| {
        let folder: PathBuf = workspace.bench().join(format!("fanout-{receivers}"));
        Contestant::new(name, move |events| deliver(&folder, receivers, events))
    };
    Contest {
        name: "spool-delivery",
        about: "log entries through the spool to receivers in this process, until the last is confirmed",
        unit: Unit::NanosecondsPer("event"),
        size: 50_000,
        quick: 1_000,
        needs: Needs::Nothing,
        contestants: vec![
            contestant("1 receiver", 1),
            contestant("4 receivers", 4),
            contestant("10 receivers", 10),
        ],
    }
}

fn store(folder: &Path, destinations: usize, events: u64) -> Result<Duration> {
    let folder = ours::folder(folder)?;
    let options = Options {
        full: Full::Block(PATIENCE),
        max_bytes: 4 << 30,
        destination_bytes: 4 << 30,
        ..Options::default()
    };
    let (spool, _) = Spool::open(Arc::new(Disk), folder.path(), options)?;
    let ids = (0..destinations).map(|number| spool.destination(&format!("d{number}")));
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    for _ in 0..events {
        spool.append(&PAYLOAD, &ids)?;
    }
    ensure!(spool.sync(PATIENCE), "the events were not durable in time");
    Ok(start.elapsed())
}

fn deliver(home: &Path, receivers: usize, events: u64) -> Result<Duration> {
    let logs = receiver::aggregator(Some(home), receivers, events)?;
    let before = receiver::confirmed(&logs);
    let start = Instant::now();
    for number in 0..events {
        ours::call(&logs, number);
    }
    receiver::finish(&logs, &before, events)?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_comes_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        for contest in [append(&workspace), delivery(&workspace)] {
            for mut contestant in contest.contestants {
                (contestant.body)(10).unwrap();
            }
        }
    }
}
