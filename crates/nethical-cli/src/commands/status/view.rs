//! What there is to know about a home.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nethical::delivery::{DestinationReport, Ledger, ProcessReport, survey};
use nethical::event::Timestamp;

use crate::commands::place::Place;
use crate::failure::Failure;

/// Everything at one moment.
pub(crate) struct View {
    /// Where it was looked.
    pub(crate) home: PathBuf,
    /// The configuration that was looked at, if any.
    pub(crate) config: Option<String>,
    /// Every process, the oldest directory first.
    pub(crate) processes: Vec<ProcessReport>,
    /// What waits and is in nobody's hands.
    pub(crate) left: Vec<Left>,
    /// All of them together.
    pub(crate) total: Total,
}

/// The sums of all destinations.
#[derive(Default)]
pub(crate) struct Total {
    pub(crate) ledger: Ledger,
    pub(crate) bytes: u64,
    pub(crate) oldest: Option<Timestamp>,
}

/// What ended processes left for one destination.
#[derive(Clone)]
pub(crate) struct Left {
    pub(crate) key: String,
    /// Whether these are updates of runs, in directories of their own.
    pub(crate) runs: bool,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// Whether the configuration has the destination, if there is one.
    pub(crate) configured: Option<bool>,
    /// Whether a running process has it open, and so adopts this in some seconds.
    pub(crate) expected: bool,
}

impl View {
    /// Look.
    pub(crate) fn of(place: &Place) -> Result<Self, Failure> {
        let processes = survey(&place.home).map_err(|error| {
            let action = format!("look into {}", place.home.display());
            Failure::io(&action, &error)
        })?;
        let config = place.config.as_ref().map(|config| config.name().to_owned());
        let mut left = left(&processes, place);
        left.extend(runs(place));
        let total = Total::of(processes.iter().flat_map(|process| &process.destinations));
        Ok(Self { home: place.home.clone(), config, processes, left, total })
    }

    /// What running processes hold for destinations that they have open.
    pub(crate) fn held(&self) -> u64 {
        let running = self.processes.iter().filter(|process| process.running);
        let open = running.flat_map(|process| &process.destinations).filter(|destination| destination.open);
        open.map(|destination| destination.ledger.waiting).sum()
    }
}

impl Total {
    fn of<'r>(reports: impl Iterator<Item = &'r DestinationReport>) -> Self {
        reports.fold(Self::default(), |mut total, report| {
            total.ledger.add(&report.ledger);
            total.bytes += report.waiting_bytes;
            if report.ledger.waiting > 0 {
                total.oldest = total.oldest.into_iter().chain(report.oldest).min();
            }
            total
        })
    }
}

/// What no running process has open, by destination.
fn left(processes: &[ProcessReport], place: &Place) -> Vec<Left> {
    let mut left: Vec<Left> = Vec::new();
    let open: BTreeSet<_> = processes.iter().filter(|process| process.running).flat_map(opened).collect();
    for process in processes {
        let kept = process.destinations.iter();
        for report in kept.filter(|report| report.ledger.waiting > 0 && !(process.running && report.open)) {
            let (events, bytes) = (report.ledger.waiting, report.waiting_bytes);
            match left.iter_mut().find(|known| known.key == report.key) {
                Some(known) => (known.events, known.bytes) = (known.events + events, known.bytes + bytes),
                None => left.push(Left {
                    key: report.key.clone(),
                    runs: false,
                    events,
                    bytes,
                    configured: place.has(&report.key),
                    expected: open.contains(report.key.as_str()),
                }),
            }
        }
    }
    left
}

/// Runs whose writers are gone and that are not at their server.
fn runs(place: &Place) -> Option<Left> {
    let left = nethical::destinations::wandb::left(&place.home);
    let sum = |(events, bytes), (_, more, size): &(PathBuf, u64, u64)| (events + more, bytes + size);
    let (events, bytes) = left.iter().fold((0, 0), sum);
    (!left.is_empty()).then(|| Left {
        key: "wandb".to_owned(),
        runs: true,
        events,
        bytes,
        configured: Some(true),
        expected: false,
    })
}

fn opened(process: &ProcessReport) -> impl Iterator<Item = &str> {
    process.destinations.iter().filter(|report| report.open).map(|report| report.key.as_str())
}

impl Left {
    /// Whether nobody will deliver it by himself.
    pub(crate) fn is_orphan(&self) -> bool {
        !self.expected && self.configured != Some(true)
    }

    /// What delivers it.
    pub(crate) fn remedy(&self) -> String {
        let key = &self.key;
        match (self.expected, self.configured) {
            (true, _) => "a running process has this destination and adopts them in some seconds".to_owned(),
            (false, Some(true)) => "`nethical sync` delivers them".to_owned(),
            (false, Some(false)) => format!(
                "the configuration has no destination `{key}`: `nethical sync --config FILE` with one that has delivers them"
            ),
            (false, None) => format!(
                "`nethical sync --config FILE`, with a configuration that has a destination `{key}`, delivers them"
            ),
        }
    }
}
