//! A receiver in this process that takes everything at once, so that only our own work is measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use nethical::LogAggregator;
use nethical::delivery::{
    Batch, Connector, Destination, Error, Full, Profile, QueueLimits, Receipt, Settings, SpoolSettings,
};

/// How long a round may take to deliver.
const PATIENCE: Duration = Duration::from_secs(120);

struct Receiver;

#[async_trait]
impl Destination for Receiver {
    fn profile(&self) -> Profile {
        Profile { max_events: 1_000, repeat_safe: true, ..Profile::default() }
    }

    async fn deliver(&self, _: &Batch) -> Result<Receipt, Error> {
        Ok(Receipt::all())
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok("well".to_owned())
    }
}

/// An aggregator with this many receivers, with their events on disk in `home`, or in memory without one.
pub(super) fn aggregator(home: Option<&Path>, receivers: usize, calls: u64) -> Result<LogAggregator> {
    let logs = LogAggregator::new();
    for number in 0..receivers {
        let queue = QueueLimits {
            max_events: usize::try_from(calls)? + 1,
            max_bytes: usize::MAX,
            full: Full::DropNewest,
        };
        let spool = match home {
            Some(home) => {
                SpoolSettings { enabled: Some(true), home: Some(home.to_owned()), ..SpoolSettings::default() }
            }
            None => SpoolSettings::off(),
        };
        let settings = Settings { queue, spool, batch_size: 1_000, ..Settings::default() };
        logs.add(Connector::open(format!("receiver-{number}"), settings, || Ok(Arc::new(Receiver)))?);
    }
    Ok(logs)
}

/// Confirmed by each receiver so far; the accounts of the spool go on from round to round.
pub(super) fn confirmed(logs: &LogAggregator) -> Vec<u64> {
    logs.statuses().iter().map(|status| status.ledger.confirmed).collect()
}

/// Deliver all, and see that each receiver has confirmed `calls` more than `before`.
pub(super) fn finish(logs: &LogAggregator, before: &[u64], calls: u64) -> Result<()> {
    ensure!(logs.flush_all(PATIENCE), "the entries were not delivered in time");
    for (now, before) in confirmed(logs).iter().zip(before) {
        ensure!(now - before == calls, "{} of {calls} were confirmed", now - before);
    }
    Ok(())
}
