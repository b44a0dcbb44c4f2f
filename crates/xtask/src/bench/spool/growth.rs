//! What an event costs when there are many: from ten thousand to ten million in one go.
//!
//! Whatever grew with the number of events (a scan, a list that is kept, an index) would show here as a higher price
//! for each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::{Contest, Contestant, Needs, Unit, ours};
use super::receiver;
use crate::workspace::Workspace;

/// Through the spool, since that is where everything is kept until it is delivered.
pub(in super::super) fn contest(workspace: &Workspace) -> Contest {
    let contestant = |name, times: u32| {
        let folder: PathBuf = workspace.bench().join("growth");
        Contestant::new(name, move |events| deliver(&folder, times, events))
    };
    Contest {
        name: "spool-growth",
        about: "log entries through the spool to a receiver in this process, until the last is confirmed; the time for \
                10,000 of them",
        unit: Unit::NanosecondsPer("event"),
        size: 10_000,
        quick: 100,
        needs: Needs::Nothing,
        contestants: vec![
            contestant("10,000 events", 1),
            contestant("100,000 events", 10),
            contestant("1,000,000 events", 100),
            contestant("10,000,000 events", 1_000),
        ],
    }
}

/// The time of `times` as many events, divided by `times`.
fn deliver(folder: &Path, times: u32, events: u64) -> Result<Duration> {
    let events = events * u64::from(times);
    let home = ours::folder(folder)?;
    let logs = receiver::aggregator(Some(home.path()), 1, events)?;
    let before = receiver::confirmed(&logs);
    let start = Instant::now();
    for number in 0..events {
        ours::call(&logs, number);
    }
    receiver::finish(&logs, &before, events)?;
    Ok(start.elapsed() / times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_every_size_is_delivered() {
        let folder = tempfile::tempdir().unwrap();
        for mut contestant in contest(&Workspace::at(folder.path())).contestants {
            (contestant.body)(2).unwrap();
        }
    }
}
