//! The destinations for which something was left, and the wait for them.

use std::io::IsTerminal;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nethical::config::Configured;
use nethical::delivery::{Error, Settings, Status, adopt};
use nethical::tracking::ARTIFACTS;
use nethical::{Connector, LogAggregator};

use crate::commands::place::{Place, destination_of};
use crate::commands::status::View;
use crate::failure::Failure;
use crate::render;

/// Between two looks at what is left to do.
const STEP: Duration = Duration::from_millis(50);

/// Directories of processes that end meanwhile are looked for this often.
const ADOPTION: Duration = Duration::from_secs(1);

pub(super) struct Delivery {
    logs: LogAggregator,
    unopened: Vec<(String, Error)>,
    progress: ProgressBar,
}

impl Delivery {
    /// Open every destination of the configuration for which something was left.
    pub(super) fn open(place: &Place, view: &View) -> Self {
        let progress = progress();
        let (logs, mut unopened) = (LogAggregator::new(), Vec::new());
        for left in view.left.iter().filter(|left| left.runs.is_none()) {
            let Some(config) = &place.config else { break };
            let Some(destination) = destination_of(config, &left.key) else { continue };
            match connect(destination, &left.key, &progress) {
                Ok(connector) => logs.add(connector),
                Err(error) => unopened.push((left.key.clone(), error)),
            }
        }
        Self { logs, unopened, progress }
    }

    pub(super) fn unopened(&self) -> &[(String, Error)] {
        &self.unopened
    }

    /// Deliver until nothing is left for these destinations, or the deadline.
    pub(super) fn run(&self, place: &Place, deadline: Instant) -> Result<(), Failure> {
        if self.logs.connectors().is_empty() {
            return Ok(());
        }
        loop {
            adopt();
            self.logs.connectors().iter().for_each(|connector| connector.request_flush());
            let look_again = deadline.min(Instant::now() + ADOPTION);
            while self.waiting() > 0 && Instant::now() < look_again {
                thread::sleep(STEP);
            }
            if Instant::now() >= deadline || (self.waiting() == 0 && !self.anything_left(place)?) {
                self.progress.finish_and_clear();
                return Ok(());
            }
            // Somebody else looks into a directory, and will be gone in a moment.
            thread::sleep(STEP);
        }
    }

    /// What waits in our hands; also shows it.
    fn waiting(&self) -> u64 {
        let statuses = self.logs.statuses();
        let waiting = statuses.iter().map(|status| status.ledger.waiting).sum();
        let inherited: u64 = statuses.iter().map(|status| status.inherited.waiting).sum();
        self.progress.set_length(inherited);
        self.progress.set_position(inherited.saturating_sub(waiting));
        waiting
    }

    /// Whether something for our destinations is in directories that we do not have.
    fn anything_left(&self, place: &Place) -> Result<bool, Failure> {
        let statuses = self.logs.statuses();
        let is_ours = |key: &str| statuses.iter().any(|status| status.key.as_deref() == Some(key));
        Ok(View::of(place)?.left.iter().any(|left| is_ours(&left.key)))
    }

    /// Close all destinations, and say how they stood before.
    pub(super) fn close(&self, patience: Duration) -> Vec<Status> {
        let statuses = self.logs.statuses();
        let done = statuses.iter().all(|status| status.ledger.waiting == 0);
        self.logs.close_all(if done { patience } else { Duration::ZERO });
        statuses
    }
}

fn connect(destination: &Configured, key: &str, progress: &ProgressBar) -> Result<Connector, Error> {
    let name = if key.ends_with(ARTIFACTS) { key } else { destination.name() };
    destination.connect_as(name, &|mut settings: Settings| {
        let progress = progress.clone();
        settings.observer = Arc::new(move |notice| progress.suspend(|| render::notice(notice)));
        // Something was left, so it once was on disk, whatever the configuration says by now.
        settings.spool.enabled = Some(true);
        settings.spool.key = Some(key.to_owned());
        settings
    })
}

/// A bar on a terminal, nothing elsewhere.
pub(super) fn progress() -> ProgressBar {
    let progress = ProgressBar::hidden();
    if std::io::stderr().is_terminal() {
        if let Ok(style) =
            ProgressStyle::with_template("[{bar:30}] {human_pos} of {human_len}, {per_sec}, {elapsed}")
        {
            progress.set_style(style.progress_chars("=> "));
        }
        progress.set_draw_target(ProgressDrawTarget::stderr());
    }
    progress
}
