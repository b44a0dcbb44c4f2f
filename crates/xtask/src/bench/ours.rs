//! Nethical as the contests use it: nothing tuned but the queue, which must not drop or wait.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nethical::delivery::{Full, QueueLimits, Settings};
use nethical::destinations::connect;
use nethical::destinations::jsonl::JsonlConfig;
use nethical::{Level, LogAggregator, fields};

const PATIENCE: Duration = Duration::from_secs(60);

/// An aggregator with this many files in `folder`, and room for `calls` entries.
pub(super) fn aggregator(folder: &Path, files: usize, calls: u64, full: Full) -> Result<LogAggregator> {
    let logs = LogAggregator::new();
    for number in 0..files {
        let queue = QueueLimits { max_events: usize::try_from(calls)? + 1, max_bytes: usize::MAX, full };
        let config = JsonlConfig::new(folder.join(format!("ours-{number}.jsonl")));
        logs.add(connect(Arc::new(config), "jsonl", Settings { queue, ..Settings::default() })?);
    }
    Ok(logs)
}

/// One entry with five fields.
pub(super) fn call(logs: &LogAggregator, number: u64) {
    let metadata =
        fields! { item: number, host_name: "web-1", region: "eu-west-1", ratio: 0.91, healthy: true };
    logs.log(Level::Warning, "High memory usage", "monitor", metadata);
}

/// Deliver all, and see that each of `calls` entries is in every file.
pub(super) fn finish(logs: &LogAggregator, calls: u64) -> Result<()> {
    ensure!(logs.flush_all(PATIENCE), "the entries were not written in time");
    for status in logs.statuses() {
        ensure!(status.ledger.confirmed == calls, "{} of {calls} were confirmed", status.ledger.confirmed);
    }
    logs.close_all(PATIENCE);
    Ok(())
}

/// An empty folder for one round.
pub(super) fn folder(path: &Path) -> Result<tempfile::TempDir> {
    std::fs::create_dir_all(path).and_then(|()| tempfile::tempdir_in(path)).context("no folder for a round")
}
