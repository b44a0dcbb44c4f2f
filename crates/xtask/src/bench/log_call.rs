//! What one log call costs its caller in Rust, with one file and with three, beside `tracing` with the
//! non-blocking writer of `tracing-appender`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use nethical::delivery::Full;
use tracing_appender::non_blocking::NonBlockingBuilder;

use super::{Contest, Contestant, Needs, Unit, ours};
use crate::workspace::Workspace;

/// Time in the calling thread only. The background thread has room for every entry, and all of them must
/// be in the file in the end.
pub(super) fn contest(workspace: &Workspace) -> Contest {
    let ours = |files: usize| {
        let folder = workspace.bench();
        move |calls| nethical(&folder, files, calls)
    };
    let folder: PathBuf = workspace.bench();
    Contest {
        name: "log-call",
        about: "one log call with five fields, in the thread that makes it",
        unit: Unit::NanosecondsPer("call"),
        size: 100_000,
        quick: 2_000,
        needs: Needs::Nothing,
        contestants: vec![
            Contestant::new("nethical, 1 file", ours(1)),
            Contestant::new("nethical, 3 files", ours(3)),
            Contestant::new("tracing-appender, text", move |calls| tracing(&folder, calls, false)),
            Contestant::new("tracing-appender, JSON", {
                let folder = workspace.bench();
                move |calls| tracing(&folder, calls, true)
            }),
        ],
    }
}

fn nethical(folder: &Path, files: usize, calls: u64) -> Result<Duration> {
    let folder = ours::folder(folder)?;
    let logs = ours::aggregator(folder.path(), files, calls, Full::DropNewest)?;
    let start = Instant::now();
    for number in 0..calls {
        ours::call(&logs, number);
    }
    let spent = start.elapsed();
    ours::finish(&logs, calls)?;
    Ok(spent)
}

fn tracing(folder: &Path, calls: u64, json: bool) -> Result<Duration> {
    let folder = ours::folder(folder)?;
    let file = tracing_appender::rolling::never(folder.path(), "peer.jsonl");
    let lines = usize::try_from(calls)? + 1;
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(lines).finish(file);
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer);
    let time = || {
        let start = Instant::now();
        for item in 0..calls {
            tracing::warn!(
                target: "monitor", item, host_name = "web-1", region = "eu-west-1", ratio = 0.91, healthy = true,
                "High memory usage"
            );
        }
        start.elapsed()
    };
    let spent = if json {
        tracing::subscriber::with_default(subscriber.json().finish(), time)
    } else {
        tracing::subscriber::with_default(subscriber.finish(), time)
    };
    drop(guard);
    let written = std::fs::read_to_string(folder.path().join("peer.jsonl"))?.lines().count();
    anyhow::ensure!(written as u64 == calls, "{written} of {calls} lines were written");
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
        }
    }
}
