//! What one log call costs its caller with the spool and without.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::{Contest, Contestant, Needs, Unit, ours};
use super::receiver;
use crate::workspace::Workspace;

/// Time in the calling thread only, all of it delivered in the end.
pub(in super::super) fn contest(workspace: &Workspace) -> Contest {
    let contestant = |name, on_disk: bool, receivers: usize| {
        let folder = workspace.bench().join(format!("log-call-{on_disk}-{receivers}"));
        Contestant::new(name, move |calls| log(on_disk.then_some(folder.as_path()), receivers, calls))
    };
    Contest {
        name: "log-call-spooled",
        about: "one log call with five fields, in the thread that makes it, to receivers in this process",
        unit: Unit::NanosecondsPer("call"),
        size: 50_000,
        quick: 1_000,
        needs: Needs::Nothing,
        contestants: vec![
            contestant("memory, 1 receiver", false, 1),
            contestant("spool, 1 receiver", true, 1),
            contestant("memory, 4 receivers", false, 4),
            contestant("spool, 4 receivers", true, 4),
        ],
    }
}

fn log(home: Option<&std::path::Path>, receivers: usize, calls: u64) -> Result<Duration> {
    let logs = receiver::aggregator(home, receivers, calls)?;
    let before = receiver::confirmed(&logs);
    let start = Instant::now();
    for number in 0..calls {
        ours::call(&logs, number);
    }
    let spent = start.elapsed();
    receiver::finish(&logs, &before, calls)?;
    Ok(spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_delivers_every_entry() {
        let folder = tempfile::tempdir().unwrap();
        for mut contestant in contest(&Workspace::at(folder.path())).contestants {
            (contestant.body)(10).unwrap();
            (contestant.body)(10).unwrap();
        }
    }
}
